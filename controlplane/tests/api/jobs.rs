//! Jobs, done by a simulated agent over the real protocol.

use holdfast_proto::v1::{self, agent_message, control_message};
use holdfast_proto::{
    Assignment, Held, JobEvent, JobOutcome, JobProgress, JobSuccess, LineageWal, ReportedFrontier,
    TimelineWal, WalReport, Work,
};
use holdfast_types::{
    CommittedBackup, Failure, Frontier, JobPhase, Lineage, Lsn, LsnRange, Timeline,
};
use jiff::Timestamp;
use reqwest::Method;
use serde_json::{Value, json};

use crate::agent::{Agent, Session};
use crate::node::{Node, answer, cluster, config, eventually, policy, repository};

const SYSTEM: u64 = 7_301_234_567_890_123_456;

pub fn lineage() -> Lineage {
    Lineage {
        system_identifier: SYSTEM,
        incarnation: 1,
    }
}

fn range(from: u64, to: u64) -> LsnRange {
    LsnRange::new(Lsn::new(from), Lsn::new(to)).unwrap()
}

pub fn wal(ranges: &[(u64, u64)]) -> LineageWal {
    let coverage = ranges.iter().map(|(from, to)| range(*from, *to)).collect();
    let timeline = TimelineWal {
        timeline: Timeline::FIRST,
        coverage,
        gaps: Vec::new(),
    };
    LineageWal {
        lineage: lineage(),
        timelines: vec![timeline],
    }
}

pub fn committed(assignment: &Assignment, from: u64, to: u64) -> JobOutcome {
    let Work::Backup(work) = &assignment.work else {
        panic!("{assignment:?} is no backup")
    };
    let backup = CommittedBackup {
        id: work.backup,
        job: work.job,
        cluster: work.cluster.clone(),
        repository: work.repository.name.clone(),
        kind: work.kind,
        parent: None,
        lineage: lineage(),
        timeline: Timeline::FIRST,
        start_lsn: Lsn::new(from),
        stop_lsn: Lsn::new(to),
        started_at: Timestamp::now(),
        finished_at: Timestamp::now(),
        database_bytes: 1000,
        added_bytes: 100,
        server_version: 150_018,
    };
    JobOutcome::Succeeded(JobSuccess {
        result: json!({"backup": work.backup}),
        backup: Some(Box::new(backup)),
        wal: Some(wal(&[(from, to)])),
        repository: None,
    })
}

pub fn finished(outcome: JobOutcome) -> JobEvent {
    JobEvent::Finished {
        outcome: Box::new(outcome),
        log: vec!["the last line".to_owned()],
    }
}

pub async fn protected() -> (Node, Agent) {
    let node = Node::start().await;
    let agent = Agent::enrol(&node, "db1").await;
    node.apply(json!([repository(), policy(), cluster("db1")]))
        .await
        .expect(200);
    (node, agent)
}

/// The same with a backup of `orders` in `eu`.
pub async fn backed_up() -> (Node, Agent) {
    let (node, agent) = protected().await;
    let id = backup(&node).await;
    let mut session = agent.session(&node, &[]).await.unwrap();
    let assignment = session.job().await;
    run_to_commit(&node, &mut session, &assignment, &id).await;
    let outcome = finished(committed(&assignment, 100, 200));
    assert_eq!(session.report(&assignment, outcome).await, "");
    job_is(&node, &id, "succeeded").await;
    (node, agent)
}

pub async fn backup(node: &Node) -> String {
    let path = "/api/v1/clusters/orders/backups";
    let started = node.post(path, json!({"kind": "full"})).await.expect(202);
    started["job"].as_str().unwrap().to_owned()
}

pub async fn job(node: &Node, id: &str) -> Value {
    node.get(&format!("/api/v1/jobs/{id}")).await.expect(200)
}

pub async fn job_is(node: &Node, id: &str, state: &str) -> Value {
    let reached = || async {
        let job = job(node, id).await;
        (job["state"] == state).then_some(job)
    };
    eventually(&format!("{id} {state}"), reached).await
}

const TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

