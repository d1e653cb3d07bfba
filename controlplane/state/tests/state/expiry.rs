//! Expiry: what is held, pinned or the last stays, and what is condemned never
//! comes back (I-06).

use holdfast_state::command::{
    Basis, BeginDeletion, Condemn, CondemnBackups, CondemnOrphans, CondemnWal, CondemnedBy,
    Deletable, DeletableWal, EndDeletion, HoldBackup, LoseBackup, PinBackups, RaiseLevel,
    RecordBackup, RecordFoundWal, ReleaseBackup, Verdict,
};
use holdfast_state::query::{self, Deletion, PageRequest};
use holdfast_state::{Refusal, schema};
use holdfast_types::{BackupKind, BackupState, Failure, JobKind, Lsn, LsnRange, Revision};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use crate::fixture::{
    apply, backup_id, backup_job, backup_started, committed, job_id, lease, lineage, name, policy,
    range, timeline,
};
use crate::harness::TestState;
use crate::pins::pin;
use crate::state_snapshots::restored;

const DAY: SignedDuration = SignedDuration::from_hours(24);
const GRACE: u64 = 24 * 3600 * 1000;

/// A control plane that knows backups 1, 2 and 3 of `orders`, each with its WAL.
async fn with_backups() -> TestState {
    let mut state = TestState::protecting().await;
    let level = schema::NEWEST;
    state.accept(RaiseLevel { level }).await;
    for number in [1u64, 2, 3] {
        record(&mut state, number).await;
    }
    state
}

async fn record(state: &mut TestState, number: u64) {
    let base = number * 1000;
    let mut commit = committed(number.into(), number.into(), &[(base, base + 999)]);
    (commit.backup.start_lsn, commit.backup.stop_lsn) =
        (Lsn::new(base + 100), Lsn::new(base + 200));
    let later = SignedDuration::from_mins(i64::try_from(number).unwrap());
    commit.backup.started_at += later;
    commit.backup.finished_at += later;
    state.accept(RecordBackup { commit }).await;
}

fn condemning(backups: &[u128], by: CondemnedBy) -> CondemnBackups {
    let one = |backup: &u128| Condemn {
        backup: backup_id(*backup),
        reason: "no rule keeps it".to_owned(),
    };
    CondemnBackups {
        backups: backups.iter().map(one).collect(),
        by,
        grace_millis: GRACE,
    }
}

fn by_hand(backup: u128) -> CondemnBackups {
    condemning(&[backup], CondemnedBy::Hand)
}

fn basis(state: &TestState, kept: &[u128]) -> Basis {
    Basis {
        revision: Revision(state.index),
        kept: kept.iter().map(|backup| backup_id(*backup)).collect(),
    }
}

fn expire(state: &TestState, backups: &[u128], kept: &[u128]) -> CondemnBackups {
    condemning(backups, CondemnedBy::Retention(basis(state, kept)))
}

async fn state_of(state: &TestState, backup: u128) -> BackupState {
    let found = query::backup(&state.conn, backup_id(backup)).await;
    found.unwrap().unwrap().state
}

fn hold(backup: u128, until: Option<Timestamp>) -> HoldBackup {
    HoldBackup {
        backup: backup_id(backup),
        reason: "case 4711".to_owned(),
        until,
    }
}

fn begin(backups: &[u128], wal: &[(u64, u64)]) -> BeginDeletion {
    BeginDeletion {
        repository: name("eu"),
        cluster: name("orders"),
        lineage: lineage(),
        backups: backups.iter().map(|backup| backup_id(*backup)).collect(),
        wal: of_timeline(wal),
    }
}

fn end(backups: &[u128], wal: &[(u64, u64)]) -> EndDeletion {
    let BeginDeletion {
        repository,
        cluster,
        lineage,
        backups,
        wal,
    } = begin(backups, wal);
    EndDeletion {
        repository,
        cluster,
        lineage,
        backups,
        wal,
    }
}

fn of_timeline(ranges: &[(u64, u64)]) -> Vec<DeletableWal> {
    if ranges.is_empty() {
        return Vec::new();
    }
    vec![DeletableWal {
        timeline: timeline(1),
        ranges: ranges.iter().map(|(from, to)| range(*from, *to)).collect(),
    }]
}

fn condemn_wal(state: &TestState, ranges: &[(u64, u64)], kept: &[u128]) -> CondemnWal {
    CondemnWal {
        cluster: name("orders"),
        repository: name("eu"),
        lineage: lineage(),
        timelines: of_timeline(ranges),
        basis: basis(state, kept),
        grace_millis: GRACE,
    }
}

async fn held(state: &TestState) -> Vec<LsnRange> {
    let wal = query::wal_of_cluster(&state.conn, &name("orders"))
        .await
        .unwrap();
    wal[0].coverage.ranges().to_vec()
}

