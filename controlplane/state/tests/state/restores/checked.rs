//! Restores that are looked at and handed over by their hosts, what a plan that waits is
//! worth, and how long restores are remembered.

use holdfast_state::command::{
    Basis, Condemn, CondemnBackups, CondemnedBy, PruneExpired, RaiseLevel, RecordBackup,
    RestoreMove, Verdict,
};
use holdfast_state::query;
use holdfast_state::{ApprovalState, Principal, Refusal, schema};
use holdfast_types::restoring::{RestoreOrder, RestoreState};
use holdfast_types::{Failure, Lsn, Revision};
use jiff::SignedDuration;
use serde_json::json;

use super::consent::{asked, guarded, vote};
use super::{
    beginning, begun, checks, finishing, job_state, leased, moving, order, over, planning, ready,
    restore_id, shown, step, succeeded,
};
use crate::approvals::approval_id;
use crate::fixture::{backup_id, name};
use crate::harness::TestState;

/// What it is that others are let in only after a look, and hooks are run then.
pub(super) fn looked_at() -> RestoreOrder {
    let mut order = order();
    order.request.checks = serde_json::from_value(json!([
        {"sql": "select count(*) from orders", "expect": "> 0"}, {"amcheck": true},
    ]))
    .unwrap();
    order.request.hooks = vec![name("warm"), name("repoint")];
    order
}

/// What a server that went on past the plan lost.
pub(super) fn measured() -> RestoreMove {
    RestoreMove::HandingOver {
        checks: checks(true),
        loss_millis: Some(2_000),
    }
}

/// A backup that the plan reads, and a newer one, in the catalog.
async fn with_backups(mut state: TestState) -> TestState {
    for number in [7, 8] {
        let base = u64::try_from(number).unwrap() * 1000;
        let mut commit = crate::fixture::committed(number, number, &[(base, base + 999)]);
        commit.backup.start_lsn = Lsn::new(base + 100);
        commit.backup.stop_lsn = Lsn::new(base + 200);
        state.accept(RecordBackup { commit }).await;
    }
    state
}

async fn condemn_what_it_reads(state: &mut TestState) {
    let condemn = CondemnBackups {
        backups: vec![Condemn {
            backup: backup_id(7),
            reason: "no rule keeps it".to_owned(),
        }],
        by: CondemnedBy::Retention(Basis {
            revision: Revision(state.index),
            kept: vec![backup_id(8)],
        }),
        grace_millis: 24 * 3600 * 1000,
    };
    let verdicts = state.accept(condemn).await;
    assert!(
        matches!(verdicts[..], [Verdict::Condemned(_)]),
        "{verdicts:?}"
    );
}

/// A plan pins nothing (ADR 15): it is looked at again when it is begun, by whomever.
#[tokio::test]
async fn a_plan_whose_backup_was_condemned_meanwhile_is_begun_no_more() {
    let mut state = with_backups(ready().await).await;
    let hash = state.accept(planning(1, order())).await;
    condemn_what_it_reads(&mut state).await;
    let refused = state.refuse(beginning(1, hash)).await;
    assert!(matches!(refused, Refusal::PlanStale { .. }), "{refused}");
    assert!(refused.to_string().contains("bkp_0"), "{refused}");
    assert_eq!(job_state(&state, 1).await, None);

    // One that waits for others meanwhile.
    let mut state = with_backups(guarded(json!({"restoreOver": 1})).await).await;
    let begun = asked(&mut state, 1, over()).await;
    assert_eq!(begun.state, RestoreState::AwaitingApproval);
    condemn_what_it_reads(&mut state).await;
    let voted = state
        .by(Principal::user("bob"), vote(1, true))
        .await
        .unwrap();
    assert_eq!(voted.state, ApprovalState::Failed);
    let approval = query::approval(&state.conn, approval_id(1), state.now).await;
    let outcome = approval.unwrap().unwrap().outcome.unwrap();
    assert_eq!(outcome["code"], "plan_stale", "{outcome}");
    assert_eq!(job_state(&state, 1).await, None);
    // The leader notes it, and it waits for nobody any more.
    let failed = RestoreMove::Failed {
        failure: Failure::permanent("plan_stale", "it has changed", "plan again"),
        checks: Vec::new(),
    };
    let moved = moving(1, RestoreState::AwaitingApproval, failed);
    assert_eq!(state.accept(moved).await, RestoreState::Failed);
}

