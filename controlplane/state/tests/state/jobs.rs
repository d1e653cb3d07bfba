//! The life of a job: generations, attempts, phases, ends that are final.

use holdfast_state::command::{
    AdvanceJob, FinishJob, JobOutcome, RequestCancel, RequeueJob, RevokeAgent, StartJob,
};
use holdfast_state::query::{self, Work};
use holdfast_state::{Noun, Refusal};
use holdfast_types::{Failure, Generation, JobKind, JobPhase, JobState};
use jiff::SignedDuration;
use serde_json::json;

use crate::fixture::{agent_id, backup_id, backup_job, job_id, lease, name};
use crate::harness::TestState;

fn start(generation: Generation) -> StartJob {
    StartJob {
        job: job_id(1),
        generation,
    }
}

fn advance(generation: Generation, phase: JobPhase) -> AdvanceJob {
    AdvanceJob {
        job: job_id(1),
        generation,
        phase,
    }
}

fn finish(generation: Generation, outcome: JobOutcome) -> FinishJob {
    FinishJob {
        job: job_id(1),
        generation,
        outcome,
        log: vec!["the last line".to_owned()],
    }
}

fn lost() -> Failure {
    Failure::transient("agent_lost", "the agent was lost", "look at its host")
}

fn requeue(generation: Generation) -> RequeueJob {
    RequeueJob {
        job: job_id(1),
        generation,
        reason: lost(),
        not_before: None,
        log: Vec::new(),
    }
}

fn succeeded() -> JobOutcome {
    JobOutcome::Succeeded {
        result: json!({"dir": "/restored"}),
        backup: None,
    }
}

async fn state_of(state: &TestState) -> JobState {
    let job = query::job(&state.conn, job_id(1)).await.unwrap();
    job.unwrap().state
}

#[tokio::test]
async fn a_job_names_what_exists() {
    let mut state = TestState::protecting().await;
    let mut jobs = [backup_job(1), backup_job(1), backup_job(1)];
    jobs[0].cluster = name("mars");
    jobs[1].repository = name("mars");
    jobs[2].agent = Some(name("mars"));
    for (job, what) in jobs
        .into_iter()
        .zip([Noun::Cluster, Noun::Repository, Noun::Agent])
    {
        let name = "mars".to_owned();
        assert_eq!(state.refuse(job).await, Refusal::NotFound { what, name });
    }
    let mut never = backup_job(1);
    never.attempts_max = 0;
    assert_eq!(state.refuse(never).await.field(), Some("attempts_max"));
    state.accept(backup_job(1)).await;
    assert!(state.woke("task Dispatch"));
    assert_eq!(state.refuse(backup_job(1)).await.code(), "already_exists");
    let job = query::job(&state.conn, job_id(1)).await.unwrap().unwrap();
    assert_eq!(job.created_by.unwrap().to_string(), "user:admin");
    assert_eq!(job.spec, json!({"kind": "full"}));
}

#[tokio::test]
async fn a_job_goes_through_its_states_and_shows_its_phases() {
    let (mut state, given) = TestState::backing_up().await;
    assert!(state.woke(&agent_id(1).to_string()));
    assert_eq!((given.generation, given.attempt), (Generation(1), 1));
    let assigned = query::assignments_of_agent(&state.conn, agent_id(1))
        .await
        .unwrap();
    assert_eq!(assigned[0].generation, given.generation);
    assert!(matches!(&assigned[0].work, Work::Job(job) if job.id == job_id(1)));

    assert_eq!(state_of(&state).await, JobState::Leased);
    state.accept(start(given.generation)).await;
    state.accept(start(given.generation)).await;
    assert_eq!(state_of(&state).await, JobState::Running);
    let phases = [
        JobPhase::Prepare,
        JobPhase::Copy,
        JobPhase::Copy,
        JobPhase::Wal,
    ];
    for phase in phases {
        state.pass(SignedDuration::from_secs(1));
        state.accept(advance(given.generation, phase)).await;
    }
    assert_eq!(state_of(&state).await, JobState::Running);
    state
        .accept(advance(given.generation, JobPhase::Commit))
        .await;
    assert_eq!(state_of(&state).await, JobState::Committing);
    state.accept(finish(given.generation, succeeded())).await;

    let detail = query::job_detail(&state.conn, job_id(1))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(detail.job.state, JobState::Succeeded);
    assert_eq!(detail.job.result, Some(json!({"dir": "/restored"})));
    assert_eq!(detail.job.agent, Some(name("db1")));
    let [attempt] = detail.attempts_made.as_slice() else {
        panic!("{:?}", detail.attempts_made);
    };
    assert_eq!(attempt.log, ["the last line"]);
    assert_eq!(attempt.outcome.as_deref(), Some("succeeded"));
    let phases: Vec<_> = attempt.phases.iter().map(|phase| phase.phase).collect();
    let expected = [
        JobPhase::Prepare,
        JobPhase::Copy,
        JobPhase::Wal,
        JobPhase::Commit,
    ];
    assert_eq!(phases, expected);
    let assigned = query::assignments_of_agent(&state.conn, agent_id(1))
        .await
        .unwrap();
    assert_eq!(assigned, []);
}

