//! Where a backup comes from: a standby, a stream of the replication protocol,
//! a server whose WAL nobody else receives. The oracle is the same everywhere:
//! the copy holds exactly the rows up to its target.

use std::collections::BTreeMap;
use std::time::Duration;

use holdfast_agent::job::{JobContext, backup};
use holdfast_agent::wal::Duty;
use holdfast_pg::SlotName;
use holdfast_pg::binaries::Programs;
use holdfast_pg::sql::Session;
use holdfast_pg::testkit::{self, TestCluster};
use holdfast_proto::{BackupWork, InstanceAccess, JobSuccess};
use holdfast_types::resource::{Checkpoint, Source};
use holdfast_types::{BackupKind, CommittedBackup, JobPhase, RestoreRequest, Timeline};

use crate::fixture::{Fixture, cancelled_in, context, failure, name, succeeded};
use crate::incremental::{committed, pinned};
use crate::ledger::{Ledger, Noted, assert_rows};
use crate::tail::caught_up;

/// A primary whose WAL is received, and a standby of it.
struct Pair {
    fixture: Fixture,
    standby: TestCluster,
    ledger: Ledger,
    duty: Duty,
}

impl Pair {
    async fn new(programs: &Programs) -> Self {
        let fixture = Fixture::new(programs).await;
        let duty = fixture.receive_wal();
        let session = Session::connect(&fixture.cluster.local()).await.unwrap();
        let mut ledger = Ledger::new(session).await;
        ledger.write_many(20).await;
        let standby = fixture.cluster.standby(None);
        Self {
            fixture,
            standby,
            ledger,
            duty,
        }
    }

    /// A backup of the standby.
    fn work(&self) -> BackupWork {
        let instance = InstanceAccess {
            connection: self.standby.socket_conninfo(),
            ..self.fixture.instance()
        };
        BackupWork {
            instance,
            from: Some(Source::Standby),
            ..self.fixture.backup_work()
        }
    }

    async fn back_up(&self, work: BackupWork) -> JobSuccess {
        succeeded(backup::run(work, context(), &self.fixture.host).await)
    }
}

pub(crate) async fn reached(cx: &JobContext, phase: JobPhase) {
    let mut changes = cx.subscribe();
    while cx.state().phase != Some(phase) {
        changes.changed().await.unwrap();
    }
}

pub(crate) async fn logged(cx: &JobContext, text: &str) {
    let mut changes = cx.subscribe();
    while !cx.state().log.iter().any(|line| line.contains(text)) {
        changes.changed().await.unwrap();
    }
}

fn started(request: RestoreRequest) -> RestoreRequest {
    RestoreRequest {
        start: true,
        ..request
    }
}

// Pitfalls 5 and 6
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standby_is_a_source_like_its_primary_on_15() {
    standby(&testkit::major(15)).await;
}

// Pitfalls 5 and 6
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standby_is_a_source_like_its_primary_on_18() {
    standby(&testkit::major(18)).await;
}

async fn standby(programs: &Programs) {
    let mut pair = Pair::new(programs).await;
    pair.fixture.cluster.pgbench(&["-i", "-s", "3", "-q"]);
    pair.ledger.write_many(20).await;
    let full = pair.back_up(pair.work()).await;
    assert_eq!(full.result["from"], "standby", "{}", full.result);
    let full = committed(&full);
    pair.fixture
        .session
        .execute("UPDATE pgbench_tellers SET tbalance = tbalance + 1")
        .await
        .unwrap();
    pair.ledger.write_many(20).await;
    let work = BackupWork {
        kind: BackupKind::Incremental,
        parent: Some(pinned(&full)),
        ..pair.work()
    };
    let incremental = pair.back_up(work).await;
    assert_eq!(incremental.result["kind"], "incremental");
    let incremental = committed(&incremental);
    let last = pair.ledger.write_many(20).await.pop().unwrap();
    let fixture = &pair.fixture;
    fixture
        .session
        .execute("SELECT pg_switch_wal()")
        .await
        .unwrap();
    // Where a backup of a standby is consistent may lie behind what it had
    // replayed; it is a state that the primary was in.
    for backup in [&full, &incremental] {
        let at = format!("backup:{}", backup.id);
        let copy = fixture.restore(&fixture.request(&at)).await;
        copy.verify_backup();
        assert!(copy.plan.recovers_to <= backup.finished_at);
        drop(copy);
        let copy = fixture.restore(&started(fixture.request(&at))).await;
        let query = "SELECT count(*), max(id) FROM ledger";
        let row = copy.connect().await.row(query, &[]).await.unwrap();
        let rows: i64 = row.get(0);
        assert!(rows >= 20 && row.get::<_, i64>(1) == rows, "{rows}");
        copy.check_everything();
    }
    let copy = fixture.restore(&started(fixture.request("latest"))).await;
    assert_eq!(copy.plan.backup, incremental.id);
    assert_rows(&copy.connect().await, last.id).await;
    copy.check_everything();
    pair.duty.stop().await;
}

