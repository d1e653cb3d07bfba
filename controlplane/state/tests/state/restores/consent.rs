//! Restores over what is there: another person has to agree first.

use holdfast_state::command::{
    ApplyDocuments, CancelRestore, RestoreBegun, RestoreMove, VoteApproval,
};
use holdfast_state::query;
use holdfast_state::{ApprovalState, Principal, Refusal};
use holdfast_types::JobState;
use holdfast_types::restoring::{RestoreOrder, RestoreState};
use jiff::SignedDuration;
use serde_json::{Value, json};

use super::{
    beginning, begun_by_ada, job_state, moving, order, over, planning, ready, restore_id, shown,
    spec,
};
use crate::approvals::approval_id;
use crate::fixture::{apply, document, job_id, name};
use crate::harness::TestState;

pub(super) async fn guarded(rules: Value) -> TestState {
    let mut state = ready().await;
    for (number, (called, role)) in (10..).zip([("ada", "operator"), ("bob", "approver")]) {
        let create = holdfast_state::command::CreateUser {
            user: crate::fixture::user_id(number),
            name: name(called),
            password: crate::fixture::password(),
        };
        state.accept(create).await;
        let spec = json!({"role": role, "subjects": [{"user": called}], "scope": {"selector": {}}});
        let binding = document("RoleBinding", json!({"name": called}), spec);
        state.accept(apply([binding])).await;
    }
    state.accept(guard(rules)).await;
    state.pass(SignedDuration::from_hours(1));
    state
}

fn guard(rules: Value) -> ApplyDocuments {
    let spec = json!({"selector": {"tier": "gold"}, "repository": "eu", "approvals": rules});
    apply([document("Policy", json!({"name": "gold"}), spec)])
}

pub(super) fn vote(number: u128, approve: bool) -> VoteApproval {
    VoteApproval {
        approval: approval_id(number),
        approve,
        note: None,
    }
}

pub(super) async fn asked(
    state: &mut TestState,
    number: u128,
    order: RestoreOrder,
) -> RestoreBegun {
    let ada = || Principal::user("ada");
    let hash = state.by(ada(), planning(number, order)).await.unwrap();
    let begun = state.by(ada(), beginning(number, hash)).await.unwrap();
    state.pass(SignedDuration::from_secs(1));
    begun
}

#[tokio::test]
async fn over_what_is_there_it_is_begun_by_the_last_consent_and_as_it_was_asked_for() {
    let mut state = guarded(json!({"restoreOver": 1})).await;
    let begun = asked(&mut state, 1, over()).await;
    assert_eq!(begun.state, RestoreState::AwaitingApproval);
    let asked_for = begun.asked.unwrap();
    assert_eq!((asked_for.approval, asked_for.needed), (approval_id(1), 1));
    assert_eq!(job_state(&state, 1).await, None);
    let ada = Principal::user("ada");
    let refused = state.by(ada.clone(), vote(1, true)).await.unwrap_err();
    assert!(matches!(
        refused,
        Refusal::Forbidden { .. } | Refusal::SelfApproval { .. }
    ));
    let bob = Principal::user("bob");
    let voted = state.by(bob, vote(1, true)).await.unwrap();
    assert_eq!(voted.state, ApprovalState::Executed);
    let job = query::job(&state.conn, job_id(1)).await.unwrap().unwrap();
    assert_eq!((job.state, job.spec), (JobState::Queued, spec()));
    let restore = shown(&state, 1).await;
    assert_eq!(restore.state, RestoreState::Placing);
    assert_eq!(restore.requested_by, Some(ada));
    assert_eq!(restore.approval, Some(approval_id(1)));

    // A new directory takes nobody; the one of a declared instance does, delta or not.
    let begun = asked(&mut state, 2, order()).await;
    assert_eq!(begun.asked, None);
    let spec = json!({"instances": [{"agent": "db1", "connection": "host=/run/postgresql",
                                     "dataDirectory": "/srv/copy"}]});
    let lives_there = document(
        "Cluster",
        json!({"name": "orders", "labels": {"tier": "gold"}}),
        spec,
    );
    state.accept(apply([lives_there])).await;
    let begun = asked(&mut state, 3, order()).await;
    assert_eq!(begun.asked.unwrap().needed, 1);
}

#[tokio::test]
async fn one_that_is_ended_while_it_waits_is_begun_by_nobody() {
    let mut state = guarded(json!({"restoreOver": 1})).await;
    asked(&mut state, 1, over()).await;
    let cancel = CancelRestore {
        restore: restore_id(1),
    };
    assert_eq!(state.accept(cancel.clone()).await, RestoreState::Cancelled);
    let refused = state.by(Principal::user("bob"), vote(1, true)).await;
    let cancelled = ApprovalState::Cancelled;
    assert!(matches!(refused, Err(Refusal::ApprovalState { state, .. }) if state == cancelled));
    assert_eq!(job_state(&state, 1).await, None);
    let refused = state.refuse(cancel).await;
    assert!(matches!(refused, Refusal::RestoreState { .. }), "{refused}");

    // While it waits for its agent, its job ends with it; what was restored stays.
    begun_by_ada(&mut state, 2).await;
    let cancel = CancelRestore {
        restore: restore_id(2),
    };
    assert_eq!(state.accept(cancel).await, RestoreState::Placing);
    assert_eq!(job_state(&state, 2).await, Some(JobState::Cancelled));
    state
        .accept(moving(2, RestoreState::Placing, RestoreMove::Cancelled))
        .await;
}
