//! What agents did on their own, and results that came too late: one record
//! per due time, one holder per job, and nothing that is in the repository is
//! forgotten (I-03, I-04, I-08, I-14).

use holdfast_state::command::{
    DeleteResource, Deleted, DueRun, FinishJob, JobOutcome, LeaseJob, Mark, MissRuns,
    OfflineAttempt, OfflineDeed, OfflineRecorded, RaiseLevel, RecordLateResult, RecordOfflineRuns,
    RecordRuns, RequeueJob, RevokeAgent, RunDecision, RunJob,
};
use holdfast_state::query::{self, PageRequest, RunFilter, RunView};
use holdfast_state::{Entry, Refusal, schema};
use holdfast_types::access::Visible;
use holdfast_types::resource::Kind;
use holdfast_types::schedule::{Attempt, RunReason, RunState, Unfinished};
use holdfast_types::{BackupState, Failure, Generation, JobId, JobState};
use jiff::SignedDuration;
use serde_json::json;

use crate::fixture::{agent_id, assignment_id, backup_id, backup_job, committed, lease, name};
use crate::harness::TestState;
use crate::schedules::{at, decision, mark, run_id, run_job, runs};

pub(crate) fn offline(did: OfflineDeed) -> RecordOfflineRuns {
    RecordOfflineRuns {
        agent: agent_id(1),
        cluster: name("orders"),
        schedule: name("often"),
        did,
    }
}

pub(crate) fn attempt(minute: i64, number: u32) -> OfflineAttempt {
    let run = run_id(minute);
    let tried = Attempt::Offline {
        agent: agent_id(1),
        number,
    };
    OfflineAttempt {
        due: at(minute),
        assignment: run.assignment_id(agent_id(1)),
        generation: tried.generation(),
        backup: run.backup_id(tried),
        began_at: at(minute),
        job: run_job(),
    }
}

fn began(minute: i64, number: u32) -> RecordOfflineRuns {
    offline(OfflineDeed::Began(Box::new(attempt(minute, number))))
}

fn not(minute: i64, state: RunState, reason: RunReason) -> DueRun {
    DueRun {
        due: at(minute),
        decision: RunDecision::Not { state, reason },
    }
}

fn settled(from: i64, until: i64) -> RecordOfflineRuns {
    let to = mark(until).unwrap();
    offline(OfflineDeed::Settled { from: at(from), to })
}

/// A control plane whose leader has decided up to minute 0.
async fn decided() -> TestState {
    let mut state = TestState::protecting().await;
    let level = schema::NEWEST;
    state.accept(RaiseLevel { level }).await;
    let first = decision(None, mark(0), vec![]);
    record(&mut state, first).await;
    state.pass(SignedDuration::from_hours(1));
    state
}

async fn record(state: &mut TestState, decided: holdfast_state::command::ScheduleDecision) {
    let schedules = vec![decided];
    state.accept(RecordRuns { schedules }).await;
}

async fn shown(state: &TestState) -> Vec<RunView> {
    let (filter, page) = (RunFilter::default(), PageRequest::longest());
    query::runs(&state.conn, &filter, &page)
        .await
        .unwrap()
        .items
}

async fn marked(state: &TestState) -> Option<Mark> {
    let (cluster, schedule) = (name("orders"), name("often"));
    let found = query::schedule_mark(&state.conn, &cluster, &schedule);
    found.await.unwrap()
}

async fn run_state(state: &TestState, minute: i64) -> Option<RunState> {
    let all = shown(state).await;
    let mut of_it = all.into_iter().filter(|run| run.id == run_id(minute));
    let one = of_it.next();
    assert!(of_it.next().is_none(), "two records of one due time");
    one.map(|run| run.state)
}

async fn job(state: &TestState, id: JobId) -> query::JobView {
    query::job(&state.conn, id).await.unwrap().unwrap()
}

/// Has the control plane itself take a job back, which no principal asked for.
async fn take_back(state: &mut TestState, job: JobId, generation: u64) -> JobState {
    let command = RequeueJob {
        job,
        generation: Generation(generation),
        reason: Failure::transient("agent_lost", "lost", "look"),
        not_before: None,
        log: vec![],
    };
    let entry = Entry::new(state.now, command);
    let reply = state.apply_entry(&entry).await;
    reply.outcome::<RequeueJob>().unwrap().unwrap()
}

