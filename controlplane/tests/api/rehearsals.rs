//! A dry run tells what applying would do, and does nothing.

use serde_json::{Value, json};

use crate::agent::Agent;
use crate::jobs::backed_up;
use crate::node::{Answer, Node, cluster, policy, repository};

fn document(kind: &str, metadata: Value, spec: Value) -> Value {
    json!({"apiVersion": "holdfast/v1", "kind": kind, "metadata": metadata, "spec": spec})
}

fn with(mut document: Value, path: &str, key: &str, value: Value) -> Value {
    document.pointer_mut(path).unwrap()[key] = value;
    document
}

fn named(document: Value, name: &str) -> Value {
    with(document, "/metadata", "name", json!(name))
}

async fn rehearse(node: &Node, documents: &Value) -> Answer {
    let body = json!({"documents": documents, "dryRun": true});
    node.post("/api/v1/apply", body).await
}

/// Everything that a dry run must leave alone, the audit log included.
async fn everything(node: &Node) -> Vec<Value> {
    let mut all = Vec::new();
    for plural in ["repositories", "fleets", "clusters", "policies", "audit"] {
        let path = format!("/api/v1/{plural}?limit=1000");
        all.push(node.get(&path).await.expect(200));
    }
    all
}

/// What callers are told, without what differs from request to request.
fn told(answer: Answer) -> (u16, Value) {
    let mut body = answer.body;
    if let Some(fields) = body.as_object_mut() {
        fields.remove("requestId");
    }
    (answer.status.as_u16(), body)
}

fn misread() -> Vec<(Value, &'static str, &'static str)> {
    let bad_url = with(repository(), "/spec", "url", json!("ftp://host"));
    let bad_wal = with(policy(), "/spec", "wal", json!({"durability": "spool"}));
    let password = json!([{"agent": "db1", "connection": "host=a password=geheim"}]);
    let leaky = with(cluster("db1"), "/spec", "instances", password);
    vec![
        (json!([bad_url]), "invalid_document", "spec.url"),
        (json!([bad_wal]), "not_supported_yet", "spec.wal.durability"),
        (
            json!([repository(), leaky]),
            "invalid_document",
            "documents[1].spec.instances[0].connection",
        ),
        (json!([{"kind": "Fleet"}]), "invalid_document", "document"),
        (
            json!([repository(), policy(), repository()]),
            "duplicate_document",
            "documents[2].metadata.name",
        ),
    ]
}

fn dangling() -> Vec<(Value, &'static str, &'static str)> {
    let us = || named(repository(), "us");
    let nope = json!({"secret": "nope"});
    let shop = |agent: &str| named(cluster(agent), "shop");
    let tin = with(policy(), "/spec", "selector", json!({"tier": "tin"}));
    let tin = named(tin, "tin");
    let cases = [
        (
            json!([with(us(), "/spec", "credentials", nope.clone())]),
            "spec.credentials.secret",
        ),
        (json!([with(us(), "/spec", "key", nope)]), "spec.key.secret"),
        (
            json!([with(shop("db1"), "/metadata", "fleet", json!("moon"))]),
            "metadata.fleet",
        ),
        (json!([shop("db9")]), "spec.instances[0].agent"),
        // It is there, and was revoked.
        (json!([us(), shop("db2")]), "spec.instances[0].agent"),
        (
            json!([with(
                shop("db1"),
                "/spec/instances/0",
                "passwordSecret",
                json!("nope")
            )]),
            "spec.instances[0].passwordSecret",
        ),
        // A fleet called like the repository does not stand in for it.
        (
            json!([
                document("Fleet", json!({"name": "mars"}), json!({})),
                with(tin, "/spec", "repository", json!("mars")),
            ]),
            "spec.repository",
        ),
    ];
    cases
        .map(|(documents, field)| (documents, "dangling_reference", field))
        .into()
}

