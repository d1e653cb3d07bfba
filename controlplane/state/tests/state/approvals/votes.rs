//! Votes: who counts, and when it is done.

use std::collections::BTreeSet;

use holdfast_state::command::{
    CancelApproval, CreateUser, DeleteUser, PruneExpired, SetPassword, VoteApproval, Voted,
};
use holdfast_state::query::{self, ApprovalFilter, PageRequest};
use holdfast_state::{ApprovalState, Principal, Refusal, audit};
use holdfast_types::BackupState;
use holdfast_types::resource::Kind;
use jiff::SignedDuration;

use super::{
    HOUR, approval_id, ask, asking, backup_state, delete, deleting, ready, user, where_is, yes,
};
use crate::fixture::{apply, backup_id, name, password, repository, user_id};

#[tokio::test]
async fn a_backup_is_deleted_by_the_last_of_those_who_must_consent() {
    let mut state = ready().await;
    let refused = state.by(user("ada"), deleting(1)).await.unwrap_err();
    assert!(
        matches!(refused, Refusal::ApprovalNeeded { needed: 2, .. }),
        "{refused}"
    );
    assert_eq!(backup_state(&state, 1).await, BackupState::Available);

    let asked = ask(&mut state, 1, deleting(1)).await;
    assert_eq!((asked.approval, asked.needed), (approval_id(1), 2));
    // The same again finds the request that waits.
    assert_eq!(ask(&mut state, 2, deleting(1)).await, asked);
    let voted = state.by(user("bob"), yes(1)).await.unwrap();
    assert_eq!(
        (voted.state, voted.approved, voted.needed),
        (ApprovalState::Pending, 1, 2)
    );
    assert_eq!(backup_state(&state, 1).await, BackupState::Available);
    let voted = state.by(user("eve"), yes(1)).await.unwrap();
    assert_eq!((voted.state, voted.approved), (ApprovalState::Executed, 2));
    assert_eq!(backup_state(&state, 1).await, BackupState::Condemned);
    assert!(state.woke(&format!("backups/{}", backup_id(1))));
    assert!(state.woke("task Expiry"));

    // I-11: the vote and the act, with who asked and who consented.
    let page = PageRequest::first(2);
    let rows = query::audit(&state.conn, &Default::default(), &page)
        .await
        .unwrap()
        .items;
    let [act, vote] = rows.as_slice() else {
        panic!("{rows:?}")
    };
    assert_eq!(
        (vote.action.as_str(), vote.outcome.as_str()),
        ("vote_approval", "accepted")
    );
    assert_eq!(
        (act.action.as_str(), act.outcome.as_str()),
        ("condemn_backups", "accepted")
    );
    assert_eq!(act.target, format!("backups/{}", backup_id(1)));
    assert_eq!(act.detail["consent"]["requestedBy"], "user:ada");
    let agreed: BTreeSet<String> =
        serde_json::from_value(act.detail["consent"]["approvedBy"].clone()).unwrap();
    assert_eq!(
        agreed,
        BTreeSet::from(["user:bob".to_owned(), "user:eve".to_owned()])
    );
    assert!(audit::verify(&state.conn).await.unwrap().broken.is_none());
    // I-14: it is over.
    let again = state.by(user("kim"), yes(1)).await.unwrap_err();
    let (approval, over) = (approval_id(1), ApprovalState::Executed);
    assert_eq!(
        again,
        Refusal::ApprovalState {
            approval,
            state: over
        }
    );
}

#[tokio::test]
async fn nobody_consents_alone() {
    let mut state = ready().await;
    ask(&mut state, 1, deleting(1)).await;
    let code = |refused: Result<Voted, Refusal>| refused.unwrap_err().code();
    assert_eq!(code(state.by(user("ada"), yes(1)).await), "self_approval");
    // A token of hers is she, and no token is a person.
    for token in ["ci", "nope"] {
        assert_eq!(
            code(state.by(Principal::token(token), yes(1)).await),
            "not_a_person"
        );
    }
    for other in [
        Principal::agent("db1"),
        Principal::node("n1"),
        user("nobody"),
    ] {
        assert_eq!(code(state.by(other, yes(1)).await), "not_a_person");
    }
    state.by(user("bob"), yes(1)).await.unwrap();
    assert_eq!(code(state.by(user("bob"), yes(1)).await), "voted_already");
    // Somebody who was made for it, or whose name was taken over for it.
    let (user_id, made, password_hash) = (user_id(99), name("zoe"), password());
    let create = CreateUser {
        user: user_id,
        name: made,
        password: password_hash,
    };
    state.by(user("ada"), create).await.unwrap();
    assert_eq!(code(state.by(user("zoe"), yes(1)).await), "voter_too_new");
    let taken = SetPassword {
        name: name("eve"),
        password: password(),
        keep_session: None,
    };
    state.by(user("ada"), taken).await.unwrap();
    assert_eq!(code(state.by(user("eve"), yes(1)).await), "voter_too_new");
    // Whose user is gone does not count any more.
    state.accept(delete(Kind::RoleBinding, "bob")).await;
    state.accept(DeleteUser { name: name("bob") }).await;
    let voted = state.by(user("kim"), yes(1)).await.unwrap();
    assert_eq!(voted.state, ApprovalState::Pending);
    assert_eq!(backup_state(&state, 1).await, BackupState::Available);
    // What a token asks for its user asks for.
    let request = asking(&state, 5, deleting(2));
    state.by(Principal::token("ci"), request).await.unwrap();
    state.pass(SignedDuration::from_secs(1));
    assert_eq!(code(state.by(user("ada"), yes(5)).await), "self_approval");
}

