//! Acts that others must consent to: nobody acts alone, nothing is done twice, and
//! what is done is what was asked for (I-04, I-11, I-14).

use std::collections::BTreeSet;

use holdfast_state::command::{
    Asked, CancelApproval, Condemn, CondemnBackups, CondemnedBy, CreateApiToken, CreateUser,
    DeleteResource, DeleteUser, HoldBackup, PruneExpired, RaiseLevel, RecordBackup, ReleaseBackup,
    RequestApproval, SetPassword, VoteApproval, Voted,
};
use holdfast_state::query::{self, ApprovalFilter, PageRequest};
use holdfast_state::{
    ApprovalState, Cause, Command, Entry, Principal, Refusal, ReplicatedCommand, audit, schema,
};
use holdfast_types::access::{BuiltInRole, Permission, Visible};
use holdfast_types::resource::{Document, Kind};
use holdfast_types::{ApprovalId, BackupState, Lsn};
use jiff::SignedDuration;
use proptest::prelude::*;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::fixture::{
    apply, backup_id, cluster, committed, document, hash, name, password, policy, repository,
    token_id, user_id,
};
use crate::harness::TestState;

const PEOPLE: [&str; 4] = ["ada", "bob", "eve", "kim"];
const HOUR: SignedDuration = SignedDuration::from_hours(1);

pub(crate) fn approval_id(number: u128) -> ApprovalId {
    ApprovalId::from_uuid(Uuid::from_u128(number))
}

fn guarded(rules: Value) -> Document {
    let spec = json!({"selector": {"tier": "gold"}, "repository": "eu", "approvals": rules,
        "retention": {"keep": {"last": 3}, "pitr": "14d"}});
    document("Policy", json!({"name": "gold"}), spec)
}

/// Backups 1, 2 and 3 of `orders` under a policy with rules, and some people.
async fn ready() -> TestState {
    let mut state = TestState::protecting().await;
    let level = schema::NEWEST;
    state.accept(RaiseLevel { level }).await;
    for (number, called) in (10..).zip(PEOPLE) {
        let (user, name, password) = (user_id(number), name(called), password());
        state
            .accept(CreateUser {
                user,
                name,
                password,
            })
            .await;
    }
    let token = CreateApiToken {
        token: token_id(1),
        name: name("ci"),
        user: name("ada"),
        hash: hash("ci"),
        expires_at: None,
    };
    state.accept(token).await;
    for number in [1u64, 2, 3] {
        let base = number * 1000;
        let mut commit = committed(number.into(), number.into(), &[(base, base + 999)]);
        (commit.backup.start_lsn, commit.backup.stop_lsn) =
            (Lsn::new(base + 100), Lsn::new(base + 200));
        state.accept(RecordBackup { commit }).await;
    }
    let rules = json!({"delete": 2, "shortenRetention": 1});
    state.accept(apply([guarded(rules)])).await;
    state.pass(HOUR);
    state
}

impl TestState {
    async fn by<C: ReplicatedCommand>(
        &mut self,
        principal: Principal,
        command: C,
    ) -> Result<C::Outcome, Refusal> {
        let entry = self.entry(command);
        let cause = entry
            .cause
            .clone()
            .map(|cause| Cause { principal, ..cause });
        let reply = self.apply_entry(&Entry { cause, ..entry }).await;
        reply.outcome::<C>().unwrap()
    }
}

fn user(called: &str) -> Principal {
    Principal::user(called)
}

fn deleting(backup: u128) -> CondemnBackups {
    CondemnBackups {
        backups: vec![Condemn {
            backup: backup_id(backup),
            reason: "deleted by user:ada".to_owned(),
        }],
        by: CondemnedBy::Hand,
        grace_millis: 1000,
    }
}

fn asking(state: &TestState, number: u128, command: impl Into<Command>) -> RequestApproval {
    RequestApproval {
        approval: approval_id(number),
        command: Box::new(command.into()),
        reason: Some("case 4711".to_owned()),
        expires_at: state.now + HOUR,
    }
}

