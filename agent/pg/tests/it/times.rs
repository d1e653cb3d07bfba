//! A time becomes a position.

use holdfast_pg::testkit::{TestCluster, all_majors};
use holdfast_pg::wal::{TimeResolver, TimeTarget, resolve_time};
use holdfast_types::{Lsn, SegmentSize, Timeline, WalSegment};
use jiff::{Timestamp, ToSpan};

fn resolve(start: Lsn, bytes: &[u8], at: Timestamp, exclusive: bool) -> TimeResolver {
    resolve_time(
        start,
        SegmentSize::DEFAULT,
        bytes.chunks(100_000),
        TimeTarget { at, exclusive },
    )
}

#[test]
fn times_resolve_to_known_commits() {
    for programs in all_majors() {
        let cluster = TestCluster::builder(&programs)
            .setting("track_commit_timestamp", "on")
            .start();
        let start: Lsn = cluster
            .psql("SELECT pg_current_wal_insert_lsn()")
            .parse()
            .unwrap();
        cluster.psql("CREATE TABLE ledger (id int)");
        let inserts = (0..10).map(|id| format!("INSERT INTO ledger VALUES ({id})\n"));
        cluster.psql(&inserts.collect::<String>());
        // The truth: PostgreSQL's own memory of its commits.
        let truth = cluster.psql(
            "SELECT xmin, ((extract(epoch FROM pg_xact_commit_timestamp(xmin))) * 1000000)::int8 \
             FROM ledger ORDER BY id",
        );
        let commits: Vec<(u32, Timestamp)> = truth
            .lines()
            .map(|line| {
                let (xid, time) = line.split_once('|').unwrap();
                let time = Timestamp::from_microsecond(time.parse().unwrap()).unwrap();
                (xid.parse().unwrap(), time)
            })
            .collect();
        cluster.stop("fast");
        // Reading starts at the boundary of the page that `start` is on.
        let start = Lsn::new(start.get() / 8192 * 8192);
        let segment = WalSegment::containing(Timeline::FIRST, start, SegmentSize::DEFAULT);
        let file = cluster.data_dir().join("pg_wal").join(segment.to_string());
        let bytes = std::fs::read(file).unwrap();
        let bytes = &bytes[usize::try_from(start.bytes_since(segment.start())).unwrap()..];
        for (index, &(xid, time)) in commits.iter().enumerate() {
            let inclusive = resolve(start, bytes, time, false);
            let exclusive = resolve(start, bytes, time, true);
            let (last, end) = inclusive.last_commit().unwrap();
            assert_eq!((end.xid, end.at), (xid, time), "inclusive keeps it");
            assert_eq!(
                exclusive.stop().unwrap().1.xid,
                xid,
                "exclusive stops before it"
            );
            assert!(exclusive.last_record().unwrap().end <= exclusive.stop().unwrap().0.start);
            let next = commits.get(index + 1).map(|commit| commit.0);
            assert_eq!(inclusive.stop().map(|stop| stop.1.xid), next);
            assert!(inclusive.last_record().unwrap().start >= last.start);
            let between = resolve(
                start,
                bytes,
                time.checked_sub(1.microsecond()).unwrap(),
                false,
            );
            assert_eq!(between.stop().unwrap().1.xid, xid);
        }
        // After the last commit nothing stops: the end of the log is the answer.
        let late = commits.last().unwrap().1.checked_add(1.hour()).unwrap();
        let beyond = resolve(start, bytes, late, false);
        assert!(beyond.stop().is_none());
        assert_eq!(
            beyond.last_commit().unwrap().1.xid,
            commits.last().unwrap().0
        );
    }
}