#[tokio::test]
async fn below_level_15_nothing_is_held_or_condemned() {
    let mut state = TestState::protecting().await;
    state.accept(RaiseLevel { level: 14 }).await;
    record(&mut state, 1).await;
    let refused = state.refuse(by_hand(1)).await;
    let (needed, current) = (15, 14);
    assert_eq!(refused, Refusal::LevelTooLow { needed, current });
    assert_eq!(state.refuse(hold(1, None)).await.code(), "level_too_low");
    let known = query::condemned_of(&state.conn, &[backup_id(1)]).await;
    assert!(known.unwrap().is_empty());
}

// Pitfall 32
#[tokio::test]
async fn what_is_held_is_not_condemned_until_it_is_released_or_its_end_is_over() {
    let mut state = with_backups().await;
    let until = state.now + DAY;
    state.accept(hold(1, None)).await;
    state.accept(hold(2, Some(until))).await;
    for backup in [1, 2] {
        assert_eq!(state.refuse(by_hand(backup)).await.code(), "backup_held");
    }
    let verdicts = state.accept(expire(&state, &[1, 2], &[3])).await;
    assert!(
        verdicts
            .iter()
            .all(|one| matches!(one, Verdict::Refused(Refusal::BackupHeld { .. }))),
        "{verdicts:?}"
    );
    assert!(
        state
            .accept(ReleaseBackup {
                backup: backup_id(1)
            })
            .await
    );
    assert!(
        !state
            .accept(ReleaseBackup {
                backup: backup_id(1)
            })
            .await
    );
    // What is held holds nothing else up.
    let verdicts = state.accept(expire(&state, &[2, 1], &[3])).await;
    assert!(matches!(
        verdicts.as_slice(),
        [
            Verdict::Refused(Refusal::BackupHeld { .. }),
            Verdict::Condemned(_)
        ]
    ));
    state.pass(DAY);
    let verdicts = state.accept(expire(&state, &[2], &[3])).await;
    assert_eq!(verdicts, [Verdict::Condemned(state.now + DAY)]);
    // What is condemned cannot be saved any more.
    assert_eq!(state.refuse(hold(1, None)).await.code(), "backup_condemned");
    let bad = hold(3, Some(state.now));
    assert_eq!(state.refuse(bad).await.field(), Some("until"));
    let silent = HoldBackup {
        reason: "  ".to_owned(),
        ..hold(3, None)
    };
    assert_eq!(state.refuse(silent).await.field(), Some("reason"));
}

// Pitfall 31
#[tokio::test]
async fn what_is_pinned_is_not_condemned_and_what_is_condemned_is_not_pinned() {
    let mut state = with_backups().await;
    let until = state.now + DAY;
    state
        .accept(PinBackups {
            pins: vec![pin(1, 1, until)],
        })
        .await;
    let backup = backup_id(1);
    assert_eq!(
        state.refuse(by_hand(1)).await,
        Refusal::BackupPinned { backup, until }
    );
    // The moment of its end counts: a mark may be under way.
    state.pass(DAY);
    assert_eq!(state.refuse(by_hand(1)).await.code(), "backup_pinned");
    state.pass(SignedDuration::from_micros(1));
    state.accept(by_hand(1)).await;
    let pinned = state
        .accept(PinBackups {
            pins: vec![pin(1, 1, state.now + DAY)],
        })
        .await;
    assert!(matches!(
        pinned[0],
        holdfast_state::command::Pinned::Refused(_)
    ));
}

#[tokio::test]
async fn the_last_of_its_kind_stays() {
    let mut state = with_backups().await;
    let mut dump = committed(4, 4, &[]);
    dump.backup.kind = BackupKind::Logical;
    dump.backup.stop_lsn = dump.backup.start_lsn;
    dump.wal.clear();
    state.accept(RecordBackup { commit: dump }).await;
    assert_eq!(state.refuse(by_hand(4)).await.code(), "last_backup");
    // In one command as well, whatever its order.
    let verdicts = state.accept(expire(&state, &[3, 1, 2], &[])).await;
    let refused: Vec<bool> = verdicts
        .iter()
        .map(|one| matches!(one, Verdict::Refused(Refusal::LastBackup { .. })))
        .collect();
    assert_eq!(refused, [false, false, true]);
    assert_eq!(state_of(&state, 2).await, BackupState::Available);
    assert_eq!(state.refuse(by_hand(2)).await.code(), "last_backup");
}

