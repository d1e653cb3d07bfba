//! The record reader against pg_waldump.

use std::fmt::Write as _;

use holdfast_pg::testkit::{TestCluster, all_majors, major};
use holdfast_pg::wal::{Detail, Invalid, PAGE_SIZE, Reason, Record, WalReader};
use holdfast_types::{Lsn, SegmentSize, Timeline, WalSegment};

const NAMES: [&str; 22] = [
    "XLOG",
    "Transaction",
    "Storage",
    "CLOG",
    "Database",
    "Tablespace",
    "MultiXact",
    "RelMap",
    "Standby",
    "Heap2",
    "Heap",
    "Btree",
    "Hash",
    "Gin",
    "Gist",
    "Sequence",
    "SPGist",
    "BRIN",
    "CommitTs",
    "ReplicationOrigin",
    "Generic",
    "LogicalMessage",
];

pub(crate) fn size() -> SegmentSize {
    SegmentSize::new(1 << 20).unwrap()
}

/// Everything that has a special form in WAL.
const WORKLOAD: &str = "
CREATE TABLE kept (id int PRIMARY KEY, note text)
CREATE TABLE gone (id int)
BEGIN; SAVEPOINT a; INSERT INTO kept VALUES (1, 'x'); SAVEPOINT b; INSERT INTO kept VALUES (2, 'y'); COMMIT
BEGIN; INSERT INTO kept VALUES (3, 'z'); ROLLBACK
BEGIN; SAVEPOINT a; INSERT INTO kept VALUES (4, 'p'); DROP TABLE gone; PREPARE TRANSACTION 'one'
COMMIT PREPARED 'one'
CREATE TABLE gone (id int)
BEGIN; DROP TABLE gone; INSERT INTO kept VALUES (5, 'q'); PREPARE TRANSACTION 'two'
ROLLBACK PREPARED 'two'
SELECT pg_create_restore_point('before the fall')
SELECT pg_logical_emit_message(true, 'big', repeat('x', 300000))
SELECT pg_switch_wal()
CHECKPOINT
INSERT INTO kept SELECT i, repeat('n', 100) FROM generate_series(100, 3000) i
";

/// The oldest segment in pg_wal and the bytes of all that follow it.
pub(crate) fn wal_of(cluster: &TestCluster, timeline: Timeline) -> (Lsn, Vec<u8>) {
    let directory = cluster.data_dir().join("pg_wal");
    let mut segments: Vec<WalSegment> = std::fs::read_dir(&directory)
        .unwrap()
        .filter_map(|entry| {
            let name = entry.unwrap().file_name().into_string().unwrap();
            WalSegment::parse(&name, size()).ok()
        })
        .filter(|segment| segment.timeline() == timeline)
        .collect();
    segments.sort_by_key(|segment| segment.number());
    let bytes = segments
        .iter()
        .map(|segment| std::fs::read(directory.join(segment.to_string())));
    (
        segments[0].start(),
        bytes.map(Result::unwrap).collect::<Vec<_>>().concat(),
    )
}

pub(crate) fn read_all(start: Lsn, bytes: &[u8], piece: usize) -> (Vec<Record>, Option<Invalid>) {
    let mut reader = WalReader::new(start, size());
    let mut records = Vec::new();
    for part in bytes.chunks(piece) {
        reader.feed(part);
        loop {
            match reader.next_record() {
                Ok(Some(record)) => records.push(record),
                Ok(None) => break,
                Err(invalid) => return (records, Some(invalid)),
            }
        }
    }
    (records, None)
}

