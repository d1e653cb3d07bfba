//! Three nodes: the leader, a follower, a quorum is lost.

use holdfast_consensus::{Age, Notice, ProposeError, ReadError, Role};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::cluster::{Group, PATIENCE, id};
use crate::support::{dump_of, full_dump, set, set_many};
use crate::tls::Identity;

#[tokio::test(flavor = "multi_thread")]
async fn the_leader_is_lost_and_writes_go_on() {
    let mut group = Group::of_three(10_000).await;
    set_many(group.node(group.leader().await), "before", 50).await;
    let lost = group.leader().await;
    group.stop(lost).await;
    for number in 0..50 {
        group.set_somewhere(&format!("without-{number}")).await;
    }
    group.start(lost).await;
    group.set_somewhere("together").await;
    group.assert_equal().await;
    let dump = dump_of(group.node(lost)).await;
    for name in [
        "before-0",
        "before-49",
        "without-0",
        "without-49",
        "together",
    ] {
        assert!(dump.contains(&format!("name='{name}'")), "{name} is lost");
    }
    group.shut_down().await;
}

/// How long it takes is measured by `examples/failover.rs`; here it must end.
#[tokio::test(flavor = "multi_thread")]
async fn leader_after_leader_is_lost_and_each_time_another_takes_over() {
    let mut group = Group::of_three(10_000).await;
    for round in 0..4 {
        let lost = group.leader().await;
        group.stop(lost).await;
        for at in [(lost + 1) % 3, (lost + 2) % 3] {
            let name = format!("round-{round}-{at}");
            let written = async {
                // What is certain or harmless is tried again.
                while let Err(error) = set(group.node(at), &name).await {
                    assert!(!matches!(error, ProposeError::Storage(_)), "{error:?}");
                }
            };
            tokio::time::timeout(PATIENCE, written).await.unwrap();
        }
        group.start(lost).await;
    }
    group.assert_equal().await;
    let dump = dump_of(group.node(0)).await;
    assert_eq!(dump.matches("name='round-").count(), 8);
    group.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_far_behind_is_given_a_snapshot() {
    let mut group = Group::of_three(100).await;
    let leader = group.leader().await;
    let behind = (leader + 1) % 3;
    group.stop(behind).await;
    set_many(group.node(leader), "missed", 700).await;
    group.node(leader).snapshot(PATIENCE).await.unwrap();
    // What the lost node is being sent is purged when sending it has failed.
    let purged = async {
        while group
            .node(leader)
            .status()
            .purged
            .is_none_or(|purged| purged < 50)
        {
            group.set_somewhere("more").await;
        }
    };
    tokio::time::timeout(PATIENCE, purged)
        .await
        .expect("the log was not purged");
    group.start(behind).await;
    let mut notices = group.node(behind).effects();
    group.set_somewhere("together").await;
    group.assert_equal().await;
    let replaced =
        async { while !matches!(notices.recv().await.unwrap(), Notice::Replaced { .. }) {} };
    tokio::time::timeout(PATIENCE, replaced)
        .await
        .expect("no snapshot was installed");
    // What was installed is found again.
    group.stop(behind).await;
    group.start(behind).await;
    group.assert_equal().await;
    group.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_reads_what_was_acknowledged() {
    let group = Group::of_three(10_000).await;
    let leader = group.leader().await;
    let follower = group.node((leader + 1) % 3);
    for number in 0..20 {
        let name = format!("read-{number}");
        set(group.node(leader), &name).await.unwrap();
        // The follower may be behind; a linearizable read is not.
        let dump = dump_of(follower).await;
        assert!(
            dump.contains(&format!("name='{name}'")),
            "{name} is not seen"
        );
    }
    let Age::Known(age) = follower.read_stale().age else {
        panic!("a follower that hears its leader knows how old its state is");
    };
    assert!(age < PATIENCE, "{age:?}");
    group.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn leadership_can_be_handed_over() {
    let group = Group::of_three(10_000).await;
    let old = group.leader().await;
    let new = (old + 1) % 3;
    // A successor must hold the whole log to be taken.
    group.set_somewhere("flushed").await;
    group.assert_equal().await;
    group.node(old).transfer_leadership(id(new)).await.unwrap();
    let mut leader = group.node(old).leader();
    let handed =
        leader.wait_for(|leader| leader.as_ref().is_some_and(|leader| leader.id == id(new)));
    tokio::time::timeout(PATIENCE, handed)
        .await
        .unwrap()
        .unwrap();
    group.set_somewhere("after").await;
    assert_eq!(group.node(group.leader().await).status().role, Role::Leader);
    group.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_quorum_nothing_is_acknowledged_and_only_stale_reads_answer() {
    let mut group = Group::of_three(10_000).await;
    group.set_somewhere("before").await;
    let leader = group.leader().await;
    group.stop((leader + 1) % 3).await;
    group.stop((leader + 2) % 3).await;
    let alone = group.node(leader);
    let error = set(alone, "unsure").await.unwrap_err();
    assert!(
        matches!(error, ProposeError::Unknown(_) | ProposeError::NoQuorum),
        "{error:?}"
    );
    // By now it knows.
    let error = set(alone, "refused").await.unwrap_err();
    assert!(matches!(error, ProposeError::NoQuorum), "{error:?}");
    let error = alone.read().await.unwrap_err();
    assert!(
        matches!(error, ReadError::NoQuorum | ReadError::NoLeader),
        "{error:?}"
    );
    let stale = alone.read_stale();
    let dump = full_dump(stale.view.connection()).await;
    assert!(dump.contains("name='before'") && !dump.contains("name='refused'"));
    group.start((leader + 1) % 3).await;
    group.set_somewhere("again").await;
    group.shut_down().await;
}

/// Agents hold certificates of the same authority; they are no nodes.
#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_is_no_nodes_is_turned_away() {
    let group = Group::of_three(10_000).await;
    let agent = group.authority.issue();
    let knocked = knock(&group, &group.identities[1]).await;
    assert!(
        knocked.is_ok_and(|bytes| bytes > 0),
        "a node was turned away"
    );
    let knocked = knock(&group, &agent).await;
    assert!(!knocked.is_ok_and(|bytes| bytes > 0), "an agent was let in");
    group.shut_down().await;
}

/// How many bytes the listener of the first node answers to the beginning of
/// HTTP/2.
async fn knock(group: &Group, identity: &Identity) -> std::io::Result<usize> {
    let mut client = group.authority.client(identity);
    client.alpn_protocols = vec![b"h2".to_vec()];
    let stream = TcpStream::connect(group.addresses[0]).await?;
    let name = "127.0.0.1".try_into().unwrap();
    let connector = tokio_rustls::TlsConnector::from(std::sync::Arc::new(client));
    let mut stream = connector.connect(name, stream).await?;
    stream
        .write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0")
        .await?;
    let mut answer = [0; 9];
    stream.read(&mut answer).await
}
