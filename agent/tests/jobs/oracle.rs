//! A day in the life of a cluster: load, a backup, an accident, restores.

use holdfast_pg::binaries::Programs;
use holdfast_pg::sql::Session;
use holdfast_pg::testkit::{self, TestCluster, free_port};
use holdfast_types::{CommittedBackup, RestoreRequest};

use crate::fixture::{Fixture, connect};
use crate::ledger::{Ledger, Noted, assert_rows};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_comes_back_on_15() {
    story(&testkit::major(15)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_comes_back_on_18() {
    story(&testkit::major(18)).await;
}

async fn story(programs: &Programs) {
    let cluster = TestCluster::builder(programs)
        .initdb("--data-checksums")
        .initdb("--wal-segsize=4")
        .setting("autovacuum_naptime", "1s")
        .start();
    let fixture = Fixture::of(cluster).await;
    fixture.cluster.pgbench(&["-i", "-s", "5", "-q"]);
    let duty = fixture.receive_wal();
    let session = Session::connect(&fixture.cluster.local()).await.unwrap();
    let mut ledger = Ledger::new(session).await;
    ledger.write_many(20).await;
    let mut load = start_load(&fixture);

    let backup = fixture.backup().await.backup.unwrap();
    assert!(backup.database_bytes > 60 << 20, "{backup:?}");
    assert!(backup.added_bytes < backup.database_bytes, "{backup:?}");
    let noted = ledger.write_many(200).await;
    load.kill().unwrap();
    load.wait().unwrap();
    let last = *noted.last().unwrap();
    fixture.session.execute("DROP TABLE ledger").await.unwrap();
    let dropped = fixture
        .lsn("SELECT pg_current_wal_insert_lsn()::text")
        .await;
    stored_up_to(&duty, dropped).await;

    before_the_accident(&fixture, &backup, last).await;
    in_the_middle(&fixture, noted[noted.len() / 2]).await;
    with_the_accident(&fixture).await;
    duty.stop().await;
}

async fn before_the_accident(fixture: &Fixture, backup: &CommittedBackup, last: Noted) {
    let request = started(fixture.request(&last.at.to_string()));
    let copy = fixture.restore(&request).await;
    assert!(copy.plan.stop_before.is_some(), "{:?}", copy.plan);
    assert_eq!(copy.plan.backup, backup.id);
    assert!(copy.result.timeline > copy.plan.timeline);
    assert_eq!(
        copy.result.reached_lsn, copy.plan.wal.to_lsn,
        "exactly there"
    );
    assert!(
        !copy.dir().join(".holdfast/wal-fetch.toml").exists(),
        "the key is gone (I-10)"
    );
    let session = copy.connect().await;
    assert_rows(&session, last.id).await;
    session
        .execute("INSERT INTO ledger VALUES (0, 'it accepts writes')")
        .await
        .unwrap();
    drop(session);
    copy.check_everything();
}

/// By position, and started by somebody else.
async fn in_the_middle(fixture: &Fixture, middle: Noted) {
    let copy = fixture
        .restore(&fixture.request(&format!("lsn:{}", middle.lsn)))
        .await;
    copy.verify_backup();
    let port = free_port();
    assert!(
        copy.start_plainly(port),
        "{}",
        std::fs::read_to_string(copy.log()).unwrap()
    );
    let session = connect(copy.dir().parent().unwrap(), port).await;
    promoted(&session).await;
    assert_rows(&session, middle.id).await;
}

async fn with_the_accident(fixture: &Fixture) {
    let copy = fixture.restore(&started(fixture.request("latest"))).await;
    assert!(copy.result.reached_lsn >= copy.plan.wal.to_lsn);
    let row = copy
        .connect()
        .await
        .row("SELECT to_regclass('ledger')::text", &[])
        .await
        .unwrap();
    assert_eq!(
        row.get::<_, Option<String>>(0),
        None,
        "the table is gone, as it was"
    );
}

fn start_load(fixture: &Fixture) -> std::process::Child {
    let mut pgbench = fixture.cluster.program("pgbench");
    pgbench
        .arg("-h")
        .arg(fixture.cluster.socket_dir())
        .args(["-U", "postgres", "-n"]);
    pgbench.args([
        "-p",
        &fixture.cluster.port().to_string(),
        "-c",
        "2",
        "-T",
        "600",
    ]);
    pgbench
        .stderr(std::process::Stdio::null())
        .stdout(std::process::Stdio::null());
    pgbench.arg("postgres").spawn().unwrap()
}

fn started(request: RestoreRequest) -> RestoreRequest {
    RestoreRequest {
        start: true,
        ..request
    }
}

/// Waits until the duty has stored WAL up to a position.
async fn stored_up_to(duty: &holdfast_agent::wal::Duty, lsn: holdfast_types::Lsn) {
    let mut reports = duty.report();
    loop {
        let stored = reports.borrow_and_update().wal.as_ref().is_some_and(|wal| {
            let ends = wal
                .timelines
                .iter()
                .filter_map(|timeline| timeline.coverage.ranges().last());
            ends.map(|range| range.to_lsn)
                .max()
                .is_some_and(|end| end >= lsn)
        });
        if stored {
            return;
        }
        reports.changed().await.unwrap();
    }
}

/// Waits until a server that promotes itself has done so.
pub(crate) async fn promoted(session: &Session) {
    loop {
        let row = session
            .row("SELECT pg_is_in_recovery()", &[])
            .await
            .unwrap();
        if !row.get::<_, bool>(0) {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}
