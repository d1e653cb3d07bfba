//! Drills: placed, decided and shown, with a simulated agent.

use holdfast_proto::{Assignment, DrillWork, JobEvent, JobOutcome, JobSuccess, Work};
use holdfast_types::RestoreTarget;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::agent::{Agent, Session};
use crate::jobs::{backed_up, finished, job_is};
use crate::node::{Node, eventually, policy};

async fn start(node: &Node, body: Value) -> String {
    let path = "/api/v1/clusters/orders/drills";
    let started = node.post(path, body).await.expect(202);
    started["job"].as_str().unwrap().to_owned()
}

fn drill_of(assignment: &Assignment) -> &DrillWork {
    match &assignment.work {
        Work::Drill(work) => work,
        other => panic!("{other:?} is no drill"),
    }
}

/// What an agent reports of a drill.
fn showed(work: &DrillWork, passed: bool) -> JobOutcome {
    let check = |name: &str, passed: bool, seen: &str| {
        json!({"name": name, "kind": "sql", "database": "shop", "expect": "drift <= 5%",
               "seen": seen, "passed": passed, "why": "as it is", "millis": 1})
    };
    let mut result = json!({
        "verdict": "passed", "kind": "physical", "target": work.order.at,
        "targetAt": Timestamp::now(), "reachedAt": Timestamp::now(), "reachedLsn": "0/C8",
        "phases": [{"phase": "copy", "milliseconds": 700}], "readyMillis": 900, "rpoMillis": 1500,
        "checks": [{"name": "reached", "kind": "reached", "seen": null, "passed": true,
                    "why": "it answers", "millis": 1}, check("rows", true, "42")],
        "rowCounts": {"shop.public.orders": 42},
    });
    if !passed {
        result["verdict"] = json!("failed");
        result["cause"] = json!({"code": "drill_check_failed", "message": "1 of 3 checks failed",
                                 "hint": "look", "retryable": false});
        let failed = check("young", false, "no");
        result["checks"].as_array_mut().unwrap().push(failed);
    }
    JobOutcome::Succeeded(JobSuccess {
        result,
        backup: None,
        wal: None,
        repository: None,
    })
}

async fn end(session: &mut Session, assignment: &Assignment, passed: bool) {
    assert_eq!(session.report(assignment, JobEvent::Started).await, "");
    let outcome = showed(drill_of(assignment), passed);
    assert_eq!(session.report(assignment, finished(outcome)).await, "");
}

async fn proof(node: &Node) -> Value {
    let list = node
        .get("/api/v1/exposure?cluster=orders")
        .await
        .expect(200);
    list["items"][0]["proof"].clone()
}

