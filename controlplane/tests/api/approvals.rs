//! Acts that other people must consent to, over REST.

use reqwest::Method;
use serde_json::{Value, json};

use crate::authz::{Person, everything};
use crate::expiry::with_backups;
use crate::node::{Answer, Node, answer, policy};

async fn guard(node: &Node) {
    let mut policy = policy();
    policy["spec"]["approvals"] = json!({"delete": 1, "shortenRetention": 1});
    policy["spec"]["retention"] = json!({"keep": {"last": 2}, "pitr": "14d"});
    node.apply(json!([policy])).await.expect(200);
}

/// The policy as it was applied.
async fn policy_of(node: &Node) -> Value {
    let shown = node.get("/api/v1/policies/gold").await.expect(200);
    json!({"apiVersion": "holdfast/v1", "kind": "Policy",
        "metadata": {"name": "gold"}, "spec": shown["spec"]})
}

fn waits(answer: Answer) -> String {
    let location = answer.headers["location"].to_str().unwrap().to_owned();
    let body = answer.refused(409, "approval_pending");
    let id = body["approval"].as_str().unwrap();
    assert_eq!(location, format!("/api/v1/approvals/{id}"));
    assert!(body["message"].as_str().unwrap().contains(id), "{body}");
    location
}

#[tokio::test]
async fn a_backup_is_deleted_when_another_person_consents() {
    let (mut node, taken) = with_backups(2).await;
    guard(&node).await;
    let ada = Person::with(&node, "ada", &[("operator", everything())]).await;
    let bob = Person::with(&node, "bob", &[("approver", everything())]).await;
    let eve = Person::with(&node, "eve", &[("approver", json!({"fleet": "default"}))]).await;
    let kim = Person::with(&node, "kim", &[("viewer", everything())]).await;

    let backup = format!("/api/v1/backups/{}", taken[0]);
    let ask = ada.request(Method::DELETE, &backup);
    let ask = ask.header("Holdfast-Reason", "für den Prüfer".as_bytes());
    let place = waits(answer(ask).await);
    let shown = ada.get(&backup).await.expect(200);
    assert_eq!(shown["state"], "available");
    // The same again is the same request.
    assert_eq!(waits(ada.delete(&backup).await), place);
    let shown = kim.get(&place).await.expect(200);
    assert_eq!(
        (&shown["state"], &shown["needed"]),
        (&json!("pending"), &json!(1))
    );
    assert_eq!(shown["requestedBy"], "user:ada");
    assert_eq!(shown["reason"], "für den Prüfer");
    assert_eq!(shown["clusters"], json!(["orders"]));
    assert_eq!(
        shown["command"]["condemn_backups"]["backups"][0]["backup"],
        taken[0]
    );
    let listed = bob.get("/api/v1/approvals?state=pending").await.expect(200);
    assert_eq!(listed["items"].as_array().unwrap().len(), 1);
    bob.get("/api/v1/approvals?state=asleep")
        .await
        .refused(422, "invalid");

    let approve = format!("{place}/approve");
    kim.post(&approve, json!({}))
        .await
        .refused(403, "forbidden");
    ada.post(&approve, json!({}))
        .await
        .refused(403, "forbidden");
    let own = Person::with(&node, "own", &[("administrator", everything())]).await;
    own.post(&approve, json!({}))
        .await
        .refused(403, "voter_too_new");
    let done = eve
        .post(&approve, json!({"note": "seen"}))
        .await
        .expect(200);
    assert_eq!(done["state"], "executed", "{done}");
    assert_eq!(done["votes"][0]["by"], "user:eve");
    assert_eq!(done["votes"][0]["note"], "seen");
    let shown = ada.get(&backup).await.expect(200);
    assert_eq!(shown["state"], "condemned");
    assert_eq!(shown["condemned"]["reason"], "deleted by user:ada");
    bob.post(&approve, json!({}))
        .await
        .refused(409, "approval_state");
    let audit = node
        .get("/api/v1/audit?action=condemn_backups")
        .await
        .expect(200);
    let act = &audit["items"][0];
    assert_eq!(act["detail"]["consent"]["requestedBy"], "user:ada");
    assert_eq!(act["detail"]["consent"]["approvedBy"], json!(["user:eve"]));
    node.stop().await;
}