#[tokio::test]
async fn a_request_ends_by_a_refusal_by_its_time_or_by_who_made_it() {
    let mut state = ready().await;
    for number in [1, 2, 3] {
        ask(&mut state, number, deleting(number)).await;
    }
    let no = VoteApproval {
        approve: false,
        note: Some("no".to_owned()),
        ..yes(1)
    };
    let voted = state.by(user("bob"), no).await.unwrap();
    assert_eq!(voted.state, ApprovalState::Rejected);
    assert_eq!(
        state.by(user("eve"), yes(1)).await.unwrap_err().code(),
        "approval_state"
    );
    state
        .by(
            user("ada"),
            CancelApproval {
                approval: approval_id(2),
            },
        )
        .await
        .unwrap();
    assert_eq!(where_is(&state, 2).await, ApprovalState::Cancelled);
    assert_eq!(
        state.by(user("eve"), yes(2)).await.unwrap_err().code(),
        "approval_state"
    );

    state.by(user("bob"), yes(3)).await.unwrap();
    state.pass(HOUR);
    let late = state.by(user("eve"), yes(3)).await.unwrap_err();
    let (approval, over) = (approval_id(3), ApprovalState::Expired);
    assert_eq!(
        late,
        Refusal::ApprovalState {
            approval,
            state: over
        }
    );
    // It is shown so before it is on record.
    let list = |wanted| ApprovalFilter {
        state: Some(wanted),
    };
    let page = PageRequest::longest();
    for recorded in [false, true] {
        if recorded {
            state.accept(PruneExpired {}).await;
        }
        let expired = list(ApprovalState::Expired);
        let found = query::approvals(&state.conn, &expired, &page, state.now)
            .await
            .unwrap();
        assert_eq!(found.items.len(), 1, "{recorded}");
        let pending = list(ApprovalState::Pending);
        let found = query::approvals(&state.conn, &pending, &page, state.now)
            .await
            .unwrap();
        assert_eq!(found.items.len(), 0);
    }
    state.pass(SignedDuration::from_hours(24 * 401));
    state.accept(PruneExpired {}).await;
    let all = ApprovalFilter::default();
    let found = query::approvals(&state.conn, &all, &page, state.now)
        .await
        .unwrap();
    assert!(found.items.is_empty());
}

#[tokio::test]
async fn only_what_needs_consent_is_asked_for() {
    let mut state = ready().await;
    let request = asking(
        &state,
        1,
        CreateUser {
            user: user_id(77),
            name: name("x"),
            password: password(),
        },
    );
    assert_eq!(
        state.by(user("ada"), request).await.unwrap_err().code(),
        "invalid"
    );
    let harmless = asking(&state, 1, apply([repository("us")]));
    let refused = state.by(user("ada"), harmless).await.unwrap_err();
    assert_eq!(refused, Refusal::ApprovalNotNeeded);
    let by_node = asking(&state, 1, deleting(1));
    assert_eq!(
        state
            .by(Principal::node("n1"), by_node)
            .await
            .unwrap_err()
            .code(),
        "invalid"
    );
    let mut endless = asking(&state, 1, deleting(1));
    endless.expires_at = state.now + SignedDuration::from_hours(24 * 31);
    assert_eq!(
        state.by(user("ada"), endless).await.unwrap_err().code(),
        "invalid"
    );
    // The requester must be there when it is done.
    ask(&mut state, 3, deleting(1)).await;
    state.by(user("bob"), yes(3)).await.unwrap();
    state.accept(delete(Kind::RoleBinding, "ada")).await;
    state.accept(DeleteUser { name: name("ada") }).await;
    let refused = state.by(user("eve"), yes(3)).await.unwrap_err();
    assert_eq!(
        refused,
        Refusal::RequesterGone {
            approval: approval_id(3)
        }
    );
}
