//! Restores as rows: begun as planned, moved on by whoever leads, handed over.

use holdfast_proto::{Assignment, JobEvent, JobOutcome, JobSuccess, Work};
use holdfast_types::{Failure, JobPhase};
use serde_json::{Value, json};

use crate::agent::{Agent, Session};
use crate::authz::{Person, everything};
use crate::jobs::{backed_up, finished, job_is};
use crate::node::{Answer, Node, cluster, eventually, policy};
use crate::restores::{answer_plan, plan};

pub const DIR: &str = "/srv/copy";

pub fn wanted() -> Value {
    json!({"cluster": "orders", "at": "latest", "agent": "db1", "dir": DIR, "start": true})
}

/// A backed-up cluster whose agent is there, on a node where restores are rows.
pub async fn ready() -> (Node, Agent, Session) {
    let (node, agent) = backed_up().await;
    let session = agent.session(&node, &[]).await.unwrap();
    eventually("the level of restores", async || {
        let hash = "00".repeat(32);
        let mut wanted = wanted();
        wanted["planHash"] = json!(hash);
        let answer = node.post("/api/v1/restores", wanted).await;
        (answer.body["code"] == "plan_stale").then_some(())
    })
    .await;
    (node, agent, session)
}

pub async fn begun(node: &Node, session: &mut Session, wanted: Value) -> String {
    let (_, started) = tokio::join!(
        answer_plan(session, Ok(plan(&[]))),
        node.post("/api/v1/restores", wanted),
    );
    id_of(&started.expect(202))
}

/// The restore of a job has its number.
fn id_of(started: &Value) -> String {
    let job = started["job"].as_str().unwrap();
    job.replace("job_", "rst_")
}

fn job_of(restore: &str) -> String {
    restore.replace("rst_", "job_")
}

async fn show(node: &Node, id: &str) -> Value {
    node.get(&format!("/api/v1/restores/{id}"))
        .await
        .expect(200)
}

pub async fn restore_is(node: &Node, id: &str, state: &str) -> Value {
    let reached = || async {
        let restore = show(node, id).await;
        (restore["state"] == state).then_some(restore)
    };
    eventually(&format!("{id} {state}"), reached).await
}

pub fn succeeded() -> JobEvent {
    let result = json!({
        "dir": DIR, "port": 5433, "socketDir": format!("{DIR}/.holdfast"), "timeline": 2,
        "reachedLsn": "0/C8", "reachedTime": "2026-02-03T02:41:07Z", "lastXid": 7,
        "phases": [{"phase": "copy", "milliseconds": 5}],
    });
    finished(JobOutcome::Succeeded(JobSuccess {
        result,
        backup: None,
        wal: None,
        repository: None,
    }))
}

fn states(restore: &Value) -> Vec<&str> {
    let history = restore["history"].as_array().unwrap();
    history
        .iter()
        .map(|step| step["state"].as_str().unwrap())
        .collect()
}

pub async fn assigned(session: &mut Session) -> Assignment {
    restore_of(session, |_| true).await
}

/// What a copy lacks is brought there meanwhile: that is another job.
pub async fn restore_of(session: &mut Session, wanted: impl Fn(&Assignment) -> bool) -> Assignment {
    let is_it = |one: &Assignment| matches!(one.work, Work::Restore(_)) && wanted(one);
    let set = session
        .assigned(|set| set.assignments.iter().any(is_it))
        .await;
    set.assignments.into_iter().find(is_it).unwrap()
}

