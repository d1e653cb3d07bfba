//! What nobody protects is shown before anything else.

use holdfast_proto::v1::{self, agent_message};
use serde_json::{Value, json};

use crate::agent::{Agent, Session};
use crate::authz::Person;
use crate::node::{Node, cluster, policy, repository};

fn server(directory: &str, identifier: u64, port: Option<u16>) -> Value {
    let mut server = json!({"dataDirectory": directory, "running": port.is_some(),
        "version": "15", "systemIdentifier": identifier.to_string()});
    if let Some(port) = port {
        server["port"] = json!(port);
        server["socketDirectory"] = json!("/run/postgresql");
    }
    server
}

async fn finds(session: &Session, servers: &[Value]) {
    let report = v1::InstanceReport {
        facts_json: Vec::new(),
        discovered_json: servers.iter().map(ToString::to_string).collect(),
        looked_around: true,
    };
    session
        .send(agent_message::Message::Instances(report))
        .await;
}

async fn listed(node: &Node, query: &str) -> Vec<(String, String)> {
    let body = node
        .get(&format!("/api/v1/unprotected{query}"))
        .await
        .expect(200);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let items = body["items"].as_array().unwrap().iter();
    items
        .map(|item| {
            let directory = text(&item["instance"]["dataDirectory"]);
            let what = if directory.is_empty() {
                text(&item["cluster"])
            } else {
                directory
            };
            (text(&item["reason"]), what)
        })
        .collect()
}

async fn comes_to(node: &Node, wanted: &[(String, String)]) {
    crate::node::eventually("what nobody protects", async || {
        (listed(node, "").await == wanted).then_some(())
    })
    .await;
}

fn is(reason: &str, what: &str) -> (String, String) {
    (reason.to_owned(), what.to_owned())
}

#[tokio::test]
async fn servers_that_nobody_declares_come_first_then_clusters_without_a_policy() {
    let mut node = Node::start().await;
    let agent = Agent::enrol(&node, "db1").await;
    assert_eq!(listed(&node, "").await, []);
    let mut bare = cluster("db1");
    bare["metadata"] = json!({"name": "bare", "labels": {"tier": "none"}});
    bare["spec"]["instances"][0]["connection"] = json!("host=/run/postgresql port=5440");
    node.apply(json!([repository(), policy(), cluster("db1"), bare]))
        .await
        .expect(200);
    let session = agent.session(&node, &[]).await.unwrap();
    // An agent that has not looked says nothing; one that has, says all.
    let declared = server("/data/orders", 7, Some(5432));
    let lab = server("/data/lab", 8, Some(5433));
    let rests = server("/data/rests", 9, None);
    let all = [rests.clone(), lab.clone(), declared.clone()];
    finds(&session, &all).await;
    comes_to(
        &node,
        &[
            is("not_declared", "/data/lab"),
            is("not_declared", "/data/rests"),
            is("no_policy", "bare"),
        ],
    )
    .await;
    let status = node.get("/api/v1/status").await.expect(200);
    assert_eq!(
        status["unprotected"],
        json!({"instances": 2, "clusters": 1})
    );
    // The document declares it, once applied.
    let body = node.get("/api/v1/unprotected").await.expect(200);
    let document = body["items"][0]["document"].clone();
    assert_eq!(document["metadata"]["name"], "db1-5433");
    node.apply(json!([document])).await.expect(200);
    comes_to(
        &node,
        &[
            is("not_declared", "/data/rests"),
            is("no_policy", "bare"),
            is("no_policy", "db1-5433"),
        ],
    )
    .await;
    // Pages lead through all of it, and end.
    let first = node.get("/api/v1/unprotected?limit=2").await.expect(200);
    let cursor = first["nextCursor"].as_str().unwrap();
    let rest = listed(&node, &format!("?limit=2&cursor={cursor}")).await;
    assert_eq!(rest, [is("no_policy", "db1-5433")]);
    // It is found where another node, or this one later, asks the state alone.
    drop(session);
    node.restart().await;
    assert_eq!(listed(&node, "").await.len(), 3);
}

#[tokio::test]
async fn a_server_that_needs_no_protection_is_ignored_with_a_reason_and_heeded_again() {
    let node = Node::start().await;
    let agent = Agent::enrol(&node, "db1").await;
    let session = agent.session(&node, &[]).await.unwrap();
    finds(&session, &[server("/data/lab", 8, Some(5433))]).await;
    let lab = is("not_declared", "/data/lab");
    comes_to(&node, std::slice::from_ref(&lab)).await;
    let ignore = |agent: &str, reason: &str| {
        let body = json!({"agent": agent, "dataDirectory": "/data/lab", "reason": reason});
        node.post("/api/v1/unprotected/ignore", body)
    };
    assert_eq!(ignore("db1", " ").await.expect(422)["field"], "reason");
    ignore("db9", "a lab").await.expect(404);
    ignore("db1", "a lab").await.expect(204);
    assert_eq!(listed(&node, "").await, []);
    let ignored = listed(&node, "?ignored=true").await;
    assert_eq!(ignored, std::slice::from_ref(&lab));
    let all = node
        .get("/api/v1/unprotected?ignored=true")
        .await
        .expect(200);
    assert_eq!(all["items"][0]["ignored"]["by"], "user:admin");
    let status = node.get("/api/v1/status").await.expect(200);
    assert_eq!(status["unprotected"]["instances"], 0);
    let body = json!({"agent": "db1", "dataDirectory": "/data/lab"});
    node.post("/api/v1/unprotected/heed", body.clone())
        .await
        .expect(204);
    assert_eq!(listed(&node, "").await, [lab]);
    node.post("/api/v1/unprotected/heed", body)
        .await
        .expect(404);
    let audit = node.get("/api/v1/audit").await.expect(200).to_string();
    for action in ["ignore_instance", "heed_instance"] {
        assert!(audit.contains(action), "{audit}");
    }
}

#[tokio::test]
async fn whose_data_a_server_holds_is_told_to_who_may_see_that_cluster() {
    let mut node = Node::start().await;
    let (one, other) = (
        Agent::enrol(&node, "db1").await,
        Agent::enrol(&node, "db2").await,
    );
    let fleet =
        json!({"apiVersion": "holdfast/v1", "kind": "Fleet", "metadata": {"name": "elsewhere"}});
    node.apply(json!([repository(), policy(), cluster("db1"), fleet]))
        .await
        .expect(200);
    let eve = Person::with(&node, "eve", &[("viewer", json!({"fleet": "elsewhere"}))]).await;
    let one = one.session(&node, &[]).await.unwrap();
    one.observe("orders", 7).await;
    let other = other.session(&node, &[]).await.unwrap();
    finds(&other, &[server("/data/copy", 7, Some(5433))]).await;
    crate::node::eventually("the copy with its name", async || {
        let body = node.get("/api/v1/unprotected").await.expect(200);
        (body["items"][0]["cluster"] == "orders").then_some(())
    })
    .await;
    let body = eve.get("/api/v1/unprotected").await.expect(200);
    let items = body["items"].as_array().unwrap();
    assert_eq!(items.len(), 1, "{body}");
    assert_eq!(items[0]["instance"]["dataDirectory"], "/data/copy");
    assert_eq!(items[0]["cluster"], Value::Null, "{body}");
    node.stop().await;
}
