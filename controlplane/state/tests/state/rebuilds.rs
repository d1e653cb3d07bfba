//! A catalog made anew from repositories, and WAL that is found or lost.

use holdfast_state::command::{
    FoundWal, FoundWalOutcome, RaiseLevel, RebuildCatalog, RebuiltFrom, RecordBackup,
    RecordFoundWal, RecordWal,
};
use holdfast_state::query::{self, ResourceFilter, TimelineView};
use holdfast_state::{WAL_LOST, schema};
use holdfast_types::Generation;
use holdfast_types::resource::Kind;
use serde_json::json;

use crate::fixture::{
    apply, assignment_id, backup_job, bootstrap, cluster, committed, duty, enroll, join_token,
    lease, lineage, name, range, repository, timeline, wal,
};
use crate::harness::TestState;

pub(crate) fn rebuild() -> RebuildCatalog {
    RebuildCatalog {
        repositories: vec![RebuiltFrom {
            name: name("eu"),
            identity: "rep_000000000000000000000000000000ab".parse().unwrap(),
            url: "s3://bucket/eu".to_owned(),
        }],
        clusters: vec![name("billing"), name("orders")],
        generation_floor: 1_000_000,
        by: "ann@cp1".to_owned(),
    }
}

pub(crate) fn found_wal(found: &[(u64, u64)], lost: &[(u64, u64)]) -> RecordFoundWal {
    let ranges = |of: &[(u64, u64)]| of.iter().map(|(from, to)| range(*from, *to)).collect();
    RecordFoundWal {
        cluster: name("orders"),
        repository: name("eu"),
        lineage: lineage(),
        timelines: vec![FoundWal {
            timeline: timeline(1),
            found: ranges(found),
            lost: ranges(lost),
        }],
    }
}

async fn founded() -> TestState {
    let mut state = TestState::new().await;
    state.accept(bootstrap()).await;
    let level = schema::NEWEST;
    state.accept(RaiseLevel { level }).await;
    state.accept(apply([repository("eu")])).await;
    state
}

/// What the repositories name is there, nothing about it is invented, and who
/// declares it goes on with it.
#[tokio::test]
async fn clusters_of_a_rebuilt_catalog_are_there_and_undeclared() {
    let mut state = founded().await;
    assert_eq!(state.accept(rebuild()).await, 2);
    assert_eq!(state.accept(rebuild()).await, 0, "repeating it is fine");
    let page = query::PageRequest::longest();
    let listed = async |state: &TestState, retired| {
        let filter = ResourceFilter {
            retired,
            ..ResourceFilter::default()
        };
        let found = query::resources(&state.conn, Kind::Cluster, &filter, &page).await;
        found.unwrap().items
    };
    assert_eq!(listed(&state, false).await.len(), 0);
    let all = listed(&state, true).await;
    assert_eq!(all.len(), 2);
    assert!(all.iter().all(|one| one.retired_at.is_some()));
    // Backups go to it before anybody has declared it.
    let commit = committed(1, 1, &[(50, 300)]);
    state.accept(RecordBackup { commit }).await;
    let token = join_token(1, &state);
    state.accept(token).await;
    state.accept(enroll(1, 1, "db1")).await;
    let refused = state.refuse(rebuild()).await;
    assert_eq!(refused.code(), "already_bootstrapped");
    let declared = cluster("orders", "db1", json!({"tier": "gold"}));
    state.accept(apply([declared])).await;
    assert_eq!(listed(&state, false).await.len(), 1);
    let backups = query::available_backups(&state.conn, &name("orders")).await;
    assert_eq!(backups.unwrap().len(), 1);
}

/// I-04, I-14: an agent of the lost control plane may still run under a
/// generation that it was given.
#[tokio::test]
async fn generations_of_the_lost_control_plane_are_not_given_again() {
    let mut state = founded().await;
    state.accept(rebuild()).await;
    let token = join_token(1, &state);
    state.accept(token).await;
    state.accept(enroll(1, 1, "db1")).await;
    state
        .accept(apply([cluster("orders", "db1", json!({}))]))
        .await;
    state.accept(backup_job(1)).await;
    let lease = state.accept(lease(1, 1, 1)).await;
    assert_eq!(lease.generation, Generation(1_000_001));
    let duty = state.accept(duty(1, 9)).await;
    assert_eq!(duty.generation, Generation(1_000_001));
}