fn yes(number: u128) -> VoteApproval {
    let (approval, note) = (approval_id(number), None);
    let approve = true;
    VoteApproval {
        approval,
        approve,
        note,
    }
}

async fn ask(state: &mut TestState, number: u128, command: impl Into<Command>) -> Asked {
    let request = asking(state, number, command);
    let asked = state.by(user("ada"), request).await.unwrap();
    state.pass(SignedDuration::from_secs(1));
    asked
}

async fn backup_state(state: &TestState, backup: u128) -> BackupState {
    let found = query::backup(&state.conn, backup_id(backup)).await;
    found.unwrap().unwrap().state
}

async fn where_is(state: &TestState, number: u128) -> ApprovalState {
    let found = query::approval(&state.conn, approval_id(number), state.now).await;
    found.unwrap().unwrap().state
}

async fn actions(state: &TestState) -> Vec<(String, String, Principal)> {
    let page = PageRequest::longest();
    let found = query::audit(&state.conn, &Default::default(), &page)
        .await
        .unwrap();
    let told = found.items.into_iter();
    told.map(|row| (row.action, row.outcome, row.principal))
        .collect()
}

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
        "7d"
    );
}

#[tokio::test]
async fn nobody_gets_around_a_rule_by_changing_it_first() {
    let mut state = ready().await;
    let needs = |refused: Result<_, Refusal>| match refused.unwrap_err() {
        Refusal::ApprovalNeeded { needed, .. } => needed,
        other => panic!("{other}"),
    };
    let silver = policy("silver", json!({"tier": "gold"}), 9, "eu");
    let moved = cluster("orders", "db1", json!({"tier": "tin"}));
    // The rule itself, the policy, a policy that wins over it, another label.
    for (documents, wanted) in [
        (
            vec![guarded(json!({"delete": 1, "shortenRetention": 1}))],
            2,
        ),
        (vec![policy("gold", json!({"tier": "gold"}), 0, "eu")], 2),
        (vec![silver.clone()], 2),
        (vec![moved], 2),
        (vec![guarded(json!({"delete": 2}))], 1),
    ] {
        assert_eq!(needs(state.by(user("ada"), apply(documents)).await), wanted);
    }
    let delete = |kind, called| DeleteResource {
        kind,
        name: name(called),
        expected: None,
    };
    let gone = state.by(user("ada"), delete(Kind::Policy, "gold")).await;
    assert_eq!(needs(gone.map(|_| Vec::new())), 2);
    let gone = state.by(user("ada"), delete(Kind::Cluster, "orders")).await;
    assert_eq!(needs(gone.map(|_| Vec::new())), 2);
    // More needs nobody, and what is not about the rule neither.
    state
        .by(
            user("ada"),
            apply([guarded(json!({"delete": 3, "shortenRetention": 1}))]),
        )
        .await
        .unwrap();
    state
        .by(user("ada"), apply([repository("us")]))
        .await
        .unwrap();
    let other = policy("other", json!({"tier": "tin"}), 0, "eu");
    state.by(user("ada"), apply([other])).await.unwrap();

    // A request of before needs what the rule says by now.
    ask(&mut state, 1, deleting(1)).await;
    state
        .by(
            user("bob"),
            apply([guarded(json!({"delete": 4, "shortenRetention": 1}))]),
        )
        .await
        .unwrap();
    for (person, expected) in [("bob", 4), ("eve", 4), ("kim", 4)] {
        let voted = state.by(user(person), yes(1)).await.unwrap();
        assert_eq!(
            (voted.state, voted.needed),
            (ApprovalState::Pending, expected)
        );
    }
    let voted = state.by(user("admin"), yes(1)).await.unwrap();
    assert_eq!(voted.state, ApprovalState::Executed);

    // The policy of a retired cluster still counts for what is kept of it.
    ask(&mut state, 2, delete(Kind::Cluster, "orders")).await;
    for person in ["bob", "eve", "kim", "admin"] {
        state.by(user(person), yes(2)).await.unwrap();
    }
    let retired = query::resource(&state.conn, Kind::Cluster, &name("orders"))
        .await
        .unwrap();
    assert!(retired.unwrap().retired_at.is_some());
    let refused = state.by(user("ada"), deleting(2)).await;
    assert_eq!(needs(refused.map(|_| Vec::new())), 4);
}

