//! Two nodes, one of which goes away: what the other still serves.

use holdfast_proto::v1::{FleetListRequest, StatusShowRequest};
use holdfastd::config::Config;
use holdfastd::server;
use serde_json::json;
use tonic::Code;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use super::tools::health;
use super::{apply, client, refused, request};
use crate::agent::connect;
use crate::node::{Node, config, eventually};

async fn join(node: &Node, config: &Config) {
    let token = node
        .post("/api/v1/nodes/tokens", json!({"name": "node-2"}))
        .await;
    let token = match token.status.as_u16() {
        201 => token.body,
        _ => node
            .post("/api/v1/nodes/tokens", json!({}))
            .await
            .expect(201),
    };
    let token = token["token"].as_str().unwrap().parse().unwrap();
    server::join(config, &node.grpc, &token).await.unwrap();
}

#[tokio::test]
async fn a_follower_forwards_and_without_a_quorum_all_say_so() {
    let mut first = Node::start().await;
    let home = tempfile::tempdir().unwrap();
    let mut other = config(home.path());
    other.node.name = Some("node-2".to_owned());
    join(&first, &other).await;
    let second = server::start(other, false).await.unwrap();
    let leader = first.grpc.clone();
    eventually("the second node's vote", || async {
        let nodes = first.get("/api/v1/nodes").await.expect(200);
        let items = nodes["items"].as_array().unwrap().iter();
        (items.filter(|node| node["voter"] == true).count() == 2).then_some(())
    })
    .await;
    // The follower takes writes and reads its own.
    second.listen().grpc.clone_into(&mut first.grpc);
    let mut follower = client(&first).await;
    let fleet =
        json!({"apiVersion": "holdfast/v1", "kind": "Fleet", "metadata": {"name": "payments"}});
    follower
        .apply(request(&first, apply(&[fleet])))
        .await
        .unwrap();
    let listed = follower.fleet_list(request(&first, FleetListRequest::default()));
    let listed = listed.await.unwrap().into_inner().items;
    assert!(
        listed
            .iter()
            .any(|item| item.metadata.as_ref().unwrap().name == "payments")
    );
    first.grpc = leader;
    let mut client = client(&first).await;
    let mut watch = HealthClient::new(connect(&first, None).await.unwrap());
    let watched = HealthCheckRequest {
        service: "holdfast.v1.ControlService".to_owned(),
    };
    let mut watch = watch.watch(watched).await.unwrap().into_inner();
    let told = watch.message().await.unwrap().unwrap();
    assert_eq!(told.status(), ServingStatus::Serving);
    second.stop().await;
    // Whoever watches is told, and whoever asks reads the same.
    loop {
        let told = watch.message().await.unwrap().expect("the watch has ended");
        if told.status() == ServingStatus::NotServing {
            break;
        }
    }
    for service in ["holdfast.v1.ControlService", "holdfast.v1.AgentService"] {
        assert_eq!(
            health(&first, service).await.unwrap(),
            ServingStatus::NotServing
        );
    }
    assert_eq!(health(&first, "").await.unwrap(), ServingStatus::Serving);
    let unsaid = client
        .status_show(request(&first, StatusShowRequest::default()))
        .await;
    let status = unsaid.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable, "{status}");
    let code = status.metadata().get("holdfast-code").unwrap().clone();
    let details = refused::<()>(Err(status), Code::Unavailable, code.to_str().unwrap());
    assert!(details.retry_info().is_some());
    let stale = StatusShowRequest {
        consistency: Some("stale".to_owned()),
    };
    let stale = client.status_show(request(&first, stale)).await.unwrap();
    assert!(stale.metadata().contains_key("holdfast-applied-age-ms"));
    first.stop().await;
}