/// What was planned holds only while what it rests on does.
#[tokio::test]
async fn a_plan_that_is_stale_condemns_nothing() {
    let mut state = with_backups().await;
    let planned = expire(&state, &[1], &[2, 3]);
    let other = apply([policy("gold", json!({"tier": "gold"}), 1, "eu")]);
    state.accept(other).await;
    assert_eq!(state.refuse(planned).await.code(), "plan_stale");
    let wal = CondemnWal {
        basis: Basis {
            revision: Revision(1),
            kept: vec![],
        },
        ..condemn_wal(&state, &[(1000, 1050)], &[])
    };
    assert_eq!(state.refuse(wal).await.code(), "plan_stale");
    let planned = expire(&state, &[1], &[2, 3]);
    let lost = LoseBackup {
        backup: backup_id(3),
        repository: name("eu"),
        reason: Failure::permanent("backup_missing", "it is gone", "look"),
    };
    state.accept(lost).await;
    assert_eq!(state.refuse(planned).await.code(), "plan_stale");
    assert_eq!(state_of(&state, 1).await, BackupState::Available);
}

/// ADR 15: pins that were given since a snapshot was taken are not known.
#[tokio::test]
async fn nothing_is_condemned_for_the_longest_pin_after_the_state_was_restored() {
    let mut state = with_backups().await;
    let floor = u64::try_from(state.now.as_millisecond()).unwrap();
    state.accept(restored(floor)).await;
    let until = query::expiry_suspended_until(&state.conn)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(until, state.now + DAY * 30);
    assert_eq!(state.refuse(by_hand(1)).await.code(), "expiry_suspended");
    let orphans = orphans(&[9]);
    assert_eq!(state.refuse(orphans).await.code(), "expiry_suspended");
    state.pass(DAY * 30);
    state.accept(by_hand(1)).await;
}

// Pitfall 32
#[tokio::test]
async fn each_step_follows_the_one_before_and_none_is_taken_back() {
    let mut state = with_backups().await;
    let after = state.now + DAY;
    assert_eq!(state.accept(by_hand(1)).await, [Verdict::Condemned(after)]);
    assert!(state.woke("task Expiry") && state.woke(&format!("backups/{}", backup_id(1))));
    assert_eq!(state_of(&state, 1).await, BackupState::Condemned);
    assert_eq!(state.refuse(by_hand(1)).await.code(), "backup_condemned");
    // Not before its time, and nothing else.
    let both = begin(&[1, 2], &[]);
    assert_eq!(state.accept(both.clone()).await, Deletable::default());
    assert_eq!(state.accept(end(&[1], &[])).await, 0);
    state.pass(DAY);
    let begun = state.accept(both.clone()).await;
    assert_eq!(begun.backups, [backup_id(1)]);
    assert_eq!(
        state.accept(both).await,
        begun,
        "whoever leads next goes on"
    );
    assert_eq!(state_of(&state, 1).await, BackupState::Condemned);
    assert_eq!(state.accept(end(&[1, 2], &[])).await, 1);
    assert_eq!(state_of(&state, 1).await, BackupState::Deleted);
    assert_eq!(state_of(&state, 2).await, BackupState::Available);
    assert_eq!(state.accept(end(&[1], &[])).await, 0);
    // Its mark shows up again, late: it stays deleted.
    record(&mut state, 1).await;
    assert_eq!(state_of(&state, 1).await, BackupState::Deleted);
    let rows = query::condemned_of(&state.conn, &[backup_id(1)])
        .await
        .unwrap();
    let row = &rows[&backup_id(1)][0];
    assert_eq!(
        (row.state, row.deleted_at),
        (Deletion::Deleted, Some(state.now))
    );
    let (filter, page) = (query::AuditFilter::default(), PageRequest::longest());
    let audit = query::audit(&state.conn, &filter, &page).await.unwrap();
    let actions: Vec<String> = audit.items.iter().map(|row| row.action.clone()).collect();
    for action in ["condemn_backups", "begin_deletion", "end_deletion"] {
        assert!(
            actions.iter().any(|one| one == action),
            "I-11: {action} of {actions:?}"
        );
    }
}

// Pitfall 31
#[tokio::test]
async fn while_a_restore_is_under_way_nothing_of_its_cluster_is_deleted() {
    let mut state = with_backups().await;
    state.accept(by_hand(1)).await;
    state
        .accept(condemn_wal(&state, &[(1000, 1999)], &[]))
        .await;
    state.pass(DAY);
    let restore = holdfast_state::command::CreateJob {
        kind: JobKind::Restore,
        agent: Some(name("db2")),
        ..backup_job(7)
    };
    state.accept(restore).await;
    let all = begin(&[1], &[(1000, 1999)]);
    assert_eq!(state.accept(all.clone()).await, Deletable::default());
    state
        .accept(holdfast_state::command::RequestCancel { job: job_id(7) })
        .await;
    let begun = state.accept(all).await;
    assert_eq!((begun.backups.len(), begun.wal.len()), (1, 1));
}

