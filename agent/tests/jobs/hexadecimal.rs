//! A server of many lives.

use holdfast_pg::sql::Session;
use holdfast_pg::testkit::{self, TestCluster, give_to_server_user, must_run};
use holdfast_types::{RestoreRequest, Timeline};

use crate::fixture::Fixture;
use crate::incremental::committed;
use crate::ledger::{Ledger, assert_rows};

/// On timeline 11, as if it had been promoted ten times.
fn of_timeline_11() -> TestCluster {
    let cluster = TestCluster::builder(&testkit::major(15))
        .initdb("--data-checksums")
        .initdb("--wal-segsize=1")
        .start();
    cluster.stop("fast");
    let mut reset = cluster.program("pg_resetwal");
    let first = "0000000B0000000000000020";
    must_run(reset.args(["-l", first, "-D"]).arg(cluster.data_dir()));
    let history = cluster.data_dir().join("pg_wal/0000000B.history");
    std::fs::write(&history, "10\t0/1F00000\tno recovery target specified\n").unwrap();
    give_to_server_user(&history);
    cluster.start_again();
    cluster
}

/// Pitfall 14: numbers of timelines are hexadecimal, and segments not always 16 MiB.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn timelines_are_counted_in_hexadecimal() {
    let fixture = Fixture::of(of_timeline_11()).await;
    let eleven = Timeline::new(11).unwrap();
    let duty = fixture.receive_wal();
    let session = Session::connect(&fixture.cluster.local()).await.unwrap();
    let mut ledger = Ledger::new(session).await;
    ledger.write_many(5).await;
    let full = committed(&fixture.backup().await);
    ledger.write_many(5).await;
    let success = fixture.incremental(&full).await;
    assert_eq!(success.result["kind"], "incremental", "{}", success.result);
    assert_eq!(committed(&success).timeline, eleven);
    let last = ledger.write_many(5).await.pop().unwrap();
    let switch = "SELECT pg_switch_wal()";
    fixture.session.execute(switch).await.unwrap();
    let lineage = fixture.lineage().await;
    let from = lineage.facts().segment_size.start_of(last.lsn);
    holdfast_agent::wal::prove(&fixture.host, &lineage, eleven, from, last.lsn)
        .await
        .unwrap();
    let request = RestoreRequest {
        start: true,
        ..fixture.request("latest")
    };
    let copy = fixture.restore(&request).await;
    assert_eq!(
        (copy.plan.timeline, copy.result.timeline.get()),
        (eleven, 12)
    );
    assert_rows(&copy.connect().await, last.id).await;
    copy.check_everything();
    duty.stop().await;
}
