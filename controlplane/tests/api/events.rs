//! Server-sent events.

use serde_json::json;

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