/// A backup of a run, as its agent committed it.
fn commit_of(minute: i64, number: u32) -> holdfast_state::command::BackupCommit {
    let mut commit = committed(1, 1, &[(90, 250)]);
    commit.backup.job = run_id(minute).job_id();
    commit.backup.id = attempt(minute, number).backup;
    commit
}

fn success(commit: holdfast_state::command::BackupCommit) -> JobOutcome {
    JobOutcome::Succeeded {
        result: json!({}),
        backup: Some(Box::new(commit)),
    }
}

fn late(minute: i64, number: u32, outcome: JobOutcome) -> RecordLateResult {
    RecordLateResult {
        agent: agent_id(1),
        assignment: attempt(minute, number).assignment,
        generation: attempt(minute, number).generation,
        outcome,
        log: vec!["copied".to_owned()],
    }
}

async fn available(state: &TestState) -> Vec<holdfast_types::BackupId> {
    let filter = query::BackupFilter::default();
    let page = PageRequest::longest();
    let all = query::backups(&state.conn, &filter, &page).await.unwrap();
    let here = all.items.into_iter();
    let here = here.filter(|backup| backup.state == BackupState::Available);
    here.map(|backup| backup.id).collect()
}

#[tokio::test]
async fn below_level_4_nothing_of_it_is_recorded() {
    let mut state = TestState::protecting().await;
    state.accept(RaiseLevel { level: 3 }).await;
    let (needed, current) = (4, 3);
    let refusal = Refusal::LevelTooLow { needed, current };
    assert_eq!(state.refuse(began(1, 1)).await, refusal);
    let result = late(1, 1, JobOutcome::Cancelled);
    assert_eq!(state.refuse(result).await, refusal);
    let none = query::late_results(&state.conn, run_id(1).job_id()).await;
    assert_eq!(none.unwrap(), []);
}

#[tokio::test]
async fn a_run_that_an_agent_took_alone_is_adopted_under_its_generation() {
    let mut state = decided().await;
    assert_eq!(state.accept(began(1, 1)).await, OfflineRecorded::Recorded);
    let id = run_id(1).job_id();
    assert_eq!(run_state(&state, 1).await, Some(RunState::Ran));
    let adopted = job(&state, id).await;
    assert_eq!(adopted.state, JobState::Leased);
    assert_eq!(adopted.generation, Generation(1));
    assert_eq!(adopted.started_at, Some(at(1)));
    // Reported again: its answer was lost.
    assert_eq!(state.accept(began(1, 1)).await, OfflineRecorded::Known);

    let ended = FinishJob {
        job: id,
        generation: Generation(1),
        outcome: success(commit_of(1, 1)),
        log: vec![],
    };
    assert_eq!(state.accept(ended).await, JobState::Succeeded);
    assert_eq!(available(&state).await, [attempt(1, 1).backup]);
    assert_eq!(state.accept(began(1, 1)).await, OfflineRecorded::Known);
    let told = query::offline_runs(&state.conn, [&run_id(1)].into_iter()).await;
    let told = told.unwrap().remove(&run_id(1)).unwrap();
    assert_eq!((told.agent, told.before), (name("db1"), None));
}

#[tokio::test]
async fn its_second_attempt_follows_its_first() {
    let mut state = decided().await;
    state.accept(began(1, 1)).await;
    let id = run_id(1).job_id();
    // Its agent's own word: a failure that may pass.
    let failed = RequeueJob {
        job: id,
        generation: Generation(1),
        reason: Failure::transient("pg_unreachable", "no server", "wait"),
        not_before: None,
        log: vec![],
    };
    assert_eq!(state.accept(failed).await, JobState::Queued);
    assert_eq!(state.accept(began(1, 2)).await, OfflineRecorded::Recorded);
    let adopted = job(&state, id).await;
    assert_eq!((adopted.attempts, adopted.generation), (2, Generation(3)));
    assert_eq!(adopted.state, JobState::Leased);
}

#[tokio::test]
async fn what_waited_for_the_agent_is_adopted_too() {
    let mut state = decided().await;
    let first = decision(mark(0), mark(1), vec![runs(1, run_job())]);
    record(&mut state, first).await;
    assert_eq!(run_state(&state, 1).await, Some(RunState::Due));
    assert_eq!(state.accept(began(1, 1)).await, OfflineRecorded::Recorded);
    assert_eq!(run_state(&state, 1).await, Some(RunState::Ran));
    assert_eq!(
        job(&state, run_id(1).job_id()).await.state,
        JobState::Leased
    );
}