async fn wal_of(state: &TestState) -> TimelineView {
    let wal = query::wal_of_cluster(&state.conn, &name("orders")).await;
    wal.unwrap().pop().unwrap()
}

async fn receiving() -> (TestState, RecordWal) {
    let (mut state, placed) = TestState::receiving().await;
    let level = schema::NEWEST;
    state.accept(RaiseLevel { level }).await;
    let report = RecordWal {
        stretches: Vec::new(),
        assignment: assignment_id(1),
        generation: placed.generation,
        cluster: name("orders"),
        repository: name("eu"),
        lineage: lineage(),
        timelines: vec![wal(&[(100, 500)])],
        frontier: None,
    };
    state.accept(report.clone()).await;
    (state, report)
}

/// I-05, I-13: what the repository does not hold counts no longer, whatever its
/// receiver remembers, and counts again once it is found.
#[tokio::test]
async fn lost_wal_counts_no_longer_until_it_is_found() {
    let (mut state, report) = receiving().await;
    let outcome = state.accept(found_wal(&[], &[(200, 300)])).await;
    let expected = FoundWalOutcome {
        added_bytes: 0,
        lost_bytes: 100,
    };
    assert_eq!(outcome, expected);
    let there = async |state: &TestState| wal_of(state).await.coverage.ranges().to_vec();
    let cut = [range(100, 200), range(300, 500)];
    assert_eq!(there(&state).await, cut);
    let lost = wal_of(&state).await.gaps;
    assert_eq!(lost.len(), 1);
    assert!(lost[0].is_lost() && lost[0].range == range(200, 300));
    assert_eq!(lost[0].reason, WAL_LOST);

    state.accept(report).await;
    assert_eq!(
        there(&state).await,
        cut,
        "its receiver does not bring it back"
    );

    // Part of it is found: the rest stays lost.
    let outcome = state.accept(found_wal(&[(200, 260)], &[])).await;
    assert_eq!(outcome.added_bytes, 60);
    assert_eq!(there(&state).await, [range(100, 260), range(300, 500)]);
    let lost = wal_of(&state).await.gaps;
    assert_eq!(lost.len(), 1);
    assert_eq!(lost[0].range, range(260, 300));
    state.accept(found_wal(&[(260, 300)], &[])).await;
    assert_eq!(there(&state).await, [range(100, 500)]);
    assert_eq!(wal_of(&state).await.gaps, []);
}

#[tokio::test]
async fn what_was_never_there_cannot_be_lost() {
    let (mut state, _) = receiving().await;
    let outcome = state.accept(found_wal(&[], &[(400, 700)])).await;
    assert_eq!(outcome.lost_bytes, 100);
    let lost = wal_of(&state).await.gaps;
    assert_eq!(lost[0].range, range(400, 500));
    let again = state.accept(found_wal(&[], &[(400, 700)])).await;
    assert_eq!(again, FoundWalOutcome::default());
    assert_eq!(wal_of(&state).await.gaps, lost);
}

#[tokio::test]
async fn wal_of_nothing_declared_is_refused() {
    let mut state = founded().await;
    let refused = state.refuse(found_wal(&[(1, 9)], &[])).await;
    assert_eq!(refused.code(), "not_found");
    state.accept(rebuild()).await;
    let outcome = state.accept(found_wal(&[(1, 9)], &[])).await;
    assert_eq!(outcome.added_bytes, 8);
    let with_wal = query::clusters_with_wal(&state.conn, &name("eu")).await;
    assert_eq!(with_wal.unwrap(), [name("orders")]);
    let empty = state.refuse(found_wal(&[], &[]).with_empty_range()).await;
    assert_eq!(empty.code(), "invalid");
}

trait Empty {
    fn with_empty_range(self) -> Self;
}

impl Empty for RecordFoundWal {
    fn with_empty_range(mut self) -> Self {
        let mut nothing = range(1, 2);
        nothing.to_lsn = nothing.from_lsn;
        self.timelines[0].found = vec![nothing];
        self
    }
}
