//! Restores that are checked before they are handed over, and commands of their hosts.

use holdfast_proto::{Assignment, JobEvent, JobOutcome, JobSuccess, Work};
use holdfast_types::Failure;
use serde_json::{Value, json};

use crate::agent::{Agent, Session};
use crate::jobs::finished;
use crate::node::{Node, eventually};
use crate::restores::{answer_plan, plan};
use crate::restoring::{DIR, begun, ready, restore_is, restore_of, wanted};

/// On a node whose restores are checked.
async fn checking() -> (Node, Agent, Session) {
    let (node, agent, session) = ready().await;
    eventually("the level of checks", async || {
        let mut wanted = asked();
        wanted["planHash"] = json!("00".repeat(32));
        let answer = node.post("/api/v1/restores", wanted).await;
        (answer.body["code"] == "plan_stale").then_some(())
    })
    .await;
    (node, agent, session)
}

fn asked() -> Value {
    let mut asked = wanted();
    asked["checks"] = json!([{"sql": "select count(*) from orders", "expect": "> 0"}]);
    asked["hooks"] = json!(["warm", "repoint"]);
    asked
}

fn check(passed: bool) -> Value {
    json!({"name": "select count(*) from orders", "kind": "sql", "database": "postgres",
           "expect": "> 0", "seen": "0", "passed": passed, "why": "0 is not > 0", "millis": 3})
}

fn hook(name: &str, failed: Option<&str>) -> Value {
    let mut run = json!({"name": name, "key": format!("rst_x.hook.{name}"), "exitCode": 0,
                         "millis": 12, "output": "first\nlast\n"});
    if let Some(message) = failed {
        run["exitCode"] = json!(7);
        run["failure"] = json!(Failure::permanent("hook_failed", message, "do it by hand"));
    }
    run
}

/// What its agent reports, whose server went on past the plan.
fn reported(checks: Value, hooks: Value) -> JobEvent {
    let result = json!({
        "dir": DIR, "port": 5433, "socketDir": format!("{DIR}/.holdfast"), "timeline": 2,
        "reachedLsn": "0/C8", "reachedTime": "2999-01-01T00:00:00Z", "lastXid": 7,
        "phases": [], "checks": checks, "hooks": hooks,
    });
    finished(JobOutcome::Succeeded(JobSuccess {
        result,
        backup: None,
        wal: None,
        repository: None,
    }))
}

async fn run(node: &Node, session: &mut Session, event: JobEvent) -> String {
    let id = begun(node, session, asked()).await;
    let job = id.replace("rst_", "job_");
    let is_its = |one: &Assignment| match &one.work {
        Work::Restore(work) => work.job.to_string() == job,
        _ => false,
    };
    let assignment = restore_of(session, is_its).await;
    let Work::Restore(work) = &assignment.work else {
        unreachable!()
    };
    let named: Vec<&str> = work
        .request
        .hooks
        .iter()
        .map(|name| name.as_str())
        .collect();
    assert_eq!(named, ["warm", "repoint"]);
    assert_eq!(work.request.checks.len(), 1);
    session.report(&assignment, JobEvent::Started).await;
    session.report(&assignment, event).await;
    id
}

fn steps(restore: &Value) -> Vec<&str> {
    let steps = restore["handedOver"].as_array().unwrap();
    let steps = steps.iter().map(|step| step["step"].as_str().unwrap());
    steps.collect()
}

#[tokio::test]
async fn what_was_checked_and_run_is_kept_with_what_was_lost() {
    let (mut node, _agent, mut session) = checking().await;
    let hooks = json!([hook("warm", None), hook("repoint", None)]);
    let event = reported(json!([check(true)]), hooks);
    let id = run(&node, &mut session, event).await;
    let done = restore_is(&node, &id, "done").await;
    assert_eq!(steps(&done), ["hook warm", "hook repoint"]);
    assert_eq!(
        done["handedOver"][0]["detail"],
        "it ended with 0 after 12 ms: last"
    );
    assert_eq!(done["checks"][4]["name"], "select count(*) from orders");
    assert_eq!(done["result"]["hooks"][1]["key"], "rst_x.hook.repoint");
    // By what was replayed, not by what was planned.
    assert!(done["predictedDataLossSeconds"].as_f64().unwrap() > 0.0);
    assert_eq!(done["achievedDataLossSeconds"], 0.0);
    node.stop().await;
}