#[tokio::test]
async fn a_hold_is_not_ended_alone_nor_shortened() {
    let mut state = ready().await;
    let backup = backup_id(2);
    let hold = |until| HoldBackup {
        backup,
        reason: "case".to_owned(),
        until,
    };
    let late = state.now + HOUR * 10;
    // Holding needs nobody, and neither does releasing what nobody holds.
    state
        .by(user("ada"), ReleaseBackup { backup })
        .await
        .unwrap();
    state.by(user("ada"), hold(Some(late))).await.unwrap();
    state
        .by(user("ada"), hold(Some(late + HOUR)))
        .await
        .unwrap();
    let code = |refusal: Refusal| refusal.code();
    let shorter = state.by(user("ada"), hold(Some(late))).await.unwrap_err();
    assert_eq!(code(shorter), "approval_needed");
    let released = state
        .by(user("ada"), ReleaseBackup { backup })
        .await
        .unwrap_err();
    assert_eq!(code(released), "approval_needed");
    ask(&mut state, 1, ReleaseBackup { backup }).await;
    state.by(user("bob"), yes(1)).await.unwrap();
    state.by(user("kim"), yes(1)).await.unwrap();
    let holds = query::holds_of(&state.conn, &[backup]).await.unwrap();
    assert!(holds.is_empty());
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
    state.accept(DeleteUser { name: name("ada") }).await;
    let refused = state.by(user("eve"), yes(3)).await.unwrap_err();
    assert_eq!(
        refused,
        Refusal::RequesterGone {
            approval: approval_id(3)
        }
    );
}

#[tokio::test]
async fn below_the_level_nothing_needs_consent_and_users_of_then_are_administrators() {
    let mut state = TestState::protecting().await;
    let level = schema::ACCESS - 1;
    state.accept(RaiseLevel { level }).await;
    let rights = query::rights_of(&state.conn, &name("anybody"))
        .await
        .unwrap();
    assert!(rights.is_unlimited());
    let (user, ada, hash) = (user_id(2), name("ada"), password());
    state
        .accept(CreateUser {
            user,
            name: ada.clone(),
            password: hash,
        })
        .await;
    let current = level;
    let needed = schema::ACCESS;
    let refused = state.refuse(yes(1)).await;
    assert_eq!(refused, Refusal::LevelTooLow { needed, current });
    state.accept(RaiseLevel { level: needed }).await;
    for person in ["admin", "ada"] {
        let rights = query::rights_of(&state.conn, &name(person)).await.unwrap();
        assert!(rights.everywhere(Permission::AccessWrite), "{person}");
    }
    let later = CreateUser {
        user: user_id(3),
        name: name("bob"),
        password: password(),
    };
    state.accept(later).await;
    let rights = query::rights_of(&state.conn, &name("bob")).await.unwrap();
    assert!(!rights.somewhere(Permission::ClustersRead));
}

fn binding(called: &str, role: &str, users: &[&str], scope: Value) -> Document {
    let subjects: Vec<Value> = users.iter().map(|user| json!({"user": user})).collect();
    let spec = json!({"role": role, "subjects": subjects, "scope": scope});
    document("RoleBinding", json!({"name": called}), spec)
}