fn conflicting() -> Vec<(Value, &'static str, &'static str)> {
    let all = with(policy(), "/spec", "selector", json!({}));
    let all = || named(all.clone(), "all");
    let tin = |name: &str| {
        let tin = with(policy(), "/spec", "selector", json!({"tier": "tin"}));
        named(tin, name)
    };
    let labels = json!({"tier": "tin"});
    let shop = with(cluster("db1"), "/metadata", "labels", labels);
    vec![
        (json!([all()]), "policy_clash", ""),
        // Only together do they clash.
        (
            json!([tin("one"), named(shop, "shop"), tin("two")]),
            "policy_clash",
            "",
        ),
        (
            json!([with(
                repository(),
                "/spec",
                "url",
                json!("file:///srv/moved")
            )]),
            "immutable",
            "spec.url",
        ),
        (
            json!([with(repository(), "/spec", "key", json!({"secret": "own"}))]),
            "immutable",
            "spec.key",
        ),
    ]
}

#[tokio::test]
async fn a_dry_run_refuses_what_applying_refuses_with_the_same_words() {
    let (mut node, _db1) = backed_up().await;
    Agent::enrol(&node, "db2").await;
    node.post("/api/v1/agents/db2/revoke", json!({}))
        .await
        .expect(200);
    let key = json!({"value": "ab".repeat(32)});
    node.put("/api/v1/secrets/own", key).await.expect(201);
    let cases = [misread(), dangling(), conflicting()].concat();
    for (documents, code, field) in cases {
        let before = everything(&node).await;
        let rehearsed = rehearse(&node, &documents).await;
        assert_eq!(everything(&node).await, before, "{documents}");
        let rehearsed = told(rehearsed);
        assert_eq!(rehearsed.1["code"], code, "{}", rehearsed.1);
        let named = rehearsed.1["field"].as_str().unwrap_or_default();
        assert_eq!(named, field, "{}", rehearsed.1);
        assert_eq!(rehearsed, told(node.apply(documents).await));
    }
    node.stop().await;
}

/// Kind, name and action of each result.
fn actions(answer: &Value) -> Vec<[String; 3]> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let results = answer["results"].as_array().unwrap();
    results
        .iter()
        .map(|result| ["kind", "name", "action"].map(|field| text(&result[field])))
        .collect()
}

#[tokio::test]
async fn a_dry_run_lists_what_applying_then_does() {
    let (mut node, _db1) = backed_up().await;
    let tin = with(policy(), "/spec", "selector", json!({"tier": "tin"}));
    let tin = with(tin, "/spec", "repository", json!("us"));
    let shop = json!({"name": "shop", "fleet": "web", "labels": {"tier": "tin"}});
    let us = with(repository(), "/spec", "url", json!("file:///srv/us"));
    let documents = json!([
        // These name what comes after them.
        named(tin, "tin"),
        document("Cluster", shop, cluster("db1")["spec"].clone()),
        named(us, "us"),
        document("Fleet", json!({"name": "web"}), json!({})),
        repository(),
        with(policy(), "/spec/objectives", "rpo", json!("1m")),
        cluster("db1"),
    ]);
    let before = everything(&node).await;
    let rehearsed = rehearse(&node, &documents).await.expect(200);
    assert_eq!(everything(&node).await, before);
    let applied = node.apply(documents.clone()).await.expect(200);
    assert_eq!(actions(&rehearsed), actions(&applied));
    let done: Vec<_> = actions(&applied)
        .into_iter()
        .map(|[.., done]| done)
        .collect();
    let expected = [
        "created",
        "created",
        "created",
        "created",
        "unchanged",
        "configured",
        "unchanged",
    ];
    assert_eq!(done, expected);
    assert_eq!(rehearsed["results"][0]["revision"], Value::Null);
    // Now it is so: both say the same, revisions included.
    let mut again = rehearse(&node, &documents).await.expect(200);
    let affected = again.as_object_mut().unwrap().remove("affected");
    assert_eq!(affected, Some(json!([])), "nothing changes for anybody");
    assert_eq!(again, node.apply(documents).await.expect(200));
    node.delete("/api/v1/policies/gold").await.expect(200);
    let retired = node.delete("/api/v1/clusters/orders").await.expect(200);
    assert_eq!(retired["action"], "retired");
    // Bringing back what is retired is a change, though the document is equal.
    let back = json!([cluster("db1")]);
    let rehearsed = rehearse(&node, &back).await.expect(200);
    assert_eq!(actions(&rehearsed)[0][2], "configured");
    let applied = node.apply(back).await.expect(200);
    assert_eq!(actions(&rehearsed), actions(&applied));
    node.stop().await;
}
