//! The feature level, and the control plane's own nodes.

use holdfast_state::audit::ACCEPTED;
use holdfast_state::command::{
    AdmitNode, Admitted, CreateNodeToken, MoveNode, PruneExpired, RaiseLevel, RecordNode,
    RemoveNode, RenewAgent, RevokeAgent, TransferLeadership,
};
use holdfast_state::query::{self, AuditFilter, NodeState, PageRequest};
use holdfast_state::{Refusal, schema};
use holdfast_types::AgentId;
use jiff::SignedDuration;

use crate::fixture::{agent_id, bootstrap, enroll, hash, join_token, name, node_token_id};
use crate::harness::{TestState, table};

fn token(number: u128, state: &TestState) -> CreateNodeToken {
    CreateNodeToken {
        token: node_token_id(number),
        hash: hash(&format!("node {number}")),
        expires_at: state.now + SignedDuration::from_mins(30),
    }
}

fn admit(number: u128, wanted: Option<&str>) -> AdmitNode {
    AdmitNode {
        token: node_token_id(number),
        hash: hash(&format!("node {number}")),
        name: wanted.map(name),
    }
}

pub(crate) fn moved(node: u64) -> MoveNode {
    MoveNode {
        node,
        raft: "cp2.example:8444".to_owned(),
        grpc: "cp2.example:8443".to_owned(),
        rest: "cp2.example:8080".to_owned(),
    }
}

async fn raised() -> TestState {
    let mut state = TestState::new().await;
    state.accept(bootstrap()).await;
    state.accept(RaiseLevel { level: 2 }).await;
    state
}

async fn states(state: &TestState) -> Vec<(u64, NodeState)> {
    let nodes = query::nodes(&state.conn).await.unwrap();
    nodes.iter().map(|node| (node.id, node.state)).collect()
}

#[tokio::test]
async fn below_its_level_a_command_is_refused() {
    let mut state = TestState::new().await;
    state.accept(bootstrap()).await;
    let command = token(1, &state);
    let refusal = state.refuse(command).await;
    let (needed, current) = (2, 1);
    assert_eq!(refusal, Refusal::LevelTooLow { needed, current });
    assert_eq!(states(&state).await, []);
    assert_eq!(state.accept(PruneExpired {}).await.join_tokens, 0);

    assert_eq!(state.accept(RaiseLevel { level: 2 }).await, 2);
    assert_eq!(schema::version(&state.conn).await.unwrap(), 2);
    assert!(state.woke("task Members"));
    // The founder is a node like the others from now on.
    assert_eq!(states(&state).await, [(1, NodeState::Member)]);
    let before = state.dump().await;
    assert_eq!(state.accept(RaiseLevel { level: 2 }).await, 2);
    let after = state.dump().await;
    assert_eq!(table(&after, "nodes"), table(&before, "nodes"));
}

#[tokio::test]
async fn a_token_lets_one_node_in_and_an_id_is_given_once() {
    let mut state = raised().await;
    for number in 1..=3 {
        let command = token(number, &state);
        state.accept(command).await;
    }
    let first = state.accept(admit(1, None)).await;
    let expected = Admitted {
        node: 2,
        name: "node-2".to_owned(),
    };
    assert_eq!(first, expected);
    assert_eq!(state.refuse(admit(1, None)).await, Refusal::TokenUsed);
    assert_eq!(state.refuse(admit(9, None)).await, Refusal::TokenUnknown);
    let taken = state.refuse(admit(2, Some("node-2"))).await;
    assert_eq!(taken.code(), "already_exists");

    state.accept(RemoveNode { node: 2 }).await;
    state.accept(RemoveNode { node: 2 }).await;
    let left = RecordNode {
        node: 2,
        votes: false,
    };
    assert!(state.accept(left.clone()).await);
    assert!(!state.accept(left).await);
    assert_eq!(
        state.refuse(RemoveNode { node: 2 }).await.code(),
        "not_found"
    );
    // The name is free again, the id is not.
    let second = state.accept(admit(2, Some("node-2"))).await;
    assert_eq!(second.node, 3);
    state.pass(SignedDuration::from_hours(1));
    assert_eq!(state.refuse(admit(3, None)).await, Refusal::TokenExpired);
    state.pass(SignedDuration::from_hours(8 * 24));
    state.accept(PruneExpired {}).await;
    assert_eq!(table(&state.dump().await, "node_tokens"), [""; 0]);
}

