//! Who is in the group, and who is let in.

use std::time::Duration;

use holdfast_consensus::{
    Member, MembershipChange, MembershipError, Node, NodeId, OpenError, ProposeError,
};
use tonic::Code;

use crate::cluster::{Group, PATIENCE, id};
use crate::raw::{self, Anything, ReadRequest};
use crate::support::{dump_of, set};

/// Waits until the leader takes `at` for lost, or for there.
async fn await_reachable(group: &Group, leader: usize, at: usize, expected: bool) {
    let change = MembershipChange::Promote(id(at));
    let seen = async {
        // The leader's knowledge ages; there is no event to await.
        while group
            .node(leader)
            .quorum_preview(&change)
            .unwrap()
            .reachable
            .contains(&id(at))
            != expected
        {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, seen).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_learner_is_promoted_once_it_has_caught_up() {
    let mut group = Group::founded(3, 10_000).await;
    let first = group.node(0).clone();
    crate::support::set_many(&first, "before", 300).await;
    // It is added before it runs: nothing is known of it.
    first.add_member(id(1), group.member(1)).await.unwrap();
    let error = first.promote(id(1)).await.unwrap_err();
    assert_eq!(error.code(), "node_not_caught_up", "{error}");
    let error = first.promote(id(2)).await.unwrap_err();
    assert!(
        matches!(error, MembershipError::NoSuchMember(NodeId(3))),
        "{error:?}"
    );
    group.join(1).await;
    first.await_caught_up(id(1), PATIENCE).await.unwrap();
    first.promote(id(1)).await.unwrap();
    first.promote(id(1)).await.unwrap();
    let voters: Vec<bool> = first.status().members.iter().map(|m| m.voter).collect();
    assert_eq!(voters, [true, true]);
    let error = group.node(1).promote(id(0)).await.unwrap_err();
    let asked_the_wrong_one = matches!(
        error,
        MembershipError::Propose(ProposeError::NotLeader { .. })
    );
    assert!(asked_the_wrong_one, "{error:?}");
    group.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removal_that_leaves_no_quorum_is_refused_with_what_would_be_left() {
    let mut group = Group::of_three(10_000).await;
    let leader = group.leader().await;
    let (lost, other) = ((leader + 1) % 3, (leader + 2) % 3);
    group.stop(lost).await;
    await_reachable(&group, leader, lost, false).await;
    let node = group.node(leader).clone();
    // Two voters would be left, one of which is down.
    let error = node.remove_member(id(other)).await.unwrap_err();
    let MembershipError::NoQuorumLeft(preview) = &error else {
        panic!("{error:?}");
    };
    assert_eq!(error.code(), "no_quorum_left");
    assert_eq!(
        (preview.voters_now.len(), preview.voters_after.len()),
        (3, 2)
    );
    assert_eq!((preview.needed, preview.reachable.len()), (2, 1));
    let error = node.transfer_leadership(id(lost)).await.unwrap_err();
    assert!(
        matches!(error, MembershipError::Unreachable(_)),
        "{error:?}"
    );
    // The dead one may go.
    let preview = node.quorum_preview(&MembershipChange::Remove(id(lost)));
    assert!(preview.unwrap().keeps_quorum());
    node.remove_member(id(lost)).await.unwrap();
    node.remove_member(id(lost)).await.unwrap();
    assert_eq!(node.status().members.len(), 2);
    set(&node, "two-are-left").await.unwrap();
    node.remove_member(id(other)).await.unwrap();
    let error = node.remove_member(id(leader)).await.unwrap_err();
    assert!(matches!(error, MembershipError::LastVoter(_)), "{error:?}");
    let error = node.remove_member(NodeId(77)).await.unwrap_err();
    assert!(
        matches!(error, MembershipError::NoSuchMember(_)),
        "{error:?}"
    );
    set(&node, "one-is-left").await.unwrap();
    group.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_removes_itself_hands_over_first() {
    let group = Group::of_three(10_000).await;
    let leader = group.leader().await;
    group.node(leader).remove_member(id(leader)).await.unwrap();
    let other = group.node((leader + 1) % 3);
    set(other, "without-it").await.unwrap();
    let members = other.status().members;
    assert_eq!(members.len(), 2);
    assert!(members.iter().all(|member| member.id != id(leader)));
    group.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_learner_is_removed_and_its_id_is_never_used_again() {
    let mut group = Group::founded(3, 10_000).await;
    group.join(1).await;
    group.add(1).await;
    let first = group.node(0).clone();
    let elsewhere = Member {
        raft: "127.0.0.1:1".to_owned(),
        ..Member::default()
    };
    let error = first.add_member(id(1), elsewhere).await.unwrap_err();
    assert!(
        matches!(error, MembershipError::IsMember { .. }),
        "{error:?}"
    );
    first.add_member(id(1), group.member(1)).await.unwrap();
    first.remove_member(id(1)).await.unwrap();
    let error = first.add_member(id(1), group.member(1)).await.unwrap_err();
    assert!(
        matches!(error, MembershipError::IdUsed(NodeId(2))),
        "{error:?}"
    );
    // A restart does not forget it.
    group.stop(0).await;
    group.start(0).await;
    let first = group.node(group.leader().await).clone();
    let error = first.add_member(id(1), group.member(1)).await.unwrap_err();
    assert!(
        matches!(error, MembershipError::IdUsed(NodeId(2))),
        "{error:?}"
    );
    group.shut_down().await;
}

/// Asks the node `to` for a read barrier, with the certificate of `from`.
async fn ask(group: &Group, from: usize, to: usize) -> Result<(), Code> {
    let request = ReadRequest { to: id(to).0 };
    let method = "/holdfast.v1.RaftService/ReadIndex";
    let (authority, identity) = (&group.authority, &group.identities[from]);
    let sent = raw::send(authority, identity, group.addresses[to], method, &request);
    let answered: Result<Anything, _> = sent.await;
    answered.map(drop).map_err(|status| status.code())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_node_is_let_in_nowhere_while_a_new_one_is_served() {
    let mut group = Group::founded(4, 10_000).await;
    for at in [1, 2] {
        group.join(at).await;
        group.add(at).await;
        group.node(0).promote(id(at)).await.unwrap();
    }
    ask(&group, 2, 0).await.unwrap();
    // The fourth holds a certificate, and nobody has added it.
    assert_eq!(ask(&group, 3, 0).await, Err(Code::PermissionDenied));
    group.node(0).remove_member(id(2)).await.unwrap();
    set(group.node(0), "without-the-third").await.unwrap();
    // By then the follower has applied the removal too.
    group.out.insert(2);
    group.assert_equal().await;
    for to in [0, 1] {
        // Turned away at the door.
        ask(&group, 2, to).await.unwrap_err();
    }
    // It gets nothing done through the others, over whatever connection.
    set(group.node(2), "from-outside").await.unwrap_err();
    assert!(!dump_of(group.node(0)).await.contains("from-outside"));
    group.join(3).await;
    group.add(3).await;
    group.node(0).promote(id(3)).await.unwrap();
    ask(&group, 3, 0).await.unwrap();
    set(group.node(3), "from-the-fourth").await.unwrap();
    group.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn five_nodes_lose_two_and_go_on() {
    let mut group = Group::of(5, 10_000).await;
    group.set_somewhere("five").await;
    let leader = group.leader().await;
    group.stop(leader).await;
    group.stop((leader + 1) % 5).await;
    for at in [2, 3, 4] {
        let at = (leader + at) % 5;
        let name = format!("three-{at}");
        let done = async {
            // Without a key, what is unknown is repeated by whoever may.
            while let Err(error) = set(group.node(at), &name).await {
                assert!(!matches!(error, ProposeError::Storage(_)), "{error:?}");
            }
        };
        tokio::time::timeout(PATIENCE, done).await.unwrap();
    }
    group.start(leader).await;
    group.start((leader + 1) % 5).await;
    set(group.node(leader), "five-again").await.unwrap();
    group.assert_equal().await;
    group.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_is_prepared_to_join_and_an_empty_one_is_never_opened() {
    let mut group = Group::founded(2, 10_000).await;
    let (config, dir) = (group.config(1), group.config(1).dir);
    let refused = |opened: Result<Node, OpenError>| match opened {
        Ok(_) => panic!("the node was opened"),
        Err(error) => error.code(),
    };
    assert_eq!(
        refused(Node::open(config.clone()).await),
        "node_not_prepared"
    );
    // A join that was given up is repeated, under the new id it is given.
    Node::prepare_join(&dir, NodeId(7)).await.unwrap();
    assert_eq!(
        refused(Node::open(config.clone()).await),
        "node_wrong_identity"
    );
    Node::prepare_join(&dir, id(1)).await.unwrap();
    let node = Node::open(config.clone()).await.unwrap();
    assert!(!node.is_member());
    node.shutdown().await;
    Node::prepare_join(&dir, id(1)).await.unwrap();
    group.open(1).await;
    group.add(1).await;
    assert!(group.node(1).is_member());
    group.stop(1).await;
    let error = Node::prepare_join(&dir, NodeId(8)).await.unwrap_err();
    assert_eq!(error.code(), "node_directory_not_empty");
    // The volume is gone.
    std::fs::remove_dir_all(&dir).unwrap();
    std::fs::create_dir(&dir).unwrap();
    assert_eq!(refused(Node::open(config).await), "node_not_prepared");
    assert_eq!(std::fs::read_dir(&dir).unwrap().count(), 0);
    group.shut_down().await;
}
