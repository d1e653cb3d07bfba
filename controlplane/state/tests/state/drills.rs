//! Drills: what one showed is written once, when it has ended, and proves what it
//! showed and nothing else.

use holdfast_state::command::{
    CreateJob, DeleteResource, FinishJob, JobOutcome, Lease, RaiseLevel, RecordRuns, RequestCancel,
    RequeueJob, RunJob,
};
use holdfast_state::query::{self, DrillFilter, DrillView, PageRequest};
use holdfast_state::{Refusal, schema};
use holdfast_types::drill::{DrillBefore, DrillVerdict};
use holdfast_types::resource::Kind;
use holdfast_types::{DrillId, Failure, Generation, JobKind, JobState, Span};
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::fixture::{apply, document, job_id, lease, name, policy};
use crate::harness::{TestState, table};
use crate::schedules::{decision, mark, run_id, run_job, runs};

/// What an agent reports of a drill.
pub(crate) fn showed(passed: bool) -> Value {
    let mut evidence = json!({
        "verdict": "passed", "kind": "physical", "target": "latest",
        "targetAt": "2026-02-03T02:41:00Z", "backup": "bkp_00000000000000000000000000000007",
        "lineage": crate::fixture::lineage(), "timeline": 1, "reachedLsn": "0/3000028",
        "reachedAt": "2026-02-03T02:41:00Z", "lastCommitAt": "2026-02-03T02:40:59Z",
        "serverVersion": 150_018, "databaseBytes": 1000,
        "phases": [{"phase": "copy", "milliseconds": 700}, {"phase": "check", "milliseconds": 300}],
        "readyMillis": 800, "rpoMillis": 500,
        "checks": [{"name": "reached", "kind": "reached", "seen": "0/3000028", "passed": true,
                    "why": "PostgreSQL 15 answers", "millis": 3}],
        "rowCounts": {"shop.public.orders": 7},
    });
    if !passed {
        evidence["verdict"] = json!("failed");
        evidence["cause"] = json!({"code": "drill_check_failed", "message": "1 of 2 checks failed",
                                   "hint": "look", "retryable": false});
        let failed = json!({"name": "young", "kind": "sql", "database": "shop",
                            "expect": "within 10m of target", "seen": null, "passed": false,
                            "why": "null is not a time", "millis": 4});
        evidence["checks"].as_array_mut().unwrap().push(failed);
    }
    evidence
}

pub(crate) fn drill_job(number: u128) -> CreateJob {
    CreateJob {
        job: job_id(number),
        kind: JobKind::Drill,
        cluster: name("orders"),
        repository: name("eu"),
        agent: None,
        spec: json!({"drill": {"at": "latest"}}),
        attempts_max: 2,
    }
}

fn drill_id(number: u128) -> DrillId {
    DrillId::from_uuid(job_id(number).uuid())
}

async fn ready() -> TestState {
    let mut state = TestState::protecting().await;
    let level = schema::NEWEST;
    state.accept(RaiseLevel { level }).await;
    state
}

async fn drilling(state: &mut TestState, number: u128) -> Lease {
    state.accept(drill_job(number)).await;
    state.accept(lease(number, 1, number)).await
}

fn ended(number: u128, lease: Lease, outcome: JobOutcome) -> FinishJob {
    FinishJob {
        job: job_id(number),
        generation: lease.generation,
        outcome,
        log: vec!["a line".to_owned()],
    }
}

fn succeeded(result: Value) -> JobOutcome {
    JobOutcome::Succeeded {
        result,
        backup: None,
    }
}

async fn drill(state: &TestState, number: u128) -> Option<DrillView> {
    query::drill(&state.conn, drill_id(number)).await.unwrap()
}

