//! Enrolling agents.

use serde_json::json;
use tonic::{Code, Status};

use crate::agent::{Agent, join_token};
use crate::node::{Node, eventually};

#[track_caller]
fn refused(enrolled: Result<Agent, Status>, code: &str) {
    let status = enrolled.err().expect("it was enrolled");
    assert_eq!(
        status.metadata().get("holdfast-code").unwrap(),
        code,
        "{status:?}"
    );
    assert!(status.metadata().get("holdfast-hint").is_some());
}

#[tokio::test]
async fn a_join_token_enrols_one_agent_in_its_time_and_region() {
    let mut node = Node::start().await;
    let token = join_token(&node, json!({})).await;
    Agent::enrol_with(&node, "db1", &token, "").await.unwrap();
    refused(
        Agent::enrol_with(&node, "db2", &token, "").await,
        "token_used",
    );
    let another = join_token(&node, json!({})).await;
    refused(
        Agent::enrol_with(&node, "db1", &another, "").await,
        "agent_name_taken",
    );
    // A refused name costs the token nothing.
    Agent::enrol_with(&node, "db2", &another, "").await.unwrap();
    let (head, ca) = token.rsplit_once('.').unwrap();
    let (id, _) = head.rsplit_once('.').unwrap();
    let forged = format!("{id}.{}.{ca}", "A".repeat(43));
    refused(
        Agent::enrol_with(&node, "db3", &forged, "").await,
        "token_unknown",
    );
    refused(
        Agent::enrol_with(&node, "db3", "nonsense", "").await,
        "token_unknown",
    );
    let short = join_token(&node, json!({"ttl": "1ms"})).await;
    tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    refused(
        Agent::enrol_with(&node, "db3", &short, "").await,
        "token_expired",
    );
    let bound = join_token(&node, json!({"region": "eu"})).await;
    refused(
        Agent::enrol_with(&node, "db3", &bound, "us").await,
        "region_mismatch",
    );
    Agent::enrol_with(&node, "db3", &bound, "").await.unwrap();
    refused(Agent::enrol_with(&node, "Db4", &bound, "").await, "invalid");
    let db3 = node.get("/api/v1/agents/db3").await.expect(200);
    assert_eq!(
        (db3["region"].as_str(), db3["state"].as_str()),
        (Some("eu"), Some("offline"))
    );
    node.post("/api/v1/agents/tokens", json!({"ttl": "0s"}))
        .await
        .refused(422, "invalid");
    node.stop().await;
}

#[tokio::test]
async fn a_session_needs_a_certificate_that_was_not_revoked() {
    let mut node = Node::start().await;
    let agent = Agent::enrol(&node, "db1").await;
    let mut session = agent.session(&node, &[]).await.unwrap();
    eventually("the agent online", || async {
        let agent = node.get("/api/v1/agents/db1").await.expect(200);
        (agent["state"] == "online" && agent["version"] == "0.1.0").then_some(())
    })
    .await;
    node.post("/api/v1/agents/db1/revoke", json!({}))
        .await
        .expect(200);
    while session.next().await.is_ok() {}
    let refused = agent.session(&node, &[]).await.err().unwrap();
    assert_eq!(refused.code(), Code::PermissionDenied);
    assert_eq!(
        refused.metadata().get("holdfast-code").unwrap(),
        "agent_revoked"
    );
    // Its name is free again, and the new one is another agent.
    let again = Agent::enrol(&node, "db1").await;
    again.session(&node, &[]).await.unwrap();
    assert!(agent.session(&node, &[]).await.is_err());
    node.stop().await;
}

#[tokio::test]
async fn a_stranger_gets_no_session() {
    let mut node = Node::start().await;
    let mut other = Node::start().await;
    let stranger = Agent::enrol(&other, "db1").await;
    assert!(stranger.session(&node, &[]).await.is_err());
    node.stop().await;
    other.stop().await;
}