#[tokio::test]
async fn a_backup_goes_through_every_state() {
    let (mut node, agent) = protected().await;
    let started = node.request(Method::POST, "/api/v1/clusters/orders/backups");
    let started = started.header("traceparent", TRACE);
    let started = answer(started.json(&json!({"kind": "full"})))
        .await
        .expect(202);
    let id = started["job"].as_str().unwrap().to_owned();
    let waiting = job(&node, &id).await;
    assert_eq!(waiting["state"], "queued");
    assert_eq!(waiting["waitingFor"], "the agent \"db1\" is offline");
    assert_eq!(waiting["waitingCode"], "agent_offline");
    assert_eq!(waiting["queuePosition"], 1);
    let mut session = agent.session(&node, &[]).await.unwrap();
    let assignment = session.job().await;
    let Work::Backup(work) = &assignment.work else {
        panic!("{assignment:?} is no backup")
    };
    assert_eq!(work.repository.url, "file:///srv/holdfast");
    assert_eq!(work.repository.key.expose().len(), 64);
    assert_eq!(
        work.instance.connection,
        "host=/run/postgresql user=holdfast"
    );
    let carried = assignment.traceparent.as_deref().unwrap();
    assert!(carried.starts_with(&TRACE[..35]), "{carried}");
    assert_eq!(job(&node, &id).await["state"], "leased");
    run_to_commit(&node, &mut session, &assignment, &id).await;
    let outcome = finished(committed(&assignment, 100, 200));
    assert_eq!(session.report(&assignment, outcome.clone()).await, "");
    let done = job_is(&node, &id, "succeeded").await;
    assert_eq!(done["phases"].as_array().unwrap().len(), 3);
    assert_eq!(done["attempts"][0]["outcome"], "succeeded");
    let path = format!("/api/v1/backups/{}", done["backup"].as_str().unwrap());
    let shown = node.get(&path).await.expect(200);
    assert_eq!(
        (&shown["state"], &shown["startLsn"]),
        (&json!("available"), &json!("0/64"))
    );
    assert_eq!(shown["repositories"], json!(["eu"]));
    // Its answer was lost and it reports again: final, and nothing twice.
    assert_eq!(
        session.report(&assignment, outcome).await,
        "stale_generation"
    );
    let list = node
        .get("/api/v1/backups?cluster=orders&state=available")
        .await;
    assert_eq!(list.expect(200)["items"].as_array().unwrap().len(), 1);
    assert_eq!(first_line(&node, &id).await, "the last line");
    node.delete("/api/v1/repositories/eu")
        .await
        .refused(409, "in_use");
    node.delete("/api/v1/policies/gold").await.expect(200);
    let retired = node.delete("/api/v1/clusters/orders").await.expect(200);
    assert_eq!(retired["action"], "retired");
    node.stop().await;
}

async fn first_line(node: &Node, id: &str) -> Value {
    let logs = node
        .get(&format!("/api/v1/jobs/{id}/logs"))
        .await
        .expect(200);
    logs["items"][0]["line"].clone()
}

async fn run_to_commit(node: &Node, session: &mut Session, assignment: &Assignment, id: &str) {
    assert_eq!(session.report(assignment, JobEvent::Started).await, "");
    assert_eq!(job(node, id).await["state"], "running");
    let progress = JobProgress {
        assignment: assignment.id,
        generation: assignment.generation,
        phase: JobPhase::Copy,
        bytes_done: 10,
        bytes_total: 100,
        log: vec!["copying".to_owned()],
    };
    session
        .send(agent_message::Message::Progress((&progress).into()))
        .await;
    for phase in [JobPhase::Start, JobPhase::Copy, JobPhase::Commit] {
        assert_eq!(session.report(assignment, JobEvent::Phase(phase)).await, "");
    }
    let running = job(node, id).await;
    assert_eq!(
        (&running["state"], &running["phase"]),
        (&json!("committing"), &json!("commit"))
    );
    assert_eq!(running["progress"]["bytesTotal"], 100);
    assert_eq!(running["queuePosition"], Value::Null);
    // One report of progress says no rate, and without one nobody knows how long.
    assert_eq!(running["progress"]["remainingSeconds"], Value::Null);
    assert_eq!(first_line(node, id).await, "copying");
}

// Pitfall 5
#[tokio::test]
async fn a_backup_whose_wal_is_not_there_fails() {
    let (mut node, agent) = protected().await;
    let id = backup(&node).await;
    let mut session = agent.session(&node, &[]).await.unwrap();
    let assignment = session.job().await;
    session.report(&assignment, JobEvent::Started).await;
    let JobOutcome::Succeeded(mut success) = committed(&assignment, 100, 200) else {
        panic!()
    };
    success.wal = Some(wal(&[(100, 150)]));
    let outcome = finished(JobOutcome::Succeeded(success));
    assert_eq!(session.report(&assignment, outcome).await, "wal_missing"); // I-05
    let failed = job_is(&node, &id, "failed").await;
    assert_eq!(failed["error"]["code"], "wal_missing");
    node.stop().await;
}

