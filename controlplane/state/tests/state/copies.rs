//! Copies: what is in another repository counts there, and nowhere else.

use holdfast_state::command::{
    BeginDeletion, Condemn, CondemnBackups, CondemnOrphans, CondemnedBy, CopiedBy, CreateJob,
    Deletable, EndDeletion, FrontierCheckpoint, LoseBackup, PlacedDuty, RaiseLevel, RecordBackup,
    RecordCopy, Verdict,
};
use holdfast_state::query::{self, Deletion};
use holdfast_state::{Refusal, schema};
use holdfast_types::resource::Kind;
use holdfast_types::{BackupState, Failure, Frontier, Generation, JobKind, Lsn, Name};
use jiff::SignedDuration;
use serde_json::json;

use crate::fixture::{
    apply, assignment_id, backup_id, committed, document, duty, job_id, lease, lineage, name,
    repository, timeline, wal,
};
use crate::harness::TestState;

const GRACE: u64 = 3_600_000;
const HOURS: SignedDuration = SignedDuration::from_hours(2);

/// Backups 1 and 2 of `orders` in `eu`, and a repository `us` for copies.
async fn with_backups() -> TestState {
    let mut state = TestState::protecting().await;
    let level = schema::NEWEST;
    state.accept(RaiseLevel { level }).await;
    state.accept(apply([repository("us")])).await;
    for number in [1u128, 2] {
        let commit = committed(number, number, &[(100, 200)]);
        state.accept(RecordBackup { commit }).await;
    }
    state
}

fn copy_job(number: u128) -> CreateJob {
    CreateJob {
        job: job_id(number),
        kind: JobKind::Copy,
        cluster: name("orders"),
        repository: name("us"),
        agent: None,
        spec: json!({}),
        attempts_max: 2,
    }
}

/// A copy job in an agent's hands.
async fn copying(state: &mut TestState, number: u128) -> CopiedBy {
    state.accept(copy_job(number)).await;
    let lease = state.accept(lease(number, 1, number)).await;
    CopiedBy::Job {
        job: job_id(number),
        generation: lease.generation,
    }
}

fn copied(by: CopiedBy, backups: &[u128], held: &[(u64, u64)]) -> RecordCopy {
    RecordCopy {
        stretches: Vec::new(),
        by,
        cluster: name("orders"),
        repository: name("us"),
        lineage: lineage(),
        backups: backups.iter().map(|backup| backup_id(*backup)).collect(),
        timelines: vec![wal(held)],
        frontier: None,
    }
}

async fn places(state: &TestState, backup: u128) -> (BackupState, Vec<Name>) {
    let found = query::backup(&state.conn, backup_id(backup)).await;
    let found = found.unwrap().unwrap();
    (found.state, found.repositories)
}

fn condemn(backup: u128) -> CondemnBackups {
    CondemnBackups {
        backups: vec![Condemn {
            backup: backup_id(backup),
            reason: "by hand".to_owned(),
        }],
        by: CondemnedBy::Hand,
        grace_millis: GRACE,
    }
}

fn begin(repository: &str) -> BeginDeletion {
    BeginDeletion {
        repository: name(repository),
        cluster: name("orders"),
        lineage: lineage(),
        backups: vec![backup_id(1)],
        wal: Vec::new(),
    }
}

fn end(repository: &str) -> EndDeletion {
    EndDeletion {
        repository: name(repository),
        cluster: name("orders"),
        lineage: lineage(),
        backups: vec![backup_id(1)],
        wal: Vec::new(),
    }
}

fn lost(backup: u128, repository: &str) -> LoseBackup {
    LoseBackup {
        backup: backup_id(backup),
        repository: name(repository),
        reason: Failure::permanent("backup_missing", "it is gone", "look for it"),
    }
}

