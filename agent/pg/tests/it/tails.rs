//! The end of WAL in every shape.

use holdfast_pg::testkit::{TestCluster, all_majors, major};
use holdfast_pg::wal::{
    Detail, Ending, PAGE_SIZE, Reason, Record, ResourceManager, Tail, TailScan, claimed_position,
    tail,
};
use holdfast_types::{Lsn, Timeline, WalSegment};

use crate::waldump::{pg_waldump, read_all, shown, size, wal_of};

/// Real WAL whose last big record crosses pages.
struct Log {
    start: Lsn,
    bytes: Vec<u8>,
    records: Vec<Record>,
    /// The index of that record.
    crossing: usize,
}

impl Log {
    fn new() -> Self {
        let cluster = TestCluster::builder(&major(18))
            .initdb("--wal-segsize=1")
            .setting("wal_keep_size", "1GB")
            .start();
        cluster.psql(
            "CREATE TABLE t AS SELECT generate_series(1, 20000)\n\
             SELECT pg_logical_emit_message(true, 'x', repeat('y', 20000))",
        );
        cluster.stop("fast");
        let (start, bytes) = wal_of(&cluster, Timeline::FIRST);
        let (records, _) = read_all(start, &bytes, 1 << 20);
        let crossing = records
            .iter()
            .rposition(|record| record.total_length > 20_000)
            .unwrap();
        Self {
            start,
            bytes,
            records,
            crossing,
        }
    }

    fn at(&self, lsn: Lsn) -> usize {
        usize::try_from(lsn.bytes_since(self.start)).unwrap()
    }

    fn tail(&self, bytes: &[u8]) -> Tail {
        tail(self.start, size(), [bytes])
    }

    fn crossing(&self) -> &Record {
        &self.records[self.crossing]
    }

    /// The record before it.
    fn before(&self) -> &Record {
        &self.records[self.crossing - 1]
    }
}

/// Inside its first bytes, its header, its body, other pages of it.
const CUTS: [usize; 5] = [2, 10, 30, 9000, 19_000];

#[test]
fn an_idle_tail_ends_where_the_zeroes_begin() {
    let log = Log::new();
    let whole = log.tail(&log.bytes);
    assert_eq!(whole.last.as_ref(), log.records.last());
    let Ending::Invalid(invalid) = whole.ending else {
        panic!("{:?}", whole.ending)
    };
    assert_eq!(
        (invalid.at, invalid.reason),
        (whole.end().unwrap(), Reason::NothingThere)
    );
    // A limit leaves out what ends behind it.
    let mut scan = TailScan::new(log.start, size()).up_to(log.before().end);
    assert!(!scan.feed(&log.bytes));
    let limited = scan.finish();
    assert_eq!(
        (limited.last.as_ref(), limited.ending),
        (Some(log.before()), Ending::AtLimit)
    );
}

#[test]
fn a_cut_tail_ends_with_the_record_before_the_cut() {
    let log = Log::new();
    let exact = log.tail(&log.bytes[..log.at(log.before().end)]);
    assert_eq!(
        (exact.last.as_ref(), exact.ending),
        (Some(log.before()), Ending::Complete)
    );
    for cut in CUTS {
        let torn = log.tail(&log.bytes[..log.at(log.crossing().start) + cut]);
        assert_eq!(torn.last.as_ref(), Some(log.before()), "{cut}");
        assert_eq!(
            torn.ending,
            Ending::InsideRecord(log.crossing().start),
            "{cut}"
        );
    }
    // Exactly at a page boundary, with and without the next page's header.
    let mut seen = 0;
    for record in log
        .records
        .iter()
        .filter(|r| r.end.get().is_multiple_of(PAGE_SIZE))
    {
        for extra in [0, 10, 24] {
            let cut = log.tail(&log.bytes[..log.at(record.end) + extra]);
            assert_eq!(
                (cut.last.as_ref(), cut.ending),
                (Some(record), Ending::Complete)
            );
        }
        seen += 1;
    }
    assert!(seen > 0, "a record ends at a page");
}

#[test]
fn a_torn_tail_ends_there_whatever_follows() {
    let log = Log::new();
    let garbage: Vec<u8> = (1..=251).cycle().take(log.bytes.len()).collect();
    for cut in CUTS.into_iter().chain([0]) {
        let from = log.at(log.crossing().start) + cut;
        // Zeroes, garbage, or the beginning of the log: a file used again.
        for behind in [vec![0; log.bytes.len()], garbage.clone(), log.bytes.clone()] {
            let mut torn = log.bytes[..from].to_vec();
            torn.extend_from_slice(&behind[from..]);
            if behind == log.bytes {
                torn.truncate(from);
                torn.extend_from_slice(&log.bytes[..log.bytes.len() - from]);
            }
            let torn = log.tail(&torn);
            assert_eq!(torn.last.as_ref(), Some(log.before()), "{cut}");
            assert!(matches!(torn.ending, Ending::Invalid(_)), "{cut}");
        }
    }
    // One flipped bit anywhere in a record ends the log before it.
    for byte in [0, 5, 9, 17, 20, 23, 24, 8500] {
        let mut bad = log.bytes.clone();
        bad[log.at(log.crossing().start) + byte] ^= 4;
        assert_eq!(log.tail(&bad).last.as_ref(), Some(log.before()), "{byte}");
    }
}

