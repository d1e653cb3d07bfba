//! What changes between asking and the last consent: what is done is what was
//! consented to, by people who may, or nothing is.

use holdfast_state::command::{CreateApiToken, HoldBackup, ReleaseBackup, RevokeApiToken};
use holdfast_state::{ApprovalState, Principal, Refusal, query};
use holdfast_types::BackupState;
use holdfast_types::resource::Kind;
use jiff::SignedDuration;
use serde_json::json;

use super::{
    HOUR, actions, approval_id, ask, asking, backup_state, binding, delete, deleting, everything,
    ready, user, yes,
};
use crate::fixture::{apply, backup_id, document, hash, name, token_id};

/// What others changed after it was asked for is not overwritten by it.
#[tokio::test]
async fn what_was_consented_to_is_done_or_fails() {
    let mut state = ready().await;
    let shorter = |days: &str| {
        let spec = json!({"selector": {"tier": "gold"}, "repository": "eu",
            "approvals": {"delete": 2, "shortenRetention": 1},
            "retention": {"keep": {"last": 3}, "pitr": days}});
        document("Policy", json!({"name": "gold"}), spec)
    };
    ask(&mut state, 1, apply([shorter("7d")])).await;
    // Longer needs nobody.
    state
        .by(user("eve"), apply([shorter("20d")]))
        .await
        .unwrap();
    let voted = state.by(user("bob"), yes(1)).await.unwrap();
    assert_eq!(voted.state, ApprovalState::Failed);
    let found = query::approval(&state.conn, approval_id(1), state.now)
        .await
        .unwrap();
    assert_eq!(found.unwrap().outcome.unwrap()["code"], "stale_revision");
    let held = query::resource(&state.conn, Kind::Policy, &name("gold"))
        .await
        .unwrap();
    assert_eq!(
        held.unwrap().document.to_value()["spec"]["retention"]["pitr"],
        "20d"
    );
    let told = actions(&state).await;
    let act = (
        "apply_documents".to_owned(),
        "stale_revision".to_owned(),
        user("bob"),
    );
    assert_eq!(told[0], act);

    ask(&mut state, 2, apply([shorter("7d")])).await;
    let voted = state.by(user("bob"), yes(2)).await.unwrap();
    assert_eq!(voted.state, ApprovalState::Executed);
    let held = query::resource(&state.conn, Kind::Policy, &name("gold"))
        .await
        .unwrap();
    assert_eq!(
        held.unwrap().document.to_value()["spec"]["retention"]["pitr"],
        "1w"
    );
}

/// A role counts when it is done, not when it was said or asked.
#[tokio::test]
async fn a_role_that_was_taken_away_counts_no_more() {
    let mut state = ready().await;
    ask(&mut state, 1, deleting(1)).await;
    state.by(user("bob"), yes(1)).await.unwrap();
    state.accept(delete(Kind::RoleBinding, "bob")).await;
    let voted = state.by(user("eve"), yes(1)).await.unwrap();
    assert_eq!(voted.state, ApprovalState::Pending);
    // A role that does not consent is none.
    let lesser = binding("kim", "operator", &["kim"], everything());
    state.accept(apply([lesser])).await;
    let refused = state.by(user("kim"), yes(1)).await.unwrap_err();
    assert_eq!(refused.code(), "forbidden");
    assert_eq!(backup_state(&state, 1).await, BackupState::Available);

    // Who asked may not do it any more; then again, with another role.
    state.accept(delete(Kind::RoleBinding, "ada")).await;
    let gone = Refusal::RequesterGone {
        approval: approval_id(1),
    };
    assert_eq!(state.by(user("admin"), yes(1)).await.unwrap_err(), gone);
    let lesser = binding("ada", "approver", &["ada"], everything());
    state.accept(apply([lesser])).await;
    assert_eq!(state.by(user("admin"), yes(1)).await.unwrap_err(), gone);
    let fleet = json!({"fleet": "default"});
    let enough = binding("ada", "operator", &["ada"], fleet);
    state.accept(apply([enough])).await;
    let voted = state.by(user("admin"), yes(1)).await.unwrap();
    assert_eq!(voted.state, ApprovalState::Executed);
}

