//! Following events.

use holdfast_proto::v1::EventStreamRequest;
use serde_json::json;
use tonic::Code;

use super::{apply, client, refused, request, structure, with_token};
use crate::node::Node;

#[tokio::test]
async fn what_changes_is_told_until_the_node_ends() {
    let mut node = Node::start().await;
    let mut client = client(&node).await;
    let nobody = client
        .event_stream(with_token("nonsense", EventStreamRequest {}))
        .await;
    refused(nobody, Code::Unauthenticated, "unauthenticated");
    let followed = client
        .event_stream(request(&node, EventStreamRequest {}))
        .await
        .unwrap();
    assert!(followed.metadata().contains_key("x-request-id"));
    let mut events = followed.into_inner();
    let mut revisions = Vec::new();
    for name in ["payments", "ledger"] {
        let fleet =
            json!({"apiVersion": "holdfast/v1", "kind": "Fleet", "metadata": {"name": name}});
        let applied = client.apply(request(&node, apply(&[fleet]))).await.unwrap();
        revisions.push((name, applied.into_inner().results[0].revision.unwrap()));
    }
    for (name, revision) in revisions {
        let event = events.message().await.unwrap().expect("the stream ended");
        assert_eq!(event.event, "fleets.changed");
        let data = structure(&json!({"name": name, "revision": revision}));
        assert_eq!(event.data, Some(data));
    }
    // An open stream does not hold up the end of the node, and is told of it.
    node.stop().await;
    let ended = loop {
        match events.message().await {
            Ok(Some(_)) => {}
            Ok(None) => panic!("a stream that was cut looks like one that is complete"),
            Err(status) => break status,
        }
    };
    assert_eq!(ended.code(), Code::Unavailable, "{ended}");
}
