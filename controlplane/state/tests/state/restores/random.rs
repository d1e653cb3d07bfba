//! Restores in random logs.

use holdfast_state::command::{CancelRestore, FinishJob, MoveRestore, RestoreMove};
use holdfast_state::{Command, Digest};
use holdfast_types::Generation;
use holdfast_types::restoring::{RestoreOrder, RestoreState};
use serde_json::Value;

use super::checked::{looked_at, measured};
use super::{beginning, checks, failure, moving, planning, restore_id, step, succeeded, trying};
use crate::fixture::{apply, job_id, lease, repository};

/// The hash of the plan of an order: that of its one spelling.
fn hash_of(order: &RestoreOrder) -> Digest {
    let value = sorted(serde_json::to_value(order).unwrap());
    Digest::of(value.to_string().as_bytes())
}

fn sorted(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let fields = fields.into_iter().map(|(key, value)| (key, sorted(value)));
            let fields: std::collections::BTreeMap<String, Value> = fields.collect();
            fields.into_iter().collect()
        }
        Value::Array(items) => items.into_iter().map(sorted).collect(),
        other => other,
    }
}

/// The number of the restore that random logs find begun and leased.
const OPENED: u128 = 70;

/// What random logs begin with.
pub(crate) fn opening() -> Vec<Command> {
    let hash = hash_of(&looked_at());
    vec![
        apply([repository("us")]).into(),
        planning(OPENED, looked_at()).into(),
        beginning(OPENED, hash).into(),
        lease(OPENED, 3, 61).into(),
    ]
}

/// Steps of that restore and of another, in any order: most find another state.
pub(crate) fn random((what, one, two): (u8, u8, u8), caused: bool, serial: u128) -> Command {
    let number = OPENED + u128::from(one == 2);
    let generation = 1 + u64::from(one);
    match (what % 2, two, caused) {
        (0, 0, _) => planning(number, looked_at()).into(),
        (0, 1, _) => beginning(number, hash_of(&looked_at())).into(),
        (0, 2, true) => lease(number, 3, serial).into(),
        (0, 2, false) => trying(number, generation, "us").into(),
        (0, _, true) => CancelRestore {
            restore: restore_id(number),
        }
        .into(),
        (0, _, false) => FinishJob {
            job: job_id(number),
            generation: Generation(generation),
            outcome: succeeded(),
            log: Vec::new(),
        }
        .into(),
        (_, two, caused) => random_move(number, two, caused).into(),
    }
}

fn random_move(number: u128, two: u8, caused: bool) -> MoveRestore {
    use RestoreState::{HandingOver, Placing, Running, Validating};
    let failed = RestoreMove::Failed {
        failure: failure(),
        checks: checks(false),
    };
    let (from, to) = match (two, caused) {
        (0, true) => (Placing, RestoreMove::Running),
        (0, false) => (Placing, RestoreMove::Validating),
        (1, true) => (Running, RestoreMove::Validating),
        (1, false) => (Validating, measured()),
        (2, true) => (HandingOver, step("hook warm")),
        (2, false) => (HandingOver, step("hook repoint")),
        (_, true) => (Validating, failed),
        (_, false) => (HandingOver, RestoreMove::Done),
    };
    moving(number, from, to)
}