#[tokio::test]
async fn a_policy_is_not_weakened_alone() {
    let mut node = Node::start().await;
    node.apply(json!([crate::node::repository()]))
        .await
        .expect(200);
    guard(&node).await;
    let ada = Person::with(&node, "ada", &[("operator", everything())]).await;
    let bob = Person::with(&node, "bob", &[("approver", everything())]).await;
    let eve = Person::with(&node, "eve", &[("approver", json!({"fleet": "default"}))]).await;
    let shorter = {
        let mut policy = policy();
        policy["spec"]["approvals"] = json!({"delete": 1, "shortenRetention": 1});
        policy["spec"]["retention"] = json!({"keep": {"last": 2}, "pitr": "7d"});
        policy
    };
    let path = "/api/v1/policies/gold";
    let dry = json!({"documents": [shorter], "dryRun": true});
    // A dry run says what it would wait for, and asks nobody.
    let rehearsed = ada.post("/api/v1/apply", dry).await.expect(200);
    assert_eq!(rehearsed["results"][0]["action"], "configured");
    assert_eq!(rehearsed["consent"]["needed"], 1);
    let because = &rehearsed["consent"]["because"][0];
    let because = because.as_str().unwrap();
    assert!(because.contains("pitr goes from 2w to 1w"), "{rehearsed}");
    assert!(rehearsed["affected"].is_array(), "{rehearsed}");
    let preview = json!({"documents": [shorter]});
    let preview = ada.post("/api/v1/policy-previews", preview).await;
    let preview = preview.expect(200);
    assert_eq!(preview["consent"], rehearsed["consent"]);
    let asked = ada.get("/api/v1/approvals").await.expect(200);
    assert_eq!(asked["items"], json!([]));
    let same = json!({"documents": [policy_of(&node).await], "dryRun": true});
    let rehearsed = ada.post("/api/v1/apply", same).await.expect(200);
    assert_eq!(rehearsed["consent"], Value::Null);
    // Under the caller's key as without.
    let with_key = || {
        let request = ada.request(Method::POST, "/api/v1/apply");
        let request = request.header("Idempotency-Key", "once");
        answer(request.json(&json!({"documents": [shorter]})))
    };
    let place = waits(with_key().await);
    assert_eq!(waits(with_key().await), place);
    assert_eq!(waits(ada.put(path, shorter.clone()).await), place);
    waits(ada.delete(path).await);
    // Who consents to what is about everything has a role for everything.
    eve.get(&place).await.refused(404, "not_found");
    let approve = format!("{place}/approve");
    eve.post(&approve, json!({}))
        .await
        .refused(404, "not_found");
    let shown = bob.get(&place).await.expect(200);
    let because = shown["because"][0].as_str().unwrap();
    assert!(because.contains("pitr goes from 2w to 1w"), "{shown}");
    let done = bob.post(&approve, json!({})).await.expect(200);
    assert_eq!(done["state"], "executed", "{done}");
    let shown = node.get(path).await.expect(200);
    assert_eq!(shown["spec"]["retention"]["pitr"], "1w");
    node.stop().await;
}

#[tokio::test]
async fn a_request_is_rejected_or_taken_back() {
    let mut node = Node::start().await;
    node.apply(json!([crate::node::repository()]))
        .await
        .expect(200);
    guard(&node).await;
    let ada = Person::with(&node, "ada", &[("operator", everything())]).await;
    let bob = Person::with(&node, "bob", &[("approver", everything())]).await;
    let path = "/api/v1/policies/gold";
    let place = waits(ada.delete(path).await);
    let token = bob.post("/api/v1/tokens", json!({"name": "robot"})).await;
    let token = token.expect(201)["token"].as_str().unwrap().to_owned();
    let vote = node.http.post(format!("{}{place}/approve", node.rest));
    let robot = answer(vote.bearer_auth(token).json(&json!({}))).await;
    robot.refused(403, "not_a_person");
    let gone = bob.post(&format!("{place}/reject"), json!({})).await;
    assert_eq!(gone.expect(200)["state"], "rejected");
    let second = waits(ada.delete(path).await);
    assert_ne!(second, place);
    bob.post(&format!("{second}/cancel"), json!({}))
        .await
        .refused(403, "forbidden");
    let gone = ada.post(&format!("{second}/cancel"), json!({})).await;
    assert_eq!(gone.expect(200)["state"], "cancelled");
    let listed: Value = ada.get("/api/v1/approvals").await.expect(200);
    let states: Vec<_> = listed["items"].as_array().unwrap().iter().collect();
    assert_eq!(states.len(), 2);
    node.get(path).await.expect(200);
    node.get("/api/v1/approvals/apr_000000000000000000000000000000ff")
        .await
        .refused(404, "not_found");
    node.stop().await;
}