#[tokio::test]
async fn a_restarted_agent_gets_the_job_again_under_the_next_generation() {
    let (mut node, agent) = protected().await;
    let id = backup(&node).await;
    let mut session = agent.session(&node, &[]).await.unwrap();
    let first = session.job().await;
    session.report(&first, JobEvent::Started).await;
    // A reconnect keeps what its process holds.
    drop(session);
    let held = Held {
        assignment: first.id,
        generation: first.generation,
    };
    let mut session = agent.session(&node, &[held]).await.unwrap();
    assert_eq!(session.job().await.generation, first.generation);
    // A restart does not: the journal says nothing, so it is taken back.
    drop(session);
    let mut session = agent.session(&node, &[]).await.unwrap();
    let second = session.job().await;
    assert!(second.generation > first.generation);
    let (Work::Backup(one), Work::Backup(other)) = (&first.work, &second.work) else {
        panic!()
    };
    assert_ne!(one.backup, other.backup);
    assert_eq!(one.job, other.job);
    // What the old attempt reports is refused (I-04), but its backup is not lost.
    assert_eq!(
        session.report(&first, JobEvent::Started).await,
        "stale_generation"
    );
    let late = finished(committed(&first, 100, 200));
    assert_eq!(session.report(&first, late).await, "stale_generation");
    let backups = node
        .get("/api/v1/backups?state=available")
        .await
        .expect(200);
    assert_eq!(backups["items"][0]["id"], one.backup.to_string());
    let interrupted = JobOutcome::Interrupted(Failure::transient("interrupted", "m", "h"));
    assert_eq!(
        session.report(&second, finished(interrupted.clone())).await,
        ""
    );
    let third = session.job().await;
    assert!(third.generation > second.generation);
    assert_eq!(session.report(&third, finished(interrupted)).await, "");
    let failed = job_is(&node, &id, "failed").await;
    assert_eq!(failed["attempts"].as_array().unwrap().len(), 3);
    assert_eq!(failed["error"]["code"], "interrupted");
    node.stop().await;
}

#[tokio::test]
async fn failures_are_final_or_tried_again() {
    let (mut node, agent) = protected().await;
    let mut session = agent.session(&node, &[]).await.unwrap();
    let id = backup(&node).await;
    let assignment = session.job().await;
    let failure = Failure::transient("repository_unreachable", "it is away", "wait");
    let outcome = finished(JobOutcome::Failed(failure));
    assert_eq!(session.report(&assignment, outcome).await, "");
    let waiting = job_is(&node, &id, "queued").await;
    assert!(
        waiting["waitingFor"]
            .as_str()
            .unwrap()
            .contains("its next attempt"),
        "{waiting}"
    );
    let cancelled = node
        .post(&format!("/api/v1/jobs/{id}/cancel"), json!({}))
        .await
        .expect(200);
    assert_eq!(cancelled["state"], "cancelled");
    node.post(&format!("/api/v1/jobs/{id}/cancel"), json!({}))
        .await
        .refused(409, "job_final");
    let id = backup(&node).await;
    let assignment = session.job().await;
    session.report(&assignment, JobEvent::Started).await;
    let asked = node
        .post(&format!("/api/v1/jobs/{id}/cancel"), json!({}))
        .await
        .expect(200);
    assert_eq!(
        (&asked["state"], &asked["cancelRequested"]),
        (&json!("running"), &json!(true))
    );
    let told = |set: &holdfast_proto::Assignments| {
        set.assignments
            .iter()
            .any(|work| work.id == assignment.id && work.cancel_requested)
    };
    session.assigned(told).await;
    assert_eq!(
        session
            .report(&assignment, finished(JobOutcome::Cancelled))
            .await,
        ""
    );
    job_is(&node, &id, "cancelled").await;
    let id = backup(&node).await;
    let assignment = session.job().await;
    let failure = Failure::permanent("password_wrong", "no", "set it");
    session
        .report(&assignment, finished(JobOutcome::Failed(failure)))
        .await;
    assert_eq!(
        job_is(&node, &id, "failed").await["error"]["code"],
        "password_wrong"
    );
    node.stop().await;
}

