//! Backups in the catalog while their jobs run, and the repositories they are
//! in, told by a simulated agent.

use holdfast_proto::v1::agent_message;
use holdfast_proto::{
    Assignment, BackupStarted, JobEvent, JobOutcome, ReportedFrontier, WalReport, Work,
};
use holdfast_types::{Failure, Frontier, Generation, JobPhase, Lsn, RepositoryId, Timeline};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::agent::Session;
use crate::jobs::{
    backup, committed, duty, exposure_is, finished, job_is, lineage, protected, wal,
};
use crate::node::{Node, eventually};

fn work(assignment: &Assignment) -> &holdfast_proto::BackupWork {
    match &assignment.work {
        Work::Backup(work) => work,
        other => panic!("{other:?} is no backup"),
    }
}

fn started(assignment: &Assignment) -> JobEvent {
    let backup = BackupStarted {
        backup: work(assignment).backup,
        kind: work(assignment).kind,
        parent: None,
        lineage: lineage(),
        timeline: Timeline::FIRST,
        start_lsn: Lsn::new(100),
        started_at: Timestamp::now(),
    };
    let phase = JobPhase::Start;
    JobEvent::BackupStarted { phase, backup }
}

async fn listed(node: &Node) -> Vec<Value> {
    let list = node.get("/api/v1/backups?cluster=orders").await.expect(200);
    list["items"].as_array().unwrap().clone()
}

/// The one backup of this attempt.
async fn shown(node: &Node, assignment: &Assignment) -> Value {
    let path = format!("/api/v1/backups/{}", work(assignment).backup);
    node.get(&path).await.expect(200)
}

#[tokio::test]
async fn a_backup_is_running_until_it_is_available() {
    let (mut node, agent) = protected().await;
    let mut session = agent.session(&node, &[]).await.unwrap();
    let id = backup(&node).await;
    let assignment = session.job().await;
    assert_eq!(session.report(&assignment, JobEvent::Started).await, "");
    assert_eq!(listed(&node).await, [Value::Null; 0]);

    // I-04: of this attempt, and of nothing else.
    let mut stale = assignment.clone();
    stale.generation = Generation(assignment.generation.0 + 1);
    let refused = session.report(&stale, started(&assignment)).await;
    assert_eq!(refused, "stale_generation");
    let JobEvent::BackupStarted { phase, mut backup } = started(&assignment) else {
        panic!()
    };
    backup.backup = "bkp_00000000000000000000000000000001".parse().unwrap();
    let foreign = JobEvent::BackupStarted { phase, backup };
    assert_eq!(session.report(&assignment, foreign).await, "invalid");
    assert_eq!(listed(&node).await, [Value::Null; 0]);

    let event = started(&assignment);
    for _ in 0..2 {
        // Its answer may be lost.
        assert_eq!(session.report(&assignment, event.clone()).await, "");
        let list = listed(&node).await;
        let [running] = &list[..] else {
            panic!("{list:?}")
        };
        assert_eq!(running["id"], json!(work(&assignment).backup));
        assert_eq!(running["state"], "running", "{running}");
        assert_eq!(running["startLsn"], "0/64");
        assert_eq!(running["timeline"], 1);
        assert_eq!(running["repositories"], json!(["eu"]));
        assert_eq!(
            (&running["stopLsn"], &running["finishedAt"]),
            (&Value::Null, &Value::Null)
        );
    }
    let done = finished(committed(&assignment, 100, 200));
    assert_eq!(session.report(&assignment, done).await, "");
    job_is(&node, &id, "succeeded").await;
    let list = listed(&node).await;
    assert_eq!(list.len(), 1, "the same row: {list:?}");
    let available = shown(&node, &assignment).await;
    assert_eq!(available["state"], "available");
    assert_eq!(available["stopLsn"], "0/C8");
    node.stop().await;
}

#[tokio::test]
async fn a_backup_whose_attempt_is_over_is_not_running() {
    let (mut node, agent) = protected().await;
    let mut session = agent.session(&node, &[]).await.unwrap();
    let refused = Failure::permanent("password_wrong", "no", "set it");
    for (outcome, state, code) in [
        (JobOutcome::Failed(refused), "failed", "password_wrong"),
        (JobOutcome::Cancelled, "cancelled", "cancelled"),
    ] {
        let id = backup(&node).await;
        let assignment = session.job().await;
        session.report(&assignment, started(&assignment)).await;
        assert_eq!(shown(&node, &assignment).await["state"], "running");
        assert_eq!(session.report(&assignment, finished(outcome)).await, "");
        job_is(&node, &id, state).await;
        let ended = shown(&node, &assignment).await;
        assert_eq!(ended["state"], "failed", "{ended}");
        assert_eq!(ended["error"]["code"], code, "{ended}");
        let late = session.report(&assignment, started(&assignment)).await;
        assert_eq!(late, "stale_generation");
    }
    // The agent restarts in the middle, and the next attempt succeeds.
    let id = backup(&node).await;
    let first = session.job().await;
    session.report(&first, started(&first)).await;
    assert_eq!(shown(&node, &first).await["state"], "running");
    drop(session);
    let mut session = agent.session(&node, &[]).await.unwrap();
    let second = session.job().await;
    assert_eq!(shown(&node, &first).await["state"], "failed");
    assert_eq!(
        session.report(&first, started(&first)).await,
        "stale_generation"
    );
    assert_eq!(session.report(&second, started(&second)).await, "");
    assert_eq!(shown(&node, &second).await["state"], "running");
    let done = finished(committed(&second, 100, 200));
    assert_eq!(session.report(&second, done).await, "");
    job_is(&node, &id, "succeeded").await;
    assert_eq!(shown(&node, &first).await["state"], "failed");
    assert_eq!(shown(&node, &second).await["state"], "available");
    node.stop().await;
}