/// A record as pg_waldump shows it, with what we decode of it.
pub(crate) fn shown(record: &Record) -> String {
    let name = NAMES[usize::from(record.resource_manager.0)];
    let mut text = format!(
        "{name} {} tx {} lsn {} prev {}",
        record.total_length, record.xid, record.start, record.previous
    );
    let time = |at: jiff::Timestamp| {
        let utc = at.to_zoned(jiff::tz::TimeZone::UTC);
        utc.strftime("%Y-%m-%d %H:%M:%S.%6f").to_string()
    };
    match &record.detail {
        Detail::Commit(end) if end.prepared => write!(text, " {}: {}", end.xid, time(end.at)),
        Detail::Abort(end) if end.prepared => write!(text, " {}: {}", end.xid, time(end.at)),
        Detail::Commit(end) | Detail::Abort(end) => write!(text, " {}", time(end.at)),
        Detail::RestorePoint { name, .. } => write!(text, " {name}"),
        Detail::Checkpoint {
            redo,
            timeline,
            previous_timeline,
            shutdown,
        } => {
            write!(
                text,
                " redo {redo} tli {timeline} prev {previous_timeline} {shutdown}"
            )
        }
        Detail::Switch => write!(text, " switch"),
        _ => Ok(()),
    }
    .unwrap();
    text
}

/// A line of pg_waldump in the same form:
/// `rmgr: Heap len (rec/tot): 54/ 150, tx: 735, lsn: 0/0156F4A8, prev 0/0156F470, desc: …`
fn dumped(line: &str) -> String {
    let after = |from: &str, key: &str| from.split_once(key).unwrap().1.trim_start().to_owned();
    let word = |text: &str| text.split([',', ' ']).next().unwrap().to_owned();
    let (head, description) = line.split_once(", desc: ").unwrap();
    let name = word(&after(head, "rmgr:"));
    let total = word(
        after(head, "(rec/tot):")
            .split_once('/')
            .unwrap()
            .1
            .trim_start(),
    );
    let position = |key: &str| word(&after(head, key)).parse::<Lsn>().unwrap();
    let mut text = format!(
        "{name} {total} tx {} lsn {} prev {}",
        word(&after(head, "tx:")),
        position("lsn:"),
        position("prev "),
    );
    let (kind, rest) = description.split_once(' ').unwrap_or((description, ""));
    let time = || rest.find(" UTC").map_or("", |end| &rest[..end]);
    match (name.as_str(), kind) {
        ("Transaction", "COMMIT" | "ABORT" | "COMMIT_PREPARED" | "ABORT_PREPARED") => {
            write!(text, " {}", time())
        }
        ("XLOG", "RESTORE_POINT") => write!(text, " {rest}"),
        ("XLOG", "SWITCH") => write!(text, " switch"),
        ("XLOG", "CHECKPOINT_ONLINE" | "CHECKPOINT_SHUTDOWN") => {
            let field = |key: &str| after(rest, key).split(';').next().unwrap().to_owned();
            let redo: Lsn = field("redo ").parse().unwrap();
            let (tli, previous) = (field("; tli "), field("prev tli "));
            write!(
                text,
                " redo {redo} tli {tli} prev {previous} {}",
                kind.ends_with("SHUTDOWN")
            )
        }
        _ => Ok(()),
    }
    .unwrap();
    text
}

pub(crate) fn pg_waldump(cluster: &TestCluster, start: Lsn) -> (Vec<String>, String) {
    let mut dump = cluster.program("pg_waldump");
    let output = dump
        .env("TZ", "UTC")
        .arg("-p")
        .arg(cluster.data_dir().join("pg_wal"))
        .args(["--start", &start.to_string()])
        .output()
        .unwrap();
    let lines = String::from_utf8(output.stdout).unwrap();
    let end = String::from_utf8(output.stderr).unwrap();
    let lines = lines.lines().filter(|line| line.starts_with("rmgr:"));
    (lines.map(dumped).collect(), end)
}