pub async fn duty(session: &mut Session) -> Assignment {
    let is_wal = |assignment: &Assignment| matches!(assignment.work, Work::ReceiveWal(_));
    let set = session
        .assigned(|set| set.assignments.iter().any(is_wal))
        .await;
    set.assignments.into_iter().find(is_wal).unwrap()
}

async fn report_wal(session: &Session, duty: &Assignment, ranges: &[(u64, u64)], to: u64) {
    let frontier = Frontier {
        time: Timestamp::now(),
        lsn: Lsn::new(to),
    };
    let report = WalReport {
        assignment: duty.id,
        generation: duty.generation,
        wal: Some(wal(ranges)),
        frontier: Some(ReportedFrontier {
            timeline: Timeline::FIRST,
            frontier,
        }),
        trouble: None,
        repository: None,
        copies: Vec::new(),
    };
    session
        .send(agent_message::Message::Wal((&report).into()))
        .await;
}

pub async fn exposure_is(node: &Node, status: &str) -> Value {
    let reached = || async {
        let list = node
            .get("/api/v1/exposure?cluster=orders")
            .await
            .expect(200);
        (list["items"][0]["status"] == status).then(|| list["items"][0].clone())
    };
    eventually(&format!("exposure {status}"), reached).await
}

#[tokio::test]
async fn exposure_follows_what_agents_prove() {
    let (mut node, agent) = protected().await;
    let mut session = agent.session(&node, &[]).await.unwrap();
    let duty = duty(&mut session).await;
    let Work::ReceiveWal(work) = &duty.work else {
        panic!()
    };
    assert_eq!(work.flush_every.to_string(), "1s");
    let before = exposure_is(&node, "UNPROTECTED").await;
    assert_eq!(
        (&before["exposureSeconds"], &before["cause"]),
        (&Value::Null, &json!("no_backup"))
    );
    let id = backup(&node).await;
    let assignment = session.job().await;
    session
        .report(&assignment, finished(committed(&assignment, 100, 200)))
        .await;
    job_is(&node, &id, "succeeded").await;
    report_wal(&session, &duty, &[(50, 300)], 300).await;
    let shown = exposure_is(&node, "COMPLIANT").await;
    assert_eq!(shown["rpoSeconds"], 30.0);
    assert!(shown["exposureSeconds"].as_f64().unwrap() < 15.0, "{shown}");
    let reached = || async {
        let list = node.get("/api/v1/exposure").await.expect(200);
        (list["items"][0]["repositories"][0]["frontierLsn"] == "0/12C").then_some(())
    };
    eventually("the frontier at 0/12C", reached).await;
    report_wal(&session, &duty, &[(50, 300), (400, 500)], 500).await;
    let gap = || async {
        let list = node.get("/api/v1/exposure").await.expect(200);
        let item = list["items"][0].clone();
        (item["repositories"][0]["gaps"] != json!([])).then_some(item)
    };
    let cut = eventually("the gap", gap).await;
    assert_eq!(
        cut["repositories"][0]["gaps"],
        json!([{"fromLsn": "0/12C", "toLsn": "0/190"}])
    );
    // The replicated checkpoint outlives the session and the node.
    node.restart().await;
    let list = node.get("/api/v1/exposure").await.expect(200);
    assert_ne!(list["items"][0]["windowStart"], Value::Null);
    assert_eq!(
        list["items"][0]["repositories"][0]["gaps"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    let metrics = node.get("/metrics").await.expect(200);
    assert!(
        metrics
            .as_str()
            .unwrap()
            .contains("holdfast_exposure_seconds{cluster=\"orders\"")
    );
    node.get("/api/v1/exposure?cluster=nope")
        .await
        .refused(404, "not_found");
    node.stop().await;
}

#[tokio::test]
async fn another_postgresql_is_not_backed_up_as_this_one() {
    let (mut node, agent) = protected().await;
    let mut session = agent.session(&node, &[]).await.unwrap();
    session.observe("orders", SYSTEM).await;
    let duty = duty(&mut session).await;
    report_wal(&session, &duty, &[(50, 300)], 300).await;
    let known = || async {
        let cluster = node.get("/api/v1/clusters/orders").await.expect(200);
        let status = &cluster["status"];
        (status["systemIdentifier"].as_str() == Some(&SYSTEM.to_string())
            && !status["instances"].as_array().unwrap().is_empty())
        .then_some(())
    };
    eventually("the system identifier", known).await;
    backup(&node).await;
    session.observe("orders", SYSTEM + 1).await;
    let refused = || async {
        let path = "/api/v1/clusters/orders/backups";
        let answer = node.post(path, json!({"kind": "full"})).await;
        (answer.status == 409).then_some(answer)
    };
    eventually("a refusal", refused)
        .await
        .refused(409, "foreign_system_identifier");
    node.stop().await;
}

#[tokio::test]
async fn what_cannot_be_backed_up_is_refused_at_once() {
    let mut node = Node::start().await;
    let path = "/api/v1/clusters/orders/backups";
    node.post(path, json!({"kind": "full"}))
        .await
        .refused(404, "not_found");
    Agent::enrol(&node, "db1").await;
    node.apply(json!([cluster("db1")])).await.expect(200);
    node.post(path, json!({"kind": "full"}))
        .await
        .refused(409, "no_policy");
    node.apply(json!([repository(), policy()]))
        .await
        .expect(200);
    for (field, value) in [
        ("databases", json!([])),
        ("jobs", json!(2)),
        ("jobs", json!(65)),
    ] {
        let dump = node
            .post(path, json!({"kind": "logical", field: value}))
            .await;
        assert_eq!(dump.refused(422, "invalid")["field"], field);
    }
    let elsewhere = json!({"kind": "full", "schemaOnly": true});
    let elsewhere = node.post(path, elsewhere).await;
    assert_eq!(elsewhere.refused(422, "invalid")["field"], "schemaOnly");
    node.post(path, json!({"kind": "whole"}))
        .await
        .refused(422, "invalid");
    node.stop().await;
}

#[tokio::test]
async fn a_heartbeat_is_answered_with_times_and_a_quorum() {
    let (mut node, agent) = protected().await;
    let mut session = agent.session(&node, &[]).await.unwrap();
    let sent_at_us = Timestamp::now().as_microsecond();
    session
        .send(agent_message::Message::Heartbeat(v1::Heartbeat {
            sent_at_us,
            offline_unsettled: false,
        }))
        .await;
    let answer = loop {
        if let control_message::Message::Heartbeat(answer) = session.next().await.unwrap() {
            break answer;
        }
    };
    assert_eq!(answer.agent_sent_at_us, sent_at_us);
    assert!(sent_at_us <= answer.received_at_us && answer.received_at_us <= answer.sent_at_us);
    assert!(answer.quorum);
    node.stop().await;
}

#[tokio::test]
async fn an_agent_that_stays_away_loses_its_job() {
    let (mut node, agent) = protected().await;
    node.stop().await;
    let mut impatient = config(node.data.path());
    impatient.jobs.agent_gone_after = holdfast_types::Span::from_secs(1);
    node.start_again(impatient).await;
    let mut session = agent.session(&node, &[]).await.unwrap();
    let id = backup(&node).await;
    let assignment = session.job().await;
    session.report(&assignment, JobEvent::Started).await;
    drop(session);
    // A leader knows no liveness at first: it waits a whole period (15 s).
    let back = job_is(&node, &id, "queued").await;
    assert_eq!(back["waitingFor"], "the agent \"db1\" is offline");
    let back = job(&node, &id).await;
    assert_eq!(back["attempts"][0]["error"]["code"], "agent_lost");
    let mut session = agent.session(&node, &[]).await.unwrap();
    assert!(session.job().await.generation > assignment.generation);

    // What comes of the first attempt counts no more, and is shown.
    let none = node.get("/api/v1/late-results").await.expect(200);
    assert_eq!(none["items"], json!([]));
    let failure = Failure::permanent("checksum_mismatch", "a page is bad", "look at it");
    let late = finished(JobOutcome::Failed(failure));
    let refused = session.report(&assignment, late).await;
    assert_eq!(refused, "stale_generation");
    let listed = node.get("/api/v1/late-results?limit=1").await.expect(200);
    let late = &listed["items"][0];
    assert_eq!((&late["job"], &late["attempt"]), (&json!(id), &json!(1)));
    assert_eq!(late["refused"]["code"], refused, "{late}");
    assert_eq!(late["error"]["code"], "checksum_mismatch", "{late}");
    let shown = job(&node, &id).await;
    assert_eq!(shown["lateResults"][0]["at"], late["at"]);
    let metrics = node.get("/metrics").await.expect(200);
    let counted = metrics.as_str().unwrap().lines();
    assert!(
        counted
            .into_iter()
            .any(|line| line == "holdfast_late_results 1")
    );
    node.stop().await;
}
