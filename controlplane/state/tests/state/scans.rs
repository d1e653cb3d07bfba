//! Comparing the catalog with repositories.

use holdfast_state::command::{
    Finding, LoseBackup, RaiseLevel, RecordBackup, RecordScan, RequestScans, ScanOutcome,
};
use holdfast_state::query::{self, FindingKind};
use holdfast_state::schema;
use holdfast_types::{BackupState, Failure};
use jiff::SignedDuration;

use crate::fixture::{backup_id, committed, name};
use crate::harness::TestState;

pub(crate) fn finding(kind: FindingKind, number: u128) -> Finding {
    Finding {
        kind,
        subject: format!("backups/{}", backup_id(number)),
        cluster: Some(name("orders")),
        detail: "its mark is not there".to_owned(),
    }
}

pub(crate) fn complete(findings: Vec<Finding>) -> RecordScan {
    RecordScan {
        repository: name("eu"),
        outcome: ScanOutcome::Complete {
            backups: 4,
            adopted: 1,
            findings,
        },
    }
}

pub(crate) fn lost(number: u128) -> LoseBackup {
    LoseBackup {
        backup: backup_id(number),
        repository: name("eu"),
        reason: Failure::permanent("backup_missing", "it is gone", "find out who deleted it"),
    }
}

async fn protecting() -> TestState {
    let mut state = TestState::protecting().await;
    let level = schema::NEWEST;
    state.accept(RaiseLevel { level }).await;
    state
}

/// What is found again keeps its first time; a failed look takes nothing back.
#[tokio::test]
async fn findings_stand_until_a_whole_look_does_not_find_them() {
    use FindingKind::{Different, Missing};
    let mut state = protecting().await;
    let ask = RequestScans { repository: None };
    assert_eq!(state.accept(ask).await, [name("eu")]);
    let one = RequestScans {
        repository: Some(name("us")),
    };
    assert_eq!(state.refuse(one).await.code(), "not_found");
    let scan = query::scan(&state.conn, &name("eu"))
        .await
        .unwrap()
        .unwrap();
    assert!(scan.requested_at.is_some() && scan.scanned_at.is_none());
    let first = state.now;
    let both = vec![finding(Missing, 1), finding(Different, 2)];
    assert_eq!(state.accept(complete(both)).await, 2);
    state.pass(SignedDuration::from_hours(6));
    let failed = RecordScan {
        outcome: ScanOutcome::Failed(lost(1).reason),
        ..complete(vec![])
    };
    state.accept(failed).await;
    let scan = query::scan(&state.conn, &name("eu"))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(scan.scanned_at, Some(first));
    assert!(scan.failure.is_some() && scan.requested_at.is_none());
    let found = query::findings(&state.conn, &name("eu")).await.unwrap();
    assert_eq!(found.len(), 2);
    state.accept(complete(vec![finding(Missing, 1)])).await;
    let found = query::findings(&state.conn, &name("eu")).await.unwrap();
    let seen: Vec<_> = found
        .iter()
        .map(|one| (one.first_seen, one.last_seen))
        .collect();
    assert_eq!(seen, [(first, state.now)]);
}

/// I-05: a backup whose mark is gone counts no longer, and counts again when
/// its mark is found.
#[tokio::test]
async fn a_backup_without_its_mark_counts_no_longer() {
    let mut state = protecting().await;
    let record = || RecordBackup {
        commit: committed(1, 1, &[(50, 300)]),
    };
    state.accept(record()).await;
    let row = async |state: &TestState| {
        let row = query::backup(&state.conn, backup_id(1)).await.unwrap();
        row.unwrap()
    };
    let before = row(&state).await;
    assert_eq!(before.state, BackupState::Available);
    assert!(state.accept(lost(1)).await);
    assert!(!state.accept(lost(1)).await);
    let gone = row(&state).await;
    assert_eq!(gone.state, BackupState::Failed);
    assert_eq!(gone.failure, Some(lost(1).reason));
    let available = query::available_backups(&state.conn, &name("orders")).await;
    assert!(available.unwrap().is_empty());
    state.accept(record()).await;
    let again = row(&state).await;
    assert_eq!(again.state, BackupState::Available);
    assert_eq!(again.failure, None);
}