#[tokio::test]
async fn what_happened_supersedes_what_was_only_decided() {
    let mut state = decided().await;
    let coalesced = RunReason::Coalesced { into: at(2) };
    let runs_of = vec![not(1, RunState::Coalesced, coalesced), runs(2, run_job())];
    record(&mut state, decision(mark(0), mark(2), runs_of)).await;
    assert_eq!(state.accept(began(1, 1)).await, OfflineRecorded::Recorded);
    assert_eq!(run_state(&state, 1).await, Some(RunState::Ran));
    let told = query::offline_runs(&state.conn, [&run_id(1)].into_iter()).await;
    let told = told.unwrap().remove(&run_id(1)).unwrap();
    assert_eq!(told.before, Some((RunState::Coalesced, Some(coalesced))));
}

#[tokio::test]
async fn between_two_decisions_the_first_stays() {
    let mut state = decided().await;
    let skipped = not(1, RunState::Skipped, RunReason::CatchUpSkip);
    record(&mut state, decision(mark(0), mark(1), vec![skipped])).await;
    let missed = not(1, RunState::Missed, RunReason::TooMany);
    let new = not(2, RunState::Skipped, RunReason::CatchUpSkip);
    let decided = offline(OfflineDeed::Decided(vec![missed, new]));
    state.accept(decided.clone()).await;
    state.accept(decided).await;
    assert_eq!(run_state(&state, 1).await, Some(RunState::Skipped));
    assert_eq!(run_state(&state, 2).await, Some(RunState::Skipped));
    assert_eq!(shown(&state).await.len(), 2);
    // The leader that decides on the same stretch changes nothing either.
    let mut same = decision(mark(1), mark(2), vec![runs(2, run_job())]);
    same.unfinished = None;
    record(&mut state, same).await;
    assert_eq!(run_state(&state, 2).await, Some(RunState::Skipped));
}

#[tokio::test]
async fn what_still_waits_for_the_agent_is_settled_by_its_word() {
    let mut state = decided().await;
    record(
        &mut state,
        decision(mark(0), mark(1), vec![runs(1, run_job())]),
    )
    .await;
    let coalesced = not(1, RunState::Coalesced, RunReason::Coalesced { into: at(2) });
    state
        .accept(offline(OfflineDeed::Decided(vec![coalesced])))
        .await;
    assert_eq!(run_state(&state, 1).await, Some(RunState::Coalesced));
    let given_up = job(&state, run_id(1).job_id()).await;
    assert_eq!(given_up.state, JobState::Cancelled);
    assert!(query::job_queue(&state.conn).await.unwrap().is_empty());
}

#[tokio::test]
async fn the_leader_goes_on_where_the_agent_stopped_and_never_leaves_a_hole() {
    let mut state = decided().await;
    assert_eq!(state.accept(settled(0, 3)).await, OfflineRecorded::Recorded);
    assert!(state.woke("task Schedules"));
    assert_eq!(marked(&state).await, mark(3));
    assert_eq!(state.accept(settled(0, 3)).await, OfflineRecorded::Known);
    // It began after the mark: between the two nobody has decided.
    assert_eq!(state.accept(settled(4, 9)).await, OfflineRecorded::Known);
    let other = Mark {
        anchor: "every 2m".to_owned(),
        until: at(9),
    };
    let other = offline(OfflineDeed::Settled {
        from: at(0),
        to: other,
    });
    assert_eq!(state.accept(other).await, OfflineRecorded::Known);
    assert_eq!(marked(&state).await, mark(3));
}

#[tokio::test]
async fn a_run_in_other_hands_stays_there_and_the_repository_settles_it() {
    let mut state = decided().await;
    record(
        &mut state,
        decision(mark(0), mark(1), vec![runs(1, run_job())]),
    )
    .await;
    let id = run_id(1).job_id();
    state
        .accept(LeaseJob {
            job: id,
            agent: agent_id(2),
            assignment: assignment_id(9),
        })
        .await;
    assert_eq!(state.accept(began(1, 1)).await, OfflineRecorded::Late);
    let held = job(&state, id).await;
    assert_eq!(held.agent, Some(name("db2")));
    // Its mark was there first: the other attempt finds it (I-03).
    assert!(state.accept(late(1, 1, success(commit_of(1, 1)))).await);
    assert!(state.accept(late(1, 1, success(commit_of(1, 1)))).await);
    assert_eq!(available(&state).await, [attempt(1, 1).backup]);
    let lost = FinishJob {
        job: id,
        generation: Generation(1),
        outcome: JobOutcome::Superseded {
            winner: attempt(1, 1).backup,
        },
        log: vec![],
    };
    assert_eq!(state.accept(lost).await, JobState::Superseded);
    let kept = query::late_results(&state.conn, id).await.unwrap();
    assert_eq!(kept.len(), 1);
    assert_eq!(kept[0].agent, name("db1"));
    assert_eq!(kept[0].outcome, "succeeded");
    assert!(kept[0].backup_recorded);
}

