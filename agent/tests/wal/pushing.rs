//! `archive_command` with real servers, through an agent.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use holdfast_agent::host::Host;
use holdfast_agent::socket;
use holdfast_agent::wal::{DutyOptions, LocalHandler};
use holdfast_pg::testkit::{TestCluster, major, reachable};
use holdfast_types::resource::WalMode;
use holdfast_types::{LsnRange, SegmentSize, Timeline, WalSegment};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::support::{
    Place, Receiving, compare_with_server, eventually, gaps, insert_position, kept_from, write,
};

pub(crate) fn program() -> PathBuf {
    reachable(Path::new(env!("CARGO_BIN_EXE_holdfast-agent")))
}

/// The server's user must get at the agent's socket.
fn open_up(place: &Place, host: &Host) {
    for directory in [place.directory(), host.data_dir()] {
        let mode = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(directory, mode).unwrap();
    }
}

/// An agent that answers locally.
struct Answering {
    stop: CancellationToken,
    serving: JoinHandle<std::io::Result<()>>,
}

impl Answering {
    fn start(host: &Host, server: &TestCluster) -> Self {
        let owner = std::fs::metadata(server.data_dir()).unwrap().uid();
        host.peers().allow(owner);
        let stop = CancellationToken::new();
        let handler = LocalHandler::new(host.clone());
        let serving = tokio::spawn(socket::serve(host.clone(), handler, stop.clone()));
        Self { stop, serving }
    }

    async fn stop(self) {
        self.stop.cancel();
        self.serving.await.unwrap().unwrap();
    }
}

/// A server that archives through an agent, and that agent.
struct Archived {
    place: Place,
    server: TestCluster,
    receiving: Receiving,
    answering: Answering,
}

impl Archived {
    async fn start(mode: WalMode) -> Self {
        Self::with(mode, 15).await
    }

    async fn with(mode: WalMode, version: u32) -> Self {
        let place = Place::new();
        let data = place.host().data_dir().display().to_string();
        let command = format!("{} wal-push %p --data {data}", program().display());
        let server = TestCluster::builder(&major(version))
            .initdb("--wal-segsize=1")
            .setting("archive_mode", "on")
            .setting("archive_command", &command)
            .setting("autovacuum", "off")
            .setting("wal_keep_size", "1GB")
            .start();
        let mut work = place.work(&server);
        work.mode = mode;
        let receiving = place.start_with(work, DutyOptions::default());
        open_up(&place, &receiving.host);
        let answering = Answering::start(&receiving.host, &server);
        Self {
            place,
            server,
            receiving,
            answering,
        }
    }

    /// Ends the segment, and waits until everything before is archived.
    async fn archive_all(&mut self) -> WalSegment {
        let last = segment_of(&self.server);
        self.server.psql("SELECT pg_switch_wal()");
        let end = last.end();
        let claimed = self.receiving.until("the switch to be archived", |report| {
            let frontier = report.frontier.map(|known| known.frontier.lsn);
            frontier.is_some_and(|lsn| lsn >= end)
        });
        claimed.await;
        last
    }

    async fn end(self) {
        self.answering.stop().await;
        self.receiving.duty.stop().await;
    }
}

pub(crate) fn size_of(server: &TestCluster) -> SegmentSize {
    let size = server.psql("SELECT setting FROM pg_settings WHERE name = 'wal_segment_size'");
    SegmentSize::new(size.parse().unwrap()).unwrap()
}

/// The segment that the server writes now.
pub(crate) fn segment_of(server: &TestCluster) -> WalSegment {
    let name = server.psql("SELECT pg_walfile_name(pg_current_wal_insert_lsn())");
    WalSegment::parse(&name, size_of(server)).unwrap()
}

/// The segments that PostgreSQL has been told are archived.
fn done(server: &TestCluster) -> Vec<WalSegment> {
    let size = size_of(server);
    let status = server.data_dir().join("pg_wal").join("archive_status");
    let names = std::fs::read_dir(status).unwrap().flatten();
    let names = names.map(|entry| entry.file_name().to_string_lossy().into_owned());
    let done = names.filter_map(|name| {
        let name = name.strip_suffix(".done")?;
        WalSegment::parse(name, size).ok()
    });
    done.collect()
}

fn number(server: &TestCluster, sql: &str) -> i64 {
    server.psql(sql).parse().unwrap()
}

/// I-07: what PostgreSQL was told is archived is in the repository.
async fn require_done_is_stored(place: &Place, server: &TestCluster) -> usize {
    let told = done(server);
    let coverage = place.coverage(server, Timeline::FIRST).await;
    for segment in &told {
        let range = LsnRange::new(segment.start(), segment.end()).unwrap();
        assert!(coverage.covers(range), "{segment} is marked as done");
    }
    told.len()
}