#[tokio::test]
async fn a_copy_counts_once_its_wal_is_there() {
    let mut state = with_backups().await;
    let by = copying(&mut state, 7).await;
    // I-05: as with the original.
    let short = copied(by.clone(), &[1], &[(100, 150)]);
    assert_eq!(state.refuse(short).await.code(), "wal_missing");
    assert_eq!(places(&state, 1).await.1, [name("eu")]);
    let whole = copied(by.clone(), &[1], &[(100, 300)]);
    state.accept(whole.clone()).await;
    assert!(state.woke("task Copies"), "the next one");
    let both = (BackupState::Available, vec![name("eu"), name("us")]);
    assert_eq!(places(&state, 1).await, both);
    // Its WAL is that of the copy, and not of the original.
    let known = query::wal_of_cluster(&state.conn, &name("orders")).await;
    let ends = known.unwrap().into_iter().map(|wal| {
        let last = wal.coverage.ranges().last().map(|last| last.to_lsn.get());
        (wal.repository, last)
    });
    let ends: Vec<_> = ends.collect();
    assert_eq!(ends, [(name("eu"), Some(200)), (name("us"), Some(300))]);
    state.accept(whole).await;
    assert_eq!(
        places(&state, 1).await,
        both,
        "saying it again changes nothing"
    );
    // Nobody else may say so (I-04).
    let stranger = CopiedBy::Job {
        job: job_id(7),
        generation: Generation(9),
    };
    let refused = state.refuse(copied(stranger, &[2], &[(100, 300)])).await;
    assert_eq!(refused.code(), "stale_generation");
    let unknown = copied(by, &[9], &[(100, 300)]);
    assert_eq!(state.refuse(unknown).await.code(), "not_found");
}

#[tokio::test]
async fn a_copy_has_a_frontier_of_its_own() {
    let (mut state, PlacedDuty { generation, .. }) = {
        let mut state = with_backups().await;
        let placed = state.accept(duty(1, 1)).await;
        (state, placed)
    };
    let by = |repository: &str| CopiedBy::Duty {
        assignment: assignment_id(1),
        generation,
        repository: name(repository),
    };
    let frontier = FrontierCheckpoint {
        timeline: timeline(1),
        frontier: Frontier {
            time: "2026-02-03T02:45:00Z".parse().unwrap(),
            lsn: Lsn::new(400),
        },
    };
    let shipped = |by| RecordCopy {
        frontier: Some(frontier),
        ..copied(by, &[], &[(300, 400)])
    };
    state.accept(shipped(by("eu"))).await;
    let frontiers = query::frontiers_of(&state.conn, &name("orders")).await;
    let frontiers = frontiers.unwrap();
    assert_eq!(frontiers.len(), 1);
    assert_eq!(frontiers[0].repository, name("us"));
    assert_eq!(frontiers[0].frontier, frontier.frontier);
    let nobody = state.refuse(shipped(by("us"))).await;
    assert_eq!(nobody.code(), "not_found", "no duty stores into the copy");
}

#[tokio::test]
async fn what_is_condemned_while_it_is_copied_goes_from_the_copy_too() {
    let mut state = with_backups().await;
    let by = copying(&mut state, 7).await;
    state.accept(condemn(1)).await;
    state.accept(copied(by, &[1], &[(100, 200)])).await;
    // I-06: nobody gets it back by having copied it.
    assert_eq!(places(&state, 1).await.0, BackupState::Condemned);
    let (cluster, us) = (name("orders"), name("us"));
    let condemned = query::condemned_in(&state.conn, &cluster, &us, lineage()).await;
    let condemned = condemned.unwrap();
    assert_eq!(condemned.len(), 1);
    assert_eq!(condemned[0].state, Deletion::Condemned);
}

#[tokio::test]
async fn a_copy_that_lags_behind_keeps_its_last_backup() {
    let mut state = with_backups().await;
    let by = copying(&mut state, 7).await;
    state.accept(copied(by.clone(), &[1], &[(100, 200)])).await;
    let Refusal::LastBackup { repository, .. } = state.refuse(condemn(1)).await else {
        panic!("it is the last one in the copy");
    };
    assert_eq!(repository, name("us"));
    state.accept(copied(by, &[2], &[(100, 200)])).await;
    let verdicts = state.accept(condemn(1)).await;
    assert!(matches!(verdicts[..], [Verdict::Condemned(_)]));
}