/// What somebody may declare in one fleet is not declared for him in another.
#[tokio::test]
async fn who_asked_must_be_allowed_all_of_it() {
    let mut state = ready().await;
    let shorter = document(
        "Policy",
        json!({"name": "gold"}),
        json!({"selector": {"tier": "gold"}, "repository": "eu",
            "approvals": {"delete": 2, "shortenRetention": 1},
            "retention": {"keep": {"last": 3}, "pitr": "7d"}}),
    );
    ask(&mut state, 1, apply([shorter])).await;
    let fleet = json!({"fleet": "default"});
    let narrower = binding("ada", "operator", &["ada"], fleet);
    state.accept(apply([narrower])).await;
    let refused = state.by(user("bob"), yes(1)).await.unwrap_err();
    assert_eq!(refused.code(), "requester_gone");
}

/// What a token asked for ends with it; another of its name is another.
#[tokio::test]
async fn a_request_of_a_token_counts_while_the_token_does() {
    let mut state = ready().await;
    let request = asking(&state, 1, deleting(1));
    state.by(Principal::token("ci"), request).await.unwrap();
    state.pass(HOUR / 2);
    state.by(user("bob"), yes(1)).await.unwrap();
    let token = token_id(1);
    state.accept(RevokeApiToken { token }).await;
    let refused = state.by(user("eve"), yes(1)).await.unwrap_err();
    assert_eq!(refused.code(), "requester_gone");
    let again = CreateApiToken {
        token: token_id(2),
        name: name("ci"),
        user: name("ada"),
        hash: hash("again"),
        expires_at: Some(state.now + HOUR),
    };
    state.accept(again).await;
    let refused = state.by(user("eve"), yes(1)).await.unwrap_err();
    assert_eq!(refused.code(), "requester_gone");
    // That one asks for itself, as long as it lives.
    let request = asking(&state, 2, deleting(2));
    let request = holdfast_state::command::RequestApproval {
        expires_at: state.now + HOUR * 4,
        ..request
    };
    state.by(Principal::token("ci"), request).await.unwrap();
    state.pass(SignedDuration::from_secs(1));
    state.by(user("bob"), yes(2)).await.unwrap();
    state.pass(HOUR * 2);
    let refused = state.by(user("eve"), yes(2)).await.unwrap_err();
    assert_eq!(refused.code(), "requester_gone");
}

/// A hold that somebody placed since is not what was to be ended.
#[tokio::test]
async fn a_newer_hold_is_not_ended_by_an_older_consent() {
    let mut state = ready().await;
    let backup = backup_id(2);
    let hold = |until| HoldBackup {
        backup,
        reason: "case".to_owned(),
        until,
    };
    let (soon, late) = (state.now + HOUR, state.now + HOUR * 9);
    state.by(user("ada"), hold(Some(late))).await.unwrap();
    ask(&mut state, 1, ReleaseBackup { backup }).await;
    ask(&mut state, 2, hold(Some(soon))).await;
    state.by(user("kim"), hold(None)).await.unwrap();
    for request in [1, 2] {
        state.by(user("bob"), yes(request)).await.unwrap();
        let voted = state.by(user("eve"), yes(request)).await.unwrap();
        assert_eq!(voted.state, ApprovalState::Failed, "{request}");
        let found = query::approval(&state.conn, approval_id(request), state.now).await;
        let outcome = found.unwrap().unwrap().outcome.unwrap();
        assert_eq!(outcome["code"], "plan_stale");
    }
    let holds = query::holds_of(&state.conn, &[backup]).await.unwrap();
    assert_eq!(holds.len(), 1);
    // Asked for on what there is now, it is done.
    ask(&mut state, 3, hold(Some(late))).await;
    state.by(user("bob"), yes(3)).await.unwrap();
    let voted = state.by(user("eve"), yes(3)).await.unwrap();
    assert_eq!(voted.state, ApprovalState::Executed);
}
