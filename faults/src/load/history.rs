//! What clients asked and were told, and whether one register could have said
//! it.
//!
//! A key is a register: its operations are reads, writes, and writes under the
//! condition that nobody wrote since (compare and set). Each value is written
//! once. The check is that of Wing, Gong and Lowe (`todc-utils`), per key.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use todc_utils::linearizability::WGLChecker;
use todc_utils::linearizability::history::{Action, History as Calls};
use todc_utils::specifications::Specification;

/// A value; each is written at most once to a key.
pub type Value = u64;

/// What was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// What is there? And the answer.
    Read(Option<Value>),
    /// Be this.
    Write(Value),
    /// Be the second if you are the first.
    CompareAndSet(Option<Value>, Value),
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It was done.
    Done,
    /// It was said not to be done.
    NotDone,
    /// Nobody said.
    Unknown,
}

/// One request and its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// The register.
    pub key: String,
    /// What was asked.
    pub operation: Operation,
    /// What came of it.
    pub outcome: Outcome,
    /// When it began and ended, in the order of all beginnings and ends.
    pub began: u64,
    /// See `began`.
    pub ended: u64,
}

/// All calls, as they end.
#[derive(Debug, Default)]
pub struct History {
    clock: AtomicU64,
    calls: Mutex<Vec<Call>>,
}

impl History {
    /// A moment, after all that were asked for before.
    pub fn moment(&self) -> u64 {
        self.clock.fetch_add(1, Ordering::SeqCst)
    }

    /// Keeps a call that has just ended.
    ///
    /// # Panics
    /// When another recorder panicked.
    pub fn record(&self, key: &str, operation: Operation, outcome: Outcome, began: u64) {
        let call = Call {
            key: key.to_owned(),
            operation,
            outcome,
            began,
            ended: self.moment(),
        };
        self.calls.lock().expect("no recorder panicked").push(call);
    }

    /// Everything so far.
    ///
    /// # Panics
    /// When a recorder panicked.
    pub fn calls(&self) -> Vec<Call> {
        self.calls.lock().expect("no recorder panicked").clone()
    }
}

/// What one register could not have said, a line for each key at fault.
pub fn violations(calls: &[Call]) -> Vec<String> {
    let mut keys: BTreeMap<&str, Vec<&Call>> = BTreeMap::new();
    for call in calls {
        keys.entry(&call.key).or_default().push(call);
    }
    keys.into_iter()
        .filter_map(|(key, calls)| violation(key, &calls))
        .collect()
}

fn violation(key: &str, calls: &[&Call]) -> Option<String> {
    let mut seen: BTreeMap<Value, u64> = BTreeMap::new();
    for call in calls.iter().filter(|call| call.outcome == Outcome::Done) {
        if let Operation::Read(Some(value)) | Operation::CompareAndSet(Some(value), _) =
            call.operation
        {
            let first = seen.entry(value).or_insert(call.ended);
            *first = call.ended.min(*first);
        }
    }
    let mut actions = Vec::new();
    for (process, call) in calls.iter().enumerate() {
        let written = match call.operation {
            Operation::Read(_) => None,
            Operation::Write(value) | Operation::CompareAndSet(_, value) => Some(value),
        };
        let ended = match (call.outcome, written) {
            (Outcome::Done, _) => call.ended,
            (Outcome::NotDone, Some(value)) if seen.contains_key(&value) => {
                return Some(format!(
                    "{key}: {value} was read, although its writer was told that it was not \
                     written: {call:?}"
                ));
            }
            // A write without an answer that nobody ever saw may as well not
            // have been done. One that was seen was done before it was seen.
            (Outcome::Unknown, Some(value)) => match seen.get(&value) {
                Some(first) => call.ended.max(*first),
                None => continue,
            },
            (Outcome::NotDone | Outcome::Unknown, _) => continue,
        };
        actions.push((call.began, 1, process, Action::Call(call.operation)));
        actions.push((ended, 0, process, Action::Response(call.operation)));
    }
    actions.sort_by_key(|(moment, kind, _, _)| (*moment, *kind));
    if actions.is_empty() {
        return None;
    }
    let count = actions.len() / 2;
    let (processes, actions) = numbered(actions);
    let history = Calls::from_actions(processes.into_iter().zip(actions).collect());
    (!WGLChecker::<Register>::is_linearizable(history))
        .then(|| format!("{key}: its {count} operations are not those of one register"))
}

type Timed = (u64, u8, usize, Action<Operation>);

fn numbered(actions: Vec<Timed>) -> (Vec<usize>, Vec<Action<Operation>>) {
    let kept: BTreeSet<usize> = actions.iter().map(|(_, _, process, _)| *process).collect();
    let numbers: BTreeMap<usize, usize> = kept.into_iter().zip(0..).collect();
    let parts = actions.into_iter();
    parts
        .map(|(_, _, process, action)| (numbers[&process], action))
        .unzip()
}

struct Register;

impl Specification for Register {
    type State = Option<Value>;
    type Operation = Operation;

    fn init() -> Self::State {
        None
    }

    fn apply(operation: &Operation, state: &Self::State) -> (bool, Self::State) {
        match operation {
            Operation::Read(value) => (value == state, *state),
            Operation::Write(value) => (true, Some(*value)),
            Operation::CompareAndSet(expected, value) if expected == state => (true, Some(*value)),
            Operation::CompareAndSet(..) => (false, *state),
        }
    }
}
