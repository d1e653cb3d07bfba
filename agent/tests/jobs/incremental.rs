//! Incrementals of real servers: each backup of a chain restores, what is in
//! doubt is copied whole, and no file is passed over that was written.

use std::collections::BTreeSet;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use holdfast_agent::job::backup;
use holdfast_pg::binaries::Programs;
use holdfast_pg::sql::Session;
use holdfast_pg::testkit::{self, TestCluster};
use holdfast_proto::{BackupWork, InstanceAccess, JobOutcome, JobSuccess, PinnedParent};
use holdfast_types::{BackupKind, CommittedBackup, JobPhase, RestoreRequest, Timeline};
use jiff::{SignedDuration, Timestamp};

use crate::fixture::{Fixture, cancelled_in, context, failure, succeeded};
use crate::ledger::{Ledger, assert_rows};
use crate::sources::logged;

pub(crate) fn pinned(parent: &CommittedBackup) -> PinnedParent {
    PinnedParent {
        backup: parent.id,
        job: parent.job,
        until: Timestamp::now() + SignedDuration::from_hours(7 * 24),
    }
}

impl Fixture {
    pub(crate) fn incremental_work(&self, parent: Option<PinnedParent>) -> BackupWork {
        BackupWork {
            kind: BackupKind::Incremental,
            parent,
            ..self.backup_work()
        }
    }

    /// An incremental whose WAL somebody else stores.
    pub(crate) async fn incremental(&self, parent: &CommittedBackup) -> JobSuccess {
        let work = self.incremental_work(Some(pinned(parent)));
        succeeded(backup::run(work, context(), &self.host).await)
    }
}

pub(crate) fn committed(success: &JobSuccess) -> CommittedBackup {
    (**success.backup.as_ref().expect("it is committed")).clone()
}

/// Why all was copied, by its code.
fn full_because(success: &JobSuccess) -> String {
    assert_eq!(success.result["kind"], "full", "{}", success.result);
    assert_eq!(committed(success).kind, BackupKind::Full);
    assert_eq!(committed(success).parent, None);
    let said = &success.result["fullBecause"];
    assert!(said["message"].is_string(), "{}", success.result);
    said["code"].as_str().expect("a code").to_owned()
}

// Pitfall 24
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_backup_of_a_chain_restores_on_15() {
    chain(&testkit::major(15)).await;
}

// Pitfall 24
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_backup_of_a_chain_restores_on_18() {
    chain(&testkit::major(18)).await;
}

async fn chain(programs: &Programs) {
    let fixture = Fixture::new(programs).await;
    fixture.cluster.pgbench(&["-i", "-s", "5", "-q"]);
    let duty = fixture.receive_wal();
    let session = Session::connect(&fixture.cluster.local()).await.unwrap();
    let mut ledger = Ledger::new(session).await;
    let mut noted = vec![ledger.write_many(20).await.pop().unwrap()];
    let full = committed(&fixture.backup().await);
    let mut backups = vec![full.clone()];
    // What happens between backups: little, tables that come and go, and pages
    // that vanish and come again with other content (VACUUM truncates).
    let between = [
        "UPDATE pgbench_tellers SET tbalance = tbalance + 1",
        "CREATE TABLE grown AS SELECT generate_series(1, 30000) AS i; \
         DELETE FROM pgbench_accounts WHERE aid > 400000; VACUUM pgbench_accounts; \
         INSERT INTO pgbench_accounts SELECT i, 1, 7, 'again' FROM generate_series(400001, 450000) i",
        "DROP TABLE grown; CREATE TABLE again AS SELECT generate_series(1, 30000) AS j; \
         TRUNCATE pgbench_history; CREATE DATABASE other TEMPLATE template0",
    ];
    for statements in between {
        for statement in statements.split("; ") {
            fixture.session.execute(statement).await.unwrap();
        }
        noted.push(ledger.write_many(20).await.pop().unwrap());
        let parent = backups.last().unwrap();
        let success = fixture.incremental(parent).await;
        assert_eq!(success.result["kind"], "incremental", "{}", success.result);
        let backup = committed(&success);
        assert_eq!(
            (backup.kind, backup.parent),
            (BackupKind::Incremental, Some(parent.id))
        );
        backups.push(backup);
    }
    // Stored is what changed: 20 rows and the tellers, of 70 MB.
    let (first, small) = (&backups[0], &backups[1]);
    assert!(
        small.added_bytes * 4 < first.added_bytes && small.database_bytes > 60 << 20,
        "{small:?} on {first:?}"
    );
    noted.push(ledger.write_many(20).await.pop().unwrap());
    fixture
        .session
        .execute("SELECT pg_switch_wal()")
        .await
        .unwrap();

    for (backup, last) in backups.iter().zip(&noted) {
        let at = format!("backup:{}", backup.id);
        let copy = fixture.restore(&fixture.request(&at)).await;
        assert_eq!(copy.plan.backup, backup.id);
        copy.verify_backup();
        drop(copy);
        let request = RestoreRequest {
            start: true,
            ..fixture.request(&at)
        };
        let copy = fixture.restore(&request).await;
        assert_rows(&copy.connect().await, last.id).await;
        copy.check_everything();
    }
    duty.stop().await;
}

