//! Every read answers over gRPC what it answers over REST.

use serde_json::{Value, json};

use super::dynamic::{call, fill, methods, normal, operation, plain};
use super::request;
use crate::agent::{Agent, connect};
use crate::node::{Node, cluster, eventually, policy, repository};

/// Reads whose answers are no JSON of a schema, or follow the clock.
const OTHERS: [&str; 5] = [
    "compliance_list",
    "compliance_show",
    "event_stream",
    "metrics_show",
    "openapi_show",
];
/// What differs from one moment to the next.
const MOVING: [&str; 10] = [
    "asOf",
    "appliedIndex",
    "lastLogIndex",
    "lastSeenAt",
    "exposureSeconds",
    "frontier",
    "windowEnd",
    "behind",
    "reachable",
    "seq",
];

fn still(json: &mut Value) {
    match json {
        Value::Object(members) => {
            // A node is reachable or not; an instance holds what was found.
            members.retain(|name, of| {
                !MOVING.contains(&name.as_str()) || (name == "reachable" && of.is_object())
            });
            members.values_mut().for_each(still);
        }
        Value::Array(values) => values.iter_mut().for_each(still),
        _ => {}
    }
}

/// A node with something of every kind; the id of its job.
async fn furnished(node: &Node) -> (Agent, String) {
    let agent = Agent::enrol(node, "db1").await;
    let mut gold = policy();
    gold["spec"]["schedules"] =
        json!([{"name": "weekly", "kind": "full", "every": "7d", "jitter": "10m"}]);
    let fleet =
        json!({"apiVersion": "holdfast/v1", "kind": "Fleet", "metadata": {"name": "payments"}});
    node.apply(json!([repository(), gold, cluster("db1"), fleet]))
        .await
        .expect(200);
    node.put("/api/v1/secrets/s3", json!({"value": "{}"}))
        .await
        .expect(201);
    let session = agent.session(node, &[]).await.unwrap();
    session.observe("orders", 7_301_234_567_890_123_456).await;
    eventually("the agent's facts", || async {
        let shown = node.get("/api/v1/clusters/orders").await.expect(200);
        let instances = &shown["status"]["instances"];
        instances[0]["reachable"].is_object().then_some(())
    })
    .await;
    let job = node
        .post("/api/v1/clusters/orders/backups", json!({"kind": "full"}))
        .await
        .expect(202);
    let job = job["job"].as_str().unwrap().to_owned();
    let cancel = format!("/api/v1/jobs/{job}/cancel");
    node.post(&cancel, json!({})).await.expect(200);
    drop(session);
    (agent, job)
}

#[tokio::test]
async fn every_read_answers_what_rest_answers() {
    let mut node = Node::start().await;
    let (_agent, job) = furnished(&node).await;
    let channel = connect(&node, None).await.unwrap();
    let (mut compared, mut answered) = (0, 0);
    for method in methods() {
        let (id, verb, path) = operation(&method);
        if verb != "GET" || OTHERS.contains(&id.as_str()) {
            continue;
        }
        let name = match id.split('_').next().unwrap_or_default() {
            "cluster" => "orders",
            "fleet" => "payments",
            "policy" => "gold",
            "repository" => "eu",
            "agent" => "db1",
            "node" => "1",
            "job" => job.as_str(),
            _ => "x",
        };
        let parameter = path.split(['{', '}']).nth(1);
        let texts: Vec<_> = parameter
            .map(|parameter| (parameter, name))
            .into_iter()
            .collect();
        let url = match parameter {
            Some(parameter) => path.replace(&format!("{{{parameter}}}"), name),
            None => path.clone(),
        };
        // What happens meanwhile shows on both sides in the end.
        let is_answer = eventually(&format!("{id} the same over both"), || async {
            let over_rest = node.get(&url).await;
            let message = request(&node, fill(&method, &texts));
            let over_grpc = call(&channel, &method, message).await;
            if !over_rest.status.is_success() {
                let code = over_rest.body["code"].as_str().unwrap().to_owned();
                let status = over_grpc.unwrap_err();
                let same = status.metadata().get("holdfast-code").unwrap() == code.as_str();
                return same.then_some(false);
            }
            if over_rest.body.is_null() {
                let empty = over_grpc.unwrap().fields().next().is_none();
                return empty.then_some(true);
            }
            let (mut rest, mut grpc) =
                (normal(&over_rest.body), normal(&plain(&over_grpc.unwrap())));
            still(&mut rest);
            still(&mut grpc);
            (rest == grpc).then_some(true)
        })
        .await;
        compared += 1;
        answered += usize::from(is_answer);
    }
    assert!(compared > 25 && answered > 20, "{answered} of {compared}");
    node.stop().await;
}
