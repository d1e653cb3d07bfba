//! Dumps, taken and restored by a simulated agent.

use holdfast_proto::{
    Assignment, BackupWork, DumpRestoreWork, JobEvent, JobOutcome, JobSuccess, Work,
};
use holdfast_types::{BackupKind, DumpFormat, DumpOptions};
use serde_json::{Value, json};

use crate::agent::Session;
use crate::jobs::{backed_up, committed, finished, job_is, lineage, protected};
use crate::node::{Answer, Node, cluster, eventually, policy};

const BACKUPS: &str = "/api/v1/clusters/orders/backups";
const RESTORES: &str = "/api/v1/dump-restores";

/// A new group is brought to its level one by one.
async fn once_known(node: &Node, path: &str, body: &Value) -> Answer {
    let known = eventually("dumps", async || {
        let answer = node.post(path, body.clone()).await;
        let low = answer.status == 409 && answer.body["code"] == "level_too_low";
        (!low).then_some(answer)
    });
    known.await
}

fn dump(assignment: &Assignment) -> Option<&BackupWork> {
    match &assignment.work {
        Work::Backup(work) if work.kind == BackupKind::Logical => Some(work),
        _ => None,
    }
}

fn restore(assignment: &Assignment) -> Option<&DumpRestoreWork> {
    match &assignment.work {
        Work::RestoreDump(work) => Some(work),
        _ => None,
    }
}

async fn given(session: &mut Session, wanted: fn(&Assignment) -> bool) -> Assignment {
    let set = session
        .assigned(|set| set.assignments.iter().any(wanted))
        .await;
    set.assignments.into_iter().find(wanted).unwrap()
}

/// Takes a dump that holds no WAL.
async fn take(node: &Node, session: &mut Session, body: &Value) -> (String, Assignment) {
    let started = once_known(node, BACKUPS, body).await.expect(202);
    let assignment = given(session, |one| dump(one).is_some()).await;
    let mut outcome = committed(&assignment, 150, 151);
    if let JobOutcome::Succeeded(success) = &mut outcome {
        success.wal = None;
    }
    assert_eq!(session.report(&assignment, JobEvent::Started).await, "");
    assert_eq!(session.report(&assignment, finished(outcome)).await, "");
    let id = started["job"].as_str().unwrap().to_owned();
    job_is(node, &id, "succeeded").await;
    (id, assignment)
}

#[tokio::test]
async fn a_dump_is_told_what_it_holds_and_protects_nothing_that_wal_would() {
    let (mut node, agent) = protected().await;
    let mut session = agent.session(&node, &[]).await.unwrap();
    let body = json!({"kind": "logical", "databases": ["shop"], "format": "directory", "jobs": 3,
        "globals": false, "schemaOnly": true});
    let (_, assignment) = take(&node, &mut session, &body).await;
    let work = dump(&assignment).unwrap();
    let options = DumpOptions {
        databases: vec!["shop".to_owned()],
        format: DumpFormat::Directory,
        jobs: 3,
        globals: false,
        schema_only: true,
    };
    assert_eq!(work.dump, Some(options));
    let listed = node.get("/api/v1/backups?kind=logical").await.expect(200);
    let one = &listed["items"][0];
    // I-05: it needs no WAL, and nothing of WAL rests on it.
    assert_eq!(
        (&one["state"], &one["kind"]),
        (&json!("available"), &json!("logical"))
    );
    let exposure = node
        .get("/api/v1/exposure?cluster=orders")
        .await
        .expect(200);
    let exposure = &exposure["items"][0];
    assert_eq!(exposure["exposureSeconds"], Value::Null, "{exposure}");
    assert_eq!(exposure["windowStart"], Value::Null, "{exposure}");
    node.stop().await;
}

