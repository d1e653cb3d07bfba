//! Two receivers of one server: one has the slot, the other stands beside it.

use holdfast_pg::testkit::{TestCluster, major};
use holdfast_proto::WalReport;
use holdfast_types::Timeline;

use crate::support::{Place, Receiving, SLOT, eventually, insert_position, kept_from, write};

async fn receives(receiving: &mut Receiving, server: &TestCluster) -> WalReport {
    write(server, 1);
    receiving.caught_up(server).await
}

fn slots(server: &TestCluster) -> String {
    server.psql("SELECT string_agg(slot_name, ',') FROM pg_replication_slots")
}

// I-04, I-08: an agent that nobody can reach goes on, and so does whoever
// stands in for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_second_receiver_streams_beside_the_first_and_takes_the_slot_when_that_ends() {
    let server = TestCluster::builder(&major(18)).start();
    let place = Place::new();
    let mut first = place.start(&server);
    receives(&mut first, &server).await;

    let mut second = place.start(&server);
    let report = receives(&mut second, &server).await;
    assert_eq!(report.trouble, None);
    assert_eq!(slots(&server), SLOT, "both use one slot");
    receives(&mut first, &server).await;

    // The first ends as one does whose duty has moved: the slot stays.
    first.duty.stop().await;
    write(&server, 20);
    let position = insert_position(&server);
    second.caught_up(&server).await;
    // Only who streams from the slot can move it.
    eventually("the slot to follow the second receiver", async || {
        kept_from(&server).unwrap() >= position
    })
    .await;
    let coverage = place.coverage(&server, Timeline::FIRST).await;
    assert_eq!(coverage.ranges().len(), 1, "no gap and no fork");
    second.duty.stop().await;
}