#[tokio::test]
async fn a_node_votes_leaves_and_the_last_one_stays() {
    let mut state = raised().await;
    assert_eq!(
        state.refuse(RemoveNode { node: 1 }).await,
        Refusal::LastNode
    );
    let command = token(1, &state);
    state.accept(command).await;
    state.accept(admit(1, None)).await;
    // One that has no vote yet is no reason to let the only voter go.
    assert_eq!(
        state.refuse(RemoveNode { node: 1 }).await,
        Refusal::LastNode
    );
    let votes = RecordNode {
        node: 2,
        votes: true,
    };
    let lead = TransferLeadership { node: 2 };
    // Only one that votes can lead.
    assert_eq!(state.refuse(lead.clone()).await.code(), "not_found");
    assert!(state.accept(votes).await);
    state.accept(lead).await;
    state.accept(RemoveNode { node: 1 }).await;
    let expected = [(1, NodeState::Removing), (2, NodeState::Member)];
    assert_eq!(states(&state).await, expected);
    // Nobody leaves who was not asked to.
    let left = RecordNode {
        node: 2,
        votes: false,
    };
    assert!(!state.accept(left).await);
}

/// I-11: the row says who went where, and nobody moves who is not there.
#[tokio::test]
async fn a_move_of_a_node_is_in_the_audit_log() {
    let mut state = raised().await;
    let low = state.refuse(moved(1)).await;
    assert_eq!(low.code(), "level_too_low");
    let level = schema::MOVES;
    state.accept(RaiseLevel { level }).await;
    let before = states(&state).await;
    state.accept(moved(1)).await;
    assert_eq!(states(&state).await, before);
    assert!(state.woke("nodes/n1"));
    let filter = AuditFilter {
        action: Some("move_node".to_owned()),
        ..AuditFilter::default()
    };
    let rows = query::audit(&state.conn, &filter, &PageRequest::first(9)).await;
    let rows = rows.unwrap().items;
    assert_eq!(rows[0].target, "nodes/1");
    assert_eq!(rows[0].outcome, ACCEPTED);
    assert_eq!(rows[0].detail["raft"], "cp2.example:8444");
    assert_eq!(rows.len(), 2, "and the one that was refused");

    let command = token(1, &state);
    state.accept(command).await;
    state.accept(admit(1, None)).await;
    // One that joins is no member yet, and one that leaves none any more.
    assert_eq!(state.refuse(moved(2)).await.code(), "not_found");
    assert_eq!(state.refuse(moved(3)).await.code(), "not_found");
}

#[tokio::test]
async fn a_renewed_certificate_ends_the_old_one_once_it_is_shown() {
    let mut state = raised().await;
    let command = join_token(1, &state);
    state.accept(command).await;
    state.accept(enroll(1, 1, "db1")).await;
    let renew = |used: &str, number: u128| RenewAgent {
        agent: agent_id(1),
        used: hash(used),
        certificate: enroll(1, number, "db1").certificate,
    };
    state.accept(renew("certificate 1", 2)).await;
    // The answer was lost: the old one still counts, and asks again.
    state.accept(renew("certificate 1", 3)).await;
    assert_eq!(known(&state, "certificate 2").await, None);
    for shown in ["certificate 1", "certificate 3"] {
        assert_eq!(known(&state, shown).await, Some(agent_id(1)), "{shown}");
    }
    state.accept(renew("certificate 3", 4)).await;
    assert_eq!(known(&state, "certificate 1").await, None);
    assert_eq!(known(&state, "certificate 4").await, Some(agent_id(1)));
    let late = state.refuse(renew("certificate 1", 5)).await;
    assert_eq!(late.code(), "not_found");
    state.accept(RevokeAgent { name: name("db1") }).await;
    let revoked = state.refuse(renew("certificate 3", 6)).await;
    assert_eq!(revoked.code(), "agent_revoked");
}

async fn known(state: &TestState, certificate: &str) -> Option<AgentId> {
    let agent = query::agent_by_fingerprint(&state.conn, hash(certificate)).await;
    agent.unwrap().map(|agent| agent.id)
}