#[tokio::test]
async fn a_loss_that_was_measured_stands_for_the_one_that_was_predicted() {
    let mut state = ready().await;
    let lease = leased(&mut state, 1, looked_at()).await;
    state.accept(finishing(1, lease, succeeded())).await;
    let from = RestoreState::Placing;
    state.accept(moving(1, from, RestoreMove::Validating)).await;
    let validating = RestoreState::Validating;
    state.accept(moving(1, validating, measured())).await;
    assert_eq!(shown(&state, 1).await.loss_millis, Some(2_000));
    // What its agent ran comes first, in its order.
    let from = RestoreState::HandingOver;
    let refused = state.refuse(moving(1, from, step("hook repoint"))).await;
    assert!(matches!(refused, Refusal::Invalid { .. }), "{refused}");
    for right in ["hook warm", "hook repoint"] {
        state.accept(moving(1, from, step(right))).await;
    }
    state.accept(moving(1, from, RestoreMove::Done)).await;

    // Of a target that is exact nothing is missing.
    let mut exact = order();
    exact.request.at = "lsn:0/C8".parse().unwrap();
    let lease = leased(&mut state, 2, exact).await;
    state.accept(finishing(2, lease, succeeded())).await;
    let from = RestoreState::Placing;
    state.accept(moving(2, from, RestoreMove::Validating)).await;
    state.accept(moving(2, validating, measured())).await;
    assert_eq!(shown(&state, 2).await.loss_millis, None);
}

/// Those that are about no report any more; never one that is under way.
#[tokio::test]
async fn restores_that_ended_long_ago_are_forgotten() {
    let mut state = ready().await;
    let lease = leased(&mut state, 1, order()).await;
    state.accept(finishing(1, lease, succeeded())).await;
    let from = RestoreState::Placing;
    state.accept(moving(1, from, RestoreMove::Cancelled)).await;
    begun(&mut state, 2, order()).await;
    state.accept(planning(3, order())).await;
    let known = async |state: &TestState| {
        let mut known = Vec::new();
        for number in 1..=3 {
            let found = query::restore(&state.conn, restore_id(number)).await;
            known.extend(found.unwrap().map(|_| number));
        }
        known
    };
    state.accept(PruneExpired {}).await;
    assert_eq!(known(&state).await, [1, 2, 3]);
    state.pass(SignedDuration::from_hours(24));
    state.accept(PruneExpired {}).await;
    assert_eq!(known(&state).await, [1, 2], "a plan is kept for a day");
    state.pass(SignedDuration::from_hours(398 * 24));
    state.accept(PruneExpired {}).await;
    assert_eq!(known(&state).await, [1, 2]);
    state.pass(SignedDuration::from_hours(24));
    state.accept(PruneExpired {}).await;
    assert_eq!(known(&state).await, [2]);
}

/// A node of an earlier release could not read them.
#[tokio::test]
async fn checks_hooks_and_measured_losses_wait_for_their_level() {
    let mut state = TestState::protecting().await;
    let level = schema::RESTORE_CHECKS - 1;
    state.accept(RaiseLevel { level }).await;
    let too_low = |refused: Refusal| {
        let needed = schema::RESTORE_CHECKS;
        let current = level;
        assert_eq!(refused, Refusal::LevelTooLow { needed, current });
    };
    too_low(state.refuse(planning(1, looked_at())).await);
    let validating = RestoreState::Validating;
    too_low(state.refuse(moving(1, validating, measured())).await);
    state.accept(planning(1, order())).await;
}