#[tokio::test]
async fn what_a_drill_showed_is_kept_and_its_job_ends_as_it_did() {
    let mut state = ready().await;
    state.accept(drill_job(1)).await;
    state.pass(SignedDuration::from_secs(10));
    let lease = state.accept(lease(1, 1, 1)).await;
    let state_of = state.accept(ended(1, lease, succeeded(showed(true)))).await;
    assert_eq!(state_of, JobState::Succeeded);
    let passed = drill(&state, 1).await.unwrap();
    assert_eq!(passed.verdict, DrillVerdict::Passed);
    assert_eq!((passed.cause.clone(), passed.agent.as_str()), (None, "db1"));
    // It waited ten seconds, and was ready 0.8 s after its agent began.
    assert!(passed.queued >= Span::from_secs(10), "{}", passed.queued);
    assert_eq!(passed.rto.unwrap().millis(), passed.queued.millis() + 800);
    assert_eq!(passed.rpo, Some(Span::from_millis(500)));
    assert_eq!(passed.fleet, Some(name("default")));

    let lease = drilling(&mut state, 2).await;
    let state_of = state
        .accept(ended(2, lease, succeeded(showed(false))))
        .await;
    assert_eq!(state_of, JobState::Failed);
    let job = query::job(&state.conn, job_id(2)).await.unwrap().unwrap();
    assert_eq!(job.failure.unwrap().code, "drill_check_failed");
    assert_eq!(job.result.unwrap()["checks"][1]["name"], "young");
    let failed = drill(&state, 2).await.unwrap();
    assert_eq!(failed.verdict, DrillVerdict::Failed);
    let mut proven = query::newest_drills_of(&state.conn, &[name("orders"), name("other")])
        .await
        .unwrap();
    let (newest, passed) = proven.remove(&name("orders")).unwrap();
    assert!(proven.is_empty(), "{proven:?}");
    assert_eq!(newest.unwrap().id, drill_id(2));
    assert_eq!(passed.unwrap().id, drill_id(1));
    let before = query::drill_before(&state.conn, &name("orders"))
        .await
        .unwrap();
    let before = DrillBefore::of(before.unwrap());
    assert_eq!(before.row_counts["shop.public.orders"], 7);
}

/// I-12: nobody's word makes a drill pass whose checks did not.
#[tokio::test]
async fn a_verdict_that_its_checks_belie_is_refused() {
    let mut state = ready().await;
    let lease = drilling(&mut state, 1).await;
    let mut lying = showed(false);
    lying["verdict"] = json!("passed");
    let mut empty = showed(true);
    empty["checks"] = json!([]);
    let mut caused = showed(true);
    caused["cause"] = showed(false)["cause"].clone();
    let mut cancelled = showed(true);
    cancelled["verdict"] = json!("cancelled");
    for wrong in [lying, empty, caused, cancelled, json!({"n": 1})] {
        let refusal = state.refuse(ended(1, lease, succeeded(wrong))).await;
        assert!(matches!(refusal, Refusal::Invalid { .. }), "{refusal}");
    }
    assert_eq!(drill(&state, 1).await, None);
}

#[tokio::test]
async fn every_other_end_is_evidence_too() {
    let mut state = ready().await;
    let damaged = Failure::permanent("repository_damaged", "a chunk is damaged", "look");
    let lease = drilling(&mut state, 1).await;
    state
        .accept(ended(1, lease, JobOutcome::Failed(damaged.clone())))
        .await;
    let failed = drill(&state, 1).await.unwrap();
    assert_eq!(
        (failed.verdict, failed.cause),
        (DrillVerdict::Failed, Some(damaged))
    );
    assert_eq!((failed.rto, failed.evidence), (None, None));

    let lease = drilling(&mut state, 2).await;
    state.accept(ended(2, lease, JobOutcome::Cancelled)).await;
    assert_eq!(
        drill(&state, 2).await.unwrap().verdict,
        DrillVerdict::Cancelled
    );

    // Tried as often as it may be.
    let lost = Failure::transient("agent_lost", "the agent was lost", "look");
    let requeue = |generation: Generation| RequeueJob {
        job: job_id(3),
        generation,
        reason: lost.clone(),
        not_before: None,
        log: Vec::new(),
    };
    let first = drilling(&mut state, 3).await;
    assert_eq!(
        state.accept(requeue(first.generation)).await,
        JobState::Queued
    );
    assert_eq!(drill(&state, 3).await, None, "it is not over");
    let second = state.accept(crate::fixture::lease(3, 1, 33)).await;
    assert_eq!(
        state.accept(requeue(second.generation)).await,
        JobState::Failed
    );
    let given_up = drill(&state, 3).await.unwrap();
    assert_eq!(given_up.cause.unwrap().code, "agent_lost");
    // Nothing comes after its end (I-14).
    let late = ended(3, second, succeeded(showed(true)));
    state.refuse(late).await;
    assert_eq!(
        drill(&state, 3).await.unwrap().verdict,
        DrillVerdict::Failed
    );

    // What nobody began has shown nothing.
    state.accept(drill_job(4)).await;
    state.accept(RequestCancel { job: job_id(4) }).await;
    assert_eq!(drill(&state, 4).await, None);
}