async fn report_wal(session: &Session, duty: &Assignment, to: u64, found: RepositoryId) {
    let frontier = Frontier {
        time: Timestamp::now(),
        lsn: Lsn::new(to),
    };
    let report = WalReport {
        assignment: duty.id,
        generation: duty.generation,
        wal: Some(wal(&[(50, to)])),
        frontier: Some(ReportedFrontier {
            timeline: Timeline::FIRST,
            frontier,
        }),
        trouble: None,
        repository: Some(found),
        copies: Vec::new(),
    };
    session
        .send(agent_message::Message::Wal((&report).into()))
        .await;
}

fn in_repository(assignment: &Assignment, found: RepositoryId) -> JobEvent {
    let JobOutcome::Succeeded(mut success) = committed(assignment, 100, 200) else {
        panic!()
    };
    success.repository = Some(found);
    finished(JobOutcome::Succeeded(success))
}

async fn identity(node: &Node) -> Value {
    let shown = node.get("/api/v1/repositories/eu").await.expect(200);
    shown["status"]["repositoryId"].clone()
}

/// How often an identity was proposed, as the audit log has it.
async fn recorded(node: &Node) -> usize {
    let audit = node.get("/api/v1/audit?limit=500").await.expect(200);
    let entries = audit["items"].as_array().unwrap().iter();
    entries
        .filter(|entry| entry["action"] == "record_repository")
        .count()
}

#[tokio::test]
async fn the_first_identity_of_a_repository_is_kept() {
    let (mut node, agent) = protected().await;
    let mut session = agent.session(&node, &[]).await.unwrap();
    let [ours, other] = [1, 2].map(|number| RepositoryId::from_uuid(uuid::Uuid::from_u128(number)));
    assert_eq!(identity(&node).await, Value::Null);
    let id = backup(&node).await;
    let assignment = session.job().await;
    let done = in_repository(&assignment, ours);
    assert_eq!(session.report(&assignment, done).await, "");
    job_is(&node, &id, "succeeded").await;
    assert_eq!(identity(&node).await, json!(ours));
    let duty = duty(&mut session).await;
    report_wal(&session, &duty, 300, ours).await;
    exposure_is(&node, "COMPLIANT").await;

    // Another agent, or another mount: nothing there counts as being in ours.
    let id = backup(&node).await;
    let assignment = session.job().await;
    session.report(&assignment, started(&assignment)).await;
    let elsewhere = in_repository(&assignment, other);
    let refused = session.report(&assignment, elsewhere.clone()).await;
    assert_eq!(refused, "repository_mismatch");
    let failed = job_is(&node, &id, "failed").await;
    assert_eq!(failed["error"]["code"], "repository_mismatch");
    let again = session.report(&assignment, elsewhere).await;
    assert_eq!(again, "stale_generation");
    assert_eq!(shown(&node, &assignment).await["state"], "failed");
    assert_eq!(identity(&node).await, json!(ours));
    assert_eq!(recorded(&node).await, 1, "proposed once");
    node.stop().await;
}

#[tokio::test]
async fn wal_in_another_repository_claims_nothing() {
    let (mut node, agent) = protected().await;
    let mut session = agent.session(&node, &[]).await.unwrap();
    let [ours, other] = [1, 2].map(|number| RepositoryId::from_uuid(uuid::Uuid::from_u128(number)));
    let duty = duty(&mut session).await;
    report_wal(&session, &duty, 300, ours).await;
    let known = || async { (identity(&node).await == json!(ours)).then_some(()) };
    eventually("the repository's identity", known).await;
    let troubled = || async {
        report_wal(&session, &duty, 900, other).await;
        let list = node.get("/api/v1/exposure").await.expect(200);
        let item = list["items"][0].clone();
        (item["cause"] == "repository_mismatch").then_some(item)
    };
    let item = eventually("the mismatch as cause", troubled).await;
    assert_eq!(item["repositories"][0]["frontierLsn"], "0/12C", "{item}"); // I-13
    assert_eq!(identity(&node).await, json!(ours));
    // A backup that would need the WAL that is elsewhere is not available.
    let id = backup(&node).await;
    let assignment = session.job().await;
    let JobOutcome::Succeeded(mut success) = committed(&assignment, 400, 500) else {
        panic!()
    };
    success.wal = None;
    let done = finished(JobOutcome::Succeeded(success));
    assert_eq!(session.report(&assignment, done).await, "wal_missing"); // I-05
    job_is(&node, &id, "failed").await;
    assert_eq!(recorded(&node).await, 1, "proposed once");
    node.stop().await;
}