#[tokio::test]
async fn what_a_drill_showed_is_kept_and_proves_or_does_not() {
    let (mut node, agent) = backed_up().await;
    let mut session = agent.session(&node, &[]).await.unwrap();
    assert_eq!(proof(&node).await["because"], "no_drill");
    // The only agent is on the primary's host: it is taken when it is named.
    let path = "/api/v1/clusters/orders/drills";
    let refused = node.post(path, json!({})).await;
    refused.refused(409, "no_drill_agent");
    let checks = json!([{"name": "rows", "sql": "select 42", "expect": "drift <= 5%"}]);
    let id = start(&node, json!({"agent": "db1", "checks": checks})).await;
    let assignment = session.job().await;
    let order = &drill_of(&assignment).order;
    assert_eq!(order.at, RestoreTarget::Latest);
    assert_eq!((order.dump, order.before.clone()), (None, None));
    assert_eq!(order.checks.len(), 1);
    end(&mut session, &assignment, true).await;
    let job = job_is(&node, &id, "succeeded").await;
    assert_eq!(
        (&job["kind"], &job["agent"]),
        (&json!("drill"), &json!("db1"))
    );
    let proven = proof(&node).await;
    assert_eq!(proven["proven"], true, "{proven}");
    assert_eq!(proven["achievedRpoSeconds"], 1.5);

    // The next compares with it.
    let id = start(&node, json!({"agent": "db1", "at": "random"})).await;
    let assignment = session.job().await;
    let order = &drill_of(&assignment).order;
    let before = order.before.as_ref().unwrap();
    assert_eq!(before.seen("rows", Some("shop")), Some("42"));
    assert_eq!(before.row_counts["shop.public.orders"], 42);
    assert_ne!(order.at, RestoreTarget::Latest, "the point is decided");
    end(&mut session, &assignment, false).await;
    let job = job_is(&node, &id, "failed").await;
    assert_eq!(job["error"]["code"], "drill_check_failed");
    let not_proven = proof(&node).await;
    assert_eq!(not_proven["because"], "drill_failed", "{not_proven}");
    assert_eq!(
        not_proven["achievedRpoSeconds"], 1.5,
        "as the last that passed"
    );

    let list = node
        .get("/api/v1/drills?cluster=orders&fleet=default")
        .await;
    let list = list.expect(200)["items"].clone();
    let verdicts: Vec<_> = list
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["verdict"])
        .collect();
    assert_eq!(verdicts, ["failed", "passed"]);
    let drill = list[1]["id"].as_str().unwrap();
    let shown = node
        .get(&format!("/api/v1/drills/{drill}"))
        .await
        .expect(200);
    assert_eq!(shown["checks"][1]["seen"], "42");
    assert_eq!(shown["rowCounts"]["shop.public.orders"], 42);
    assert!(
        shown["achievedRtoSeconds"].as_f64().unwrap() >= 0.9,
        "{shown}"
    );
    let failed = node.get("/api/v1/drills?verdict=failed").await.expect(200);
    assert_eq!(failed["items"].as_array().unwrap().len(), 1);
    let gone = "/api/v1/drills/drl_00000000000000000000000000000000";
    node.get(gone).await.refused(404, "not_found");
    node.stop().await;
}

#[tokio::test]
async fn what_cannot_be_rehearsed_is_refused_by_name() {
    let (mut node, agent) = backed_up().await;
    let _session = agent.session(&node, &[]).await.unwrap();
    let path = "/api/v1/clusters/orders/drills";
    for (body, status, code, field) in [
        (
            json!({"agent": "db1", "region": "eu"}),
            422,
            "invalid",
            "region",
        ),
        (
            json!({"agent": "db1", "checks": [{}]}),
            422,
            "invalid",
            "checks[0]",
        ),
        (
            json!({"agent": "db1", "checks": [{"sql": "select 1"}]}),
            422,
            "invalid",
            "checks[0].expect",
        ),
    ] {
        let refused = node.post(path, body).await.refused(status, code);
        assert_eq!(refused["field"], field, "{refused}");
    }
    let no_dump = json!({"agent": "db1", "kind": "logical"});
    node.post(path, no_dump).await.refused(409, "no_backup");
    let mars = "/api/v1/clusters/mars/drills";
    node.post(mars, json!({})).await.refused(404, "not_found");
    node.stop().await;
}

#[tokio::test]
async fn a_drill_goes_to_whom_it_disturbs_least() {
    let (mut node, agent) = backed_up().await;
    let other = Agent::enrol(&node, "db2").await;
    let mut cluster = crate::node::cluster("db1");
    let second = json!({"agent": "db2", "connection": "host=/run/postgresql user=holdfast"});
    cluster["spec"]["instances"]
        .as_array_mut()
        .unwrap()
        .push(second);
    node.apply(json!([cluster])).await.expect(200);
    let first = agent.session(&node, &[]).await.unwrap();
    let mut second = other.session(&node, &[]).await.unwrap();
    first
        .observe_as("primary", "orders", 7_301_234_567_890_123_456)
        .await;
    second
        .observe_as("standby", "orders", 7_301_234_567_890_123_456)
        .await;
    let seen = || async {
        let cluster = node.get("/api/v1/clusters/orders").await.expect(200);
        let instances = cluster["status"]["instances"].as_array()?.len();
        (instances == 2).then_some(())
    };
    eventually("both to be seen", seen).await;
    let id = start(&node, json!({})).await;
    let assignment = second.job().await;
    // One of a cluster at a time.
    let waiting = start(&node, json!({"agent": "db1"})).await;
    let shown = node
        .get(&format!("/api/v1/jobs/{waiting}"))
        .await
        .expect(200);
    let waits = format!("{id} rehearses the same cluster");
    assert_eq!(shown["waitingFor"], json!(waits), "{shown}");
    end(&mut second, &assignment, true).await;
    job_is(&node, &id, "succeeded").await;
    node.stop().await;
}