#[tokio::test]
async fn a_run_that_was_given_up_has_run_once_its_backup_shows() {
    let mut state = decided().await;
    let short = RunJob {
        latest: Some(at(2)),
        ..run_job()
    };
    record(&mut state, decision(mark(0), mark(1), vec![runs(1, short)])).await;
    let id = run_id(1).job_id();
    let jobs = vec![id];
    assert_eq!(state.accept(MissRuns { jobs }).await, 1);
    assert_eq!(run_state(&state, 1).await, Some(RunState::Missed));
    // Terminal states are final: the attempt is late from its beginning.
    assert_eq!(state.accept(began(1, 1)).await, OfflineRecorded::Late);
    assert_eq!(run_state(&state, 1).await, Some(RunState::Missed));
    assert!(state.accept(late(1, 1, success(commit_of(1, 1)))).await);
    assert_eq!(run_state(&state, 1).await, Some(RunState::Ran));
    assert_eq!(job(&state, id).await.state, JobState::Failed);
    assert_eq!(available(&state).await, [attempt(1, 1).backup]);
}

#[tokio::test]
async fn only_what_was_taken_back_is_late_and_it_changes_no_job_in_other_hands() {
    let mut state = decided().await;
    state.accept(backup_job(1)).await;
    state.accept(lease(1, 1, 1)).await;
    let result = |outcome| RecordLateResult {
        agent: agent_id(1),
        assignment: assignment_id(1),
        generation: Generation(1),
        outcome,
        log: vec![],
    };
    let failed = || JobOutcome::Failed(Failure::permanent("internal", "no", "look"));
    // It is its agent's still.
    state.refuse(result(failed())).await;
    assert_eq!(
        take_back(&mut state, backup_job(1).job, 1).await,
        JobState::Queued
    );
    let other = RecordLateResult {
        agent: agent_id(2),
        ..result(failed())
    };
    state.refuse(other).await;
    state.accept(lease(1, 2, 2)).await;
    assert!(!state.accept(result(failed())).await);
    let held = job(&state, backup_job(1).job).await;
    assert_eq!(
        (held.state, held.agent),
        (JobState::Leased, Some(name("db2")))
    );
    let kept = query::late_results(&state.conn, held.id).await.unwrap();
    assert_eq!(kept[0].failure.as_ref().unwrap().code, "internal");
    assert_eq!(kept[0].refused.code, "stale_generation");
}

#[tokio::test]
async fn a_job_that_waits_for_its_next_attempt_has_succeeded_when_its_backup_shows() {
    let mut state = decided().await;
    state.accept(backup_job(1)).await;
    state.accept(lease(1, 1, 1)).await;
    take_back(&mut state, backup_job(1).job, 1).await;
    let result = |covered: &[(u64, u64)]| RecordLateResult {
        agent: agent_id(1),
        assignment: assignment_id(1),
        generation: Generation(1),
        outcome: success(committed(1, 7, covered)),
        log: vec![],
    };
    assert!(state.accept(result(&[(90, 250)])).await);
    let ended = job(&state, backup_job(1).job).await;
    assert_eq!(ended.state, JobState::Succeeded);
    assert_eq!(ended.backup, Some(backup_id(7)));
}

#[tokio::test]
async fn a_late_backup_without_its_wal_is_kept_in_quarantine_and_not_available() {
    let mut state = decided().await;
    state.accept(backup_job(1)).await;
    state.accept(lease(1, 1, 1)).await;
    take_back(&mut state, backup_job(1).job, 1).await;
    let result = RecordLateResult {
        agent: agent_id(1),
        assignment: assignment_id(1),
        generation: Generation(1),
        outcome: success(committed(1, 7, &[(90, 150)])),
        log: vec![],
    };
    assert!(!state.accept(result).await); // I-05
    assert!(available(&state).await.is_empty());
    let kept = query::late_results(&state.conn, backup_job(1).job)
        .await
        .unwrap();
    assert_eq!(kept[0].refused.code, "wal_missing");
    assert_eq!(job(&state, backup_job(1).job).await.state, JobState::Queued);
}

