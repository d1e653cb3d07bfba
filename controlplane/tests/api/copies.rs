//! Copies in the catalog, told by a simulated agent.

use holdfast_proto::v1::agent_message;
use holdfast_proto::{
    Assignment, CopiedWal, JobOutcome, JobSuccess, ReportedFrontier, WalReport, Work,
};
use holdfast_types::{Frontier, Lsn, RepositoryId, Timeline};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::agent::Session;
use crate::jobs::{backed_up, duty, finished, job_is, lineage, wal};
use crate::node::{Node, eventually, policy};

fn us() -> Value {
    json!({"apiVersion": "holdfast/v1", "kind": "Repository", "metadata": {"name": "us"},
           "spec": {"url": "file:///srv/copy"}})
}

fn identity() -> RepositoryId {
    "rep_00000000000000000000000000000007".parse().unwrap()
}

/// The policy wants a copy, as soon as the group knows copies.
async fn want(node: &Node) {
    let mut policy = policy();
    policy["spec"]["copies"] = json!([{"repository": "us", "within": "15m"}]);
    eventually("the level of copies", async || {
        let answer = node.apply(json!([us(), policy])).await;
        (answer.status == 200).then_some(())
    })
    .await;
}

/// The next copy that the agent is given, which is not this one.
async fn copy_job(session: &mut Session, before: Option<&Assignment>) -> Assignment {
    let before = before.map(|one| one.id);
    let is_copy = |one: &Assignment| matches!(one.work, Work::Copy(_)) && before != Some(one.id);
    let set = session
        .assigned(|set| set.assignments.iter().any(is_copy))
        .await;
    set.assignments.into_iter().find(is_copy).unwrap()
}

fn copied(assignment: &Assignment, held: (u64, u64)) -> JobOutcome {
    let Work::Copy(work) = &assignment.work else {
        panic!("{assignment:?} is no copy")
    };
    JobOutcome::Succeeded(JobSuccess {
        result: json!({"backup": work.backup}),
        backup: None,
        wal: Some(wal(&[held])),
        repository: Some(identity()),
    })
}

async fn repositories(node: &Node) -> Value {
    let list = node.get("/api/v1/backups?cluster=orders").await.expect(200);
    list["items"][0]["repositories"].clone()
}

#[tokio::test]
async fn what_a_policy_wants_is_copied_and_shown() {
    let (mut node, agent) = backed_up().await;
    let mut session = agent.session(&node, &[]).await.unwrap();
    want(&node).await;
    // The leader orders it, and the agent of the cluster gets it.
    let assignment = copy_job(&mut session, None).await;
    let Work::Copy(work) = &assignment.work else {
        panic!()
    };
    assert_eq!(work.from.name.as_str(), "eu");
    assert_eq!(work.to.name.as_str(), "us");
    assert_eq!(work.lineage, lineage());
    assert_ne!(work.from.key, work.to.key, "each has a key of its own");
    let job = work.job.to_string();
    // I-05: what it claims must hold.
    let short = finished(copied(&assignment, (100, 150)));
    assert_eq!(session.report(&assignment, short).await, "wal_missing");
    let failed = job_is(&node, &job, "failed").await;
    assert_eq!(failed["kind"], "copy", "{failed}");
    assert_eq!(failed["repository"], "us");
    assert_eq!(repositories(&node).await, json!(["eu"]));

    // On demand, for it is not ordered again at once.
    let list = node.get("/api/v1/backups?cluster=orders").await.expect(200);
    let id = list["items"][0]["id"].as_str().unwrap().to_owned();
    let path = format!("/api/v1/backups/{id}/copies");
    let nowhere = node.post(&path, json!({"repository": "mars"})).await;
    nowhere.refused(404, "not_found");
    let itself = node.post(&path, json!({"repository": "eu"})).await;
    itself.refused(422, "invalid");
    let nobody = "/api/v1/backups/bkp_000000000000000000000000000000ff/copies";
    node.post(nobody, json!({})).await.refused(404, "not_found");
    // The policy names one only.
    let started = node.post(&path, json!({})).await.expect(202);
    let job = started["job"].as_str().unwrap().to_owned();
    let assignment = copy_job(&mut session, Some(&assignment)).await;
    let done = finished(copied(&assignment, (100, 300)));
    assert_eq!(session.report(&assignment, done).await, "");
    job_is(&node, &job, "succeeded").await;
    assert_eq!(repositories(&node).await, json!(["eu", "us"]));
    node.stop().await;
}

#[tokio::test]
async fn each_copy_has_its_own_frontier() {
    let (mut node, agent) = backed_up().await;
    let mut session = agent.session(&node, &[]).await.unwrap();
    want(&node).await;
    let assignment = copy_job(&mut session, None).await;
    let done = finished(copied(&assignment, (100, 300)));
    assert_eq!(session.report(&assignment, done).await, "");
    let standing = eventually_with_copies(&mut session).await;
    let time = Timestamp::now();
    let frontier = ReportedFrontier {
        timeline: Timeline::FIRST,
        frontier: Frontier {
            time,
            lsn: Lsn::new(400),
        },
    };
    let report = WalReport {
        assignment: standing.id,
        generation: standing.generation,
        wal: Some(wal(&[(100, 500)])),
        frontier: None,
        trouble: None,
        repository: None,
        copies: vec![CopiedWal {
            name: "us".parse().unwrap(),
            wal: Some(wal(&[(100, 400)])),
            frontier: Some(frontier),
            trouble: None,
            repository: Some(identity()),
        }],
    };
    session
        .send(agent_message::Message::Wal((&report).into()))
        .await;
    let shown = eventually("the frontier of the copy", async || {
        let list = node
            .get("/api/v1/exposure?cluster=orders")
            .await
            .expect(200);
        let copy = list["items"][0]["repositories"][1].clone();
        (copy["frontierLsn"] == "0/190").then_some(copy)
    })
    .await;
    assert_eq!(shown["name"], "us", "{shown}");
    assert_eq!(shown["copy"]["backups"], 1);
    assert_eq!(shown["copy"]["missing"], 0);
    assert_eq!(shown["copy"]["withinSeconds"], 900);
    assert_eq!(shown["copy"]["late"], false);
    assert_eq!(shown["gaps"], json!([]));
    node.stop().await;
}

/// The WAL duty, once it is told of the copy.
async fn eventually_with_copies(session: &mut Session) -> Assignment {
    let has = |one: &Assignment| match &one.work {
        Work::ReceiveWal(work) => !work.copies.is_empty(),
        _ => false,
    };
    let known = session
        .assigned(|set| set.assignments.iter().any(has))
        .await;
    match known.assignments.into_iter().find(has) {
        Some(found) => found,
        None => duty(session).await,
    }
}
