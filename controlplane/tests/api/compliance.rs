//! Compliance over REST: what a simulated agent claims becomes verdicts of any time.

use holdfast_proto::v1::agent_message;
use holdfast_proto::{Assignment, ReportedFrontier, WalReport};
use holdfast_types::{Frontier, Lsn, Timeline};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::agent::{Agent, Session};
use crate::authz::{Person, everything};
use crate::jobs::{backed_up, duty, wal};
use crate::node::{Answer, Node, eventually, policy};

/// `orders` with a backup and an RPO, once facts are kept.
pub(crate) async fn promised(rpo: &str) -> (Node, Agent) {
    let (node, agent) = backed_up().await;
    eventually("facts to be kept", async || {
        let answer = node.get("/api/v1/compliance").await;
        (answer.status == 200).then_some(())
    })
    .await;
    let mut policy = policy();
    policy["spec"]["objectives"] = json!({"rpo": rpo});
    node.apply(json!([policy])).await.expect(200);
    (node, agent)
}

pub(crate) async fn claim(session: &Session, duty: &Assignment, lsn: u64) -> Timestamp {
    let time = Timestamp::now();
    let report = WalReport {
        assignment: duty.id,
        generation: duty.generation,
        wal: Some(wal(&[(100, lsn)])),
        frontier: Some(ReportedFrontier {
            timeline: Timeline::FIRST,
            frontier: Frontier {
                time,
                lsn: Lsn::new(lsn),
            },
        }),
        trouble: None,
        repository: None,
        copies: Vec::new(),
    };
    session
        .send(agent_message::Message::Wal((&report).into()))
        .await;
    time
}

async fn one(node: &Node) -> Value {
    let path = "/api/v1/clusters/orders/compliance";
    node.get(path).await.expect(200)
}