#[tokio::test]
async fn a_restore_goes_through_its_states_and_says_what_came_of_it() {
    let (mut node, _agent, mut session) = ready().await;
    let id = begun(&node, &mut session, wanted()).await;
    let placing = restore_is(&node, &id, "placing").await;
    assert_eq!(placing["job"], job_of(&id));
    assert_eq!(placing["requestedBy"], "user:admin");
    let assignment = assigned(&mut session).await;
    session.report(&assignment, JobEvent::Started).await;
    restore_is(&node, &id, "running").await;
    session.report(&assignment, succeeded()).await;
    let done = restore_is(&node, &id, "done").await;
    let all = [
        "planned",
        "placing",
        "running",
        "validating",
        "handingOver",
        "done",
    ];
    assert_eq!(states(&done), all);
    let checks: Vec<&str> = done["checks"]
        .as_array()
        .unwrap()
        .iter()
        .map(|check| check["name"].as_str().unwrap())
        .collect();
    assert_eq!(checks, ["directory", "reached", "started", "promoted"]);
    assert_eq!(done["repository"], "eu");
    assert_eq!(done["predictedRtoSeconds"], 1.0);
    assert!(done["achievedRtoSeconds"].as_f64().unwrap() >= 0.0);
    assert!(done["achievedDataLossSeconds"].as_f64().unwrap() > 0.0);
    assert_eq!(done["plan"]["wal"]["toLsn"], "0/C8");
    let listed = node
        .get("/api/v1/restores?cluster=orders")
        .await
        .expect(200);
    assert_eq!(listed["items"][0]["id"], id.as_str());
    assert_eq!(listed["items"].as_array().unwrap().len(), 1);
    node.stop().await;
}

/// I-12: what its agent calls a success is looked at against the plan.
#[tokio::test]
async fn what_is_not_as_planned_is_no_success() {
    let (mut node, _agent, mut session) = ready().await;
    let id = begun(&node, &mut session, wanted()).await;
    let assignment = assigned(&mut session).await;
    session.report(&assignment, JobEvent::Started).await;
    let short = json!({"dir": DIR, "port": 5433, "socketDir": DIR, "timeline": 2,
        "reachedLsn": "0/64", "reachedTime": null, "lastXid": null});
    let outcome = JobOutcome::Succeeded(JobSuccess {
        result: short,
        backup: None,
        wal: None,
        repository: None,
    });
    session.report(&assignment, finished(outcome)).await;
    let failed = restore_is(&node, &id, "failed").await;
    assert_eq!(
        failed["error"]["code"], "restore_not_as_planned",
        "{failed}"
    );
    assert_eq!(failed["checks"][1]["passed"], false);
    node.stop().await;
}

#[tokio::test]
async fn the_plan_that_was_shown_is_executed_or_none() {
    let (mut node, _agent, mut session) = ready().await;
    let (_, shown) = tokio::join!(
        answer_plan(&mut session, Ok(plan(&[]))),
        node.post("/api/v1/restores/plan", wanted()),
    );
    let shown = shown.expect(200);
    assert_eq!(
        (&shown["agent"], &shown["repository"]),
        (&json!("db1"), &json!("eu"))
    );
    assert_eq!(
        shown["copies"][0]["reason"],
        "it is the repository of the policy"
    );
    let listed = node.get("/api/v1/restores").await.expect(200);
    assert_eq!(
        listed["items"],
        json!([]),
        "what nobody began is not listed"
    );
    let listed = node.get("/api/v1/restores?state=planned").await.expect(200);
    assert_eq!(listed["items"][0]["planHash"], shown["planHash"]);

    let mut exactly = wanted();
    exactly["planHash"] = shown["planHash"].clone();
    let mut other = exactly.clone();
    other["dir"] = json!("/srv/other");
    node.post("/api/v1/restores", other)
        .await
        .refused(422, "invalid");
    // Nobody is asked for another plan.
    let started = node.post("/api/v1/restores", exactly.clone()).await;
    let id = id_of(&started.expect(202));
    let assignment = assigned(&mut session).await;
    let Work::Restore(work) = &assignment.work else {
        unreachable!()
    };
    assert_eq!(work.plan, plan(&[]));
    node.post("/api/v1/restores", exactly)
        .await
        .refused(409, "plan_stale");
    session.report(&assignment, JobEvent::Started).await;
    session.report(&assignment, succeeded()).await;
    restore_is(&node, &id, "done").await;

    // A plan that something speaks against is shown, and cannot be begun.
    let full = Failure::permanent("dir_not_empty", "it is not empty", "choose another");
    let (_, shown) = tokio::join!(
        answer_plan(&mut session, Ok(plan(&[full]))),
        node.post("/api/v1/restores/plan", wanted()),
    );
    assert_eq!(shown.expect(200)["planHash"], Value::Null);
    node.stop().await;
}

