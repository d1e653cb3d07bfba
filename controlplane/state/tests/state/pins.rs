//! Pins: what may be built on is kept, nothing else is, and a pin is never
//! shortened (I-06).

use holdfast_state::command::{
    LoseBackup, Pin, PinBackups, Pinned, PruneExpired, RaiseLevel, RecordBackup,
};
use holdfast_state::query;
use holdfast_state::{PinHolder, Refusal, schema};
use holdfast_types::{BackupKind, Failure, Lineage};
use jiff::{SignedDuration, Timestamp};

use crate::fixture::{assignment_id, backup_id, committed, name};
use crate::harness::TestState;

/// A pin of backup `backup` for assignment `holder`.
pub(crate) fn pin(holder: u128, backup: u128, until: Timestamp) -> Pin {
    Pin {
        holder: PinHolder::Assignment(assignment_id(holder)),
        backup: backup_id(backup),
        until,
    }
}

pub(crate) fn pins(pins: Vec<Pin>) -> PinBackups {
    PinBackups { pins }
}

/// A control plane that knows backups 1 and 2 of `orders`, the second newer.
async fn with_backups() -> TestState {
    let mut state = TestState::protecting().await;
    let level = schema::NEWEST;
    state.accept(RaiseLevel { level }).await;
    for number in [1, 2] {
        let mut commit = committed(number, number, &[(90, 250)]);
        let later = SignedDuration::from_mins(i64::try_from(number).unwrap());
        commit.backup.started_at += later;
        state.accept(RecordBackup { commit }).await;
    }
    state
}

fn days(state: &TestState, days: i64) -> Timestamp {
    state.now + SignedDuration::from_hours(24 * days)
}

fn holder(number: u128) -> PinHolder {
    PinHolder::Assignment(assignment_id(number))
}

async fn parent(state: &TestState, holder: &PinHolder) -> Option<query::ParentView> {
    query::pinned_parent(&state.conn, holder).await.unwrap()
}

fn refused(pinned: &[Pinned]) -> Vec<&'static str> {
    let code = |pinned: &Pinned| match pinned {
        Pinned::Until(_) => "",
        Pinned::Refused(refusal) => refusal.code(),
    };
    pinned.iter().map(code).collect()
}

#[tokio::test]
async fn below_level_10_nothing_is_pinned_and_nothing_has_a_parent() {
    let mut state = TestState::protecting().await;
    state.accept(RaiseLevel { level: 9 }).await;
    let wanted = pins(vec![pin(1, 1, days(&state, 1))]);
    let (needed, current) = (10, 9);
    let refusal = Refusal::LevelTooLow { needed, current };
    assert_eq!(state.refuse(wanted).await, refusal);
    assert_eq!(parent(&state, &holder(1)).await, None);
    let until = query::pinned_until(&state.conn, backup_id(1)).await;
    assert_eq!(until.unwrap(), None);
}

#[tokio::test]
async fn each_holder_has_its_parent_and_the_last_one_counts() {
    let mut state = with_backups().await;
    let (week, day) = (days(&state, 7), days(&state, 1));
    let both = pins(vec![pin(1, 1, week), pin(2, 2, day)]);
    let given = state.accept(both).await;
    assert_eq!(given, [Pinned::Until(week), Pinned::Until(day)]);
    let first = parent(&state, &holder(1)).await.unwrap();
    assert_eq!((first.backup, first.until), (backup_id(1), Some(week)));
    assert_eq!(first.repository, name("eu"));
    assert_eq!(
        parent(&state, &holder(2)).await.unwrap().backup,
        backup_id(2)
    );
    assert_eq!(parent(&state, &holder(3)).await, None);
    // Another for the same holder: both are kept, the later one is built on.
    state.accept(pins(vec![pin(1, 2, week)])).await;
    assert_eq!(
        parent(&state, &holder(1)).await.unwrap().backup,
        backup_id(2)
    );
    for backup in [1, 2] {
        let until = query::pinned_until(&state.conn, backup_id(backup)).await;
        assert_eq!(until.unwrap(), Some(week));
    }
}

