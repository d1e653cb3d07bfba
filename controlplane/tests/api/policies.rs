//! Policies over REST and gRPC: what a change would change, what was said before,
//! what is in force and why, and which policy would do.

use serde_json::{Value, json};

use crate::agent::Agent;
use crate::expiry::with_backups;
use crate::jobs::backed_up;
use crate::node::{Node, cluster, eventually, policy, repository};

fn named(mut document: Value, name: &str) -> Value {
    document["metadata"]["name"] = json!(name);
    document
}

/// The policy `gold` with something else in its spec.
fn gold(more: Value) -> Value {
    let mut document = policy();
    for (name, value) in more.as_object().unwrap() {
        document["spec"][name] = value.clone();
    }
    document
}

async fn preview(node: &Node, documents: Value) -> Value {
    let body = json!({"documents": documents, "runs": 3});
    node.post("/api/v1/policy-previews", body).await.expect(200)
}

async fn history(node: &Node) -> Vec<Value> {
    let body = node.get("/api/v1/policies/gold/history").await.expect(200);
    body["items"].as_array().unwrap().clone()
}

/// A node with two clusters under `gold`, whose group has its newest level.
async fn fleet() -> (Node, Agent) {
    let node = Node::start().await;
    let agent = Agent::enrol(&node, "db1").await;
    let shop = named(cluster("db1"), "shop");
    node.apply(json!([repository(), policy(), cluster("db1"), shop]))
        .await
        .expect(200);
    eventually("the level of histories", async || {
        let answer = node.get("/api/v1/policies/gold/history").await.expect(200);
        (answer["items"] != json!([])).then_some(())
    })
    .await;
    (node, agent)
}

