//! Declared resources.

use reqwest::Method;
use serde_json::{Value, json};

use crate::node::{Node, answer, policy, repository};

fn with(mut document: Value, path: &str, value: Value) -> Value {
    *document.pointer_mut(path).unwrap() = value;
    document
}

#[tokio::test]
async fn bad_documents_are_refused_with_the_path_and_nothing_is_applied() {
    let mut node = Node::start().await;
    let cases = [
        (
            with(policy(), "/spec/wal/flushEvery", json!("soon")),
            "invalid_document",
            "spec.wal.flushEvery",
        ),
        (
            with(policy(), "/spec/wal", json!({"durability": "spool"})),
            "not_supported_yet",
            "spec.wal.durability",
        ),
        (
            with(policy(), "/spec/repository", json!("nowhere")),
            "dangling_reference",
            "spec.repository",
        ),
        (
            with(policy(), "/metadata/name", json!("Gold")),
            "invalid_document",
            "metadata.name",
        ),
        (
            with(repository(), "/spec/url", json!("ftp://host")),
            "invalid_document",
            "spec.url",
        ),
    ];
    for (document, code, field) in cases {
        let problem = node.apply(json!([document])).await.refused(422, code);
        assert_eq!(problem["field"], field, "{problem}");
        assert!(
            problem["hint"]
                .as_str()
                .is_some_and(|hint| !hint.is_empty())
        );
    }
    // All or none: the good one of a bad pair is not applied.
    let bad = with(policy(), "/spec/repository", json!("nowhere"));
    node.apply(json!([repository(), bad]))
        .await
        .refused(422, "dangling_reference");
    node.get("/api/v1/repositories/eu")
        .await
        .refused(404, "not_found");
    node.apply(json!([repository(), repository()]))
        .await
        .refused(422, "duplicate_document");
    let secret = json!({"apiVersion": "holdfast/v1", "kind": "Cluster", "metadata": {"name": "c"},
        "spec": {"instances": [{"agent": "db1", "connection": "host=a password=geheim"}]}});
    let problem = node
        .apply(json!([secret]))
        .await
        .refused(422, "invalid_document");
    assert!(!problem.to_string().contains("geheim"), "{problem}");
    node.stop().await;
}

#[tokio::test]
async fn applying_again_is_unchanged_and_a_dry_run_changes_nothing() {
    let mut node = Node::start().await;
    let action = |answer: &Value, index: usize| answer["results"][index]["action"].clone();
    // In any order: the policy names a repository that comes after it.
    let documents = json!([policy(), repository()]);
    let dry = json!({"documents": documents, "dryRun": true});
    let rehearsed = node.post("/api/v1/apply", dry.clone()).await.expect(200);
    assert_eq!(
        (action(&rehearsed, 0), action(&rehearsed, 1)),
        (json!("created"), json!("created"))
    );
    node.get("/api/v1/policies/gold")
        .await
        .refused(404, "not_found");
    let created = node.apply(documents.clone()).await.expect(200);
    assert_eq!(action(&created, 0), "created");
    let again = node.apply(documents).await.expect(200);
    assert_eq!(
        (action(&again, 0), action(&again, 1)),
        (json!("unchanged"), json!("unchanged"))
    );
    assert_eq!(
        again["results"][0]["revision"],
        created["results"][0]["revision"]
    );
    let rehearsed = node.post("/api/v1/apply", dry).await.expect(200);
    assert_eq!(action(&rehearsed, 0), "unchanged");
    let other = with(policy(), "/spec/objectives/rpo", json!("1m"));
    let configured = node.apply(json!([other])).await.expect(200);
    assert_eq!(action(&configured, 0), "configured");
    node.stop().await;
}

#[tokio::test]
async fn revisions_guard_against_lost_updates() {
    let mut node = Node::start().await;
    let path = "/api/v1/fleets/payments";
    let fleet = |text: &str| {
        json!({"apiVersion": "holdfast/v1", "kind": "Fleet", "metadata": {"name": "payments"},
               "spec": {"description": text}})
    };
    let put = |header: &'static str, value: String, body: Value| {
        answer(
            node.request(Method::PUT, path)
                .header(header, value)
                .json(&body),
        )
    };
    let created = put("if-none-match", "*".into(), fleet("one")).await;
    let etag = created.headers["etag"].to_str().unwrap().to_owned();
    created.expect(201);
    put("if-none-match", "*".into(), fleet("two"))
        .await
        .refused(412, "stale_revision");
    let second = put("if-match", etag.clone(), fleet("two")).await;
    let newer = second.headers["etag"].to_str().unwrap().to_owned();
    second.expect(200);
    assert_ne!(etag, newer);
    put("if-match", etag.clone(), fleet("three"))
        .await
        .refused(412, "stale_revision");
    put("if-match", "soon".into(), fleet("three"))
        .await
        .refused(400, "malformed_header");
    put("if-none-match", "\"1\"".into(), fleet("three"))
        .await
        .refused(400, "malformed_header");
    let delete = |etag: String| answer(node.request(Method::DELETE, path).header("if-match", etag));
    delete(etag).await.refused(412, "stale_revision");
    assert_eq!(delete(newer).await.expect(200)["action"], "deleted");
    let elsewhere = node.put("/api/v1/fleets/other", fleet("one")).await;
    assert_eq!(
        elsewhere.refused(422, "name_mismatch")["field"],
        "metadata.name"
    );
    let kind = node.put("/api/v1/policies/payments", fleet("one")).await;
    assert_eq!(kind.refused(422, "name_mismatch")["field"], "kind");
    node.stop().await;
}

