//! Ends without warning.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use holdfast_agent::host::{Host, HostConfig};
use holdfast_agent::wal::Duty;
use holdfast_pg::testkit::{TestCluster, major, must_run};
use holdfast_proto::WalWork;
use holdfast_types::{Generation, Lsn, LsnRange, Timeline};

use crate::support::{
    PATIENCE, Place, compare_with_server, duty_id, eventually, insert_position, kept_from,
    measure_clock,
};

/// Set in the child process: the work, and the agent's directory.
const CHILD_WORK: &str = "HOLDFAST_TEST_CHILD_WORK";
const CHILD_DATA: &str = "HOLDFAST_TEST_CHILD_DATA";

/// Not a case of its own: the process that
/// [`kill_9_loses_nothing_and_confirms_nothing_too_early`] kills.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child_process() {
    let Ok(work) = std::env::var(CHILD_WORK) else {
        return;
    };
    let work: WalWork = serde_json::from_str(&work).unwrap();
    let data = std::env::var(CHILD_DATA).unwrap();
    let host = Host::with_executable(data, HostConfig::default(), "/nowhere");
    measure_clock(&host);
    let _duty = Duty::start(duty_id(), Generation(1), work, host);
    // The parent kills us; if it died first, nobody needs us.
    tokio::time::sleep(2 * PATIENCE).await;
}

fn child(place: &Place, server: &TestCluster) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "resuming::child_process", "--nocapture"])
        .env(
            CHILD_WORK,
            serde_json::to_string(&place.work(server)).unwrap(),
        )
        .env(CHILD_DATA, place.host().data_dir())
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

/// I-07: the slot first, then the repository, so that what was confirmed must
/// be found. Returns where the slot is.
async fn check_slot(place: &Place, server: &TestCluster, first: Lsn) -> Option<Lsn> {
    let confirmed = kept_from(server)?;
    if confirmed <= first {
        // Where the slot began: nothing has been confirmed yet.
        return None;
    }
    let stored = place.coverage(server, Timeline::FIRST).await;
    let range = LsnRange::new(first, confirmed).unwrap();
    assert!(
        stored.covers(range),
        "{confirmed} is confirmed, stored is {stored:?}"
    );
    Some(confirmed)
}

// Pitfall 19
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn kill_9_loses_nothing_and_confirms_nothing_too_early() {
    let server = TestCluster::builder(&major(18))
        .initdb("--wal-segsize=1")
        .setting("wal_keep_size", "1GB")
        .start();
    server.pgbench(&["-i", "-q", "-s", "1"]);
    let place = Place::new();
    let mut process = child(&place, &server);
    eventually("the slot", async || kept_from(&server).is_some()).await;
    let first = kept_from(&server).unwrap();
    let mut load = server
        .program("pgbench")
        .args([
            "-h",
            &server.socket_dir().display().to_string(),
            "-U",
            "postgres",
        ])
        .args([
            "-p",
            &server.port().to_string(),
            "-c",
            "4",
            "-T",
            "600",
            "-n",
            "postgres",
        ])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    for round in 0..4 {
        let mut last = None;
        // Each life confirms something new, several times.
        for _ in 0..3 {
            eventually("a confirmation", async || {
                let confirmed = check_slot(&place, &server, first).await;
                let news = confirmed.is_some() && confirmed > last;
                last = last.max(confirmed);
                news
            })
            .await;
        }
        // Somewhere in the middle of what it does.
        tokio::time::sleep(Duration::from_millis(37 * round)).await;
        process.kill().unwrap();
        process.wait().unwrap();
        check_slot(&place, &server, first).await;
        process = child(&place, &server);
    }
    load.kill().unwrap();
    load.wait().unwrap();
    let position = insert_position(&server);
    eventually("everything to be stored", async || {
        check_slot(&place, &server, first)
            .await
            .is_some_and(|confirmed| confirmed >= position)
    })
    .await;
    process.kill().unwrap();
    process.wait().unwrap();
    let stored = place.coverage(&server, Timeline::FIRST).await;
    assert_eq!(stored.ranges().len(), 1, "without a hole: {stored:?}");
    let compared = compare_with_server(&place.wal(&server).await, &server).await;
    assert!(compared > 3, "{compared} segments were compared");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn goes_on_when_postgresql_is_restarted_under_it() {
    let server = TestCluster::builder(&major(15)).start();
    let place = Place::new();
    let mut receiving = place.start(&server);
    receiving.caught_up(&server).await;
    for mode in ["fast", "immediate"] {
        server.psql(&format!("CREATE TABLE before_{mode} ()"));
        let mut restart = server.program("pg_ctl");
        restart
            .args(["restart", "-w", "-m", mode, "-l"])
            .arg(server.log_path());
        must_run(
            restart
                .arg("-D")
                .arg(server.data_dir())
                .stdout(Stdio::null()),
        );
        server.psql(&format!("CREATE TABLE after_{mode} ()"));
        let restarted = receiving.host.clock().now().unwrap();
        receiving
            .until("a frontier after the restart", |report| {
                report.trouble.is_none()
                    && report
                        .frontier
                        .is_some_and(|known| known.frontier.time > restarted)
            })
            .await;
    }
    let stored = place.coverage(&server, Timeline::FIRST).await;
    assert_eq!(stored.ranges().len(), 1, "without a hole: {stored:?}");
    assert!(stored.ranges()[0].to_lsn >= receiving.report.borrow().frontier.unwrap().frontier.lsn);
    receiving.duty.stop().await;
}