#[tokio::test]
async fn somebody_can_always_give_roles() {
    let mut state = ready().await;
    let everything = json!({"selector": {}});
    let delete = |called| DeleteResource {
        kind: Kind::RoleBinding,
        name: name(called),
        expected: None,
    };
    let refused = state.refuse(delete("administrators")).await;
    assert_eq!(refused, Refusal::LastAdministrator);
    let fleet = json!({"fleet": "default"});
    for lesser in [
        binding("administrators", "viewer", &["admin"], everything.clone()),
        binding("administrators", "administrator", &["admin"], fleet.clone()),
    ] {
        assert_eq!(
            state.refuse(apply([lesser])).await,
            Refusal::LastAdministrator
        );
    }
    let nobody = binding("typo", "viewer", &["nobody"], everything.clone());
    assert_eq!(
        state.refuse(apply([nobody])).await.code(),
        "dangling_reference"
    );
    let missing = binding("typo", "viewer", &["ada"], json!({"fleet": "nope"}));
    assert_eq!(
        state.refuse(apply([missing])).await.code(),
        "dangling_reference"
    );
    state
        .accept(apply([
            binding("dba", "administrator", &["ada"], everything),
            binding("web", "operator", &["bob"], fleet),
        ]))
        .await;
    state.accept(delete("administrators")).await;
    assert_eq!(
        state.refuse(delete("dba")).await,
        Refusal::LastAdministrator
    );
    // Whoever came under the name of a user that is gone would have its roles.
    let refused = state.refuse(DeleteUser { name: name("bob") }).await;
    assert_eq!(refused.code(), "in_use");
    let rights = query::rights_of(&state.conn, &name("bob")).await.unwrap();
    assert_eq!(rights.grants().len(), 1);
    assert_eq!(rights.grants()[0].0, BuiltInRole::Operator);
    let visible = rights.visible(Permission::BackupsRead);
    assert!(
        query::sees_cluster(&state.conn, &visible, &name("orders"))
            .await
            .unwrap()
    );
    assert!(
        !query::sees_cluster(&state.conn, &visible, &name("gone"))
            .await
            .unwrap()
    );
}

#[tokio::test]
async fn lists_are_cut_to_what_is_seen() {
    let mut state = ready().await;
    let other = document(
        "Cluster",
        json!({"name": "shop", "labels": {"tier": "tin", "odd\"key": "v"}}),
        json!({"instances": [{"agent": "db2", "connection": "host=/run/postgresql"}]}),
    );
    state.accept(apply([other])).await;
    let page = PageRequest::longest();
    let everything = Visible::Everything;
    let scope = |spec: Value| {
        let Document { resource, .. } = binding("b", "viewer", &["ada"], spec);
        let holdfast_types::resource::Resource::RoleBinding(binding) = resource else {
            panic!("it is one")
        };
        Visible::Only(vec![binding.scope.scope().unwrap()])
    };
    for (visible, clusters, backups) in [
        (everything, 2, 3),
        (Visible::Only(Vec::new()), 0, 0),
        (scope(json!({"fleet": "default"})), 2, 3),
        (scope(json!({"fleet": "web"})), 0, 0),
        (scope(json!({"selector": {"tier": "gold"}})), 1, 3),
        (scope(json!({"selector": {"tier": "tin"}})), 1, 0),
        (
            scope(json!({"selector": {"tier": "tin", "odd\"key": "v"}})),
            1,
            0,
        ),
        (
            scope(json!({"selector": {"tier": "tin", "odd": "v"}})),
            0,
            0,
        ),
    ] {
        let filter = query::ResourceFilter {
            visible: visible.clone(),
            ..Default::default()
        };
        let found = query::resources(&state.conn, Kind::Cluster, &filter, &page)
            .await
            .unwrap();
        assert_eq!(found.items.len(), clusters, "{visible:?}");
        let filter = query::BackupFilter {
            visible: visible.clone(),
            ..Default::default()
        };
        let found = query::backups(&state.conn, &filter, &page).await.unwrap();
        assert_eq!(found.items.len(), backups, "{visible:?}");
        let filter = query::BackupFilter {
            repository: Some(name("eu")),
            ..filter
        };
        let found = query::backups(&state.conn, &filter, &page).await.unwrap();
        assert_eq!(found.items.len(), backups, "{visible:?}");
        list_all_else(&state, &visible).await;
        let counts = query::counts_seen(&state.conn, &visible).await.unwrap();
        let counted = counts.resources.get("clusters").copied().unwrap_or(0);
        assert_eq!(counted, clusters as u64);
        assert_eq!(
            counts.backups.get("available").copied().unwrap_or(0),
            backups as u64
        );
        let fleets = query::fleets_seen(&state.conn, &visible).await.unwrap();
        assert_eq!(fleets.contains(&name("default")), clusters > 0);
    }
}

