//! Snapshots of the state: settings, what is deleted, and a state that went
//! back in time.

use holdfast_state::command::{
    CondemnStateSnapshots, CreateJob, DeleteResource, ForgetStateSnapshots, PlaceDuty, RaiseLevel,
    RecordStateSnapshot, RequestStateSnapshot, RestoreState, SetStateSnapshots, StartJob,
    StateSnapshotOutcome,
};
use holdfast_state::query::{self, NodeState, StateSnapshotSettings, StateSnapshotState};
use holdfast_state::{Refusal, schema};
use holdfast_types::resource::Kind;
use holdfast_types::{Failure, Generation, JobKind, JobState, Span, StateSnapshotId};
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use crate::fixture::{
    agent_id, assignment_id, backup_job, backup_started, bootstrap, duty, job_id, join_token,
    lease, name,
};
use crate::harness::{TestState, table};

pub(crate) fn snapshot(number: u128) -> StateSnapshotId {
    StateSnapshotId::from_uuid(Uuid::from_u128(number))
}

pub(crate) fn settings() -> StateSnapshotSettings {
    StateSnapshotSettings {
        repository: name("eu"),
        every: Span::from_secs(900),
        keep: 3,
    }
}

pub(crate) fn stored(number: u128, taken_at: Timestamp) -> RecordStateSnapshot {
    RecordStateSnapshot {
        snapshot: snapshot(number),
        repository: name("eu"),
        outcome: StateSnapshotOutcome::Stored {
            index: 7,
            taken_at,
            stored_bytes: 4096,
            node: "node-1".to_owned(),
        },
    }
}

pub(crate) fn restored(floor: u64) -> RestoreState {
    RestoreState {
        snapshot: snapshot(1),
        from: "s3://holdfast/fleet".to_owned(),
        index: 7,
        taken_at: "2026-02-03T02:00:00Z".parse().unwrap(),
        node: 9,
        name: "node-9".to_owned(),
        group: "0199f3c2a7b47d1e8f0123456789abcd".to_owned(),
        generation_floor: floor,
        by: "root@cp9".to_owned(),
    }
}

fn condemn(numbers: &[u128]) -> CondemnStateSnapshots {
    let snapshots = numbers.iter().copied().map(snapshot).collect();
    CondemnStateSnapshots { snapshots }
}

fn failure() -> Failure {
    Failure::transient("repository_unreachable", "it does not answer", "look at it")
}

async fn raised(mut state: TestState) -> TestState {
    let level = schema::NEWEST;
    state.accept(RaiseLevel { level }).await;
    state
}

/// The repository `eu` is there, and three snapshots, the third the newest.
async fn three() -> TestState {
    let mut state = raised(TestState::protecting().await).await;
    for number in 1..=3 {
        state.pass(SignedDuration::from_mins(15));
        let now = state.now;
        state.accept(stored(number, now)).await;
    }
    state
}

async fn states(state: &TestState) -> Vec<(StateSnapshotId, StateSnapshotState)> {
    let found = query::state_snapshots(&state.conn).await.unwrap();
    found.iter().map(|one| (one.id, one.state)).collect()
}

#[tokio::test]
async fn settings_name_a_repository_that_cannot_go_then() {
    let mut state = TestState::protecting().await;
    let set = |settings| SetStateSnapshots { settings };
    let refused = state.refuse(set(Some(settings()))).await;
    assert_eq!(refused.code(), "level_too_low");
    let mut state = raised(state).await;
    for wrong in [
        StateSnapshotSettings {
            repository: name("nowhere"),
            ..settings()
        },
        StateSnapshotSettings {
            every: Span::from_secs(59),
            ..settings()
        },
        StateSnapshotSettings {
            keep: 0,
            ..settings()
        },
    ] {
        state.refuse(set(Some(wrong))).await;
    }
    state.accept(set(Some(settings()))).await;
    assert!(state.woke("task StateSnapshots"));
    let found = query::state_snapshot_settings(&state.conn).await.unwrap();
    assert_eq!(found, Some(settings()));
    state.accept(set(None)).await;
    let found = query::state_snapshot_settings(&state.conn).await.unwrap();
    assert_eq!(found, None);
}

#[tokio::test]
async fn a_repository_with_snapshots_is_not_deleted() {
    let mut state = raised(TestState::new().await).await;
    state.accept(bootstrap()).await;
    state
        .accept(crate::fixture::apply([crate::fixture::repository("eu")]))
        .await;
    let delete = || DeleteResource {
        kind: Kind::Repository,
        name: name("eu"),
        expected: None,
    };
    let (one, now) = (1, state.now);
    state.accept(stored(one, now)).await;
    assert_eq!(state.refuse(delete()).await.code(), "in_use");
}

#[tokio::test]
async fn one_request_serves_all_who_ask_and_a_late_failure_takes_nothing_back() {
    let mut state = three().await;
    let ask = |number| RequestStateSnapshot {
        snapshot: snapshot(number),
        repository: name("eu"),
    };
    assert_eq!(state.accept(ask(4)).await, snapshot(4));
    assert_eq!(state.accept(ask(5)).await, snapshot(4));
    let now = state.now;
    state.accept(stored(4, now)).await;
    let failed = RecordStateSnapshot {
        outcome: StateSnapshotOutcome::Failed(failure()),
        ..stored(4, now)
    };
    state.accept(failed).await;
    let view = query::state_snapshot(&state.conn, snapshot(4))
        .await
        .unwrap();
    assert_eq!(view.unwrap().state, StateSnapshotState::Available);
    // That it is gone is another matter.
    let missing = RecordStateSnapshot {
        outcome: StateSnapshotOutcome::Missing(failure()),
        ..stored(4, now)
    };
    state.accept(missing).await;
    let view = query::state_snapshot(&state.conn, snapshot(4))
        .await
        .unwrap();
    assert_eq!(view.unwrap().failure, Some(failure()));
}