#[tokio::test]
async fn a_preview_names_every_cluster_and_changes_nothing() {
    let (mut node, _agent) = fleet().await;
    let before = node.get("/api/v1/policies/gold").await.expect(200);
    let stricter = gold(json!({
        "objectives": {"rpo": "1s", "rto": "1h"},
        "schedules": [{"name": "hourly", "kind": "incremental", "every": "1h"}],
    }));
    let shown = preview(&node, json!([stricter])).await;
    assert_eq!(shown["results"][0]["action"], "configured");
    let policy = &shown["policies"][0];
    assert_eq!(policy["policy"], "gold");
    assert_eq!(policy["clusters"], json!(["orders", "shop"]));
    let contract = policy["contract"].as_str().unwrap();
    assert!(
        contract.starts_with("At most 1s of commits may be lost"),
        "{contract}"
    );
    let codes: Vec<&str> = policy["lint"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["code"].as_str().unwrap())
        .collect();
    assert!(codes.contains(&"rpo_below_flush"), "{codes:?}");
    assert!(codes.contains(&"rto_not_measured"), "{codes:?}");
    let affected = shown["affected"].as_array().unwrap();
    assert_eq!(affected.len(), 1, "{shown}");
    assert_eq!(affected[0]["how"], "changed");
    assert_eq!(affected[0]["clusters"], json!(["orders", "shop"]));
    let fields: Vec<&str> = affected[0]["changes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["field"].as_str().unwrap())
        .collect();
    assert!(fields.contains(&"objectives.rpo"), "{fields:?}");
    assert!(fields.contains(&"schedules[hourly]"), "{fields:?}");
    assert_eq!(shown["nextRuns"].as_array().unwrap().len(), 3);
    assert_eq!(node.get("/api/v1/policies/gold").await.expect(200), before);
    assert_eq!(history(&node).await.len(), 1);

    // A dry run of apply tells the same of clusters, and so does applying of lint.
    let body = json!({"documents": [stricter], "dryRun": true});
    let dry = node.post("/api/v1/apply", body).await.expect(200);
    assert_eq!(dry["affected"], shown["affected"]);
    assert_eq!(dry["results"][0]["lint"], policy["lint"]);
    let applied = node.apply(json!([stricter])).await.expect(200);
    assert_eq!(applied["results"][0]["lint"], policy["lint"]);
    assert_eq!(applied.get("affected"), None);
    let again = preview(&node, json!([stricter])).await;
    assert_eq!(again["affected"], json!([]));
    node.stop().await;
}

#[tokio::test]
async fn a_preview_sees_the_other_documents_and_is_refused_as_applying_is() {
    let (mut node, _agent) = fleet().await;
    let mut everything = named(policy(), "everything");
    everything["spec"]["selector"] = json!({});
    everything["spec"]["priority"] = json!(7);
    let mut third = named(cluster("db1"), "third");
    third["metadata"]["labels"] = json!({});
    let shown = preview(&node, json!([third, everything])).await;
    let told: Vec<(&str, Value)> = shown["affected"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (one["how"].as_str().unwrap(), one["clusters"].clone()))
        .collect();
    let expected = [
        ("protected", json!(["third"])),
        ("moved", json!(["orders", "shop"])),
    ];
    assert_eq!(told, expected);
    everything["spec"]["priority"] = json!(0);
    let body = json!({"documents": [everything]});
    let refused = node.post("/api/v1/policy-previews", body.clone()).await;
    let refused = refused.refused(409, "policy_clash");
    let applied = node.apply(body["documents"].clone()).await;
    assert_eq!(
        refused["message"],
        applied.refused(409, "policy_clash")["message"]
    );
    let many = json!({"documents": [policy()], "runs": 1001});
    let many = node.post("/api/v1/policy-previews", many).await;
    assert_eq!(many.refused(422, "invalid")["field"], "runs");
    node.stop().await;
}

#[tokio::test]
async fn a_policy_goes_back_to_what_it_said() {
    let (mut node, _agent) = fleet().await;
    node.apply(json!([gold(json!({"objectives": {"rpo": "1m"}}))]))
        .await
        .expect(200);
    let told = history(&node).await;
    assert_eq!(told.len(), 2);
    assert_eq!(told[0]["action"], "configured");
    assert_eq!(told[0]["changedBy"], "user:admin");
    assert_eq!(told[0]["changes"][0]["field"], "objectives.rpo");
    assert_eq!(told[0]["changes"][0]["after"], "1m");
    assert_eq!(told[0]["document"], Value::Null, "only when asked for one");
    let first = told[1]["revision"].as_u64().unwrap();
    let path = format!("/api/v1/policies/gold/history/{first}");
    let one = node.get(&path).await.expect(200);
    assert_eq!(one["document"]["spec"], policy()["spec"]);
    assert_eq!(one["action"], "created");

    let rollback = "/api/v1/policies/gold/rollback";
    let back = node
        .post(rollback, json!({"revision": first}))
        .await
        .expect(200);
    assert_eq!(back["spec"], policy()["spec"]);
    assert!(back["status"]["contract"].is_string());
    let told = history(&node).await;
    assert_eq!(told.len(), 3);
    assert_eq!(told[0]["revision"], back["status"]["revision"]);
    // What it says already is no change.
    let same = node
        .post(rollback, json!({"revision": first}))
        .await
        .expect(200);
    assert_eq!(same["status"]["revision"], back["status"]["revision"]);

    let unknown = node.post(rollback, json!({"revision": 1})).await;
    unknown.refused(404, "not_found");
    let request = node.request(reqwest::Method::POST, rollback);
    let request = request.header("if-match", format!("\"{first}\""));
    let stale = crate::node::answer(request.json(&json!({"revision": first}))).await;
    stale.refused(412, "stale_revision");

    // Deleted, it is on record, and comes back.
    node.delete("/api/v1/policies/gold").await.expect(200);
    let told = history(&node).await;
    assert_eq!(told[0]["action"], "deleted");
    let gone = told[0]["revision"].as_u64().unwrap();
    let nothing = node.post(rollback, json!({"revision": gone})).await;
    assert_eq!(nothing.refused(422, "invalid")["field"], "revision");
    node.post(rollback, json!({"revision": first}))
        .await
        .expect(200);
    node.get("/api/v1/policies/gold").await.expect(200);
    let nobody = node.get("/api/v1/policies/nobody/history").await;
    nobody.refused(404, "not_found");
    node.stop().await;
}

/// Somebody who rolls back to what cannot be applied any more gets the refusal of
/// an apply.
#[tokio::test]
async fn a_rollback_is_checked_as_any_document_is() {
    let (mut node, _agent) = fleet().await;
    let first = history(&node).await[0]["revision"].clone();
    let mut us = named(repository(), "us");
    us["spec"]["url"] = json!("file:///srv/us");
    node.apply(json!([us, gold(json!({"repository": "us"}))]))
        .await
        .expect(200);
    node.delete("/api/v1/repositories/eu").await.expect(200);
    let rollback = "/api/v1/policies/gold/rollback";
    let refused = node.post(rollback, json!({"revision": first})).await;
    let refused = refused.refused(422, "dangling_reference");
    assert_eq!(refused["field"], "spec.repository");
    assert_eq!(history(&node).await.len(), 2);
    node.stop().await;
}

#[tokio::test]
async fn what_is_in_force_names_the_origin_of_each_field() {
    let (mut node, _agent) = fleet().await;
    let mut low = named(policy(), "low");
    low["spec"]["selector"] = json!({});
    low["spec"]["priority"] = json!(-1);
    let written = gold(json!({"wal": {"flushEvery": "1s"}, "retention": {},
        "objectives": {"rpo": "30s", "window": "7d"}}));
    node.apply(json!([low, written])).await.expect(200);
    let shown = node.get("/api/v1/clusters/orders/policy").await.expect(200);
    assert_eq!(shown["policy"], "gold");
    let revision = node.get("/api/v1/policies/gold").await.expect(200);
    assert_eq!(shown["revision"], revision["status"]["revision"]);
    assert_eq!(
        shown["passedOver"],
        json!([{"policy": "low", "priority": -1}])
    );
    let of = |field: &str| {
        let mut all = shown["fields"].as_array().unwrap().iter();
        let found = all.find(|one| one["field"] == field).unwrap();
        (
            found["value"].clone(),
            found["origin"].as_str().unwrap().to_owned(),
        )
    };
    assert_eq!(of("wal.flushEvery"), (json!("1s"), "policy".to_owned()));
    assert_eq!(of("wal.mode"), (json!("streaming"), "default".to_owned()));
    assert_eq!(of("retention.pitr"), (json!("1w"), "derived".to_owned()));
    assert_eq!(of("objectives.rto"), (Value::Null, "default".to_owned()));
    // None is in force for what nobody selects.
    node.delete("/api/v1/policies/gold").await.expect(200);
    node.delete("/api/v1/policies/low").await.expect(200);
    let shown = node.get("/api/v1/clusters/orders/policy").await.expect(200);
    assert_eq!(
        (&shown["policy"], &shown["fields"]),
        (&Value::Null, &json!([]))
    );
    let nobody = node.get("/api/v1/clusters/nobody/policy").await;
    nobody.refused(404, "not_found");
    node.stop().await;
}

/// The size of what was backed up is known, and counts.
#[tokio::test]
async fn a_backup_tells_the_size_that_promises_are_held_against() {
    let (mut node, _agent) = backed_up().await;
    let promised = gold(json!({"objectives": {"rto": "1h"}}));
    eventually("the level of RTOs", async || {
        (node.apply(json!([promised])).await.status == 200).then_some(())
    })
    .await;
    let shown = node.get("/api/v1/clusters/orders/policy").await.expect(200);
    let lint = shown["lint"].as_array().unwrap();
    let about = lint.iter().find(|one| one["code"] == "rto_not_measured");
    let message = about.unwrap()["message"].as_str().unwrap();
    assert!(
        message.starts_with("no restore was measured yet"),
        "{message}"
    );
    node.stop().await;
}

#[tokio::test]
async fn a_suggestion_can_be_applied_and_says_why() {
    let (mut node, _agent) = fleet().await;
    let wanted = json!({"rpo": "30s", "rto": "1h", "size": "10GiB", "name": "silver"});
    let suggested = node
        .post("/api/v1/policy-suggestions", wanted)
        .await
        .expect(200);
    assert_eq!(suggested["feasible"], true, "{suggested}");
    assert_eq!(suggested["means"], "streamedWal");
    assert_eq!(suggested["candidates"].as_array().unwrap().len(), 4);
    assert_eq!(suggested["document"]["spec"]["repository"], "eu");
    // By itself it takes no cluster away from anybody.
    let selector = &suggested["document"]["spec"]["selector"];
    assert_eq!(selector, &json!({"policy": "silver"}));
    let shown = preview(&node, json!([suggested["document"]])).await;
    assert_eq!(shown["affected"], json!([]));
    node.apply(json!([suggested["document"]])).await.expect(200);
    for (bad, field) in [
        (json!({"rpo": "0s", "rto": "1h", "size": "10GiB"}), "rpo"),
        (json!({"rpo": "1s", "rto": "1h", "size": "0B"}), "size"),
        (json!({"rpo": "soon", "rto": "1h", "size": "1GiB"}), "rpo"),
        (
            json!({"rpo": "1s", "rto": "1h", "size": "1GiB", "repository": "eu", "copy": "eu"}),
            "copy",
        ),
    ] {
        let refused = node.post("/api/v1/policy-suggestions", bad).await;
        assert_eq!(refused.refused(422, "invalid")["field"], field);
    }
    node.stop().await;
}

/// What a change would delete is named before it is made.
#[tokio::test]
async fn a_preview_names_the_backups_that_would_expire() {
    let (mut node, taken) = with_backups(3).await;
    let kept = |last: u32| gold(json!({"retention": {"keep": {"last": last}}}));
    let expires = async |last: u32| {
        let shown = eventually("the level of retention", async || {
            let body = json!({"documents": [kept(last)]});
            let answer = node.post("/api/v1/policy-previews", body).await;
            (answer.status == 200).then_some(answer.body)
        });
        shown.await["expires"].clone()
    };
    let oldest = json!([{"cluster": "orders", "backups": [taken[0]]}]);
    assert_eq!(expires(3).await, json!({"clusters": [], "notLookedAt": 0}));
    assert_eq!(
        expires(2).await,
        json!({"clusters": oldest, "notLookedAt": 0})
    );
    // Held, it would not.
    let hold = format!("/api/v1/backups/{}/hold", taken[0]);
    node.put(&hold, json!({"reason": "audit"}))
        .await
        .expect(200);
    assert_eq!(expires(2).await["clusters"], json!([]));
    // What expires already is no matter of the change.
    node.apply(json!([kept(2)])).await.expect(200);
    let backups = expires(1).await["clusters"][0]["backups"].clone();
    assert_eq!(backups, json!([taken[1]]));
    node.stop().await;
}