/// What a copy reads is there until it has ended.
#[tokio::test]
async fn nothing_is_deleted_while_it_is_copied() {
    let mut state = with_backups().await;
    state.accept(condemn(1)).await;
    state.accept(copy_job(7)).await;
    state.pass(HOURS);
    let begin = begin("eu");
    let given = state.accept(lease(7, 1, 7)).await;
    assert_eq!(state.accept(begin.clone()).await, Deletable::default());
    let cancel = holdfast_state::command::FinishJob {
        job: job_id(7),
        generation: given.generation,
        outcome: holdfast_state::command::JobOutcome::Cancelled,
        log: Vec::new(),
    };
    state.accept(cancel).await;
    // One that only waits holds nothing up.
    state.accept(copy_job(8)).await;
    assert_eq!(state.accept(begin).await.backups, [backup_id(1)]);
}

#[tokio::test]
async fn what_is_lost_in_one_place_is_available_in_the_other() {
    let mut state = with_backups().await;
    let by = copying(&mut state, 7).await;
    state
        .accept(copied(by.clone(), &[1, 2], &[(100, 200)]))
        .await;
    assert!(state.accept(lost(1, "us")).await);
    let at_home = (BackupState::Available, vec![name("eu")]);
    assert_eq!(places(&state, 1).await, at_home);
    assert!(state.woke("task Copies"), "it is copied again");
    assert!(state.accept(lost(2, "eu")).await);
    let away = (BackupState::Available, vec![name("us")]);
    assert_eq!(places(&state, 2).await, away);
    // The last one fails as it always did, wherever it is.
    for (backup, repository) in [(2, "us"), (1, "eu")] {
        assert!(state.accept(lost(backup, repository)).await);
        assert_eq!(places(&state, backup).await.0, BackupState::Failed);
    }
}

#[tokio::test]
async fn a_copy_that_a_scan_finds_is_taken_in() {
    let mut state = with_backups().await;
    let mut commit = committed(1, 1, &[(100, 200)]);
    commit.backup.repository = name("us");
    state.accept(RecordBackup { commit }).await;
    let both = (BackupState::Available, vec![name("eu"), name("us")]);
    assert_eq!(places(&state, 1).await, both);
}

/// An incremental was copied with packs of the full backup it builds on, which itself
/// never was.
#[tokio::test]
async fn what_was_copied_of_a_deleted_backup_is_an_orphan() {
    let mut state = with_backups().await;
    let in_copy = CondemnOrphans {
        repository: name("us"),
        cluster: name("orders"),
        lineage: lineage(),
        attempts: vec![backup_id(1)],
        grace_millis: GRACE,
    };
    assert_eq!(state.accept(in_copy.clone()).await, [], "it is available");
    state.accept(condemn(1)).await;
    assert_eq!(
        state.accept(in_copy.clone()).await,
        [],
        "it is not gone yet"
    );
    state.pass(HOURS);
    state.accept(begin("eu")).await;
    state.accept(end("eu")).await;
    assert_eq!(places(&state, 1).await.0, BackupState::Deleted);

    assert_eq!(state.accept(in_copy.clone()).await, [backup_id(1)]);
    assert_eq!(state.accept(in_copy).await, [], "once");
    state.pass(HOURS);
    let began = state.accept(begin("us")).await;
    assert_eq!(began.backups, [backup_id(1)]);
    assert_eq!(state.accept(end("us")).await, 1);
    assert_eq!(places(&state, 1).await.0, BackupState::Deleted);
}

#[tokio::test]
async fn policies_name_copies_from_their_level_on() {
    let mut state = TestState::protecting().await;
    state.accept(apply([repository("us")])).await;
    let with = |copies| {
        let spec = json!({"selector": {"tier": "gold"}, "repository": "eu", "copies": copies});
        apply([document("Policy", json!({"name": "gold"}), spec)])
    };
    let one = with(json!([{"repository": "us", "within": "15m"}]));
    let early = state.refuse(one.clone()).await;
    assert_eq!(early.code(), "level_too_low");
    assert_eq!(state.refuse(copy_job(7)).await.code(), "level_too_low");
    let level = schema::COPIES;
    state.accept(RaiseLevel { level }).await;
    let nowhere = state.refuse(with(json!([{"repository": "mars"}]))).await;
    assert_eq!(nowhere.field(), Some("spec.copies[0].repository"));
    state.accept(one).await;
    assert!(state.woke("task Copies"));
    let used = holdfast_state::command::DeleteResource {
        kind: Kind::Repository,
        name: name("us"),
        expected: None,
    };
    assert_eq!(state.refuse(used).await.code(), "in_use");
}