#[test]
fn a_switch_completes_its_segment() {
    for programs in [major(15), major(18)] {
        let cluster = TestCluster::builder(&programs)
            .initdb("--wal-segsize=1")
            .setting("wal_keep_size", "1GB")
            .start();
        cluster.psql("CREATE TABLE t (i int)\nSELECT pg_switch_wal()");
        // An idle server after a switch stands behind a bare page header.
        let sampled: Lsn = cluster
            .psql("SELECT pg_current_wal_insert_lsn()")
            .parse()
            .unwrap();
        cluster.stop("immediate");
        let (start, bytes) = wal_of(&cluster, Timeline::FIRST);
        let boundary = claimed_position(sampled, size());
        let full = usize::try_from(boundary.bytes_since(start)).unwrap();
        let found = tail(start, size(), [&bytes[..full]]);
        assert_eq!(found.end(), Some(boundary), "sampled {sampled}");
        assert_eq!(found.ending, Ending::Complete);
        let last = found.last.unwrap();
        assert_eq!(last.detail, Detail::Switch);
        assert_eq!(last.resource_manager, ResourceManager::XLOG);
    }
}

#[test]
fn the_tail_is_where_a_standby_stands() {
    for programs in all_majors() {
        let primary = TestCluster::builder(&programs)
            .initdb("--wal-segsize=1")
            .start();
        let standby = primary.standby(Some("standby"));
        primary.psql("CREATE TABLE t AS SELECT generate_series(1, 20000)");
        let written: Lsn = primary
            .psql("SELECT pg_current_wal_flush_lsn()")
            .parse()
            .unwrap();
        let replayed = || -> Lsn {
            standby
                .psql("SELECT pg_last_wal_replay_lsn()")
                .parse()
                .unwrap()
        };
        crate::until("the standby to catch up", || replayed() >= written);
        // Replay may go on while we read: then look again.
        crate::until("an undisturbed look", || {
            let before = replayed();
            let (start, bytes) = wal_of(&standby, Timeline::FIRST);
            let found = tail(start, size(), [bytes.as_slice()]);
            let undisturbed = replayed() == before;
            assert!(
                !undisturbed || found.end() == Some(before),
                "{found:?}, not {before}"
            );
            undisturbed
        });
    }
}

/// After a crash in the middle of a record that crosses pages PostgreSQL gives
/// that record up and writes on at the next page. The log goes on there.
#[test]
fn a_record_given_up_after_a_crash_is_passed_over() {
    for programs in all_majors() {
        let mut cluster = TestCluster::builder(&programs)
            .initdb("--wal-segsize=1")
            .setting("wal_keep_size", "1GB")
            .start();
        cluster.psql("SELECT pg_logical_emit_message(true, 'x', repeat('y', 30000))");
        cluster.stop("immediate");
        let (start, bytes) = wal_of(&cluster, Timeline::FIRST);
        let (records, _) = read_all(start, &bytes, 1 << 20);
        let crossing = records
            .iter()
            .rfind(|record| record.total_length > 30_000)
            .unwrap();
        // The crash: only the first page of the record reached the disk.
        let lost = Lsn::new(crossing.start.get() / PAGE_SIZE * PAGE_SIZE + PAGE_SIZE);
        let segment = WalSegment::containing(Timeline::FIRST, lost, size());
        assert!(segment.start() <= crossing.start && crossing.end < segment.end());
        let path = cluster.data_dir().join("pg_wal").join(segment.to_string());
        let mut file = std::fs::read(&path).unwrap();
        file[usize::try_from(lost.bytes_since(segment.start())).unwrap()..].fill(0);
        std::fs::write(&path, file).unwrap();

        cluster.start();
        cluster.psql("CREATE TABLE after_the_crash AS SELECT generate_series(1, 1000)");
        cluster.stop("fast");
        let (start, bytes) = wal_of(&cluster, Timeline::FIRST);
        let (records, _) = read_all(start, &bytes, 1 << 20);
        assert!(records.iter().all(|record| record.start != crossing.start));
        assert!(
            records
                .iter()
                .any(|record| record.start > lost && record.start < lost_end(lost))
        );
        let ours: Vec<String> = records.iter().map(shown).collect();
        let (theirs, _) = pg_waldump(&cluster, start);
        assert_eq!(ours, theirs, "PostgreSQL {}", programs.version());
    }
}

fn lost_end(page: Lsn) -> Lsn {
    Lsn::new(page.get() + PAGE_SIZE)
}
