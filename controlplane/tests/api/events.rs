//! Server-sent events.

use serde_json::json;

use crate::authz::{Person, in_fleet, two_fleets};
use crate::node::Node;

#[tokio::test]
async fn what_changes_is_told() {
    let mut node = Node::start().await;
    let path = "/api/v1/events";
    let mut events = node
        .request(reqwest::Method::GET, path)
        .send()
        .await
        .unwrap();
    assert_eq!(events.headers()["content-type"], "text/event-stream");
    let fleet =
        json!({"apiVersion": "holdfast/v1", "kind": "Fleet", "metadata": {"name": "payments"}});
    let applied = node.apply(json!([fleet])).await.expect(200);
    let revision = applied["results"][0]["revision"].clone();
    let mut text = String::new();
    while !text.contains("\n\n") {
        let chunk = events.chunk().await.unwrap().expect("the stream ended");
        text.push_str(std::str::from_utf8(&chunk).unwrap());
    }
    let data = json!({"name": "payments", "revision": revision});
    assert!(text.contains("event: fleets.changed"), "{text}");
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("data: "))
        .unwrap();
    assert_eq!(
        serde_json::from_str::<serde_json::Value>(line).unwrap(),
        data
    );
    // An open stream does not hold up the end of the node.
    node.stop().await;
    while events.chunk().await.is_ok_and(|chunk| chunk.is_some()) {}
}

/// Reads until a text comes.
async fn read_until(events: &mut reqwest::Response, heard: &mut String, wanted: &str) {
    while !heard.contains(wanted) {
        let chunk = events.chunk().await.unwrap().expect("the stream ended");
        heard.push_str(std::str::from_utf8(&chunk).unwrap());
    }
}

#[tokio::test]
async fn nobody_hears_of_what_he_may_not_see_or_after_his_token_has_ended() {
    let mut node = two_fleets().await;
    let scope = json!({"fleet": "payments"});
    let ada = Person::with(&node, "ada", &[("operator", scope)]).await;
    let token = ada.with_token("ci").await;
    let path = "/api/v1/events";
    let all = node.request(reqwest::Method::GET, path);
    let mut all = all.send().await.unwrap();
    let some = token.request(reqwest::Method::GET, path);
    let mut some = some.send().await.unwrap();
    let (mut told, mut heard) = (String::new(), String::new());

    let relabelled = |name: &str, fleet: &str, agent: &str| {
        let mut document = in_fleet(name, fleet, agent);
        document["metadata"]["labels"]["seen"] = json!("yes");
        json!([document])
    };
    node.apply(relabelled("shop", "web", "db2"))
        .await
        .expect(200);
    node.apply(relabelled("orders", "payments", "db1"))
        .await
        .expect(200);
    read_until(&mut all, &mut told, "\"orders\"").await;
    read_until(&mut some, &mut heard, "\"orders\"").await;
    assert!(told.contains("\"shop\"") && !heard.contains("shop"));

    ada.delete("/api/v1/tokens/ci").await.expect(200);
    for name in ["later", "last"] {
        let new = in_fleet(name, "payments", "db1");
        node.apply(json!([new])).await.expect(200);
        read_until(&mut all, &mut told, &format!("\"{name}\"")).await;
    }
    node.stop().await;
    while let Ok(Some(chunk)) = some.chunk().await {
        heard.push_str(std::str::from_utf8(&chunk).unwrap());
    }
    assert!(
        !heard.contains("later") && !heard.contains("last"),
        "{heard}"
    );
}
