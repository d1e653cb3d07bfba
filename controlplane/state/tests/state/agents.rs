//! Join tokens, agents, and what agents see.

use holdfast_state::Refusal;
use holdfast_state::command::{PruneExpired, RecordInstances, RevokeAgent};
use holdfast_state::query::{self, PageRequest};
use holdfast_types::{Failure, InstanceFacts, Observation};
use jiff::SignedDuration;

use crate::fixture::{agent_id, bootstrap, duty, enroll, hash, join_token, join_token_id, name};
use crate::harness::TestState;

#[tokio::test]
async fn a_join_token_enrols_one_agent() {
    let mut state = TestState::new().await;
    state.accept(bootstrap()).await;
    let token = join_token(1, &state);
    state.accept(token.clone()).await;
    assert_eq!(state.refuse(token).await.code(), "already_exists");
    let enrolled = state.accept(enroll(1, 1, "db1")).await;
    assert_eq!(enrolled.agent, agent_id(1));
    assert!(state.woke("agents/db1") && state.woke("task Duties"));
    assert_eq!(state.refuse(enroll(1, 2, "db2")).await, Refusal::TokenUsed);

    let used = query::join_token(&state.conn, join_token_id(1))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(used.used_by, Some(agent_id(1)));
    let agent = query::agent_by_fingerprint(&state.conn, hash("certificate 1")).await;
    assert_eq!(agent.unwrap().unwrap().name, name("db1"));
    let agent = query::agent_named(&state.conn, &name("db1")).await;
    assert_eq!(agent.unwrap().unwrap().id, agent_id(1));
    let entry = |revoked| query::AgentEntry {
        id: agent_id(1),
        revoked,
    };
    let all = query::agent_directory(&state.conn).await.unwrap();
    assert_eq!(all, [(name("db1"), entry(false))].into());
    state.accept(RevokeAgent { name: name("db1") }).await;
    let all = query::agent_directory(&state.conn).await.unwrap();
    assert_eq!(all, [(name("db1"), entry(true))].into());
}

#[tokio::test]
async fn a_wrong_or_late_token_enrols_nobody() {
    let mut state = TestState::new().await;
    state.accept(bootstrap()).await;
    let token = join_token(1, &state);
    state.accept(token).await;
    assert_eq!(
        state.refuse(enroll(7, 1, "db1")).await,
        Refusal::TokenUnknown
    );
    let mut guessed = enroll(1, 1, "db1");
    guessed.hash = hash("a guess");
    assert_eq!(state.refuse(guessed).await, Refusal::TokenUnknown);
    state.pass(SignedDuration::from_hours(1));
    assert_eq!(
        state.refuse(enroll(1, 1, "db1")).await,
        Refusal::TokenExpired
    );
    state.pass(SignedDuration::from_hours(8 * 24));
    assert_eq!(state.accept(PruneExpired {}).await.join_tokens, 1);
    let tokens = query::join_tokens(&state.conn, &PageRequest::first(9)).await;
    assert_eq!(tokens.unwrap().items, []);
}

#[tokio::test]
async fn a_token_of_a_region_enrols_there_alone() {
    let mut state = TestState::new().await;
    state.accept(bootstrap()).await;
    for number in [1, 2] {
        let mut token = join_token(number, &state);
        token.region = Some("eu".to_owned());
        state.accept(token).await;
    }
    let mut stranger = enroll(1, 1, "db1");
    stranger.region = Some("us".to_owned());
    let mismatch = Refusal::RegionMismatch {
        token: "eu".to_owned(),
        agent: "us".to_owned(),
    };
    assert_eq!(state.refuse(stranger).await, mismatch);
    let silent = state.accept(enroll(1, 1, "db1")).await;
    assert_eq!(silent.region.as_deref(), Some("eu"));
    let mut native = enroll(2, 2, "db2");
    native.region = Some("eu".to_owned());
    assert_eq!(state.accept(native).await.region.as_deref(), Some("eu"));
}

#[tokio::test]
async fn a_name_is_free_only_after_its_agent_was_revoked() {
    let mut state = TestState::protecting().await;
    let token = join_token(3, &state);
    state.accept(token).await;
    let taken = Refusal::AgentNameTaken { name: name("db1") };
    assert_eq!(state.refuse(enroll(3, 3, "db1")).await, taken);
    let placed = state.accept(duty(1, 1)).await;

    let revoke = RevokeAgent { name: name("db1") };
    assert_eq!(state.accept(revoke.clone()).await, agent_id(1));
    assert!(state.woke(&agent_id(1).to_string()) && state.woke("task Duties"));
    let revoked = Refusal::AgentRevoked { name: name("db1") };
    assert_eq!(state.refuse(revoke).await, revoked);
    assert_eq!(state.refuse(duty(1, 2)).await, revoked);
    let nobody = RevokeAgent { name: name("db9") };
    assert_eq!(state.refuse(nobody).await.code(), "not_found");
    let duties = query::duties_of_cluster(&state.conn, &name("orders"))
        .await
        .unwrap();
    assert!(!duties[0].active);
    assert!(duties[0].generation > placed.generation);

    let mut same_certificate = enroll(3, 3, "db1");
    same_certificate.certificate.fingerprint = hash("certificate 2");
    assert_eq!(
        state.refuse(same_certificate).await.code(),
        "already_exists"
    );
    state.accept(enroll(3, 3, "db1")).await;
    let known = query::agent(&state.conn, agent_id(1)).await.unwrap();
    assert_eq!(
        known, None,
        "the certificate of the revoked one opens nothing"
    );
}

#[tokio::test]
async fn what_an_agent_sees_replaces_what_it_saw() {
    let mut state = TestState::protecting().await;
    let facts = |cluster: &str| InstanceFacts {
        cluster: name(cluster),
        observed_at: state.now,
        observation: Observation::Unreachable(Failure::transient("down", "it is down", "wait")),
        patroni: None,
        slot_trouble: None,
    };
    let record = |agent: u128, instances| RecordInstances {
        agent: agent_id(agent),
        instances,
    };
    let (orders, billing) = (facts("orders"), facts("billing"));
    state
        .accept(record(1, vec![orders.clone(), billing.clone()]))
        .await;
    state.accept(record(2, vec![orders.clone()])).await;
    assert!(state.woke("clusters/orders") && state.woke("task Duties"));
    let seen = query::instances_of_cluster(&state.conn, &name("orders"))
        .await
        .unwrap();
    let agents: Vec<_> = seen.iter().map(|instance| instance.agent).collect();
    assert_eq!(agents, [agent_id(1), agent_id(2)]);
    let agents = query::agents(&state.conn, &PageRequest::first(1))
        .await
        .unwrap();
    assert_eq!(agents.items[0].instances, [billing.clone(), orders]);
    assert!(agents.next_cursor.is_some());

    state.accept(record(1, vec![billing.clone()])).await;
    let agent = query::agent(&state.conn, agent_id(1))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(agent.instances, [billing]);
    assert_eq!(state.refuse(record(9, vec![])).await.code(), "not_found");
}