/// Pitfall 6: a standby that lags is no source before it has replayed what is stored.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standby_replays_what_is_stored_before_it_is_copied() {
    let mut pair = Pair::new(&testkit::major(18)).await;
    caught_up(&pair.fixture, &pair.standby).await;
    pair.standby.psql("SELECT pg_wal_replay_pause()");
    let noted = pair.ledger.write_many(20).await.pop().unwrap();
    pair.fixture
        .session
        .execute("SELECT pg_switch_wal()")
        .await
        .unwrap();
    // It is in the repository before the backup is asked for.
    let (lineage, end) = (pair.fixture.lineage().await, noted.lsn);
    let from = lineage.facts().segment_size.start_of(end);
    holdfast_agent::wal::prove(&pair.fixture.host, &lineage, Timeline::FIRST, from, end)
        .await
        .unwrap();
    let cx = context();
    let run = backup::run(pair.work(), cx.clone(), &pair.fixture.host);
    let resume = async {
        logged(&cx, "waiting").await;
        assert_eq!(cx.state().phase, Some(JobPhase::Prepare));
        pair.standby.psql("SELECT pg_wal_replay_resume()");
        std::future::pending::<()>().await;
    };
    let success = tokio::select! {
        outcome = run => succeeded(outcome),
        () = resume => unreachable!("it never ends"),
    };
    let backup = committed(&success);
    // All that was acknowledged by then is in reach of this very backup.
    let at = format!("lsn:{}", noted.lsn.max(backup.stop_lsn));
    let copy = pair
        .fixture
        .restore(&started(pair.fixture.request(&at)))
        .await;
    assert_rows(&copy.connect().await, noted.id).await;
    pair.duty.stop().await;
}

/// Pitfall 6: what was copied before the promotion and what was copied after
/// it are two servers.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_promotion_in_mid_copy_fails_the_attempt_and_a_retry_succeeds() {
    let pair = Pair::new(&testkit::major(15)).await;
    // Zeros that take a while to read and no room: the copy is still at it.
    let ballast = pair.standby.data_dir().join("ballast");
    let file = std::fs::File::create(&ballast).unwrap();
    file.set_len(24 << 30).unwrap();
    let owner = pair.standby.run_as();
    std::os::unix::fs::chown(&ballast, Some(owner.uid()), Some(owner.gid())).unwrap();
    let work = pair.work();
    let cx = context();
    let run = backup::run(work.clone(), cx.clone(), &pair.fixture.host);
    let promote = async {
        reached(&cx, JobPhase::Copy).await;
        pair.standby.promote();
        std::fs::remove_file(&ballast).unwrap();
        std::future::pending::<()>().await;
    };
    let failed = tokio::select! {
        outcome = run => failure(outcome),
        () = promote => unreachable!("it never ends"),
    };
    assert_eq!(
        (failed.code.as_str(), failed.retryable),
        ("promoted_during_backup", true),
        "{failed}"
    );
    assert_eq!(pair.fixture.backups().await, 0);
    // The very work goes to a server that is no standby any more.
    let refused = failure(backup::run(work.clone(), context(), &pair.fixture.host).await);
    assert_eq!(
        (refused.code.as_str(), refused.retryable),
        ("role_changed", true)
    );
    // Where the control plane would send it now.
    let session = Session::connect(&pair.standby.local()).await.unwrap();
    let slot = SlotName::for_cluster(&name());
    let make = "SELECT pg_create_physical_replication_slot($1::text::name, true)";
    session.rows(make, &[&slot.as_str()]).await.unwrap();
    pair.duty.stop().await;
    let retry = BackupWork {
        backup: pair.fixture.backup_work().backup,
        from: Some(Source::PreferStandby),
        ..work
    };
    let cx = context();
    let run = backup::run(retry, cx.clone(), &pair.fixture.host);
    let archive = async {
        reached(&cx, JobPhase::Wal).await;
        let two = Timeline::new(2).unwrap();
        pair.fixture.archive_of(&pair.standby, &session, two).await;
        std::future::pending::<()>().await;
    };
    let success = tokio::select! {
        outcome = run => succeeded(outcome),
        () = archive => unreachable!("it never ends"),
    };
    assert_eq!(success.result["from"], "primary");
    assert_eq!(committed(&success).timeline.get(), 2);
    let copy = pair
        .fixture
        .restore(&started(pair.fixture.request("immediate")))
        .await;
    copy.check_everything();
}