/// I-12: what failed a check is handed over to nobody.
#[tokio::test]
async fn a_check_that_failed_or_was_not_made_ends_it_before_it_is_handed_over() {
    let (mut node, _agent, mut session) = checking().await;
    let told = [
        (json!([check(false)]), "0 is not > 0"),
        (json!([]), "its agent made 0 of 1"),
    ];
    for (checks, why) in told {
        let event = reported(checks, json!([]));
        let id = run(&node, &mut session, event).await;
        let failed = restore_is(&node, &id, "failed").await;
        let error = &failed["error"];
        assert_eq!(error["code"], "restore_check_failed", "{failed}");
        assert!(error["message"].as_str().unwrap().contains(why), "{error}");
        assert!(
            error["hint"].as_str().unwrap().contains(".holdfast"),
            "{error}"
        );
        assert_eq!(failed["handedOver"], json!([]));
        assert_eq!(failed["checks"][4]["passed"], false);
        let history = failed["history"].to_string();
        assert!(!history.contains("handingOver"), "{history}");
        // How to look at it.
        assert_eq!(failed["result"]["port"], 5433);
    }
    node.stop().await;
}

#[tokio::test]
async fn a_hook_that_failed_or_was_not_run_is_said_and_what_was_restored_stays() {
    let (mut node, _agent, mut session) = checking().await;
    let one = json!([hook("warm", Some("the hook \"warm\" ended with 7"))]);
    let none = json!([hook("warm", None)]);
    let told = [
        (one, vec!["hook warm"], "ended with 7"),
        (
            none,
            vec!["hook warm", "hook repoint"],
            "did not run the hook",
        ),
    ];
    for (hooks, made, why) in told {
        let event = reported(json!([check(true)]), hooks);
        let id = run(&node, &mut session, event).await;
        let failed = restore_is(&node, &id, "failed").await;
        let error = &failed["error"];
        assert_eq!(error["code"], "hook_failed", "{failed}");
        let message = error["message"].as_str().unwrap();
        assert!(message.starts_with("it is restored, and was not handed over"));
        assert!(message.contains(why), "{message}");
        assert_eq!(steps(&failed), made);
        assert_eq!(failed["result"]["port"], 5433);
    }
    node.stop().await;
}

#[tokio::test]
async fn what_cannot_be_checked_or_run_is_refused_before_anything_is_done() {
    let (mut node, _agent, mut session) = checking().await;
    let refused = async |field: &str, value: Value, at: &str| {
        let mut wanted = wanted();
        wanted[field] = value;
        let body = node.post("/api/v1/restores/plan", wanted).await;
        assert_eq!(body.refused(422, "invalid")["field"], at);
    };
    refused(
        "checks",
        json!([{"checksums": true}]),
        "checks[0].checksums",
    )
    .await;
    let counts = json!([{"amcheck": true}, {"rowCounts": "drift <= 5%"}]);
    refused("checks", counts, "checks[1].rowCounts").await;
    let drift = json!([{"sql": "select 1", "expect": "drift <= 5%"}]);
    refused("checks", drift, "checks[0].expect").await;
    refused("checks", json!([{"sql": "select 1"}]), "checks[0].expect").await;
    refused("hooks", json!(["warm", "warm"]), "hooks[1]").await;
    let many: Vec<String> = (0..9).map(|number| format!("hook-{number}")).collect();
    refused("hooks", json!(many), "hooks").await;
    for (field, value) in [("start", json!(false)), ("action", json!("pause"))] {
        let mut wanted = asked();
        wanted[field] = value;
        let answer = node.post("/api/v1/restores", wanted).await;
        assert_eq!(answer.refused(422, "invalid")["field"], "checks");
    }
    let mut rehearsal = asked();
    rehearsal["rehearse"] = json!(true);
    let answer = node.post("/api/v1/restores", rehearsal).await;
    assert_eq!(answer.refused(422, "invalid")["field"], "rehearse");

    // What its host does not allow, its agent says when it plans.
    let unknown = Failure::permanent("hook_not_allowed", "it allows none", "add it");
    let (asked_for, answer) = tokio::join!(
        answer_plan(&mut session, Ok(plan(&[unknown]))),
        node.post("/api/v1/restores", asked()),
    );
    answer.refused(422, "hook_not_allowed");
    assert_eq!(asked_for.request.hooks.len(), 2);
    let listed = node.get("/api/v1/restores").await.expect(200);
    assert_eq!(listed["items"], json!([]));
    node.stop().await;
}

/// A rehearsal is a drill: of its server all may be checked, for it is thrown away.
#[tokio::test]
async fn what_a_rehearsal_checks_its_drill_does() {
    let (mut node, _agent, mut session) = checking().await;
    let checks = json!([{"checksums": true}, {"rowCounts": "drift <= 5%"}]);
    let wanted = json!({"cluster": "orders", "at": "latest", "agent": "db1", "rehearse": true,
                        "checks": checks});
    node.post("/api/v1/restores", wanted).await.expect(202);
    let assignment = session.job().await;
    let Work::Drill(work) = &assignment.work else {
        panic!("{assignment:?}")
    };
    assert_eq!(serde_json::to_value(&work.order.checks).unwrap(), checks);
    node.stop().await;
}