#[tokio::test]
async fn a_restore_goes_on_when_the_node_comes_back() {
    let (mut node, agent, mut session) = ready().await;
    let id = begun(&node, &mut session, wanted()).await;
    let assignment = assigned(&mut session).await;
    session.report(&assignment, JobEvent::Started).await;
    restore_is(&node, &id, "running").await;
    drop(session);
    node.restart().await;
    let mut session = agent.session(&node, &[]).await.unwrap();
    assert_eq!(session.report(&assignment, succeeded()).await, "");
    let done = restore_is(&node, &id, "done").await;
    assert_eq!(states(&done).last(), Some(&"done"));
    node.stop().await;
}

#[tokio::test]
async fn a_restore_is_ended_where_it_is() {
    let (mut node, _agent, mut session) = ready().await;
    let id = begun(&node, &mut session, wanted()).await;
    let assignment = assigned(&mut session).await;
    session.report(&assignment, JobEvent::Started).await;
    restore_is(&node, &id, "running").await;
    let cancel = format!("/api/v1/restores/{id}/cancel");
    node.post(&cancel, json!({})).await.expect(200);
    session
        .report(&assignment, finished(JobOutcome::Cancelled))
        .await;
    restore_is(&node, &id, "cancelled").await;
    node.post(&cancel, json!({}))
        .await
        .refused(409, "restore_state");
    node.stop().await;
}

async fn with_copy(node: &Node) {
    let repository = json!({"apiVersion": "holdfast/v1", "kind": "Repository",
        "metadata": {"name": "away"}, "spec": {"url": "file:///srv/away"}});
    let mut policy = policy();
    policy["spec"]["copies"] = json!([{"repository": "away", "within": "15m"}]);
    node.apply(json!([repository, policy])).await.expect(200);
}

#[tokio::test]
async fn when_a_copy_cannot_be_read_the_next_is_and_its_failure_is_kept() {
    let (mut node, _agent, mut session) = ready().await;
    with_copy(&node).await;
    let id = begun(&node, &mut session, wanted()).await;
    let first = assigned(&mut session).await;
    let of = |assignment: &Assignment| match &assignment.work {
        Work::Restore(work) => (work.repository.name.to_string(), work.request.delta),
        other => panic!("{other:?}"),
    };
    assert_eq!(of(&first), ("eu".to_owned(), false));
    session.report(&first, JobEvent::Started).await;
    session
        .report(&first, JobEvent::Phase(JobPhase::Prepare))
        .await;
    session
        .report(&first, JobEvent::Phase(JobPhase::Copy))
        .await;
    let lost = Failure::transient("repository_unreachable", "it is gone", "look");
    session
        .report(&first, finished(JobOutcome::Failed(lost.clone())))
        .await;
    let next = eventually_next(&mut session, &first).await;
    // What the first attempt wrote is gone on with, by the same plan.
    assert_eq!(of(&next), ("away".to_owned(), true));
    session.report(&next, JobEvent::Started).await;
    let running = restore_is(&node, &id, "running").await;
    assert_eq!(running["copiesTried"][0]["repository"], "eu");
    assert_eq!(
        running["copiesTried"][0]["failure"]["code"],
        "repository_unreachable"
    );
    // There is no third.
    session
        .report(&next, finished(JobOutcome::Failed(lost)))
        .await;
    let failed = restore_is(&node, &id, "failed").await;
    assert_eq!(failed["error"]["code"], "repository_unreachable");
    let job = job_is(&node, &job_of(&id), "failed").await;
    assert_eq!(job["attempts"].as_array().unwrap().len(), 2);
    node.stop().await;
}

async fn eventually_next(session: &mut Session, before: &Assignment) -> Assignment {
    restore_of(session, |one| one.generation != before.generation).await
}

