//! Two nodes, one of which goes away: what the other still serves.

use holdfast_proto::v1::{FleetListRequest, NodeRemoveRequest, StatusShowRequest};
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

/// Starts another node, of which only its directory is known, and waits for
/// its vote.
async fn another(node: &Node, home: &std::path::Path, name: &str) -> server::Running {
    let mut own = config(home);
    own.node.name = Some(name.to_owned());
    join(node, &own).await;
    let running = server::start(own, false).await.unwrap();
    eventually("its vote", || async {
        let shown = node.get(&format!("/api/v1/nodes/{name}")).await;
        (shown.body["state"] == "member").then_some(())
    })
    .await;
    running
}

/// What is left is in every answer: to the question, the deed and the refusal.
#[tokio::test]
async fn a_removal_is_answered_with_the_quorum_that_is_left() {
    let mut first = Node::start().await;
    let homes = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let second = another(&first, homes[0].path(), "node-2").await;
    let third = another(&first, homes[1].path(), "node-3").await;
    third.stop().await;
    eventually("the leader to miss it", || async {
        let preview = first.get("/api/v1/nodes/node-2/removal").await.expect(200);
        (preview["keepsQuorum"] == false).then_some(())
    })
    .await;
    let refused = first.delete("/api/v1/nodes/node-2").await;
    let refused = refused.refused(409, "no_quorum_left");
    let said = refused["message"].as_str().unwrap_or_default();
    assert!(said.contains("2 voters of which 1"), "{refused}");
    let mut client = client(&first).await;
    let remove = |name: &str| NodeRemoveRequest {
        node: name.to_owned(),
    };
    let answer = client.node_remove(request(&first, remove("node-2"))).await;
    refused_by_grpc(answer);

    let answer = client.node_remove(request(&first, remove("node-3"))).await;
    let left = answer.unwrap().into_inner();
    assert_eq!(
        (left.name.as_str(), left.state.as_str()),
        ("node-3", "removing")
    );
    let quorum = left.quorum.unwrap();
    assert_eq!((quorum.voters_after, quorum.needed), (vec![1, 2], 2));
    assert_eq!((quorum.reachable, quorum.keeps_quorum), (vec![1, 2], true));
    eventually("it to be out", || async {
        let nodes = first.get("/api/v1/nodes").await.expect(200);
        (nodes["items"].as_array().unwrap().len() == 2).then_some(())
    })
    .await;
    let removed = first.delete("/api/v1/nodes/node-2").await.expect(202);
    assert_eq!(removed["name"], "node-2");
    let quorum = json!({
        "votersNow": [1, 2], "votersAfter": [1], "needed": 1,
        "reachable": [1], "keepsQuorum": true,
    });
    assert_eq!(removed["quorum"], quorum);
    second.stop().await;
    first.stop().await;
}

#[track_caller]
fn refused_by_grpc<T>(answer: Result<T, tonic::Status>) {
    refused(answer, Code::FailedPrecondition, "no_quorum_left");
}
