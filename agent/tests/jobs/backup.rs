//! Backups: what goes in, what is refused, what is found damaged.

use std::io::{Seek, SeekFrom, Write};

use holdfast_agent::job::backup;
use holdfast_pg::testkit;
use holdfast_proto::{BackupWork, InstanceAccess, JobOutcome};
use holdfast_types::{JobPhase, RestoreRequest};
use tokio_util::sync::CancellationToken;

use crate::fixture::{Fixture, cancelled_in, context, failure, succeeded};

// Pitfall 10
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_page_is_found_named_and_kept() {
    let fixture = Fixture::new(&testkit::major(15)).await;
    fixture
        .session
        .execute("CREATE TABLE t AS SELECT generate_series(1, 9000) AS i")
        .await
        .unwrap();
    fixture.session.execute("CHECKPOINT").await.unwrap();
    let row = fixture
        .session
        .row("SELECT pg_relation_filepath('t')", &[])
        .await
        .unwrap();
    let relation: String = row.get(0);
    let path = fixture.cluster.data_dir().join(&relation);
    let mut file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.seek(SeekFrom::Start(2 * 8192 + 4000)).unwrap();
    file.write_all(b"a bit of rust").unwrap();
    drop(file);
    let success = fixture.archived_backup().await;
    assert_eq!(success.result["corruptPages"], 1, "{}", success.result);
    assert_eq!(
        success.result["corruptFiles"][&relation],
        serde_json::json!([2])
    );
    // The backup is there, and whoever restores it is told.
    let plan = fixture.plan(&fixture.request("immediate")).await.unwrap();
    assert!(
        plan.warnings
            .iter()
            .any(|warning| warning.contains("1 pages")),
        "{plan:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_says_where_it_starts_and_where_it_is() {
    let fixture = Fixture::new(&testkit::major(15)).await;
    let (cx, work) = (context(), fixture.backup_work());
    let id = work.backup;
    let run = backup::run(work, cx.clone(), &fixture.host);
    let archive = async {
        let mut changes = cx.subscribe();
        while cx.state().phase != Some(JobPhase::Wal) {
            changes.changed().await.unwrap();
        }
        fixture.archive().await;
        std::future::pending::<()>().await;
    };
    let success = tokio::select! {
        outcome = run => succeeded(outcome),
        () = archive => unreachable!("it never ends"),
    };
    let started = cx.state().backup.expect("it has started");
    let committed = success.backup.expect("it is committed");
    assert_eq!((started.backup, committed.id), (id, id));
    assert_eq!(
        (started.lineage, started.timeline, started.start_lsn),
        (committed.lineage, committed.timeline, committed.start_lsn)
    );
    assert_eq!(started.started_at, committed.started_at);
    let opened = fixture.host.repository(&fixture.access).await.unwrap();
    assert_eq!(success.repository, Some(opened.id()));
}

// Pitfall 9
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_come_and_go_while_they_are_copied() {
    let fixture = Fixture::new(&testkit::major(18)).await;
    fixture
        .session
        .execute("CREATE TABLE kept AS SELECT generate_series(1, 1000) AS i")
        .await
        .unwrap();
    let stop = CancellationToken::new();
    let churning = tokio::spawn(churn(fixture.cluster.local(), stop.clone()));
    for _ in 0..5 {
        let success = fixture.archived_backup().await;
        assert_eq!(success.result["corruptPages"], 0, "{}", success.result);
    }
    stop.cancel();
    let turns = churning.await.unwrap();
    assert!(turns > 10, "only {turns} tables came and went");
    let request = RestoreRequest {
        start: true,
        ..fixture.request("immediate")
    };
    let copy = fixture.restore(&request).await;
    let session = copy.connect().await;
    let row = session.row("SELECT count(*) FROM kept", &[]).await.unwrap();
    assert_eq!(row.get::<_, i64>(0), 1000);
    drop(session);
    copy.check_everything();
}

async fn churn(info: holdfast_pg::ConnectionInfo, stop: CancellationToken) -> usize {
    let session = holdfast_pg::sql::Session::connect(&info).await.unwrap();
    let mut turns = 0;
    while !stop.is_cancelled() {
        let turn = "CREATE TABLE passing AS SELECT generate_series(1, 20000) AS i; \
                    CREATE INDEX ON passing (i); DELETE FROM passing WHERE i > 100; \
                    VACUUM passing; TRUNCATE passing; DROP TABLE passing";
        for statement in turn.split("; ") {
            session.execute(statement).await.unwrap();
        }
        turns += 1;
    }
    turns
}

// I-03
// Pitfall 25
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_has_one_backup_whoever_tries_again() {
    let fixture = Fixture::new(&testkit::major(15)).await;
    let duty = fixture.receive_wal();
    let first = fixture.backup_work();
    let success = succeeded(backup::run(first.clone(), context(), &fixture.host).await);
    assert_eq!(success.backup.as_ref().unwrap().id, first.backup);
    // The answer was lost: the same attempt says the same again.
    let again = succeeded(backup::run(first.clone(), context(), &fixture.host).await);
    assert_eq!(again.backup, success.backup);
    let second = BackupWork {
        backup: fixture.backup_work().backup,
        ..first.clone()
    };
    let outcome = backup::run(second, context(), &fixture.host).await;
    assert_eq!(outcome, JobOutcome::Superseded(first.backup));
    assert_eq!(fixture.backups().await, 1);
    duty.stop().await;
}

// Pitfalls 4 and 13
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_backed_up_is_refused_by_name() {
    let fixture = Fixture::new(&testkit::major(15)).await;
    let refused = async |work: BackupWork| {
        let failure = failure(backup::run(work, context(), &fixture.host).await);
        assert!(!failure.hint.is_empty());
        failure.code
    };
    let work = fixture.backup_work();
    let instance = InstanceAccess {
        system_identifier: Some(7),
        ..fixture.instance()
    };
    let foreign = BackupWork {
        instance,
        ..work.clone()
    };
    assert_eq!(refused(foreign).await, "foreign_system_identifier");
    let gone = InstanceAccess {
        data_directory: Some("/nonexistent".to_owned()),
        ..fixture.instance()
    };
    let elsewhere = BackupWork {
        instance: gone,
        ..work.clone()
    };
    assert_eq!(refused(elsewhere).await, "data_directory_unreadable");
    let password = Some(holdfast_types::Secret::new("wrong"));
    let connection = fixture.cluster.tcp_conninfo("postgres");
    let instance = InstanceAccess {
        connection,
        password,
        ..fixture.instance()
    };
    assert_eq!(
        refused(BackupWork {
            instance,
            ..work.clone()
        })
        .await,
        "pg_wrong_password"
    );

    // PostgreSQL warns of it and lets it be.
    let place = fixture.cluster.data_dir().join("inside");
    std::fs::create_dir(&place).unwrap();
    let owner = fixture.cluster.run_as();
    std::os::unix::fs::chown(&place, Some(owner.uid()), Some(owner.gid())).unwrap();
    let create = format!("CREATE TABLESPACE inside LOCATION '{}'", place.display());
    fixture.session.execute(&create).await.unwrap();
    assert_eq!(refused(work.clone()).await, "tablespace_in_data_directory");
    fixture
        .session
        .execute("DROP TABLESPACE inside")
        .await
        .unwrap();
    std::fs::remove_dir(&place).unwrap();

    let standby = fixture.cluster.standby(None);
    let instance = InstanceAccess {
        connection: standby.socket_conninfo(),
        ..fixture.instance()
    };
    let code = refused(BackupWork { instance, ..work }).await;
    assert_eq!(code, "role_changed");
    assert_eq!(fixture.backups().await, 0);
}

// Pitfall 1
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_that_ends_in_any_phase_leaves_nothing_behind() {
    let fixture = Fixture::new(&testkit::major(15)).await;
    fixture.cluster.pgbench(&["-i", "-s", "2", "-q"]);
    let phases = [
        JobPhase::Prepare,
        JobPhase::Start,
        JobPhase::Copy,
        JobPhase::Stop,
        JobPhase::Wal,
    ];
    for phase in phases {
        let outcome = cancelled_in(phase, fixture.backup_work(), &fixture.host).await;
        assert_eq!(outcome, JobOutcome::Cancelled, "in {phase}");
        fixture.assert_no_backup_mode().await;
        assert_eq!(fixture.backups().await, 0, "after {phase}");
    }
    // And the next one succeeds.
    fixture.archived_backup().await;
    assert_eq!(fixture.backups().await, 1);
}

// Pitfall 1
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_dies_fails_the_backup_and_the_next_one_succeeds() {
    let fixture = Fixture::new(&testkit::major(15)).await;
    fixture.cluster.pgbench(&["-i", "-s", "2", "-q"]);
    let cx = context();
    let run = tokio::spawn({
        let (work, cx, host) = (fixture.backup_work(), cx.clone(), fixture.host.clone());
        async move { backup::run(work, cx, &host).await }
    });
    let mut changes = cx.subscribe();
    while cx.state().phase != Some(JobPhase::Copy) {
        changes.changed().await.unwrap();
    }
    fixture.cluster.stop("immediate");
    let failed = failure(run.await.unwrap());
    assert!(failed.retryable, "{failed:?}");
    assert_eq!(fixture_backups_offline(&fixture).await, 0);
    fixture.cluster.start_again();
    let fixture = fixture.reconnected().await;
    fixture.archived_backup().await;
    assert_eq!(fixture.backups().await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_file_comes_back_piece_by_piece() {
    let fixture = Fixture::new(&testkit::major(15)).await;
    let path = fixture.cluster.data_dir().join("large");
    let mut file = std::fs::File::create(&path).unwrap();
    // Three pieces, with zeros at the edges and at the end.
    let places = [0, (256 << 20) - 3, (300 << 20) + 17, (512 << 20) + 5];
    for (number, place) in (1u8..).zip(places) {
        file.seek(SeekFrom::Start(place)).unwrap();
        file.write_all(&[number; 9]).unwrap();
    }
    file.set_len((600 << 20) + 1).unwrap();
    let owner = fixture.cluster.run_as();
    std::os::unix::fs::chown(&path, Some(owner.uid()), Some(owner.gid())).unwrap();
    let success = fixture.archived_backup().await;
    assert!(
        success.backup.unwrap().added_bytes < 50 << 20,
        "zeros are not stored"
    );
    let copy = fixture.restore(&fixture.request("immediate")).await;
    let compared = std::process::Command::new("cmp")
        .arg(&path)
        .arg(copy.dir().join("large"))
        .status();
    assert!(compared.unwrap().success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repository_that_fails_in_the_middle_fails_the_backup() {
    let fixture = Fixture::new(&testkit::major(15)).await;
    fixture.cluster.pgbench(&["-i", "-s", "2", "-q"]);
    // A file where a directory must be made: every pack is refused.
    let timeline = fixture.wal_object("").await;
    let packs = timeline.ancestors().nth(2).unwrap().join("packs");
    std::fs::write(&packs, "in the way").unwrap();
    let failed = failure(backup::run(fixture.backup_work(), context(), &fixture.host).await);
    assert!(failed.code.starts_with("repository_"), "{failed}");
    fixture.assert_no_backup_mode().await;
    assert_eq!(fixture.backups().await, 0);
    std::fs::remove_file(&packs).unwrap();
    fixture.archived_backup().await;
    assert_eq!(fixture.backups().await, 1);
}

/// The server is down, so the repository alone is asked.
async fn fixture_backups_offline(fixture: &Fixture) -> usize {
    let repository = fixture.host.repository(&fixture.access).await.unwrap();
    let mut backups = 0;
    for lineage in repository.all_lineages().await.unwrap() {
        backups += lineage.list_backups().await.unwrap().available.len();
    }
    backups
}

/// Never faster than allowed, whatever the machine.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_keeps_to_its_bandwidth() {
    const RATE: u64 = 512 << 10;
    let fixture = Fixture::new(&testkit::major(18)).await;
    fixture.lineage().await;
    let mut work = fixture.backup_work();
    work.repository.bandwidth = Some(RATE);
    let before = stored(&fixture).0;
    let began = std::time::Instant::now();
    fixture.archived(work).await;
    let took = began.elapsed().as_secs_f64();
    // WAL is put meanwhile, without a limit; the last object needs not be waited for.
    let (bytes, largest, wal) = stored(&fixture);
    let limited = bytes - before - wal - largest;
    assert!(limited > RATE, "{limited} bytes are too few to tell");
    assert!(
        took * RATE as f64 >= limited as f64,
        "{limited} in {took} s"
    );
}

/// The bytes in the fixture's repository, of its largest object and of its WAL.
fn stored(fixture: &Fixture) -> (u64, u64, u64) {
    let (mut bytes, mut largest, mut wal) = (0, 0, 0);
    let mut pending = vec![fixture.cluster.root().join("repo")];
    while let Some(directory) = pending.pop() {
        for entry in std::fs::read_dir(directory).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_dir() {
                pending.push(entry.path());
                continue;
            }
            let size = entry.metadata().unwrap().len();
            bytes += size;
            largest = largest.max(size);
            if entry
                .path()
                .components()
                .any(|part| part.as_os_str() == "wal")
            {
                wal += size;
            }
        }
    }
    (bytes, largest, wal)
}
