//! Exemptions: nobody excuses a cluster alone.

use holdfast_state::Principal;
use holdfast_state::command::{
    CreateUser, EndExemption, GrantExemption, RequestApproval, VoteApproval,
};
use holdfast_state::query::{self, ExemptionFilter, PageRequest};
use holdfast_types::{ApprovalId, Compliance};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use uuid::Uuid;

use crate::compliance::{count, exemption_id, history, receiving, told};
use crate::fixture::{apply, document, name, password, user_id};
use crate::harness::TestState;

/// A state with bob, who may consent to exemptions.
async fn with_approver() -> TestState {
    let (mut state, _) = receiving().await;
    let bob = CreateUser {
        user: user_id(7),
        name: name("bob"),
        password: password(),
    };
    state.accept(bob).await;
    let spec = json!({"role": "approver", "subjects": [{"user": "bob"}],
        "scope": {"selector": {}}});
    let role = document("RoleBinding", json!({"name": "bob"}), spec);
    state.accept(apply([role])).await;
    state.pass(SignedDuration::from_hours(1));
    state
}

#[tokio::test]
async fn an_exemption_takes_the_consent_of_another_and_ends_before_its_time() {
    let mut state = with_approver().await;
    let until = state.now + SignedDuration::from_hours(2);
    let grant = GrantExemption {
        exemption: exemption_id(1),
        cluster: name("orders"),
        until,
        reason: "it moves".to_owned(),
    };
    // Whatever policies say.
    let alone = state.refuse(grant.clone()).await;
    assert_eq!(alone.code(), "approval_needed");
    let (mut over, mut silent) = (grant.clone(), grant.clone());
    (over.until, silent.reason) = (state.now, " ".to_owned());
    assert_eq!(state.refuse(over).await.field(), Some("until"));
    assert_eq!(state.refuse(silent).await.field(), Some("reason"));
    let request = RequestApproval {
        approval: ApprovalId::from_uuid(Uuid::from_u128(1)),
        command: Box::new(grant.clone().into()),
        reason: None,
        expires_at: until,
    };
    state.accept(request.clone()).await;
    // The same with another id is the same request.
    let again = GrantExemption {
        exemption: exemption_id(2),
        ..grant
    };
    let again = RequestApproval {
        approval: ApprovalId::from_uuid(Uuid::from_u128(2)),
        command: Box::new(again.into()),
        ..request.clone()
    };
    assert_eq!(state.accept(again).await.approval, request.approval);
    let before = count(&state).await;
    let vote = VoteApproval {
        approval: request.approval,
        approve: true,
        note: None,
    };
    state.by(Principal::user("bob"), vote).await.unwrap();
    assert_eq!(told(&state, before).await, ["exempted by user:bob"]);
    let filter = ExemptionFilter {
        in_force_at: Some(state.now),
        ..ExemptionFilter::default()
    };
    let page = PageRequest::first(9);
    let listed = query::exemptions(&state.conn, &filter, &page);
    let listed = listed.await.unwrap().items;
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].requested_by.to_string(), "user:admin");
    let judged = history(&state).await.judge(Timestamp::MAX, state.now);
    assert_eq!(judged.unwrap().status, Some(Compliance::Exempt));
    let end = EndExemption {
        exemption: exemption_id(1),
    };
    state.accept(end.clone()).await;
    state.accept(end).await;
    assert_eq!(told(&state, before + 1).await, ["exemption ended"]);
    let unknown = EndExemption {
        exemption: exemption_id(9),
    };
    assert_eq!(state.refuse(unknown).await.code(), "not_found");
}