// I-07, I-13, pitfalls 5 and 15.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_is_archived_is_what_the_server_wrote_and_the_frontier_follows() {
    let mut archived = Archived::start(WalMode::Archive).await;
    write(&archived.server, 12);
    archived.archive_all().await;
    let wal = archived.place.wal(&archived.server).await;
    let compared = compare_with_server(&wal, &archived.server).await;
    assert!(compared >= 12, "{compared} segments compared");
    assert!(require_done_is_stored(&archived.place, &archived.server).await >= 12);
    let report = archived.receiving.report.borrow().clone();
    assert_eq!(gaps(&report), []);
    assert_eq!(report.trouble, None);
    assert_eq!(kept_from(&archived.server), None, "it needs no slot");
    // Nothing of ours lies in pg_wal (pitfall 20), and notes do not pile up.
    let spool = archived.receiving.host.data_dir().join("spool/push");
    let notes = std::fs::read_dir(spool).map_or(0, |entries| {
        let of = |lineage: std::fs::DirEntry| std::fs::read_dir(lineage.path()).unwrap().count();
        entries.flatten().map(of).sum()
    });
    assert!(notes <= 16, "{notes} notes");
    // A backup history file goes along.
    let (start, stop) = match archived.server.programs().major() {
        14 => ("pg_start_backup('x', true, false)", "pg_stop_backup(false)"),
        _ => ("pg_backup_start('x', true)", "pg_backup_stop()"),
    };
    archived
        .server
        .psql(&format!("SELECT {start}\nSELECT {stop}"));
    eventually("the .backup file", async || {
        let failed = "SELECT failed_count FROM pg_stat_archiver";
        let last = "SELECT last_archived_wal FROM pg_stat_archiver";
        assert_eq!(number(&archived.server, failed), 0);
        archived.server.psql(last).ends_with(".backup")
    })
    .await;
    archived.end().await;
}

// An idle server's position moves behind its last segment without a commit:
// that is no exposure.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_idle_server_stays_proved_and_a_commit_does_not() {
    let mut archived = Archived::start(WalMode::Archive).await;
    write(&archived.server, 1);
    archived.archive_all().await;
    // What a server logs for its standbys, without a transaction.
    archived.server.psql("CHECKPOINT");
    let position = insert_position(&archived.server);
    let claimed = |report: &holdfast_proto::WalReport| report.frontier.unwrap().frontier;
    let before = claimed(&archived.receiving.report.borrow().clone());
    assert!(position > before.lsn);
    let later = archived
        .receiving
        .until("the idle server's frontier", |report| {
            claimed(report).time > before.time
        });
    let idle = claimed(&later.await);
    assert!(idle.lsn < position, "nothing more was archived");
    // A commit is one.
    archived.server.psql("CREATE TABLE later (x int)");
    let waited = tokio::time::timeout(
        std::time::Duration::from_secs(3),
        archived.receiving.until("nothing", |_| false),
    );
    assert!(waited.await.is_err());
    let stands = claimed(&archived.receiving.report.borrow().clone());
    let committed = insert_position(&archived.server);
    assert!(stands.lsn < committed);
    let now = archived.receiving.host.clock().local_now();
    let age = now.duration_since(stands.time);
    assert!(age.as_secs_f64() >= 2.0, "claimed {age} ago");
    archived.end().await;
}

// Pitfall 16, I-07: while the repository is away nothing is marked as done, and
// nothing is missing when it is back.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nothing_is_lost_while_the_repository_is_away() {
    let mut archived = Archived::start(WalMode::Archive).await;
    write(&archived.server, 1);
    archived.archive_all().await;
    let archiver = "SELECT pid FROM pg_stat_activity WHERE backend_type = 'archiver'";
    let pid = number(&archived.server, archiver);
    archived.place.break_it();
    write(&archived.server, 4);
    archived.server.psql("SELECT pg_switch_wal()");
    let failed = "SELECT failed_count FROM pg_stat_archiver";
    eventually("a failure of archive_command", async || {
        number(&archived.server, failed) > 0
    })
    .await;
    let trouble = archived.receiving.trouble("wal_archiving_failing").await;
    assert!(trouble.trouble.unwrap().retryable);
    assert_eq!(number(&archived.server, archiver), pid, "it was not ended");
    archived.place.repair_it();
    require_done_is_stored(&archived.place, &archived.server).await;
    // The next segment wakes the archiver.
    write(&archived.server, 1);
    archived.archive_all().await;
    let report = archived.receiving.report.borrow().clone();
    assert_eq!(gaps(&report), []);
    let wal = archived.place.wal(&archived.server).await;
    compare_with_server(&wal, &archived.server).await;
    let coverage = archived
        .place
        .coverage(&archived.server, Timeline::FIRST)
        .await;
    assert_eq!(coverage.ranges().len(), 1, "{coverage:?}");
    eventually("a clean bill of health", async || {
        archived.receiving.report.borrow().trouble.is_none()
    })
    .await;
    archived.end().await;
}