/// I-06: the newest that can be restored from is never condemned, nothing is
/// forgotten that was not condemned, and what is condemned never comes back.
#[tokio::test]
async fn the_newest_snapshot_is_never_condemned() {
    let mut state = three().await;
    for numbers in [&[3][..], &[1, 2, 3], &[1, 3]] {
        let refused = state.refuse(condemn(numbers)).await;
        assert!(matches!(refused, Refusal::Invalid { .. }), "{refused}");
    }
    assert_eq!(state.accept(condemn(&[1])).await, 1);
    assert_eq!(state.accept(condemn(&[1, 2])).await, 1);
    // The newest there is, not the newest row: a failed one restores nothing.
    let now = state.now;
    let failed = RecordStateSnapshot {
        outcome: StateSnapshotOutcome::Failed(failure()),
        ..stored(4, now)
    };
    state.accept(failed).await;
    assert_eq!(state.refuse(condemn(&[3])).await.code(), "invalid");
    assert_eq!(state.accept(condemn(&[4])).await, 1);
    // A listing that was made before they were deleted.
    state.accept(stored(1, now)).await;
    let forget = |numbers: &[u128]| ForgetStateSnapshots {
        snapshots: numbers.iter().copied().map(snapshot).collect(),
    };
    assert_eq!(state.accept(forget(&[1, 2, 3, 4])).await, 3);
    let left = [(snapshot(3), StateSnapshotState::Available)];
    assert_eq!(states(&state).await, left);
}

/// A backup that runs, a backup and a restore that wait, a duty, tokens.
async fn busy() -> TestState {
    let mut state = raised(TestState::protecting().await).await;
    let token = join_token(77, &state);
    state.accept(token).await;
    state.accept(duty(1, 50)).await;
    for number in [1, 2] {
        state.accept(backup_job(number)).await;
    }
    let restore = CreateJob {
        kind: JobKind::Restore,
        ..backup_job(3)
    };
    state.accept(restore).await;
    let lease = state.accept(lease(1, 1, 60)).await;
    let generation = lease.generation;
    let job = job_id(1);
    state.accept(StartJob { job, generation }).await;
    let (number, generation) = (1, generation.0);
    state.accept(backup_started(number, generation, 1)).await;
    state
}

/// I-04, I-14: a state that went back in time gives no generation again that
/// was given since, leaves nothing running, and lets nothing be used twice.
#[tokio::test]
async fn a_restored_state_acts_on_nothing_it_cannot_know() {
    let mut state = busy().await;
    let now = state.now;
    let own = RequestStateSnapshot {
        snapshot: snapshot(1),
        repository: name("eu"),
    };
    state.accept(own).await;
    let refused = state.refuse(restored(1)).await;
    assert_eq!(refused.code(), "invalid");
    let floor = 1_000_000;
    let given = RestoreState {
        node: 1,
        ..restored(floor)
    };
    assert_eq!(state.refuse(given).await.code(), "already_exists");
    assert_eq!(state.accept(restored(floor)).await, 2);
    let of = async |number| {
        let job = query::job(&state.conn, job_id(number)).await.unwrap();
        job.unwrap()
    };
    let running = of(1).await;
    assert_eq!(running.state, JobState::Failed);
    assert_eq!(running.failure.unwrap().code, "state_restored");
    assert_eq!(of(2).await.state, JobState::Queued);
    assert_eq!(of(3).await.state, JobState::Failed);
    let dump = state.dump().await;
    for gone in ["join_tokens", "node_tokens", "sessions"] {
        assert!(table(&dump, gone).is_empty(), "{gone}");
    }
    assert!(
        table(&dump, "backups")
            .iter()
            .all(|row| !row.contains("'running'"))
    );
    let nodes = query::nodes(&state.conn).await.unwrap();
    let nodes: Vec<_> = nodes.iter().map(|node| (node.id, node.state)).collect();
    assert_eq!(nodes, [(1, NodeState::Removed), (9, NodeState::Member)]);
    let group = query::group(&state.conn).await.unwrap();
    assert_eq!(group, Some(restored(floor).group));
    // The snapshot itself could not say that it is complete.
    let view = query::state_snapshot(&state.conn, snapshot(1))
        .await
        .unwrap();
    assert_eq!(view.unwrap().state, StateSnapshotState::Available);
    assert!(state.now >= now);

    // Every generation from now on is above what the lost time can have given.
    let leased = state.accept(lease(2, 1, 61)).await;
    assert!(leased.generation > Generation(floor));
    let again = PlaceDuty {
        assignment: assignment_id(51),
        agent: agent_id(1),
        ..duty(1, 50)
    };
    // It is where it was, under its own id: else its agent would drop the slot.
    let placed = state.accept(again).await;
    assert_eq!(placed.assignment, assignment_id(50));
    assert!(placed.generation > Generation(floor));
    // Repeated, it changes nothing.
    assert_eq!(state.accept(restored(floor)).await, 0);
    let nodes = query::nodes(&state.conn).await.unwrap();
    assert_eq!(nodes.len(), 2);
}