#[tokio::test]
async fn evidence_is_never_changed() {
    let mut state = ready().await;
    let lease = drilling(&mut state, 1).await;
    state.accept(ended(1, lease, succeeded(showed(true)))).await;
    let written = table(&state.dump().await, "drills").join("\n");
    let again = ended(1, lease, succeeded(showed(false)));
    state.refuse(again).await;
    let lease = drilling(&mut state, 2).await;
    state
        .accept(ended(2, lease, succeeded(showed(false))))
        .await;
    let dump = state.dump().await;
    let now = table(&dump, "drills");
    assert!(now.iter().any(|row| *row == written), "{now:?}");
}

#[tokio::test]
async fn a_run_may_be_a_drill() {
    let mut state = ready().await;
    let run = RunJob {
        drill: true,
        agent: Some(name("db1")),
        ..run_job()
    };
    let first = decision(None, mark(0), vec![]);
    let due = decision(mark(0), mark(1), vec![runs(1, run)]);
    for one in [first, due] {
        let schedules = vec![one];
        state.accept(RecordRuns { schedules }).await;
    }
    let job = run_id(1).job_id();
    let queued = query::job(&state.conn, job).await.unwrap().unwrap();
    assert_eq!(queued.kind, JobKind::Drill);
    assert_eq!(queued.wanted_agent, Some(name("db1")));
    let lease = holdfast_state::command::LeaseJob {
        job,
        ..lease(1, 1, 1)
    };
    let lease = state.accept(lease).await;
    let ended = FinishJob {
        job,
        generation: lease.generation,
        outcome: succeeded(showed(true)),
        log: Vec::new(),
    };
    state.accept(ended).await;
    let made = query::drill(&state.conn, DrillId::from_uuid(job.uuid())).await;
    assert_eq!(made.unwrap().unwrap().schedule, Some(name("often")));
}

#[tokio::test]
async fn a_group_of_an_earlier_level_knows_no_drills() {
    let mut state = TestState::protecting().await;
    let level = schema::DRILLS - 1;
    state.accept(RaiseLevel { level }).await;
    let too_low = |refusal: Refusal| {
        assert!(matches!(refusal, Refusal::LevelTooLow { .. }), "{refusal}");
    };
    too_low(state.refuse(drill_job(1)).await);
    let plan = document(
        "DrillPlan",
        json!({"name": "weekly"}),
        json!({"selector": {}, "every": "7d"}),
    );
    too_low(state.refuse(apply([plan])).await);
    let mut drilled = policy("gold", json!({"tier": "gold"}), 0, "eu").to_value();
    drilled["spec"]["drills"] = json!([{"every": "7d"}]);
    let drilled = holdfast_types::resource::Document::from_value(drilled).unwrap();
    too_low(state.refuse(apply([drilled])).await);
    let delete = DeleteResource {
        kind: Kind::DrillPlan,
        name: name("weekly"),
        expected: None,
    };
    too_low(state.refuse(delete).await);
    let page = PageRequest::longest();
    let found = query::drills(&state.conn, &DrillFilter::default(), &page).await;
    assert_eq!(found.unwrap().items, []);
}

#[tokio::test]
async fn drills_are_listed_by_what_they_are_of() {
    let mut state = ready().await;
    for number in 1..=5u128 {
        let lease = drilling(&mut state, number).await;
        let result = showed(number % 2 == 1);
        state.accept(ended(number, lease, succeeded(result))).await;
        state.pass(SignedDuration::from_secs(1));
    }
    let list = |filter: DrillFilter, limit| {
        let conn = state.conn.clone();
        async move {
            let mut page = PageRequest::first(limit);
            let mut ids = Vec::new();
            loop {
                let found = query::drills(&conn, &filter, &page).await.unwrap();
                ids.extend(found.items.into_iter().map(|one| one.id));
                match found.next_cursor {
                    None => return ids,
                    cursor => page.cursor = cursor,
                }
            }
        }
    };
    let ids = |numbers: &[u128]| -> Vec<DrillId> {
        numbers.iter().map(|number| drill_id(*number)).collect()
    };
    let all = DrillFilter::default();
    assert_eq!(list(all.clone(), 2).await, ids(&[5, 4, 3, 2, 1]));
    let failed = DrillFilter {
        verdict: Some(DrillVerdict::Failed),
        cluster: Some(name("orders")),
        fleet: Some(name("default")),
        ..DrillFilter::default()
    };
    assert_eq!(list(failed, 100).await, ids(&[4, 2]));
    let other = DrillFilter {
        fleet: Some(name("web")),
        ..all
    };
    assert_eq!(list(other, 100).await, ids(&[]));
}