#[tokio::test]
async fn runs_are_forgotten_after_a_year_and_never_before_they_are_over() {
    let mut state = decided().await;
    let skipped = not(1, RunState::Skipped, RunReason::CatchUpSkip);
    let both = vec![skipped, runs(2, run_job())];
    record(&mut state, decision(mark(0), mark(2), both)).await;
    let lease = LeaseJob {
        job: run_id(2).job_id(),
        agent: agent_id(1),
        assignment: assignment_id(9),
    };
    state.accept(lease).await;
    state.pass(SignedDuration::from_hours(399 * 24));
    let prune = || holdfast_state::command::PruneExpired {};
    assert_eq!(state.accept(prune()).await.runs, 0);
    state.pass(SignedDuration::from_hours(24));
    assert_eq!(state.accept(prune()).await.runs, 1);
    assert_eq!(run_state(&state, 1).await, None);
    assert_eq!(run_state(&state, 2).await, Some(RunState::Ran));
    let (cluster, schedule) = (name("orders"), name("often"));
    let unfinished = query::unfinished_runs(&state.conn, &cluster, &schedule);
    let running = Some(at(2));
    let expected = Unfinished {
        running,
        waiting: None,
    };
    assert_eq!(unfinished.await.unwrap(), expected);
}

#[tokio::test]
async fn a_cluster_is_deleted_though_jobs_wait_and_not_while_one_is_worked_on() {
    let mut state = decided().await;
    let waits = decision(mark(0), mark(1), vec![runs(1, run_job())]);
    record(&mut state, waits).await;
    state.accept(backup_job(1)).await;
    state.accept(lease(1, 1, 1)).await;
    let delete = || DeleteResource {
        kind: Kind::Cluster,
        name: name("orders"),
        expected: None,
    };
    let refused = state.refuse(delete()).await;
    assert!(matches!(refused, Refusal::InUse { .. }), "{refused}");
    take_back(&mut state, backup_job(1).job, 1).await;
    assert_eq!(state.accept(delete()).await, Deleted::Deleted);
    for id in [backup_job(1).job, run_id(1).job_id()] {
        assert_eq!(job(&state, id).await.state, JobState::Cancelled);
    }
    assert_eq!(run_state(&state, 1).await, Some(RunState::Skipped));
}

#[tokio::test]
async fn what_only_a_revoked_agent_could_do_fails() {
    let mut state = decided().await;
    for number in [1, 2] {
        let wanted = holdfast_state::command::CreateJob {
            agent: Some(name("db2")),
            ..backup_job(number)
        };
        state.accept(wanted).await;
    }
    state.accept(lease(1, 2, 1)).await;
    let name = name("db2");
    state.accept(RevokeAgent { name }).await;
    let waited = job(&state, backup_job(2).job).await;
    assert_eq!(waited.state, JobState::Failed);
    assert_eq!(waited.failure.unwrap().code, "agent_revoked");
    let taken = take_back(&mut state, backup_job(1).job, 1).await;
    assert_eq!(taken, JobState::Failed);
}

/// Pages of one end nowhere early and repeat nothing, though times are equal.
#[tokio::test]
async fn late_results_of_all_jobs_are_listed_the_latest_first() {
    let mut state = decided().await;
    let mut job = backup_job(1);
    job.attempts_max = 9;
    let id = job.job;
    state.accept(job).await;
    for by in 1..=4 {
        let generation = state.accept(lease(1, 1, by)).await.generation;
        take_back(&mut state, id, generation.0).await;
        // The first two come in one instant.
        if by > 2 {
            state.pass(SignedDuration::from_secs(1));
        }
        let result = RecordLateResult {
            agent: agent_id(1),
            assignment: assignment_id(by),
            generation,
            outcome: JobOutcome::Cancelled,
            log: vec![],
        };
        state.accept(result).await;
    }
    let mut request = PageRequest::first(1);
    let mut listed = Vec::new();
    loop {
        let page = query::all_late_results(&state.conn, &Visible::Everything, &request).await;
        let page = page.unwrap();
        listed.extend(page.items.iter().map(|late| late.assignment));
        match page.next_cursor {
            None => break,
            cursor => request.cursor = cursor,
        }
    }
    assert_eq!(listed, [4, 3, 2, 1].map(assignment_id));
    let count = query::late_result_count(&state.conn).await;
    assert_eq!(count.unwrap(), 4);
}