/// A drill whose next due time is a few seconds away.
fn due_soon(plan: bool) -> Value {
    let due = |number: u32| {
        let name = if plan {
            format!("drillplan-often-{number}")
        } else {
            format!("often-{number}")
        };
        let read = json!({"name": name, "kind": "full", "every": "1m"});
        let read = serde_json::from_value(read).unwrap();
        let cluster = "orders".parse().unwrap();
        let timetable = holdfast_types::schedule::Timetable::new(&cluster, &read).unwrap();
        let soon = Timestamp::now() + SignedDuration::from_secs(2);
        (
            timetable.next_due(soon).unwrap().at,
            format!("often-{number}"),
        )
    };
    let (_, name) = (0..200).map(due).min_by_key(|(at, _)| *at).unwrap();
    json!({"name": name, "every": "1m", "at": "random", "agent": "db1",
           "checks": [{"amcheck": true}]})
}

#[tokio::test]
async fn the_drills_of_a_policy_come_due() {
    let (mut node, agent) = backed_up().await;
    let mut session = agent.session(&node, &[]).await.unwrap();
    let mut policy = policy();
    policy["spec"]["drills"] = json!([due_soon(false)]);
    node.apply(json!([policy])).await.expect(200);
    let assignment = session.job().await;
    let work = drill_of(&assignment).clone();
    assert_eq!(work.order.checks[0].amcheck, Some(true));
    end(&mut session, &assignment, true).await;
    let job = job_is(&node, &work.job.to_string(), "succeeded").await;
    assert!(
        job["run"].as_str().unwrap().starts_with("orders.often-"),
        "{job}"
    );
    let drills = node.get("/api/v1/drills").await.expect(200);
    let schedule = drills["items"][0]["schedule"].as_str().unwrap();
    assert!(schedule.starts_with("often-"), "{schedule}");
    let runs = node.get("/api/v1/runs?limit=1000").await.expect(200);
    assert_eq!(runs["items"][0]["state"], "ran", "{runs}");
    node.stop().await;
}

#[tokio::test]
async fn a_drill_plan_is_a_resource_and_comes_due() {
    let (mut node, agent) = backed_up().await;
    let mut session = agent.session(&node, &[]).await.unwrap();
    let mut spec = due_soon(true);
    let name = spec.as_object_mut().unwrap().remove("name").unwrap();
    let name = name.as_str().unwrap();
    spec["selector"] = json!({"tier": "gold"});
    let plan = json!({"apiVersion": "holdfast/v1", "kind": "DrillPlan",
                      "metadata": {"name": name}, "spec": spec});
    let path = format!("/api/v1/drill-plans/{name}");
    node.put(&path, plan.clone()).await.expect(201);
    assert_eq!(node.get(&path).await.expect(200)["spec"], spec);
    let again = node.apply(json!([plan])).await.expect(200);
    assert_eq!(again["results"][0]["action"], "unchanged");
    let assignment = session.job().await;
    end(&mut session, &assignment, true).await;
    let id = drill_of(&assignment).job.to_string();
    let job = job_is(&node, &id, "succeeded").await;
    let run = format!("orders.drillplan-{name}");
    assert!(job["run"].as_str().unwrap().starts_with(&run), "{job}");
    node.delete("/api/v1/repositories/eu")
        .await
        .refused(409, "in_use");
    assert_eq!(node.delete(&path).await.expect(200)["action"], "deleted");
    node.get(&path).await.refused(404, "not_found");
    node.stop().await;
}
