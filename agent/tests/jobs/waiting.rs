//! What a backup waits for before it begins: somebody who keeps its WAL, and a restart
//! point from where on there is any.

use std::collections::BTreeSet;
use std::time::Duration;

use holdfast_agent::job::backup;
use holdfast_pg::sql::Session;
use holdfast_pg::testkit::{self, TestCluster};
use holdfast_proto::{BackupWork, InstanceAccess};
use holdfast_types::resource::Source;
use holdfast_types::{JobPhase, RestoreRequest, Timeline, WalSegment};

use crate::fixture::{Fixture, context, succeeded};
use crate::incremental::committed;
use crate::ledger::{Ledger, assert_rows};
use crate::sources::{logged, reached};
use crate::tail::caught_up;

/// All WAL before the segment that is being written is lost to the repository.
async fn forget_the_past(fixture: &Fixture) {
    let end = fixture.archive().await;
    let size = fixture.lineage().await.facts().segment_size;
    let current = WalSegment::containing(Timeline::FIRST, end, size);
    let timeline = fixture.wal_object("").await;
    for object in std::fs::read_dir(timeline).unwrap() {
        let path = object.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        let segment = WalSegment::parse(name, size);
        if segment.is_ok_and(|segment| segment.number() < current.number()) {
            std::fs::remove_file(&path).unwrap();
        }
    }
}

/// Pitfall 6: PostgreSQL begins a backup of a standby at its last restart point, however
/// old that is. It counts once that point lies where the WAL is (I-05).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_point_that_is_too_old_is_waited_out() {
    let fixture = Fixture::new(&testkit::major(18)).await;
    let no_slot = "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots";
    fixture.session.execute(no_slot).await.unwrap();
    let standby = fixture.cluster.standby(None);
    let session = Session::connect(&fixture.cluster.local()).await.unwrap();
    let mut ledger = Ledger::new(session).await;
    for _ in 0..3 {
        ledger.write_many(5).await;
        let switch = "SELECT pg_switch_wal()";
        fixture.session.execute(switch).await.unwrap();
    }
    ledger.write_many(5).await;
    caught_up(&fixture, &standby).await;
    forget_the_past(&fixture).await;

    let instance = InstanceAccess {
        connection: standby.socket_conninfo(),
        ..fixture.instance()
    };
    let work = BackupWork {
        instance,
        from: Some(Source::Standby),
        ..fixture.backup_work()
    };
    let cx = context();
    let run = backup::run(work, cx.clone(), &fixture.host);
    let help = async {
        logged(&cx, "the repository lacks WAL from there on").await;
        assert_eq!(cx.state().phase, Some(JobPhase::Start));
        fixture.session.execute("CHECKPOINT").await.unwrap();
        ledger.write_many(5).await;
        fixture.archive().await;
        reached(&cx, JobPhase::Wal).await;
        fixture.archive().await;
        std::future::pending::<()>().await;
    };
    let success = tokio::select! {
        outcome = run => succeeded(outcome),
        () = help => unreachable!("it never ends"),
    };
    assert_eq!(success.result["from"], "standby");
    let request = RestoreRequest {
        start: true,
        ..fixture.request("latest")
    };
    let copy = fixture.restore(&request).await;
    assert_eq!(copy.plan.backup, committed(&success).id);
    assert_rows(&copy.connect().await, 25).await;
    copy.check_everything();
}

/// Pitfall 19: the WAL of a backup is kept from before its first byte on, or there would
/// be nothing between the two.
// I-05
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_copied_before_its_wal_is_kept() {
    let cluster = TestCluster::builder(&testkit::major(15))
        .initdb("--wal-segsize=1")
        .setting("log_checkpoints", "on")
        .start();
    let fixture = Fixture::of(cluster).await;
    let no_slot = "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots";
    fixture.session.execute(no_slot).await.unwrap();
    let cx = context();
    let run = backup::run(fixture.backup_work(), cx.clone(), &fixture.host);
    let help = async {
        // It asks for the slot and then for the archiver, and asks again: only the
        // later question stays to be seen until the next.
        let asked = "SELECT max(state_change) FROM pg_stat_activity \
                     WHERE query LIKE '%pg_stat_archiver%' AND pid <> pg_backend_pid()";
        let mut times = BTreeSet::new();
        while times.len() < 4 {
            times.insert(fixture.cluster.psql(asked));
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        assert_eq!(cx.state().phase, Some(JobPhase::Prepare));
        let _duty = fixture.receive_wal();
        std::future::pending::<()>().await;
    };
    let success = tokio::select! {
        outcome = run => succeeded(outcome),
        () = help => unreachable!("it never ends"),
    };
    assert_eq!(fixture.backups().await, 1);
    let log = std::fs::read_to_string(fixture.cluster.log_path()).unwrap();
    let place = |text: &str| {
        log.rfind(text)
            .unwrap_or_else(|| panic!("no {text}: {log}"))
    };
    let begun = place("checkpoint starting: immediate force wait");
    let kept = log.find("CREATE_REPLICATION_SLOT").unwrap();
    assert!(kept < begun, "{}: {log}", success.result);
}
