//! Repeats of a request under its Idempotency-Key.

use reqwest::Method;
use serde_json::{Value, json};

use crate::node::{Answer, Node, answer, cluster, policy, repository};

async fn post(node: &Node, path: &str, key: &str, body: Value) -> Answer {
    let request = node
        .request(Method::POST, path)
        .header("idempotency-key", key);
    answer(request.json(&body)).await
}

#[tokio::test]
async fn a_repeat_is_answered_and_not_done_again() {
    let mut node = Node::start().await;
    let agent = crate::agent::Agent::enrol(&node, "db1").await;
    node.apply(json!([repository(), policy(), cluster("db1")]))
        .await
        .expect(200);
    let path = "/api/v1/clusters/orders/backups";
    let first = post(&node, path, "k1", json!({"kind": "full"})).await;
    let location = first.headers["location"].to_str().unwrap().to_owned();
    let first = first.expect(202);
    assert_eq!(
        location,
        format!("/api/v1/jobs/{}", first["job"].as_str().unwrap())
    );
    let again = post(&node, path, "k1", json!({"kind": "full"}))
        .await
        .expect(202);
    assert_eq!(again, first);
    let other = post(&node, path, "k2", json!({"kind": "full"}))
        .await
        .expect(202);
    assert_ne!(other, first);
    let jobs = node.get("/api/v1/jobs").await.expect(200);
    assert_eq!(jobs["items"].as_array().unwrap().len(), 2);
    // The same key for another request is a mistake, not a repeat.
    let waiting = post(&node, path, "k1", json!({"kind":  "full", "x": 1})).await;
    waiting.refused(422, "invalid");
    let mut elsewhere = cluster("db1");
    elsewhere["metadata"]["name"] = json!("billing");
    node.apply(json!([elsewhere])).await.expect(200);
    let path = "/api/v1/clusters/billing/backups";
    post(&node, path, "k1", json!({"kind": "full"}))
        .await
        .refused(409, "idempotency_mismatch");
    drop(agent);
    node.stop().await;
}

#[tokio::test]
async fn a_secret_that_was_shown_is_not_shown_again() {
    let mut node = Node::start().await;
    let body = json!({"name": "ci"});
    post(&node, "/api/v1/tokens", "k1", body.clone())
        .await
        .expect(201);
    post(&node, "/api/v1/tokens", "k1", body)
        .await
        .refused(409, "shown_once");
    for (path, key) in [
        ("/api/v1/agents/tokens", "k2"),
        ("/api/v1/nodes/tokens", "k4"),
    ] {
        post(&node, path, key, json!({})).await.expect(201);
        let again = post(&node, path, key, json!({})).await;
        again.refused(409, "shown_once");
    }
    let users = json!({"name": "ada", "password": "a long password"});
    post(&node, "/api/v1/users", "k3", users.clone())
        .await
        .expect(201);
    post(&node, "/api/v1/users", "k3", users).await.expect(201);
    let long = "k".repeat(256);
    post(&node, "/api/v1/tokens", &long, json!({"name": "x"}))
        .await
        .refused(400, "malformed_header");
    node.stop().await;
}