/// Waits until nothing in the data directory was written within the last
/// seconds, so that times tell.
async fn settled(fixture: &Fixture) {
    fixture.session.execute("CHECKPOINT").await.unwrap();
    let before = Duration::from_millis(2_500);
    let started = Instant::now();
    loop {
        assert!(
            started.elapsed() < Duration::from_secs(60),
            "it is never still"
        );
        let newest = newest(&fixture.cluster.data_dir().join("base"));
        let age = SystemTime::now().duration_since(newest);
        if age.is_ok_and(|age| age > before) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

fn newest(directory: &Path) -> SystemTime {
    let mut newest = SystemTime::UNIX_EPOCH;
    let mut pending = vec![directory.to_owned()];
    while let Some(directory) = pending.pop() {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            let meta = std::fs::symlink_metadata(&path).unwrap();
            if meta.is_dir() {
                pending.push(path);
            } else {
                let changed = u64::try_from(meta.ctime()).unwrap();
                let changed = SystemTime::UNIX_EPOCH + Duration::from_secs(changed + 1);
                newest = newest.max(changed);
            }
        }
    }
    newest
}

/// A file of the data directory that belongs to nobody but this test.
fn plant(fixture: &Fixture, name: &str, bytes: &[u8]) -> PathBuf {
    let path = fixture.cluster.data_dir().join("base").join(name);
    std::fs::write(&path, bytes).unwrap();
    let owner = fixture.cluster.run_as();
    std::os::unix::fs::chown(&path, Some(owner.uid()), Some(owner.gid())).unwrap();
    path
}

// Pitfalls 7 and 24
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_are_passed_over_only_when_nothing_of_them_can_have_changed() {
    let fixture = Fixture::new(&testkit::major(15)).await;
    let duty = fixture.receive_wal();
    let (size, old) = (200_000, b'o');
    let kept = plant(&fixture, "kept", &vec![old; size]);
    let rewritten = plant(&fixture, "rewritten", &vec![old; size]);
    let replaced = plant(&fixture, "replaced", &vec![old; size]);
    let late = fixture.cluster.data_dir().join("base/late");
    settled(&fixture).await;
    // Written at the moment at which the parent begins.
    plant(&fixture, "late", &vec![old; size]);
    let full = committed(&fixture.backup().await);

    // The same size and the same time of content, and other bytes.
    let time = std::fs::metadata(&rewritten).unwrap().modified().unwrap();
    let file = std::fs::OpenOptions::new()
        .write(true)
        .open(&rewritten)
        .unwrap();
    file.write_all_at(b"new", 100_000).unwrap();
    file.set_modified(time).unwrap();
    // Another file under the same name.
    std::fs::remove_file(&replaced).unwrap();
    plant(&fixture, "replaced", &vec![b'r'; size]);
    std::fs::File::open(&replaced)
        .unwrap()
        .set_modified(time)
        .unwrap();

    let success = fixture.incremental(&full).await;
    let unchanged = success.result["unchangedFiles"].as_u64().unwrap();
    let files = success.result["files"].as_u64().unwrap();
    assert!(unchanged > 500 && unchanged < files, "{}", success.result);
    let copy = fixture.restore(&fixture.request("immediate")).await;
    assert_eq!(copy.plan.backup, committed(&success).id);
    for path in [&kept, &rewritten, &replaced, &late] {
        let relative = path.strip_prefix(fixture.cluster.data_dir()).unwrap();
        let restored = std::fs::read(copy.dir().join(relative)).unwrap();
        assert!(
            restored == std::fs::read(path).unwrap(),
            "{}",
            relative.display()
        );
    }
    copy.verify_backup();

    // Its child takes the same files over once more.
    let third = fixture.incremental(&committed(&success)).await;
    assert!(third.result["unchangedFiles"].as_u64().unwrap() > 500);
    let copy = fixture.restore(&fixture.request("immediate")).await;
    assert_eq!(copy.plan.backup, committed(&third).id);
    copy.verify_backup();
    duty.stop().await;
}

/// I-06: without a pin nothing is passed over, whatever the repository holds.
// Pitfall 23
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_in_doubt_is_copied_whole_and_says_why() {
    let fixture = Fixture::new(&testkit::major(15)).await;
    let duty = fixture.receive_wal();
    let full = committed(&fixture.backup().await);
    let run = async |parent: Option<PinnedParent>| {
        let work = fixture.incremental_work(parent);
        succeeded(backup::run(work, context(), &fixture.host).await)
    };
    let none = run(None).await;
    assert_eq!(full_because(&none), "no_parent");
    assert!(
        none.result.get("unchangedFiles").is_none(),
        "{}",
        none.result
    );
    let soon = PinnedParent {
        until: Timestamp::now() + SignedDuration::from_secs(60),
        ..pinned(&full)
    };
    assert_eq!(full_because(&run(Some(soon)).await), "pin_expired");
    let unknown = PinnedParent {
        backup: fixture.backup_work().backup,
        ..pinned(&full)
    };
    assert_eq!(full_because(&run(Some(unknown)).await), "parent_missing");
    // Under another job's name it is looked for.
    let adopted = PinnedParent {
        job: fixture.backup_work().job,
        ..pinned(&full)
    };
    let success = run(Some(adopted)).await;
    assert_eq!(success.result["kind"], "incremental", "{}", success.result);

    let lineage = fixture.lineage().await.lineage();
    let packs = format!("repo/clusters/orders/{lineage}/packs/{}/0", full.id);
    let packs = fixture.cluster.root().join(packs);
    let moved = packs.with_extension("moved");
    std::fs::rename(&packs, &moved).unwrap();
    let damaged = run(Some(pinned(&full))).await;
    assert_eq!(full_because(&damaged), "parent_damaged");
    std::fs::rename(&moved, &packs).unwrap();

    // The mark itself says why, for whoever has the repository alone.
    let found = fixture
        .lineage()
        .await
        .find_backup(committed(&damaged).id)
        .await;
    let why = found.unwrap().facts.remove("fullBecause");
    assert!(why.is_some_and(|why| why.starts_with("parent_damaged: ")));
    duty.stop().await;
}

// Pitfall 11
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn toggled_checksums_are_a_new_beginning() {
    let fixture = Fixture::new(&testkit::major(15)).await;
    let full = committed(&fixture.archived_backup().await);
    fixture.cluster.stop("fast");
    let mut toggle = fixture.cluster.program("pg_checksums");
    testkit::must_run(
        toggle
            .args(["--disable", "-D"])
            .arg(fixture.cluster.data_dir()),
    );
    fixture.cluster.start_again();
    let duty = fixture.receive_wal();
    let (cx, work) = (context(), fixture.incremental_work(Some(pinned(&full))));
    let success = succeeded(backup::run(work, cx.clone(), &fixture.host).await);
    assert_eq!(full_because(&success), "checksums_toggled");
    let log = cx.state().log;
    let said = "page checksums off: damaged pages cannot be noticed";
    assert!(log.iter().any(|line| line.contains(said)), "{log:?}");
    let next = fixture.incremental(&committed(&success)).await;
    assert_eq!(next.result["kind"], "incremental", "{}", next.result);
    duty.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn damage_in_the_middle_ends_the_attempt_and_may_be_tried_again() {
    let fixture = Fixture::new(&testkit::major(15)).await;
    fixture.cluster.pgbench(&["-i", "-s", "2", "-q"]);
    let duty = fixture.receive_wal();
    let full = committed(&fixture.backup().await);
    fixture
        .session
        .execute("UPDATE pgbench_accounts SET abalance = 1")
        .await
        .unwrap();
    let lineage = fixture.lineage().await.lineage();
    let packs = format!("repo/clusters/orders/{lineage}/packs/{}", full.id);
    for pack in std::fs::read_dir(fixture.cluster.root().join(packs)).unwrap() {
        let path = pack.unwrap().path();
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[48..].iter_mut().for_each(|byte| *byte ^= 1);
        std::fs::write(&path, bytes).unwrap();
    }
    let work = fixture.incremental_work(Some(pinned(&full)));
    let failed = failure(backup::run(work, context(), &fixture.host).await);
    assert_eq!(
        (failed.code.as_str(), failed.retryable),
        ("parent_damaged", true)
    );
    fixture.assert_no_backup_mode().await;
    assert_eq!(fixture.backups().await, 1);
    duty.stop().await;
}

/// What was taken on the way to the present may be built on; what was taken
/// beside it may not.
// Pitfalls 22 and 24
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_timeline_builds_on_its_ancestors_alone() {
    let fixture = Fixture::new(&testkit::major(15)).await;
    let standby = fixture.cluster.standby(None);
    let on_the_way = committed(&fixture.archived_backup().await);
    let mut ledger = Ledger::new(Session::connect(&fixture.cluster.local()).await.unwrap()).await;
    ledger.write_many(5).await;
    crate::tail::caught_up(&fixture, &standby).await;
    standby.promote();
    // The old primary goes on where nobody follows.
    ledger.write_many(5).await;
    fixture
        .session
        .execute("SELECT pg_switch_wal()")
        .await
        .unwrap();
    let beside = committed(&fixture.archived_backup().await);

    let success = on_two(&fixture, &standby, &on_the_way).await;
    assert_eq!(success.result["kind"], "incremental", "{}", success.result);
    assert_eq!(committed(&success).timeline, Timeline::new(2).unwrap());
    // On another timeline times prove nothing: all is read.
    assert_eq!(success.result["unchangedFiles"], 0, "{}", success.result);
    let refused = on_two(&fixture, &standby, &beside).await;
    assert_eq!(full_because(&refused), "not_an_ancestor");
    let ids: BTreeSet<_> = [&on_the_way, &beside].map(|backup| backup.id).into();
    assert_eq!(ids.len(), 2);
    // Pitfall 28: nor does its restore follow the timeline that it is not on.
    let at = format!("backup:{}", beside.id);
    let plan = fixture.plan(&fixture.request(&at)).await.unwrap();
    assert_eq!((plan.backup, plan.timeline), (beside.id, Timeline::FIRST));
}

/// Pitfall 24: a server that was put back to an older state of its files, on the same
/// timeline, is not what its last backup says.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_went_back_in_time_builds_on_nothing() {
    let fixture = Fixture::new(&testkit::major(15)).await;
    let data = fixture.cluster.data_dir();
    let kept = fixture.cluster.root().join("kept");
    fixture.cluster.stop("fast");
    let mut copy = std::process::Command::new("cp");
    testkit::must_run(copy.arg("-a").arg(&data).arg(&kept));
    fixture.cluster.start_again();
    let fixture = fixture.reconnected().await;
    let later = "CREATE TABLE later AS SELECT generate_series(1, 1000) AS i";
    fixture.session.execute(later).await.unwrap();
    let full = committed(&fixture.archived_backup().await);
    fixture.cluster.stop("fast");
    std::fs::remove_dir_all(&data).unwrap();
    std::fs::rename(&kept, &data).unwrap();
    fixture.cluster.start_again();
    let fixture = fixture.reconnected().await;
    let work = fixture.incremental_work(Some(pinned(&full)));
    let cx = context();
    let run = backup::run(work, cx.clone(), &fixture.host);
    tokio::select! {
        outcome = run => panic!("it ended as {outcome:?}"),
        () = logged(&cx, "all is copied (parent_ahead)") => {}
    }
}

/// Pitfall 24: pages that are older than the parent and came since, by a copy that WAL
/// does not hold.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_of_old_in_new_files_are_in_the_backup_that_meets_them() {
    let fixture = Fixture::new(&testkit::major(18)).await;
    fixture.cluster.psql("CREATE DATABASE filled");
    let fill = "CREATE TABLE t AS SELECT generate_series(1, 20000) AS i";
    fixture.cluster.psql_in("filled", fill);
    let full = committed(&fixture.archived_backup().await);
    let copy = "CREATE DATABASE copied TEMPLATE filled STRATEGY file_copy";
    fixture.cluster.psql(copy);
    // What it was copied from is gone: replay could not copy it again.
    fixture.cluster.psql("DROP DATABASE filled");
    let work = fixture.incremental_work(Some(pinned(&full)));
    let success = fixture.archived(work).await;
    assert_eq!(success.result["kind"], "incremental", "{}", success.result);
    let request = RestoreRequest {
        start: true,
        ..fixture.request(&format!("backup:{}", committed(&success).id))
    };
    let copy = fixture.restore(&request).await;
    let sum = "SELECT count(*), sum(i) FROM t";
    assert_eq!(copy.psql_in("copied", sum), "20000|200010000");
    copy.check_everything();
}