#[test]
fn records_are_those_of_pg_waldump() {
    for programs in all_majors() {
        let cluster = TestCluster::builder(&programs)
            .initdb("--wal-segsize=1")
            .setting("max_prepared_transactions", "5")
            .setting("wal_keep_size", "1GB")
            .setting("wal_level", "logical")
            .start();
        cluster.psql(WORKLOAD);
        cluster.pgbench(&["-i", "-q", "-s", "1"]);
        cluster.pgbench(&["-n", "-c", "4", "-t", "100"]);
        cluster.stop("fast");
        let (start, bytes) = wal_of(&cluster, Timeline::FIRST);
        let (expected, end) = pg_waldump(&cluster, start);
        assert!(expected.len() > 5000, "{}", expected.len());
        let (records, invalid) = read_all(start, &bytes, 1 << 20);
        let ours: Vec<String> = records.iter().map(shown).collect();
        for (ours, theirs) in ours.iter().zip(&expected) {
            assert_eq!(ours, theirs, "PostgreSQL {}", programs.version());
        }
        assert_eq!(ours.len(), expected.len());
        // pg_waldump's last word is where it found nothing more.
        let last = records.last().unwrap();
        assert!(
            end.contains(&format!("at {}", padded(last.end, &end))),
            "{end} {:?}",
            last.end
        );
        assert_eq!(invalid.unwrap().at, last.end);
        // The size of the pieces changes nothing.
        let small = &bytes[..3 << 20];
        assert_eq!(
            read_all(start, small, 1000).0,
            read_all(start, small, 1 << 20).0
        );
        let kinds = |wanted: fn(&Detail) -> bool| records.iter().any(|r| wanted(&r.detail));
        assert!(kinds(|d| matches!(d, Detail::Commit(end) if end.prepared)));
        assert!(kinds(|d| matches!(d, Detail::Abort(end) if end.prepared)));
        assert!(records.iter().any(|record| record.total_length > 300_000));
    }
}

/// An LSN as this pg_waldump prints it: 18 pads the lower half.
fn padded(lsn: Lsn, said: &str) -> String {
    let wide = format!("{:X}/{:08X}", lsn.get() >> 32, lsn.get() & 0xFFFF_FFFF);
    if said.contains(&wide) {
        wide
    } else {
        lsn.to_string()
    }
}

#[test]
fn reading_may_begin_at_any_page() {
    // Segments are kept: what a checkpoint leaves could be less than the pages
    // that are begun at.
    let cluster = TestCluster::builder(&major(15))
        .initdb("--wal-segsize=1")
        .setting("wal_keep_size", "64MB")
        .start();
    cluster.psql("CREATE TABLE filler AS SELECT generate_series(1, 20000) AS n");
    cluster.psql("SELECT pg_logical_emit_message(true, 'big', repeat('x', 30000))");
    cluster.stop("fast");
    let (start, bytes) = wal_of(&cluster, Timeline::FIRST);
    let (all, _) = read_all(start, &bytes, 1 << 20);
    let pages = usize::try_from(all.last().unwrap().start.bytes_since(start) / PAGE_SIZE).unwrap();
    let page = usize::try_from(PAGE_SIZE).unwrap();
    for skipped in (0..pages).step_by(7).chain(pages - 6..pages) {
        let from = Lsn::new(start.get() + skipped as u64 * PAGE_SIZE);
        let (some, _) = read_all(from, &bytes[skipped * page..], 5000);
        let first = some.first().unwrap().start;
        let expected: Vec<&Record> = all.iter().filter(|record| record.start >= first).collect();
        assert_eq!(some.iter().collect::<Vec<_>>(), expected, "from {from}");
        let before = all.iter().rfind(|record| record.start < first);
        assert!(
            before.is_none_or(|record| record.start < from),
            "from {from}"
        );
    }
}

#[test]
fn wal_of_another_system_is_refused() {
    let cluster = TestCluster::builder(&major(15))
        .initdb("--wal-segsize=1")
        .start();
    cluster.stop("fast");
    let (start, bytes) = wal_of(&cluster, Timeline::FIRST);
    let control = std::fs::read(cluster.data_dir().join("global/pg_control")).unwrap();
    let control = holdfast_pg::control_file::ControlFile::parse(&control).unwrap();
    let mut reader = WalReader::new(start, size()).of_system(control.system_identifier);
    reader.feed(&bytes);
    assert!(reader.next_record().unwrap().is_some());
    assert_eq!(reader.version().unwrap().major(), 15);
    let mut reader = WalReader::new(start, size()).of_system(7);
    reader.feed(&bytes);
    let reason = reader.next_record().unwrap_err().reason;
    assert_eq!(reason, Reason::SystemIdentifier(control.system_identifier));
    let mut reader = WalReader::new(start, SegmentSize::DEFAULT);
    reader.feed(&bytes);
    assert_eq!(
        reader.next_record().unwrap_err().reason,
        Reason::SegmentSize
    );
}
