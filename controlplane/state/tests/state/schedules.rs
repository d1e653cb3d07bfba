//! Schedules: every due time is decided once, and its job made in the same
//! entry (I-03, I-14).

use holdfast_state::command::{
    DeleteResource, DueRun, LeaseJob, Mark, MissRuns, RaiseLevel, RecordRuns, Recorded,
    RequestCancel, RequeueJob, RunDecision, RunJob, ScheduleDecision,
};
use holdfast_state::query::{self, PageRequest, RunFilter, RunView};
use holdfast_state::{Refusal, schema};
use holdfast_types::resource::Kind;
use holdfast_types::schedule::{RunId, RunReason, RunState, Unfinished};
use holdfast_types::{Failure, Generation, JobId, JobState, Span};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use crate::fixture::{agent_id, apply, assignment_id, cluster, name, policy};
use crate::harness::TestState;

pub(crate) fn at(minute: i64) -> Timestamp {
    let start: Timestamp = "2026-02-03T02:41:07Z".parse().unwrap();
    start + SignedDuration::from_mins(minute)
}

pub(crate) fn mark(minute: i64) -> Option<Mark> {
    Some(Mark {
        anchor: "every 1m".to_owned(),
        until: at(minute),
    })
}

pub(crate) fn run_id(minute: i64) -> RunId {
    RunId::new(name("orders"), name("often"), at(minute))
}

pub(crate) fn run_job() -> RunJob {
    RunJob {
        repository: name("eu"),
        spec: json!({"backup": {"kind": "full"}}),
        attempts_max: 2,
        not_before: at(0),
        latest: None,
        priority: 3,
        idle_timeout: Span::from_secs(900),
        late: false,
        replaces: false,
        drill: false,
        agent: None,
    }
}

pub(crate) fn runs(minute: i64, job: RunJob) -> DueRun {
    DueRun {
        due: at(minute),
        decision: RunDecision::Run(Box::new(job)),
    }
}

pub(crate) fn decision(
    from: Option<Mark>,
    to: Option<Mark>,
    runs: Vec<DueRun>,
) -> ScheduleDecision {
    ScheduleDecision {
        cluster: name("orders"),
        schedule: name("often"),
        from,
        to,
        unfinished: Some(Unfinished::default()),
        runs,
    }
}

fn behind(running: Option<Timestamp>, waiting: Option<Timestamp>) -> Option<Unfinished> {
    Some(Unfinished { running, waiting })
}

fn record(decision: ScheduleDecision) -> RecordRuns {
    RecordRuns {
        schedules: vec![decision],
    }
}

fn lease(minute: i64) -> LeaseJob {
    LeaseJob {
        job: run_id(minute).job_id(),
        agent: agent_id(1),
        assignment: assignment_id(u128::try_from(minute).unwrap()),
    }
}

async fn raised() -> TestState {
    let mut state = TestState::protecting().await;
    state
        .accept(RaiseLevel {
            level: schema::NEWEST,
        })
        .await;
    state
}

/// The same with the run of the first minute queued.
pub(crate) async fn queued(job: RunJob) -> TestState {
    let mut state = raised().await;
    state.accept(record(decision(None, mark(0), vec![]))).await;
    let first = decision(mark(0), mark(1), vec![runs(1, job)]);
    assert_eq!(state.accept(record(first)).await, [Recorded::Recorded]);
    state
}

async fn shown(state: &TestState) -> Vec<RunView> {
    let page = PageRequest::longest();
    let found = query::runs(&state.conn, &RunFilter::default(), &page).await;
    found.unwrap().items
}

async fn states(state: &TestState) -> Vec<RunState> {
    shown(state).await.iter().map(|run| run.state).collect()
}

async fn job_state(state: &TestState, job: JobId) -> JobState {
    query::job(&state.conn, job).await.unwrap().unwrap().state
}