#[tokio::test]
async fn a_lost_first_report_does_not_hold_a_job_back() {
    let (mut state, given) = TestState::backing_up().await;
    state
        .accept(advance(given.generation, JobPhase::Copy))
        .await;
    assert_eq!(state_of(&state).await, JobState::Running);
}

#[tokio::test]
async fn every_end_is_final() {
    let ends = [
        (succeeded(), JobState::Succeeded),
        (JobOutcome::Failed(lost()), JobState::Failed),
        (
            JobOutcome::Superseded {
                winner: backup_id(7),
            },
            JobState::Superseded,
        ),
        (JobOutcome::Cancelled, JobState::Cancelled),
    ];
    for (outcome, expected) in ends {
        let (mut state, given) = TestState::backing_up().await;
        assert_eq!(
            state.accept(finish(given.generation, outcome)).await,
            expected
        );
        let is_final = Refusal::JobFinal {
            job: job_id(1),
            state: expected,
        };
        let generation = given.generation;
        assert_eq!(
            state.refuse(finish(generation, succeeded())).await,
            is_final
        );
        assert_eq!(state.refuse(start(generation)).await, is_final);
        assert_eq!(
            state.refuse(advance(generation, JobPhase::Copy)).await,
            is_final
        );
        assert_eq!(state.refuse(requeue(generation)).await, is_final);
        assert_eq!(state.refuse(lease(1, 1, 9)).await, is_final);
        assert_eq!(
            state.refuse(RequestCancel { job: job_id(1) }).await,
            is_final
        );
        assert_eq!(state_of(&state).await, expected);
    }
}

#[tokio::test]
async fn a_lease_goes_to_a_living_agent_that_may_have_it() {
    let mut state = TestState::protecting().await;
    assert_eq!(state.refuse(lease(1, 1, 1)).await.code(), "not_found");
    let mut wanted = backup_job(1);
    wanted.agent = Some(name("db2"));
    state.accept(wanted).await;
    let expected = name("db2");
    assert_eq!(
        state.refuse(lease(1, 1, 1)).await,
        Refusal::WrongAgent { expected }
    );
    assert_eq!(state.refuse(lease(1, 9, 1)).await.code(), "not_found");
    state.accept(lease(1, 2, 1)).await;
    let busy = Refusal::JobState {
        job: job_id(1),
        state: JobState::Leased,
    };
    assert_eq!(state.refuse(lease(1, 2, 2)).await, busy);
    state.accept(backup_job(2)).await;
    assert_eq!(state.refuse(lease(2, 1, 1)).await.code(), "already_exists");
    state.accept(RevokeAgent { name: name("db1") }).await;
    assert_eq!(state.refuse(lease(2, 1, 2)).await.code(), "agent_revoked");
}