#[tokio::test]
async fn a_database_of_a_dump_is_restored_where_it_is_wanted() {
    let (mut node, agent) = backed_up().await;
    let mut session = agent.session(&node, &[]).await.unwrap();
    let body = json!({"cluster": "orders", "database": "shop", "into": "shop_old"});
    once_known(&node, RESTORES, &body)
        .await
        .refused(409, "no_backup");
    take(&node, &mut session, &json!({"kind": "logical"})).await;
    let (_, newest) = take(&node, &mut session, &json!({"kind": "logical"})).await;
    let newest = dump(&newest).unwrap();
    assert_eq!(newest.dump, Some(DumpOptions::default()));

    for (field, value, status, code) in [
        ("cluster", json!("bakery"), 404, "not_found"),
        ("toCluster", json!("bakery"), 404, "not_found"),
        (
            "backup",
            json!("bkp_00000000000000000000000000000009"),
            404,
            "not_found",
        ),
        ("jobs", json!(0), 422, "invalid"),
        ("into", json!(""), 422, "invalid"),
        ("owner", json!("x".repeat(64)), 422, "invalid"),
    ] {
        let mut bad = body.clone();
        bad[field] = value;
        node.post(RESTORES, bad).await.refused(status, code);
    }
    let full = node.get("/api/v1/backups?kind=full").await.expect(200);
    let mut bad = body.clone();
    bad["backup"] = full["items"][0]["id"].clone();
    node.post(RESTORES, bad).await.refused(409, "not_a_dump");

    let mut wanted = body.clone();
    wanted["owner"] = json!("heir");
    let started = node.post(RESTORES, wanted).await.expect(202);
    let id = started["job"].as_str().unwrap().to_owned();
    let assignment = given(&mut session, |one| restore(one).is_some()).await;
    let work = restore(&assignment).unwrap();
    assert_eq!((work.backup, work.lineage), (newest.backup, lineage()));
    assert_eq!(work.request.backup, Some(newest.backup));
    assert_eq!(work.request.owner.as_deref(), Some("heir"));
    assert!(work.instance.connection.contains("host="), "{work:?}");
    session.report(&assignment, JobEvent::Started).await;
    let success = JobSuccess {
        result: json!({"into": "shop_old"}),
        backup: None,
        wal: None,
        repository: None,
    };
    let outcome = finished(JobOutcome::Succeeded(success));
    assert_eq!(session.report(&assignment, outcome).await, "");
    let done = job_is(&node, &id, "succeeded").await;
    assert_eq!(
        (&done["kind"], &done["result"]["into"]),
        (&json!("restore"), &json!("shop_old"))
    );
    node.stop().await;
}

#[tokio::test]
async fn a_schedule_says_what_its_dumps_hold() {
    let (mut node, agent) = protected().await;
    let mut gold = policy();
    gold["spec"]["schedules"] = json!([{"name": "often", "kind": "logical", "every": "1h",
        "databases": ["crm"], "globals": false}]);
    eventually("the level of schedules of dumps", async || {
        let answer = node.apply(json!([gold, cluster("db1")])).await;
        (answer.status == 200).then_some(())
    })
    .await;
    let mut session = agent.session(&node, &[]).await.unwrap();
    let orders =
        session.assigned(|set| set.orders.iter().any(|orders| !orders.schedules.is_empty()));
    let orders = orders.await.orders;
    // The agent takes the same when it is alone (I-08).
    let options = DumpOptions {
        databases: vec!["crm".to_owned()],
        globals: false,
        ..DumpOptions::default()
    };
    assert_eq!(orders[0].schedules[0].schedule.dump(), Some(options));
    node.stop().await;
}

#[tokio::test]
async fn a_cluster_may_be_protected_by_dumps_alone() {
    let (mut node, agent) = protected().await;
    let mut session = agent.session(&node, &[]).await.unwrap();
    let receives = |one: &Assignment| matches!(one.work, Work::ReceiveWal(_));
    given(&mut session, receives).await;
    let mut gold = policy();
    gold["spec"]["wal"] = json!({"mode": "none"});
    gold["spec"]["objectives"] = json!({"rpo": "1d"});
    eventually("the level of dumps", async || {
        let answer = node.apply(json!([gold])).await;
        (answer.status == 200).then_some(())
    })
    .await;
    // No WAL is received any more, and what would need it is refused.
    session
        .assigned(|set| !set.assignments.iter().any(receives))
        .await;
    for kind in ["full", "incremental"] {
        let refused = node.post(BACKUPS, json!({"kind": kind})).await;
        assert_eq!(refused.refused(422, "not_supported_yet")["field"], "kind");
    }
    let exposure = async || {
        let all = node
            .get("/api/v1/exposure?cluster=orders")
            .await
            .expect(200);
        all["items"][0].clone()
    };
    let before = exposure().await;
    assert_eq!(
        (&before["status"], &before["cause"]),
        (&json!("UNPROTECTED"), &json!("no_backup"))
    );
    let (_, assignment) = take(&node, &mut session, &json!({"kind": "logical"})).await;
    let after = exposure().await;
    let path = format!("/api/v1/backups/{}", dump(&assignment).unwrap().backup);
    let taken = node.get(&path).await.expect(200);
    assert_eq!(after["status"], "COMPLIANT", "{after}");
    for field in ["frontier", "windowStart", "windowEnd"] {
        assert_eq!(after[field], taken["finishedAt"], "{field}: {after}");
    }
    node.stop().await;
}