/// Lists that hold nothing here: the conditions are SQL, which is to be read.
async fn list_all_else(state: &TestState, visible: &Visible) {
    let page = PageRequest::longest();
    let filter = query::JobFilter {
        visible: visible.clone(),
        ..Default::default()
    };
    query::jobs(&state.conn, &filter, &page).await.unwrap();
    let filter = query::RunFilter {
        visible: visible.clone(),
        ..Default::default()
    };
    query::runs(&state.conn, &filter, &page).await.unwrap();
    let filter = query::DrillFilter {
        visible: visible.clone(),
        ..Default::default()
    };
    query::drills(&state.conn, &filter, &page).await.unwrap();
    query::all_late_results(&state.conn, visible, &page)
        .await
        .unwrap();
}

/// Who does what to which request.
#[derive(Debug, Clone, Copy)]
struct Move {
    person: usize,
    request: u128,
    what: u8,
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let one = (0usize..5, 1u128..3, 0u8..8);
    let one = one.prop_map(|(person, request, what)| Move {
        person,
        request,
        what,
    });
    proptest::collection::vec(one, 1..40)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// However people vote, an act is done at most once, and never before as many
    /// distinct others as its policy says have consented.
    #[test]
    fn no_sequence_of_votes_does_anything_twice_or_alone(moves in moves()) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let mut state = ready().await;
            let mut consents: [BTreeSet<usize>; 3] = Default::default();
            for one in moves {
                let request = usize::try_from(one.request).unwrap();
                let person = ["ada", "bob", "eve", "kim", "ci"][one.person];
                let by = match person {
                    "ci" => Principal::token(person),
                    _ => user(person),
                };
                let before = executed(&state).await;
                match one.what {
                    0 | 1 => {
                        let request = asking(&state, one.request, deleting(one.request));
                        let _: Result<_, _> = state.by(user("ada"), request).await;
                        state.pass(SignedDuration::from_secs(1));
                    }
                    2 => {
                        let no = VoteApproval { approve: false, ..yes(one.request) };
                        let _: Result<_, _> = state.by(by, no).await;
                    }
                    3 => state.pass(SignedDuration::from_mins(5)),
                    _ => {
                        if state.by(by, yes(one.request)).await.is_ok() {
                            consents[request].insert(one.person);
                        }
                    }
                }
                let after = executed(&state).await;
                prop_assert!(after.len() <= before.len() + 1);
                for request in after.difference(&before) {
                    let others = &consents[usize::try_from(*request).unwrap()];
                    prop_assert!(others.len() >= 2 && others.iter().all(|one| (1..4).contains(one)));
                }
                // Nothing is condemned that no request did.
                for backup in [1, 2, 3] {
                    let gone = backup_state(&state, backup).await == BackupState::Condemned;
                    prop_assert_eq!(gone, after.contains(&backup));
                }
            }
            let acts = actions(&state).await;
            let acts = acts.iter().filter(|(action, outcome, _)| {
                action == "condemn_backups" && outcome == "accepted"
            });
            prop_assert_eq!(acts.count(), executed(&state).await.len());
            Ok(())
        })?;
    }
}

async fn executed(state: &TestState) -> BTreeSet<u128> {
    let mut done = BTreeSet::new();
    for request in [1, 2] {
        let found = query::approval(&state.conn, approval_id(request), state.now)
            .await
            .unwrap();
        if found.is_some_and(|found| found.state == ApprovalState::Executed) {
            done.insert(request);
        }
    }
    done
}
