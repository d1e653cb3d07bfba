//! Acts that others must consent to: nobody acts alone, nothing is done twice, and
//! what is done is what was asked for (I-04, I-11, I-14).

mod changes;
mod roles;
mod rules;
mod sequences;
mod votes;

use holdfast_state::command::{
    Asked, Condemn, CondemnBackups, CondemnedBy, CreateApiToken, CreateUser, DeleteResource,
    RaiseLevel, RecordBackup, RequestApproval, VoteApproval,
};
use holdfast_state::query::{self, PageRequest};
use holdfast_state::{
    ApprovalState, Cause, Command, Entry, Principal, Refusal, ReplicatedCommand, schema,
};
use holdfast_types::resource::{Document, Kind};
use holdfast_types::{ApprovalId, BackupState, Lsn};
use jiff::SignedDuration;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::fixture::{
    apply, backup_id, committed, document, hash, name, password, token_id, user_id,
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
        let role = if called == "ada" {
            "operator"
        } else {
            "approver"
        };
        person(&mut state, (number, called), (role, everything())).await;
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

/// Somebody with a role, by a binding of the same name.
async fn person(
    state: &mut TestState,
    (number, called): (u128, &str),
    (role, scope): (&str, Value),
) {
    let create = CreateUser {
        user: user_id(number),
        name: name(called),
        password: password(),
    };
    state.accept(create).await;
    let binding = binding(called, role, &[called], scope);
    state.accept(apply([binding])).await;
}

fn everything() -> Value {
    json!({"selector": {}})
}

fn delete(kind: Kind, called: &str) -> DeleteResource {
    DeleteResource {
        kind,
        name: name(called),
        expected: None,
    }
}

impl TestState {
    pub(crate) async fn by<C: ReplicatedCommand>(
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

fn binding(called: &str, role: &str, users: &[&str], scope: Value) -> Document {
    let subjects: Vec<Value> = users.iter().map(|user| json!({"user": user})).collect();
    let spec = json!({"role": role, "subjects": subjects, "scope": scope});
    document("RoleBinding", json!({"name": called}), spec)
}