/// An incremental of the promoted server.
async fn on_two(fixture: &Fixture, standby: &TestCluster, parent: &CommittedBackup) -> JobSuccess {
    let session = Session::connect(&standby.local()).await.unwrap();
    let slot = holdfast_pg::SlotName::for_cluster(&crate::fixture::name());
    let query = "SELECT pg_create_physical_replication_slot($1::text::name, true) \
                 WHERE NOT EXISTS (SELECT 1 FROM pg_replication_slots WHERE slot_name = $1)";
    session.rows(query, &[&slot.as_str()]).await.unwrap();
    session.execute("CHECKPOINT").await.unwrap();
    let instance = InstanceAccess {
        connection: standby.socket_conninfo(),
        ..fixture.instance()
    };
    let work = BackupWork {
        instance,
        ..fixture.incremental_work(Some(pinned(parent)))
    };
    let cx = context();
    let run = backup::run(work, cx.clone(), &fixture.host);
    let archive = async {
        let mut changes = cx.subscribe();
        while cx.state().phase != Some(holdfast_types::JobPhase::Wal) {
            changes.changed().await.unwrap();
        }
        let two = Timeline::new(2).unwrap();
        fixture.archive_of(standby, &session, two).await;
        std::future::pending::<()>().await;
    };
    tokio::select! {
        outcome = run => succeeded(outcome),
        () = archive => unreachable!("it never ends"),
    }
}