fn time(value: &Value) -> Timestamp {
    value.as_str().unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_violation_is_where_frontier_and_rpo_put_it() {
    let (mut node, agent) = promised("2s").await;
    let mut session = agent.session(&node, &[]).await.unwrap();
    let duty = duty(&mut session).await;
    let first = claim(&session, &duty, 300).await;
    let open = eventually("a violation", async || {
        let found = one(&node).await;
        let open = found["violations"].as_array()?.last()?.clone();
        let later = open["open"] == true && time(&open["startedAt"]) > first;
        (later && open["seconds"].as_f64()? > 1.0).then_some(open)
    })
    .await;
    let started = time(&open["startedAt"]);
    // To the microsecond, as columns keep times.
    let expected = first + SignedDuration::from_secs(2);
    assert!(
        started.duration_since(expected).abs() < SignedDuration::from_millis(1),
        "{open}"
    );
    assert_eq!(
        (&open["rpoSeconds"], &open["rpoScope"]),
        (&json!(2.0), &json!("any"))
    );
    let exposure = node
        .get("/api/v1/exposure?cluster=orders")
        .await
        .expect(200);
    assert_eq!(exposure["items"][0]["status"], "VIOLATED");
    let second = claim(&session, &duty, 400).await;
    let ended = eventually("its end", async || {
        let list = node
            .get("/api/v1/violations?cluster=orders&open=false")
            .await
            .expect(200);
        let found = list["items"].as_array()?;
        let found = found
            .iter()
            .find(|one| one["startedAt"] == open["startedAt"]);
        found.cloned()
    })
    .await;
    let end = time(&ended["endedAt"]);
    assert!(end >= second - SignedDuration::from_millis(1), "{ended}");
    assert!(end < second + SignedDuration::from_secs(5), "{ended}");
    // As it was known before it ended, it had not.
    let known = second - SignedDuration::from_millis(200);
    let path = format!("/api/v1/violations?cluster=orders&open=true&asKnownAt={known}");
    let then = node.get(&path).await.expect(200);
    assert_eq!(then["items"][0]["startedAt"], open["startedAt"], "{then}");
    summed_up(&node).await;
    node.stop().await;
}

async fn summed_up(node: &Node) {
    let summary = node
        .get("/api/v1/compliance?fleet=default")
        .await
        .expect(200);
    let summary = &summary["items"][0];
    assert_eq!(summary["cluster"], "orders");
    assert!(summary["compliance"].as_f64().unwrap() < 1.0, "{summary}");
    let states = summary["states"].as_object().unwrap();
    let spent: f64 = states.values().filter_map(Value::as_f64).sum();
    let whole = summary["eligibleSeconds"].as_f64().unwrap();
    assert!((spent - whole).abs() < 0.01, "{summary}");
    let control = |name: &str| {
        let controls = summary["controls"].as_array().unwrap();
        let found = controls.iter().find(|one| one["control"] == name);
        found.unwrap()["outcome"].clone()
    };
    assert_eq!(control("PG_IN_POLICY"), "PASS");
    assert_eq!(control("PG_ENCRYPTED"), "PASS");
    assert_eq!(control("PG_REGION_LOSS_RPO"), "NOT_APPLICABLE");
    assert_eq!(control("PG_MANUAL_DELETE_GUARDED"), "FAIL");
    assert_eq!(summary["copies"][0]["repository"], "eu");
    assert_eq!(summary["copies"][0]["windowGaps"], json!([]));
    let none = node
        .get("/api/v1/compliance?fleet=elsewhere")
        .await
        .expect(200);
    assert_eq!(none["items"], json!([]));
    let never = "/api/v1/compliance?from=2026-02-01T00:00:00Z&to=2026-01-01T00:00:00Z";
    node.get(never).await.refused(422, "invalid");
    node.get("/api/v1/clusters/nobody/compliance")
        .await
        .refused(404, "not_found");
}

fn waits(answer: Answer) -> String {
    let body = answer.refused(409, "approval_pending");
    format!("/api/v1/approvals/{}", body["approval"].as_str().unwrap())
}

#[tokio::test]
async fn an_exemption_excuses_once_another_person_consents() {
    let (mut node, _agent) = promised("1s").await;
    let ada = Person::with(&node, "ada", &[("administrator", everything())]).await;
    let bob = Person::with(&node, "bob", &[("approver", everything())]).await;
    let kim = Person::with(&node, "kim", &[("viewer", json!({"fleet": "default"}))]).await;
    let until = Timestamp::now() + SignedDuration::from_hours(1);
    let wanted = json!({"until": until, "reason": "it moves to another host"});
    let path = "/api/v1/clusters/orders/exemptions";
    kim.post(path, wanted.clone())
        .await
        .refused(403, "forbidden");
    let past = json!({"until": "2026-01-01T00:00:00Z", "reason": "late"});
    ada.post(path, past).await.refused(422, "invalid");
    let place = waits(ada.post(path, wanted.clone()).await);
    assert_eq!(waits(ada.post(path, wanted).await), place);
    let list = kim.get("/api/v1/exemptions").await.expect(200);
    assert_eq!(list["items"], json!([]));
    let approve = format!("{place}/approve");
    ada.post(&approve, json!({}))
        .await
        .refused(403, "self_approval");
    let done = bob.post(&approve, json!({})).await.expect(200);
    assert_eq!(done["state"], "executed", "{done}");
    let list = kim
        .get("/api/v1/exemptions?cluster=orders&inForce=true")
        .await
        .expect(200);
    let granted = &list["items"][0];
    assert_eq!(granted["requestedBy"], "user:ada");
    assert_eq!(granted["approvedBy"], json!(["user:bob"]));
    assert_eq!(granted["inForce"], true);
    let exposure = node
        .get("/api/v1/exposure?cluster=orders")
        .await
        .expect(200);
    assert_eq!(exposure["items"][0]["status"], "EXEMPT");
    let place = format!("/api/v1/exemptions/{}", granted["id"].as_str().unwrap());
    kim.delete(&place).await.refused(403, "forbidden");
    let ended = ada.delete(&place).await.expect(200);
    assert_eq!(
        (&ended["inForce"], &ended["endedBy"]),
        (&json!(false), &json!("user:ada"))
    );
    let exposure = node
        .get("/api/v1/exposure?cluster=orders")
        .await
        .expect(200);
    assert_ne!(exposure["items"][0]["status"], "EXEMPT");
    let excused = one(&node).await;
    assert!(
        excused["exemptSeconds"].as_f64().unwrap() > 0.0,
        "{excused}"
    );
    let audit = node
        .get("/api/v1/audit?action=grant_exemption")
        .await
        .expect(200);
    let act = audit["items"].as_array().unwrap();
    let act = act.iter().find(|one| !one["detail"]["consent"].is_null());
    let consent = &act.unwrap()["detail"]["consent"];
    assert_eq!(consent["approvedBy"], json!(["user:bob"]));
    node.stop().await;
}

#[tokio::test]
async fn what_somebody_may_not_see_is_not_there() {
    let (mut node, _agent) = promised("1s").await;
    let fleet =
        json!({"apiVersion": "holdfast/v1", "kind": "Fleet", "metadata": {"name": "elsewhere"}});
    node.apply(json!([fleet])).await.expect(200);
    let eve = Person::with(&node, "eve", &[("viewer", json!({"fleet": "elsewhere"}))]).await;
    for path in [
        "/api/v1/compliance",
        "/api/v1/violations",
        "/api/v1/exemptions",
    ] {
        let list = eve.get(path).await.expect(200);
        assert_eq!(list["items"], json!([]), "{path}");
    }
    for path in [
        "/api/v1/compliance?cluster=orders",
        "/api/v1/violations?cluster=orders",
        "/api/v1/clusters/orders/compliance",
    ] {
        eve.get(path).await.refused(404, "not_found");
    }
    node.stop().await;
}