#[tokio::test]
async fn a_copy_that_cannot_be_planned_with_is_passed_over() {
    let (mut node, _agent, mut session) = ready().await;
    with_copy(&node).await;
    let gone = Failure::permanent("not_a_repository", "nothing is there", "look");
    let answers = async {
        let first = answer_plan(&mut session, Err(gone)).await;
        let second = answer_plan(&mut session, Ok(plan(&[]))).await;
        (
            first.repository.name.to_string(),
            second.repository.name.to_string(),
        )
    };
    let (asked, shown) = tokio::join!(answers, node.post("/api/v1/restores/plan", wanted()));
    assert_eq!(asked, ("eu".to_owned(), "away".to_owned()));
    let shown = shown.expect(200);
    assert_eq!(shown["repository"], "away");
    assert_eq!(
        shown["copiesTried"][0]["failure"]["code"],
        "not_a_repository"
    );
    // Whoever names a repository means that one.
    let mut named = wanted();
    named["repository"] = json!("eu");
    let gone = Failure::permanent("not_a_repository", "nothing is there", "look");
    let (_, refused) = tokio::join!(
        answer_plan(&mut session, Err(gone)),
        node.post("/api/v1/restores/plan", named),
    );
    refused.refused(422, "not_a_repository");
    node.stop().await;
}

fn waits(answer: Answer) -> String {
    let body = answer.refused(409, "approval_pending");
    body["approval"].as_str().unwrap().to_owned()
}

async fn guarded() -> (Node, Session, Agent, Person, Person) {
    let (node, agent, session) = ready().await;
    let mut policy = policy();
    policy["spec"]["approvals"] = json!({"restoreOver": 1});
    node.apply(json!([policy])).await.expect(200);
    let ada = Person::with(&node, "ada", &[("operator", everything())]).await;
    let bob = Person::with(&node, "bob", &[("approver", everything())]).await;
    (node, session, agent, ada, bob)
}

#[tokio::test]
async fn over_what_is_there_another_person_consents_to_exactly_that_plan() {
    let (mut node, mut session, _agent, ada, bob) = guarded().await;
    let mut over = wanted();
    over["delta"] = json!(true);
    let (_, asked) = tokio::join!(
        answer_plan(&mut session, Ok(plan(&[]))),
        ada.post("/api/v1/restores", over.clone()),
    );
    let approval = waits(asked);
    // The same again is the same request, and nobody plans.
    assert_eq!(waits(ada.post("/api/v1/restores", over).await), approval);
    let listed = bob.get("/api/v1/restores?state=awaitingApproval").await;
    let listed = listed.expect(200);
    let id = listed["items"][0]["id"].as_str().unwrap().to_owned();
    assert_eq!(listed["items"][0]["approval"], approval.as_str());
    assert_eq!(listed["items"][0]["job"], Value::Null);
    let path = format!("/api/v1/approvals/{approval}");
    let shown = bob.get(&path).await.expect(200);
    assert_eq!(shown["action"], "begin_restore");
    assert_eq!(shown["subject"], format!("restores/{id}"));
    let held = &shown["command"]["begin_restore"];
    assert_eq!(held["plan_hash"], listed["items"][0]["planHash"]);
    let approve = format!("{path}/approve");
    ada.post(&approve, json!({}))
        .await
        .refused(403, "forbidden");
    let done = bob.post(&approve, json!({})).await.expect(200);
    assert_eq!(done["state"], "executed", "{done}");
    let assignment = assigned(&mut session).await;
    let Work::Restore(work) = &assignment.work else {
        unreachable!()
    };
    assert!(work.request.delta && work.plan == plan(&[]));
    session.report(&assignment, JobEvent::Started).await;
    session.report(&assignment, succeeded()).await;
    let done = restore_is(&node, &id, "done").await;
    assert_eq!(done["requestedBy"], "user:ada");
    assert!(states(&done).contains(&"awaitingApproval"));
    // Into a new directory nobody has to consent.
    let (_, started) = tokio::join!(
        answer_plan(&mut session, Ok(plan(&[]))),
        ada.post("/api/v1/restores", wanted()),
    );
    started.expect(202);
    node.stop().await;
}