// Pitfall 25
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_incremental_that_ends_in_any_phase_leaves_its_parent_whole() {
    let fixture = Fixture::new(&testkit::major(18)).await;
    fixture.cluster.pgbench(&["-i", "-s", "2", "-q"]);
    let full = committed(&fixture.archived_backup().await);
    for phase in [
        JobPhase::Prepare,
        JobPhase::Start,
        JobPhase::Copy,
        JobPhase::Wal,
    ] {
        let work = fixture.incremental_work(Some(pinned(&full)));
        let outcome = cancelled_in(phase, work, &fixture.host).await;
        assert_eq!(outcome, JobOutcome::Cancelled, "in {phase}");
        fixture.assert_no_backup_mode().await;
        assert_eq!(fixture.backups().await, 1, "after {phase}");
    }
    // What they left behind is no part of the next one.
    let work = fixture.incremental_work(Some(pinned(&full)));
    let success = fixture.archived(work).await;
    assert_eq!(success.result["kind"], "incremental", "{}", success.result);
    for backup in [full.id, committed(&success).id] {
        let copy = fixture
            .restore(&fixture.request(&format!("backup:{backup}")))
            .await;
        copy.verify_backup();
    }
    let leftovers = std::fs::read_dir(fixture.host.data_dir()).unwrap();
    let leftovers = leftovers.map(|entry| entry.unwrap().file_name());
    let leftovers: Vec<_> = leftovers
        .filter(|name| name.to_string_lossy().ends_with(".parent"))
        .collect();
    assert!(leftovers.is_empty(), "{leftovers:?}");
}