#[tokio::test]
async fn nothing_of_an_old_generation_counts() {
    let (mut state, old) = TestState::backing_up().await;
    assert_eq!(
        state.accept(requeue(old.generation)).await,
        JobState::Queued
    );
    assert!(state.woke(&agent_id(1).to_string()) && state.woke("task Dispatch"));
    // Between the attempts already, the zombie is refused (I-04).
    let stale = |refusal: Refusal| matches!(refusal, Refusal::StaleGeneration { .. });
    assert!(stale(state.refuse(start(old.generation)).await));
    let new = state.accept(lease(1, 2, 2)).await;
    assert!(new.generation > old.generation);
    assert_eq!(new.attempt, 2);
    assert!(stale(
        state.refuse(advance(old.generation, JobPhase::Copy)).await
    ));
    assert!(stale(
        state.refuse(finish(old.generation, succeeded())).await
    ));
    assert!(stale(state.refuse(requeue(old.generation)).await));
    assert_eq!(state_of(&state).await, JobState::Leased);
    assert_eq!(
        state.accept(finish(new.generation, succeeded())).await,
        JobState::Succeeded
    );
    let detail = query::job_detail(&state.conn, job_id(1))
        .await
        .unwrap()
        .unwrap();
    let outcomes: Vec<_> = detail
        .attempts_made
        .iter()
        .map(|one| one.outcome.as_deref())
        .collect();
    assert_eq!(outcomes, [Some("interrupted"), Some("succeeded")]);
}

#[tokio::test]
async fn a_job_is_tried_so_often_and_no_more() {
    let (mut state, first) = TestState::backing_up().await;
    state.accept(requeue(first.generation)).await;
    let second = state.accept(lease(1, 1, 2)).await;
    assert_eq!(
        state.accept(requeue(second.generation)).await,
        JobState::Failed
    );
    let job = query::job(&state.conn, job_id(1)).await.unwrap().unwrap();
    assert_eq!(job.failure, Some(lost()));
    assert!(job.finished_at.is_some());
}

#[tokio::test]
async fn a_job_waits_for_its_next_attempt() {
    let (mut state, given) = TestState::backing_up().await;
    let later = state.now + SignedDuration::from_mins(5);
    let mut delayed = requeue(given.generation);
    delayed.not_before = Some(later);
    state.accept(delayed).await;
    let queued = async |now| query::queued_jobs(&state.conn, now, 9).await.unwrap().len();
    assert_eq!((queued(state.now).await, queued(later).await), (0, 1));
}

#[tokio::test]
async fn a_waiting_job_is_cancelled_at_once_and_a_running_one_by_its_agent() {
    let mut state = TestState::protecting().await;
    let cancel = || RequestCancel { job: job_id(1) };
    assert_eq!(state.refuse(cancel()).await.code(), "not_found");
    state.accept(backup_job(1)).await;
    assert_eq!(state.accept(cancel()).await, JobState::Cancelled);

    let (mut state, given) = TestState::backing_up().await;
    assert_eq!(state.accept(cancel()).await, JobState::Leased);
    assert!(state.woke(&agent_id(1).to_string()));
    assert_eq!(state.accept(cancel()).await, JobState::Leased);
    assert!(state.effects.is_empty(), "it was asked already");
    let assigned = query::assignments_of_agent(&state.conn, agent_id(1))
        .await
        .unwrap();
    assert!(matches!(&assigned[0].work, Work::Job(job) if job.cancel_requested));
    // Its agent is lost: nobody tries a cancelled job again.
    assert_eq!(
        state.accept(requeue(given.generation)).await,
        JobState::Cancelled
    );
}

#[tokio::test]
async fn the_log_of_an_attempt_is_bounded() {
    let (mut state, given) = TestState::backing_up().await;
    let mut end = finish(given.generation, JobOutcome::Failed(lost()));
    end.log = (0..500)
        .map(|line| format!("{line} {}", "é".repeat(2000)))
        .collect();
    state.accept(end).await;
    let detail = query::job_detail(&state.conn, job_id(1))
        .await
        .unwrap()
        .unwrap();
    let log = &detail.attempts_made[0].log;
    assert_eq!(log.len(), 200);
    assert!(log[0].starts_with("300 "));
    assert!(log.iter().all(|line| line.chars().count() == 1000));
}

#[tokio::test]
async fn a_retired_clusters_backups_can_still_be_restored() {
    let mut state = TestState::protecting().await;
    let mut restore = backup_job(1);
    restore.kind = JobKind::Restore;
    state.accept(restore).await;
    assert_eq!(state.accept(lease(1, 2, 1)).await.attempt, 1);
}