#[tokio::test]
async fn a_pin_is_renewed_and_never_shortened() {
    let mut state = with_backups().await;
    let (week, day, two) = (days(&state, 7), days(&state, 1), days(&state, 14));
    state.accept(pins(vec![pin(1, 1, week)])).await;
    assert_eq!(
        state.accept(pins(vec![pin(1, 1, day)])).await,
        [Pinned::Until(week)]
    );
    assert_eq!(
        state.accept(pins(vec![pin(1, 1, two)])).await,
        [Pinned::Until(two)]
    );
    let until = query::pinned_until(&state.conn, backup_id(1)).await;
    assert_eq!(until.unwrap(), Some(two));
}

#[tokio::test]
async fn only_what_is_restorable_is_pinned_and_only_for_a_time_to_come() {
    let mut state = with_backups().await;
    let lost = LoseBackup {
        backup: backup_id(2),
        repository: name("eu"),
        reason: Failure::permanent("backup_missing", "it is gone", "look"),
    };
    state.accept(lost).await;
    let week = days(&state, 7);
    let of_cluster = |cluster: &str| Pin {
        holder: PinHolder::Cluster(name(cluster)),
        ..pin(1, 1, week)
    };
    let many = vec![
        pin(1, 9, week),
        pin(1, 2, week),
        pin(1, 1, state.now),
        pin(1, 1, days(&state, 31)),
        of_cluster("shop"),
        of_cluster("orders"),
    ];
    let given = state.accept(pins(many)).await;
    assert_eq!(
        refused(&given),
        ["not_found", "invalid", "invalid", "invalid", "invalid", ""]
    );
    assert_eq!(parent(&state, &holder(1)).await, None, "nothing half done");
    let standing = parent(&state, &PinHolder::Cluster(name("orders"))).await;
    assert_eq!(standing.unwrap().backup, backup_id(1));
}

/// What was pinned and is lost is built on no more; its pin stands, for whoever
/// condemns.
#[tokio::test]
async fn a_parent_that_is_lost_is_none() {
    let mut state = with_backups().await;
    let week = days(&state, 7);
    state.accept(pins(vec![pin(1, 2, week)])).await;
    let lost = LoseBackup {
        backup: backup_id(2),
        repository: name("eu"),
        reason: Failure::permanent("backup_missing", "it is gone", "look"),
    };
    state.accept(lost).await;
    assert_eq!(parent(&state, &holder(1)).await, None);
    let until = query::pinned_until(&state.conn, backup_id(2)).await;
    assert_eq!(until.unwrap(), Some(week));
}

#[tokio::test]
async fn pins_are_forgotten_when_their_time_is_over_and_not_before() {
    let mut state = with_backups().await;
    let week = days(&state, 7);
    state.accept(pins(vec![pin(1, 1, week)])).await;
    state.pass(SignedDuration::from_hours(7 * 24 - 1));
    state.accept(PruneExpired {}).await;
    assert!(parent(&state, &holder(1)).await.is_some());
    state.pass(SignedDuration::from_hours(2));
    state.accept(PruneExpired {}).await;
    assert_eq!(parent(&state, &holder(1)).await, None);
}

#[tokio::test]
async fn the_newest_of_the_same_files_is_the_parent() {
    let mut state = with_backups().await;
    let (orders, eu) = (name("orders"), name("eu"));
    let lineage = crate::fixture::lineage();
    let other = Lineage {
        incarnation: 2,
        ..lineage
    };
    let mut dump = committed(3, 3, &[(90, 250)]);
    dump.backup.kind = BackupKind::Logical;
    dump.backup.started_at += SignedDuration::from_mins(30);
    let mut of_other = committed(4, 4, &[(90, 250)]);
    of_other.backup.lineage = other;
    of_other.backup.started_at += SignedDuration::from_mins(40);
    for commit in [dump, of_other] {
        state.accept(RecordBackup { commit }).await;
    }
    let newest = async |lineage| {
        let found = query::newest_parent(&state.conn, &orders, &eu, lineage).await;
        found.unwrap().map(|parent| parent.backup)
    };
    assert_eq!(newest(Some(lineage)).await, Some(backup_id(2)));
    assert_eq!(newest(Some(other)).await, Some(backup_id(4)));
    let elsewhere = query::newest_parent(&state.conn, &orders, &name("us"), None).await;
    assert_eq!(elsewhere.unwrap(), None);
}