// Streaming and archive_command put the same objects.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn both_at_once_are_one() {
    let mut archived = Archived::start(WalMode::Both).await;
    write(&archived.server, 6);
    archived.receiving.caught_up(&archived.server).await;
    let last = segment_of(&archived.server);
    archived.server.psql("SELECT pg_switch_wal()");
    archived.receiving.caught_up(&archived.server).await;
    let name = last.to_string();
    eventually("the archiver", async || {
        let last = "SELECT last_archived_wal FROM pg_stat_archiver";
        archived.server.psql(last) >= name
    })
    .await;
    let failed = "SELECT failed_count FROM pg_stat_archiver";
    assert_eq!(number(&archived.server, failed), 0);
    let report = archived.receiving.report.borrow().clone();
    assert_eq!(
        (
            report.trouble,
            gaps(&archived.receiving.report.borrow().clone())
        ),
        (None, vec![])
    );
    let wal = archived.place.wal(&archived.server).await;
    assert!(compare_with_server(&wal, &archived.server).await >= 6);
    assert!(kept_from(&archived.server).is_some(), "the stream's slot");
    archived.end().await;
}

// Pitfall 18: what was marked as done before anybody had it is fetched from
// pg_wal, and what is gone from there is a gap.
// Pitfall 21
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn segments_that_nobody_archives_are_stored_from_pg_wal_or_recorded_as_a_gap() {
    let mut archived = Archived::start(WalMode::Archive).await;
    write(&archived.server, 1);
    archived.archive_all().await;
    let command = archived.server.psql("SHOW archive_command");
    let skip = |command: &str| {
        let set = format!("ALTER SYSTEM SET archive_command = '{command}'");
        archived
            .server
            .psql(&format!("{set}\nSELECT pg_reload_conf()"));
    };
    // As a standby does: done, and archived nowhere.
    let stranded = async || {
        skip("/bin/true");
        write(&archived.server, 2);
        let last = segment_of(&archived.server);
        archived.server.psql("SELECT pg_switch_wal()");
        let name = last.to_string();
        eventually("segments marked as done", async || {
            let last = "SELECT last_archived_wal FROM pg_stat_archiver";
            archived.server.psql(last) == name
        })
        .await;
        skip(&command);
        last
    };
    let first = stranded().await;
    write(&archived.server, 1);
    archived.archive_all().await;
    let report = archived.receiving.report.borrow().clone();
    assert_eq!(gaps(&report), [], "{first} was in pg_wal");
    let coverage = archived
        .place
        .coverage(&archived.server, Timeline::FIRST)
        .await;
    assert_eq!(coverage.ranges().len(), 1, "{coverage:?}");

    let skip = |command: &str| {
        let set = format!("ALTER SYSTEM SET archive_command = '{command}'");
        archived
            .server
            .psql(&format!("{set}\nSELECT pg_reload_conf()"));
    };
    skip("/bin/true");
    write(&archived.server, 2);
    let gone = segment_of(&archived.server);
    archived.server.psql("SELECT pg_switch_wal()");
    let name = gone.to_string();
    eventually("segments marked as done", async || {
        let last = "SELECT last_archived_wal FROM pg_stat_archiver";
        archived.server.psql(last) == name
    })
    .await;
    std::fs::remove_file(archived.server.data_dir().join("pg_wal").join(&name)).unwrap();
    skip(&command);
    write(&archived.server, 1);
    archived.archive_all().await;
    let report = archived
        .receiving
        .until("the gap", |report| !gaps(report).is_empty())
        .await;
    let found = gaps(&report);
    assert!(
        found.iter().any(|gap| gap.range.to_lsn == gone.end()),
        "{found:?}"
    );
    archived.end().await;
}

// The slot of the time when WAL was streamed goes once the archiver works, and
// wrong settings are told by name.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_slot_goes_when_the_archiver_is_set_up_and_wrong_settings_are_named() {
    let place = Place::new();
    let server = TestCluster::builder(&major(15)).start();
    let mut streaming = place.start(&server);
    streaming.caught_up(&server).await;
    streaming.duty.stop().await;
    assert!(kept_from(&server).is_some());
    let mut work = place.work(&server);
    work.mode = WalMode::Archive;
    let mut receiving = place.start_with(work, DutyOptions::default());
    let report = receiving.trouble("archive_mode_off").await;
    let hint = report.trouble.unwrap().hint;
    assert!(
        hint.contains("ALTER SYSTEM SET archive_mode = 'on'"),
        "{hint}"
    );
    assert!(kept_from(&server).is_some(), "nobody archives yet");
    server.psql("ALTER SYSTEM SET archive_mode = 'on'");
    server.stop("fast");
    server.start_again();
    receiving.trouble("archive_command_missing").await;
    let command = format!("{} wal-push %p", program().display());
    server.psql(&format!(
        "ALTER SYSTEM SET archive_command = '{command}'\nSELECT pg_reload_conf()"
    ));
    eventually("the slot to go", async || kept_from(&server).is_none()).await;
    receiving.duty.stop().await;
}