#[tokio::test]
async fn a_restore_that_is_not_consented_to_does_nothing() {
    let (mut node, mut session, _agent, ada, bob) = guarded().await;
    // The directory of a declared instance is something that is there, too.
    let mut declared = cluster("db1");
    declared["spec"]["instances"][0]["dataDirectory"] = json!(DIR);
    node.apply(json!([declared])).await.expect(200);
    let (_, asked) = tokio::join!(
        answer_plan(&mut session, Ok(plan(&[]))),
        ada.post("/api/v1/restores", wanted()),
    );
    let approval = waits(asked);
    let listed = ada.get("/api/v1/restores").await.expect(200);
    let id = listed["items"][0]["id"].as_str().unwrap().to_owned();
    bob.post(&format!("/api/v1/approvals/{approval}/reject"), json!({}))
        .await
        .expect(200);
    restore_is(&node, &id, "rejected").await;

    let (_, asked) = tokio::join!(
        answer_plan(&mut session, Ok(plan(&[]))),
        ada.post("/api/v1/restores", wanted()),
    );
    let approval = waits(asked);
    let listed = ada.get("/api/v1/restores?state=awaitingApproval").await;
    let listed = listed.expect(200);
    let id = listed["items"][0]["id"].as_str().unwrap().to_owned();
    ada.post(&format!("/api/v1/restores/{id}/cancel"), json!({}))
        .await
        .expect(200);
    bob.post(&format!("/api/v1/approvals/{approval}/approve"), json!({}))
        .await
        .refused(409, "approval_state");
    restore_is(&node, &id, "cancelled").await;
    assert_eq!(
        node.get("/api/v1/jobs?kind=restore").await.expect(200)["items"],
        json!([])
    );
    node.stop().await;
}

#[tokio::test]
async fn who_may_not_restore_begins_none_and_who_sees_the_cluster_sees_them() {
    let (mut node, _agent, mut session) = ready().await;
    let id = begun(&node, &mut session, wanted()).await;
    let kim = Person::with(&node, "kim", &[("viewer", everything())]).await;
    let other = json!({"selector": {"tier": "tin"}});
    let lee = Person::with(&node, "lee", &[("operator", other)]).await;
    let path = format!("/api/v1/restores/{id}");
    assert_eq!(kim.get(&path).await.expect(200)["id"], id.as_str());
    kim.post("/api/v1/restores", wanted())
        .await
        .refused(403, "forbidden");
    kim.post(&format!("{path}/cancel"), json!({}))
        .await
        .refused(403, "forbidden");
    lee.get(&path).await.refused(404, "not_found");
    lee.post(&format!("{path}/cancel"), json!({}))
        .await
        .refused(404, "not_found");
    assert_eq!(
        lee.get("/api/v1/restores").await.expect(200)["items"],
        json!([])
    );
    let mut told = wanted();
    told["webhooks"] = json!([{"url": "http://127.0.0.1:9/"}]);
    let ann = json!({"fleet": "default"});
    let ann = Person::with(&node, "ann", &[("operator", ann)]).await;
    ann.post("/api/v1/restores", told)
        .await
        .refused(403, "forbidden");
    node.stop().await;
}

#[tokio::test]
async fn a_request_that_cannot_be_meant_is_refused_at_its_field() {
    let (mut node, _agent, _session) = ready().await;
    let refuse = async |change: fn(&mut Value), field: &str| {
        let mut wanted = wanted();
        change(&mut wanted);
        let body = node
            .post("/api/v1/restores", wanted)
            .await
            .refused(422, "invalid");
        assert_eq!(body["field"], field, "{body}");
    };
    refuse(|one| one["region"] = json!("b"), "region").await;
    refuse(|one| one["agent"] = Value::Null, "agent").await;
    refuse(|one| one["dir"] = json!("copy"), "dir").await;
    refuse(|one| one["planHash"] = json!("x"), "planHash").await;
    refuse(
        |one| one["webhooks"] = json!([{"url": "ftp://x"}]),
        "webhooks[0].url",
    )
    .await;
    let stopped = |one: &mut Value| {
        one["start"] = json!(false);
        one["register"] = json!({"name": "b"});
    };
    refuse(stopped, "register").await;
    refuse(
        |one| one["register"] = json!({"name": "orders"}),
        "register",
    )
    .await;
    let unselected = |one: &mut Value| one["register"] = json!({"name": "b", "labels": {"x": "y"}});
    refuse(unselected, "register.labels").await;
    let mut nowhere = wanted();
    nowhere["agent"] = Value::Null;
    nowhere["region"] = json!("mars");
    let body = node.post("/api/v1/restores", nowhere).await;
    let body = body.refused(409, "no_restore_agent");
    assert!(body["message"].as_str().unwrap().contains("mars"), "{body}");
    node.stop().await;
}