// Pitfall 31
#[tokio::test]
async fn wal_that_a_backup_needs_is_not_condemned() {
    let mut state = with_backups().await;
    for needed in [(1000, 1101), (1199, 1300), (1000, 4000), (1150, 1160)] {
        let refused = state.refuse(condemn_wal(&state, &[needed], &[])).await;
        assert_eq!(refused.code(), "wal_needed", "{needed:?}");
    }
    let bytes = state
        .accept(condemn_wal(&state, &[(0, 1100), (1200, 2100)], &[]))
        .await;
    assert_eq!(bytes, 100 + 799 + 100);
    let left = [range(1100, 1200), range(2100, 2999), range(3000, 3999)];
    assert_eq!(held(&state).await, left);
    // One that is being taken needs all of it from its start on.
    state.accept(backup_job(5)).await;
    let lease = state.accept(lease(5, 1, 5)).await;
    let mut started = backup_started(5, lease.generation.0, 5);
    started.start_lsn = Lsn::new(2500);
    state.accept(started).await;
    let refused = state
        .refuse(condemn_wal(&state, &[(2600, 2700)], &[]))
        .await;
    assert_eq!(refused.code(), "wal_needed");
    state
        .accept(condemn_wal(&state, &[(2200, 2500)], &[]))
        .await;
}

/// Whoever remembers having stored it does not bring it back, whether or not it is
/// still there.
// Pitfall 32
#[tokio::test]
async fn condemned_wal_never_counts_again() {
    let mut state = with_backups().await;
    state.accept(by_hand(1)).await;
    state
        .accept(condemn_wal(&state, &[(0, 2000)], &[2, 3]))
        .await;
    let left = [range(2000, 2999), range(3000, 3999)];
    for step in 0..3 {
        let found = RecordFoundWal {
            cluster: name("orders"),
            repository: name("eu"),
            lineage: lineage(),
            timelines: vec![holdfast_state::command::FoundWal {
                timeline: timeline(1),
                found: vec![range(500, 2500)],
                lost: vec![],
            }],
        };
        state.accept(found).await;
        assert_eq!(held(&state).await, left, "{step}");
        // A backup that needs it is not taken in: its WAL may be gone any moment.
        let commit = committed(8, 8, &[(90, 250)]);
        assert_eq!(
            state.refuse(RecordBackup { commit }).await.code(),
            "wal_missing"
        );
        match step {
            0 => {
                state.pass(DAY);
                state.accept(begin(&[1], &[(0, 2000)])).await;
            }
            _ => {
                state.accept(end(&[1], &[(0, 2000)])).await;
            }
        }
    }
    // Deleted ranges become one.
    state
        .accept(condemn_wal(&state, &[(2000, 2100)], &[2, 3]))
        .await;
    state.pass(DAY);
    let begun = state.accept(begin(&[], &[(2000, 2100)])).await;
    assert_eq!(begun.wal, of_timeline(&[(2000, 2100)]));
    state.accept(end(&[], &[(2000, 2100)])).await;
    let (orders, eu) = (name("orders"), name("eu"));
    let known = query::condemned_wal_of(&state.conn, &orders, &eu, lineage());
    let known = known.await.unwrap();
    assert_eq!(known.len(), 1, "{known:?}");
    assert_eq!(
        (known[0].range, known[0].state),
        (range(0, 2100), Deletion::Deleted)
    );
}

fn orphans(attempts: &[u128]) -> CondemnOrphans {
    CondemnOrphans {
        repository: name("eu"),
        cluster: name("orders"),
        lineage: lineage(),
        attempts: attempts.iter().map(|backup| backup_id(*backup)).collect(),
        grace_millis: GRACE,
    }
}

// Pitfall 31
#[tokio::test]
async fn only_what_no_backup_can_become_is_an_orphan() {
    let mut state = with_backups().await;
    state.accept(backup_job(5)).await;
    let lease = state.accept(lease(5, 1, 5)).await;
    state.accept(backup_started(5, lease.generation.0, 5)).await;
    let lost = LoseBackup {
        backup: backup_id(2),
        repository: name("eu"),
        reason: Failure::permanent("backup_missing", "it is gone", "look"),
    };
    state.accept(lost).await;
    // 1 is available, 2 was and may be again, 5 is being taken, of 9 nothing is known.
    let condemned = state.accept(orphans(&[1, 2, 5, 9])).await;
    assert_eq!(condemned, [backup_id(9)]);
    assert_eq!(state.accept(orphans(&[9])).await, []);
    // Its mark comes after all: what it names may be gone.
    let commit = committed(9, 9, &[(3000, 3999)]);
    assert_eq!(
        state.refuse(RecordBackup { commit }).await.code(),
        "backup_condemned"
    );
    state.pass(DAY);
    assert_eq!(state.accept(begin(&[9], &[])).await.backups, [backup_id(9)]);
    assert_eq!(state.accept(end(&[9], &[])).await, 1);
}