/// Pitfall 12: WAL without full pages cannot repair what a copy tore.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standby_of_a_primary_without_full_pages_is_refused_by_reason() {
    let mut pair = Pair::new(&testkit::major(18)).await;
    pair.fixture
        .cluster
        .append("postgresql.conf", "full_page_writes = off\n");
    pair.fixture.cluster.reload();
    // The checkpointer tells of the change in WAL.
    pair.fixture.session.execute("CHECKPOINT").await.unwrap();
    pair.ledger.write_many(3).await;
    caught_up(&pair.fixture, &pair.standby).await;
    let failed = failure(backup::run(pair.work(), context(), &pair.fixture.host).await);
    assert_eq!(failed.code, "standby_without_full_pages", "{failed}");
    assert!(failed.hint.contains("full_page_writes"), "{failed}");
    assert_eq!(pair.fixture.backups().await, 0);
    pair.duty.stop().await;
}

// Pitfall 3
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_begins_as_it_was_asked_to() {
    for (checkpoint, said) in [
        (Some(Checkpoint::Fast), true),
        (None, true),
        (Some(Checkpoint::Spread), false),
    ] {
        for remote in [false, true] {
            let cluster = TestCluster::builder(&testkit::major(18))
                .initdb("--wal-segsize=1")
                .setting("log_checkpoints", "on")
                // Spread over no time worth waiting for.
                .setting("checkpoint_completion_target", "0")
                .start();
            let fixture = Fixture::of(cluster).await;
            let mut work = BackupWork {
                checkpoint,
                ..fixture.backup_work()
            };
            if remote {
                work.instance.data_directory = Some("remote".to_owned());
            }
            fixture.archived(work).await;
            let log = std::fs::read_to_string(fixture.cluster.log_path()).unwrap();
            let mut lines = log
                .lines()
                .filter(|line| line.contains("checkpoint starting"));
            let line = lines.next_back().unwrap();
            assert!(line.contains("force"), "{line}");
            // 18 calls it fast, those before it immediate.
            let fast = line.contains("immediate") || line.contains("fast");
            assert_eq!(fast, said, "{checkpoint:?}, remote {remote}: {line}");
        }
    }
}

impl Fixture {
    /// As with `wal.mode: none`: nobody receives, and no slot is there.
    async fn alone(programs: &Programs) -> Self {
        let fixture = Self::new(programs).await;
        fixture
            .session
            .execute("SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots")
            .await
            .unwrap();
        fixture
    }

    fn carrying(&self) -> BackupWork {
        BackupWork {
            own_wal: true,
            ..self.backup_work()
        }
    }