#[tokio::test]
async fn what_others_depend_on_cannot_be_deleted() {
    let mut node = Node::start().await;
    node.apply(json!([repository(), policy()]))
        .await
        .expect(200);
    let problem = node
        .delete("/api/v1/repositories/eu")
        .await
        .refused(409, "in_use");
    assert!(
        problem["message"].as_str().unwrap().contains("gold"),
        "{problem}"
    );
    let twin = with(policy(), "/metadata/name", json!("twin"));
    node.apply(json!([twin])).await.expect(200);
    node.delete("/api/v1/policies/gold").await.expect(200);
    node.delete("/api/v1/policies/twin").await.expect(200);
    node.delete("/api/v1/repositories/eu").await.expect(200);
    node.delete("/api/v1/repositories/eu")
        .await
        .refused(404, "not_found");
    node.stop().await;
}

#[tokio::test]
async fn secrets_are_never_shown_and_keys_only_on_record() {
    let mut node = Node::start().await;
    let key = "ab".repeat(32);
    node.put("/api/v1/secrets/eu-key", json!({"value": key}))
        .await
        .expect(201);
    node.put("/api/v1/secrets/eu-key", json!({"value": key}))
        .await
        .expect(200);
    let listed = node.get("/api/v1/secrets").await.expect(200);
    assert_eq!(listed["items"][0]["name"], "eu-key");
    assert!(!listed.to_string().contains(&key));
    let mut own = repository();
    own["spec"]["key"] = json!({"secret": "eu-key"});
    let mut made = repository();
    made["metadata"]["name"] = json!("us");
    made["spec"]["url"] = json!("file:///srv/other");
    node.apply(json!([own, made])).await.expect(200);
    node.delete("/api/v1/secrets/eu-key")
        .await
        .refused(409, "in_use");
    let export = |name: &str| format!("/api/v1/repositories/{name}/key/export");
    let own = node.post(&export("eu"), json!({})).await.expect(200);
    assert_eq!(own["key"], key);
    let made = node.post(&export("us"), json!({})).await.expect(200);
    let made = made["key"].as_str().unwrap().to_owned();
    assert_eq!(made.len(), 64);
    node.post(&export("nowhere"), json!({}))
        .await
        .refused(404, "not_found");
    let audit = node.get("/api/v1/audit").await.expect(200).to_string();
    assert!(audit.contains("export_repository_key"));
    assert!(!audit.contains(&key) && !audit.contains(&made));
    let raft = node.data.path().join("data/raft");
    node.stop().await;
    // Neither is in clear in anything that is replicated (I-10).
    for file in std::fs::read_dir(raft).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        for secret in [&key, &made] {
            let found = bytes
                .windows(secret.len())
                .any(|window| window == secret.as_bytes());
            assert!(!found, "a key is in clear in the replicated state");
        }
    }
}

#[tokio::test]
async fn lists_come_in_pages() {
    let mut node = Node::start().await;
    let fleet = |number: usize| {
        json!({"apiVersion": "holdfast/v1", "kind": "Fleet", "metadata":
               {"name": format!("f{number}"), "labels": {"even": number.is_multiple_of(2).to_string()}}})
    };
    let fleets: Vec<_> = (0..5).map(fleet).collect();
    node.apply(json!(fleets)).await.expect(200);
    let (mut names, mut query) = (Vec::new(), String::new());
    loop {
        let page = node
            .get(&format!("/api/v1/fleets?limit=2{query}"))
            .await
            .expect(200);
        let items = page["items"].as_array().unwrap();
        assert!(items.len() <= 2);
        names.extend(
            items
                .iter()
                .map(|item| item["metadata"]["name"].as_str().unwrap().to_owned()),
        );
        match page["nextCursor"].as_str() {
            Some(cursor) => query = format!("&cursor={cursor}"),
            None => break,
        }
    }
    for number in 0..5 {
        assert_eq!(
            names
                .iter()
                .filter(|name| **name == format!("f{number}"))
                .count(),
            1
        );
    }
    let even = node.get("/api/v1/fleets?label=even=true").await.expect(200);
    assert_eq!(even["items"].as_array().unwrap().len(), 3);
    node.get("/api/v1/fleets?cursor=nonsense!")
        .await
        .refused(400, "bad_cursor");
    node.get("/api/v1/fleets?limit=0")
        .await
        .refused(422, "invalid");
    node.get("/api/v1/fleets?lable=even=true")
        .await
        .refused(400, "malformed_request");
    node.stop().await;
}

#[tokio::test]
async fn whatever_the_router_refuses_is_a_problem_too() {
    let mut node = Node::start().await;
    node.get("/api/v1/nothing")
        .await
        .refused(404, "no_such_path");
    node.delete("/api/v1/status")
        .await
        .refused(405, "method_not_allowed");
    let text = node
        .request(Method::POST, "/api/v1/apply")
        .body("kind: Fleet");
    answer(text.header("content-type", "text/yaml"))
        .await
        .refused(415, "unsupported_media_type");
    let broken = node.request(Method::POST, "/api/v1/apply").body("{");
    answer(broken.header("content-type", "application/json"))
        .await
        .refused(400, "malformed_request");
    let huge = json!({"documents": ["x".repeat(3 << 20)]});
    node.post("/api/v1/apply", huge)
        .await
        .refused(413, "body_too_large");
    let field = node
        .post("/api/v1/apply", json!({"documents": [], "dryrun": true}))
        .await;
    let problem = field.refused(422, "invalid");
    assert!(
        problem["message"].as_str().unwrap().contains("dryrun"),
        "{problem}"
    );
    let stale = node.get("/api/v1/status?consistency=stale").await;
    assert!(stale.headers.contains_key("holdfast-applied-index"));
    assert_eq!(stale.headers["holdfast-applied-age-ms"], "0");
    node.get("/api/v1/status?consistency=soon")
        .await
        .refused(400, "malformed_request");
    node.stop().await;
}