#[tokio::test]
async fn below_level_3_nothing_is_recorded() {
    let mut state = TestState::protecting().await;
    let refusal = state.refuse(record(decision(None, mark(0), vec![]))).await;
    let (needed, current) = (3, 1);
    assert_eq!(refusal, Refusal::LevelTooLow { needed, current });
    assert_eq!(state.refuse(MissRuns { jobs: vec![] }).await, refusal);
    assert_eq!(states(&state).await, []);
    assert_eq!(query::schedule_basis(&state.conn).await.unwrap(), None);
    assert!(query::job_queue(&state.conn).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_run_and_its_job_are_one_entry_and_a_repeat_changes_nothing() {
    let mut state = queued(run_job()).await;
    assert!(state.woke("task Dispatch"));
    let run = shown(&state).await.pop().unwrap();
    assert_eq!((run.id.clone(), run.state), (run_id(1), RunState::Due));
    let job = run.job.unwrap();
    assert_eq!(job, run_id(1).job_id());
    let made = query::job(&state.conn, job).await.unwrap().unwrap();
    assert_eq!(made.state, JobState::Queued);
    assert_eq!(made.attempts_max, 2);
    assert_eq!(made.not_before, Some(at(0)));
    let queue = query::job_queue(&state.conn).await.unwrap();
    assert_eq!(queue[&job].priority, 3);

    // A leader that was deposed proposes what it had decided (I-14).
    let before = state.dump().await;
    let again = decision(mark(0), mark(1), vec![runs(1, run_job())]);
    assert_eq!(state.accept(record(again)).await, [Recorded::Stale]);
    let shifted = decision(mark(0), mark(2), vec![runs(2, run_job())]);
    assert_eq!(state.accept(record(shifted)).await, [Recorded::Stale]);
    let unknown = decision(None, mark(2), vec![runs(2, run_job())]);
    assert_eq!(state.accept(record(unknown)).await, [Recorded::Stale]);
    let rows = |dump: &str| {
        ["runs", "jobs", "job_queue", "schedule_marks"]
            .map(|name| crate::harness::table(dump, name).join("\n"))
    };
    assert_eq!(rows(&before), rows(&state.dump().await));
}

#[tokio::test]
async fn a_due_time_that_is_on_record_never_gets_a_second_job() {
    let mut state = queued(run_job()).await;
    state.accept(lease(1)).await;
    // The schedule goes and comes back, and its mark with it.
    let mut gone = decision(mark(1), None, vec![]);
    gone.unfinished = None;
    assert_eq!(state.accept(record(gone)).await, [Recorded::Recorded]);
    let mut back = decision(None, mark(1), vec![runs(1, run_job())]);
    back.unfinished = behind(Some(at(1)), None);
    assert_eq!(state.accept(record(back)).await, [Recorded::Recorded]);
    assert_eq!(states(&state).await, [RunState::Ran]);
    let (filter, page) = (query::JobFilter::default(), PageRequest::longest());
    let jobs = query::jobs(&state.conn, &filter, &page).await.unwrap();
    assert_eq!(jobs.items.len(), 1);
}

#[tokio::test]
async fn a_run_has_run_once_an_agent_was_given_it_and_leaves_the_queue_at_its_end() {
    let mut state = queued(run_job()).await;
    let unfinished = async |state: &TestState| {
        let (cluster, schedule) = (name("orders"), name("often"));
        query::unfinished_runs(&state.conn, &cluster, &schedule)
            .await
            .unwrap()
    };
    let waits = Unfinished {
        running: None,
        waiting: Some(at(1)),
    };
    assert_eq!(unfinished(&state).await, waits);
    for attempt in 1..=2u8 {
        let given = state
            .accept(LeaseJob {
                assignment: assignment_id(attempt.into()),
                ..lease(1)
            })
            .await;
        assert_eq!(states(&state).await, [RunState::Ran]);
        let runs = Unfinished {
            running: Some(at(1)),
            waiting: None,
        };
        assert_eq!(unfinished(&state).await, runs);
        let lost = RequeueJob {
            job: run_id(1).job_id(),
            generation: Generation(given.generation.0),
            reason: Failure::transient("agent_lost", "lost", "look"),
            not_before: None,
            log: vec![],
        };
        state.accept(lost).await;
        if attempt == 1 {
            // It has begun: a second attempt is no new run.
            assert_eq!(unfinished(&state).await, runs);
        }
    }
    assert_eq!(
        job_state(&state, run_id(1).job_id()).await,
        JobState::Failed
    );
    assert_eq!(unfinished(&state).await, Unfinished::default());
    assert!(query::job_queue(&state.conn).await.unwrap().is_empty());
    assert_eq!(states(&state).await, [RunState::Ran]);
}

#[tokio::test]
async fn what_was_decided_on_another_state_of_its_runs_is_decided_again() {
    let mut state = queued(run_job()).await;
    // The leader saw no run that was not over; there is one.
    let blind = decision(mark(1), mark(2), vec![runs(2, run_job())]);
    assert_eq!(state.accept(record(blind)).await, [Recorded::Stale]);
    let mut seen = decision(mark(1), mark(2), vec![]);
    seen.unfinished = behind(None, Some(at(1)));
    let (state_, reason) = (RunState::Skipped, RunReason::Overlap { earlier: at(1) });
    seen.runs.push(DueRun {
        due: at(2),
        decision: RunDecision::Not {
            state: state_,
            reason,
        },
    });
    assert_eq!(state.accept(record(seen)).await, [Recorded::Recorded]);
    let last = shown(&state).await.remove(0);
    assert_eq!((last.state, last.reason), (RunState::Skipped, Some(reason)));
    assert_eq!(last.job, None);
}

#[tokio::test]
async fn a_run_that_replaces_ends_the_one_that_runs_and_coalesces_the_one_that_waits() {
    let mut state = queued(run_job()).await;
    state.accept(lease(1)).await;
    let mut waiting = decision(mark(1), mark(2), vec![runs(2, run_job())]);
    waiting.unfinished = behind(Some(at(1)), None);
    assert_eq!(state.accept(record(waiting)).await, [Recorded::Recorded]);
    let job = RunJob {
        replaces: true,
        ..run_job()
    };
    let mut third = decision(mark(2), mark(3), vec![runs(3, job)]);
    third.unfinished = behind(Some(at(1)), Some(at(2)));
    assert_eq!(state.accept(record(third)).await, [Recorded::Recorded]);
    let expected = [RunState::Due, RunState::Coalesced, RunState::Ran];
    assert_eq!(states(&state).await, expected);
    let reason = shown(&state).await[1].reason;
    assert_eq!(reason, Some(RunReason::Coalesced { into: at(3) }));
    let running = query::job(&state.conn, run_id(1).job_id()).await.unwrap();
    assert!(running.unwrap().cancel_requested);
    let waited = run_id(2).job_id();
    assert_eq!(job_state(&state, waited).await, JobState::Cancelled);
}

#[tokio::test]
async fn a_run_is_missed_after_its_latest_start_and_not_before() {
    let mut state = queued(RunJob {
        latest: Some(at(5)),
        ..run_job()
    })
    .await;
    let job = run_id(1).job_id();
    let miss = || MissRuns { jobs: vec![job] };
    state.now = at(5);
    assert_eq!(state.accept(miss()).await, 0);
    let late = query::late_runs(&state.conn, at(5), 9).await.unwrap();
    assert_eq!(late, []);
    state.now = at(6);
    let late = query::late_runs(&state.conn, at(6), 9).await.unwrap();
    assert_eq!(late, [job]);
    assert_eq!(state.accept(miss()).await, 1);
    assert_eq!(state.accept(miss()).await, 0);
    let run = shown(&state).await.remove(0);
    let reason = RunReason::WindowPassed { latest: at(5) };
    assert_eq!((run.state, run.reason), (RunState::Missed, Some(reason)));
    assert_eq!(job_state(&state, job).await, JobState::Failed);

    let mut state = queued(RunJob {
        latest: Some(at(5)),
        ..run_job()
    })
    .await;
    state.accept(lease(1)).await;
    state.now = at(6);
    assert_eq!(state.accept(miss()).await, 0, "it has begun in time");
}

#[tokio::test]
async fn a_run_whose_job_is_cancelled_in_time_is_skipped_for_that() {
    let mut state = queued(run_job()).await;
    let job = run_id(1).job_id();
    state.accept(RequestCancel { job }).await;
    let run = shown(&state).await.remove(0);
    let expected = (RunState::Skipped, Some(RunReason::Cancelled));
    assert_eq!((run.state, run.reason), expected);
    assert!(query::job_queue(&state.conn).await.unwrap().is_empty());
}

#[tokio::test]
async fn ranges_are_one_row_and_runs_come_in_pages() {
    let mut state = raised().await;
    state.accept(record(decision(None, mark(0), vec![]))).await;
    let mut many = vec![DueRun {
        due: at(1),
        decision: RunDecision::Missed {
            last: at(10),
            count: 10,
        },
    }];
    for minute in 11..14 {
        many.push(DueRun {
            due: at(minute),
            decision: RunDecision::Not {
                state: RunState::Coalesced,
                reason: RunReason::Coalesced { into: at(14) },
            },
        });
    }
    state
        .accept(record(decision(mark(0), mark(14), many)))
        .await;
    let range = shown(&state).await.pop().unwrap();
    assert_eq!((range.count, range.last), (10, at(10)));
    assert_eq!(range.reason, Some(RunReason::TooMany));
    let filter = RunFilter {
        cluster: Some(name("orders")),
        schedule: Some(name("often")),
        state: Some(RunState::Coalesced),
        ..RunFilter::default()
    };
    let mut request = PageRequest::first(2);
    let first = query::runs(&state.conn, &filter, &request).await.unwrap();
    assert_eq!(first.items.len(), 2);
    request.cursor = first.next_cursor;
    let second = query::runs(&state.conn, &filter, &request).await.unwrap();
    assert_eq!(second.items[0].id, run_id(11));
    assert_eq!(second.next_cursor, None);
}

#[tokio::test]
async fn what_schedules_follow_from_says_when_it_changed() {
    let mut state = raised().await;
    let basis =
        async |state: &TestState| query::schedule_basis(&state.conn).await.unwrap().unwrap();
    let first = basis(&state).await;
    state.pass(SignedDuration::from_mins(1));
    state
        .accept(apply([cluster("shop", "db2", json!({}))]))
        .await;
    assert!(state.woke("task Schedules"));
    let second = basis(&state).await;
    assert!(second.revision > first.revision);
    assert_eq!(second.policies_at, first.policies_at);
    state
        .accept(apply([policy("tin", json!({"tier": "tin"}), 0, "eu")]))
        .await;
    let third = basis(&state).await;
    assert_eq!(third.policies_at, state.now);
    // What is unchanged is no change.
    state
        .accept(apply([policy("tin", json!({"tier": "tin"}), 0, "eu")]))
        .await;
    assert_eq!(basis(&state).await, third);
    state.pass(SignedDuration::from_mins(1));
    state
        .accept(DeleteResource {
            kind: Kind::Policy,
            name: name("tin"),
            expected: None,
        })
        .await;
    assert_eq!(basis(&state).await.policies_at, state.now);
}

#[tokio::test]
async fn a_decision_for_a_cluster_that_is_gone_makes_no_job() {
    let mut state = raised().await;
    state.accept(record(decision(None, mark(0), vec![]))).await;
    state
        .accept(DeleteResource {
            kind: Kind::Cluster,
            name: name("orders"),
            expected: None,
        })
        .await;
    let late = decision(mark(0), mark(1), vec![runs(1, run_job())]);
    assert_eq!(state.accept(record(late)).await, [Recorded::Stale]);
    assert_eq!(states(&state).await, []);
}