    /// Waits until no slot is left: the server may notice a moment later.
    async fn assert_no_slots(&self) {
        for _ in 0..200 {
            if self
                .cluster
                .psql("SELECT count(*) FROM pg_replication_slots")
                == "0"
            {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("a slot is left");
    }
}

// I-05, I-15
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_carries_its_own_wal_and_leaves_no_slot() {
    let fixture = Fixture::alone(&testkit::major(18)).await;
    let session = Session::connect(&fixture.cluster.local()).await.unwrap();
    let mut ledger = Ledger::new(session).await;
    let mut taken = Vec::new();
    for remote in [false, true, false] {
        let noted = ledger.write_many(20).await.pop().unwrap();
        let mut work = fixture.carrying();
        if let (Some((parent, _)), false) = (taken.last(), remote) {
            work.kind = BackupKind::Incremental;
            work.parent = Some(pinned(parent));
        }
        if remote {
            work.instance.data_directory = Some("remote".to_owned());
        }
        let success = succeeded(backup::run(work, context(), &fixture.host).await);
        taken.push((committed(&success), noted));
        fixture.assert_no_slots().await;
        // Much is written that no backup wants.
        for _ in 0..4 {
            ledger.write_many(5).await;
            fixture
                .session
                .execute("SELECT pg_switch_wal()")
                .await
                .unwrap();
        }
        fixture.session.execute("CHECKPOINT").await.unwrap();
    }
    // Nothing was received between them.
    let lineage = fixture.lineage().await;
    let wal = lineage.wal(holdfast_repo::Codec::DEFAULT);
    let held = wal.list(Timeline::FIRST).await.unwrap().coverage();
    assert_eq!(held.ranges().len(), taken.len(), "{:?}", held.ranges());
    for (backup, noted) in &taken {
        let at = format!("backup:{}", backup.id);
        let copy = fixture.restore(&started(fixture.request(&at))).await;
        assert_rows(&copy.connect().await, noted.id).await;
        copy.check_everything();
    }
    let copy = fixture
        .restore(&started(fixture.request("immediate")))
        .await;
    assert_eq!(copy.plan.backup, taken[2].0.id);
    drop(copy);
    let after = jiff::Timestamp::now().to_string();
    let lsn = format!("lsn:{}", taken[2].1.lsn);
    let past = format!("lsn:{}", taken[2].0.stop_lsn);
    for at in ["latest", &after, &past] {
        let refused = fixture.plan(&fixture.request(at)).await.unwrap_err();
        assert_eq!(refused.code, "target_needs_wal", "{at}");
        assert!(refused.hint.contains("immediate"), "{refused}");
    }
    // Before the newest backup there are only others that carry their own.
    let refused = fixture.plan(&fixture.request(&lsn)).await.unwrap_err();
    assert_eq!(refused.code, "target_needs_wal");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_that_carries_its_wal_ends_in_any_phase_without_a_slot() {
    let fixture = Fixture::alone(&testkit::major(15)).await;
    for phase in [JobPhase::Start, JobPhase::Copy, JobPhase::Wal] {
        let outcome = cancelled_in(phase, fixture.carrying(), &fixture.host).await;
        assert_eq!(outcome, holdfast_proto::JobOutcome::Cancelled, "in {phase}");
        fixture.assert_no_slots().await;
        fixture.assert_no_backup_mode().await;
        assert_eq!(fixture.backups().await, 0);
    }
}

// Pitfall 8
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_is_a_backup_like_a_copy_of_the_files() {
    for programs in testkit::all_majors() {
        stream(&programs).await;
    }
}

/// A server with tablespaces of both kinds, and with what no backup holds.
async fn spread(programs: &Programs) -> Fixture {
    let fixture = Fixture::new(programs).await;
    let place = fixture.directory("fast");
    let create = format!("CREATE TABLESPACE fast LOCATION '{}'", place.display());
    fixture.session.execute(&create).await.unwrap();
    if fixture.session.server_version_num() >= 150_000 {
        for statement in [
            "SET allow_in_place_tablespaces = on",
            "CREATE TABLESPACE inplace LOCATION ''",
            "CREATE TABLE here TABLESPACE inplace AS SELECT generate_series(1, 1000) AS i",
        ] {
            fixture.session.execute(statement).await.unwrap();
        }
    }
    fixture.cluster.pgbench(&["-i", "-s", "3", "-q"]);
    for statement in [
        "ALTER TABLE pgbench_accounts SET TABLESPACE fast",
        "CREATE UNLOGGED TABLE lost AS SELECT generate_series(1, 1000) AS i",
    ] {
        fixture.session.execute(statement).await.unwrap();
    }
    fixture
}

fn remote(work: BackupWork) -> BackupWork {
    let instance = InstanceAccess {
        data_directory: Some("remote".to_owned()),
        ..work.instance.clone()
    };
    BackupWork { instance, ..work }
}

async fn stream(programs: &Programs) {
    let fixture = spread(programs).await;
    let session = Session::connect(&fixture.cluster.local()).await.unwrap();
    let mut ledger = Ledger::new(session).await;
    let duty = fixture.receive_wal();
    let first = ledger.write_many(20).await.pop().unwrap();
    let run = || backup::run(remote(fixture.backup_work()), context(), &fixture.host);
    let version = fixture.session.server_version_num();
    if (150_000..160_000).contains(&version) {
        // It would not send it, and say nothing.
        assert_eq!(failure(run().await).code, "tablespace_not_streamed");
        assert_eq!(fixture.backups().await, 0);
        for statement in ["DROP TABLE here", "DROP TABLESPACE inplace"] {
            fixture.session.execute(statement).await.unwrap();
        }
    }
    let full = committed(&succeeded(run().await));
    let update = "UPDATE pgbench_tellers SET tbalance = tbalance + 1";
    fixture.session.execute(update).await.unwrap();
    let second = ledger.write_many(20).await.pop().unwrap();
    let work = BackupWork {
        kind: BackupKind::Incremental,
        parent: Some(pinned(&full)),
        ..remote(fixture.backup_work())
    };
    let success = succeeded(backup::run(work, context(), &fixture.host).await);
    assert_eq!(success.result["kind"], "incremental", "{}", success.result);
    let streamed = committed(&success);
    // All was sent, and little is stored.
    assert!(
        streamed.added_bytes * 4 < full.added_bytes,
        "{streamed:?} on {full:?}"
    );
    // A copy of the files builds on a stream, and reads all of them: the
    // stream told no inodes.
    let third = ledger.write_many(20).await.pop().unwrap();
    let success = fixture.incremental(&streamed).await;
    assert_eq!(success.result["unchangedFiles"], 0, "{}", success.result);
    let copied = committed(&success);
    assert!(copied.added_bytes * 4 < full.added_bytes);
    fixture
        .session
        .execute("SELECT pg_switch_wal()")
        .await
        .unwrap();
    for (number, (backup, noted)) in [(&full, first), (&streamed, second), (&copied, third)]
        .into_iter()
        .enumerate()
    {
        comes_back(&fixture, number, backup, noted).await;
    }
    duty.stop().await;
}

/// A backup of [`spread`], restored twice: not started, and started.
async fn comes_back(fixture: &Fixture, number: usize, backup: &CommittedBackup, noted: Noted) {
    let asked = |turn: &str| {
        let to = fixture.cluster.root().join(format!("to-{number}-{turn}"));
        let pair = ("fast".to_owned(), to.display().to_string());
        RestoreRequest {
            tablespace_map: BTreeMap::from([pair]),
            ..fixture.request(&format!("backup:{}", backup.id))
        }
    };
    let copy = fixture.restore(&asked("cold")).await;
    copy.verify_backup();
    drop(copy);
    let copy = fixture.restore(&started(asked("warm"))).await;
    let running = copy.connect().await;
    assert_rows(&running, noted.id).await;
    let query = "SELECT count(*) FROM pgbench_accounts";
    let row = running.row(query, &[]).await.unwrap();
    assert_eq!(row.get::<_, i64>(0), 300_000);
    // Its main fork is no part of any backup.
    let row = running.row("SELECT count(*) FROM lost", &[]).await.unwrap();
    assert_eq!(row.get::<_, i64>(0), 0);
    if fixture.session.server_version_num() >= 160_000 {
        let row = running.row("SELECT count(*) FROM here", &[]).await.unwrap();
        assert_eq!(row.get::<_, i64>(0), 1000);
    }
    copy.check_everything();
}

/// What is in a standby's stream is no more than in a copy of its files.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standby_can_be_streamed() {
    let mut pair = Pair::new(&testkit::major(18)).await;
    let noted = pair.ledger.write_many(20).await.pop().unwrap();
    let mut work = pair.work();
    work.instance.data_directory = Some("remote".to_owned());
    let success = pair.back_up(work).await;
    assert_eq!(success.result["from"], "standby");
    let copy = pair
        .fixture
        .restore(&started(pair.fixture.request("latest")))
        .await;
    assert_rows(&copy.connect().await, noted.id).await;
    assert!(!copy.dir().join("standby.signal").exists());
    copy.check_everything();
    pair.duty.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_ends_in_any_phase_leaves_nothing_behind() {
    let fixture = Fixture::new(&testkit::major(15)).await;
    fixture.cluster.pgbench(&["-i", "-s", "2", "-q"]);
    for phase in [
        JobPhase::Start,
        JobPhase::Copy,
        JobPhase::Stop,
        JobPhase::Wal,
    ] {
        let mut work = fixture.backup_work();
        work.instance.data_directory = Some("remote".to_owned());
        let outcome = cancelled_in(phase, work, &fixture.host).await;
        assert_eq!(outcome, holdfast_proto::JobOutcome::Cancelled, "in {phase}");
        assert_eq!(fixture.backups().await, 0, "after {phase}");
        let streams = "SELECT count(*) FROM pg_stat_replication WHERE state = 'backup'";
        for turn in 0.. {
            if fixture.cluster.psql(streams) == "0" {
                break;
            }
            assert!(turn < 200, "a stream goes on after {phase}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}
