//! Calls between nodes.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use holdfast_consensus::{CallError, CallFault, NodeId, PeerCalls};
use tokio::sync::Notify;

use crate::cluster::{Group, PATIENCE, id};

/// Says who called it what; some kinds are special.
struct Parrot {
    called: Notify,
}

#[tonic::async_trait]
impl PeerCalls for Parrot {
    async fn call(&self, from: NodeId, kind: &str, body: Bytes) -> Result<Bytes, CallFault> {
        match kind {
            "say" => Ok(Bytes::from(format!("{from} says {}", body.len()))),
            "whole" => Ok(body),
            "refuse" => Err(CallFault::failed("agent_away", "the agent is not here")),
            "hang" => {
                self.called.notify_one();
                std::future::pending().await
            }
            "swell" => Ok(vec![0; (16 << 20) + 1].into()),
            _ => Err(CallFault::UnknownKind),
        }
    }
}

fn parrot() -> Arc<Parrot> {
    let called = Notify::new();
    Arc::new(Parrot { called })
}

#[tokio::test(flavor = "multi_thread")]
async fn any_node_calls_any_other_and_itself() {
    let group = Group::of_three(10_000).await;
    for (_, node) in group.running() {
        node.answer_calls(parrot());
    }
    for (from, node) in group.running() {
        for to in 0..3 {
            let body = Bytes::from_static(b"four");
            let answer = node.call(id(to), "say", body, PATIENCE).await.unwrap();
            assert_eq!(answer, format!("{} says 4", id(from)));
        }
    }
    let large = Bytes::from(vec![7; 16 << 20]);
    let asked = group.node(0).call(id(1), "whole", large.clone(), PATIENCE);
    assert!(asked.await.unwrap() == large);
    group.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_failure_of_a_call_says_which_it_is() {
    let mut group = Group::of_three(10_000).await;
    let answering = parrot();
    group.node(1).answer_calls(answering.clone());
    let caller = group.node(0).clone();
    let call = async |to: usize, kind: &str, timeout: Duration| {
        let called = caller.call(id(to), kind, Bytes::new(), timeout).await;
        called.unwrap_err()
    };
    let error = call(1, "newer", PATIENCE).await;
    let unknown = matches!(&error, CallError::UnknownKind { node, kind } if *node == id(1) && kind == "newer");
    assert!(unknown, "{error:?}");
    let error = call(1, "refuse", PATIENCE).await;
    assert!(matches!(error, CallError::Fault { .. }), "{error:?}");
    assert_eq!(error.code(), "agent_away");
    assert_eq!(call(1, "swell", PATIENCE).await.code(), "answer_too_large");
    let error = call(8, "say", PATIENCE).await;
    assert!(
        matches!(error, CallError::NoSuchMember(NodeId(9))),
        "{error:?}"
    );
    // Nobody answers there yet; the caller itself does not either.
    for to in [2, 0] {
        let error = call(to, "say", PATIENCE).await;
        assert!(matches!(error, CallError::Unreachable { .. }), "{error:?}");
    }
    let error = call(1, "hang", Duration::from_millis(50)).await;
    assert!(matches!(error, CallError::Timeout { .. }), "{error:?}");
    answering.called.notified().await;
    let huge = Bytes::from(vec![0; (16 << 20) + 1]);
    let error = caller.call(id(1), "whole", huge, PATIENCE).await;
    assert!(
        matches!(error, Err(CallError::TooLarge { .. })),
        "{error:?}"
    );
    group.stop(1).await;
    let error = call(1, "say", PATIENCE).await;
    assert!(matches!(error, CallError::Unreachable { .. }), "{error:?}");
    group.start(1).await;
    group.node(1).answer_calls(answering);
    let again = caller.call(id(1), "say", Bytes::new(), PATIENCE).await;
    assert_eq!(again.unwrap(), "1 says 0");
    group.shut_down().await;
}

/// Calls that hang take nothing from commands and heartbeats.
#[tokio::test(flavor = "multi_thread")]
async fn commands_go_on_beside_calls_that_do_not_end() {
    let group = Group::of_three(10_000).await;
    let answering = parrot();
    let leader = group.leader().await;
    group.node(leader).answer_calls(answering.clone());
    let follower = group.node((leader + 1) % 3);
    let hanging: Vec<_> = (0..300)
        .map(|_| {
            let (node, body) = (follower.clone(), Bytes::from(vec![1; 100 << 10]));
            tokio::spawn(async move { node.call(id(leader), "hang", body, PATIENCE).await })
        })
        .collect();
    answering.called.notified().await;
    for number in 0..20 {
        let name = format!("beside-{number}");
        crate::support::set(follower, &name).await.unwrap();
    }
    assert_eq!(group.leader().await, leader);
    for call in hanging {
        call.abort();
    }
    group.shut_down().await;
}
