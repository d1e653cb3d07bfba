//! Clients that write and read registers through any node, while things break.
//!
//! A register is the description of a fleet; its revision is what a conditional
//! write names. A register is left for a new one after a while, so that checking
//! stays cheap.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use fastrand::Rng;
use serde_json::{Value as Json, json};

use super::client::{Answer, Client};
use super::history::{History, Operation, Outcome, Value};
use crate::net::Net;

/// So many registers are in use at a time.
const REGISTERS: u64 = 3;
/// So many values are written to a register before a new one takes its place.
const WRITES_MAX: u64 = 100;
/// A client's pause between two requests.
const PAUSE: Duration = Duration::from_millis(30);

/// How the nodes served the clients.
#[derive(Debug, Clone, Default)]
pub struct Served {
    /// Requests that were answered with what was asked for.
    pub done: u64,
    /// Requests that were refused or said not to be done, by code.
    pub not_done: BTreeMap<String, u64>,
    /// Writes of which nobody knows.
    pub unknown: u64,
    /// The longest time without a single write done, at any node.
    pub longest_without_writes: Duration,
    last_write: Option<Instant>,
}

impl Served {
    fn count(&mut self, operation: &Operation, answer: &Answer) {
        let is_write = !matches!(operation, Operation::Read(_));
        match answer {
            Answer::Absent if is_write => {
                *self.not_done.entry("absent".to_owned()).or_default() += 1
            }
            Answer::Done(..) | Answer::Absent => self.done += 1,
            Answer::NotDone(code) => *self.not_done.entry(code.clone()).or_default() += 1,
            Answer::Unknown(_) if is_write => self.unknown += 1,
            Answer::Unknown(_) => {}
        }
        if is_write && matches!(answer, Answer::Done(..)) {
            let now = Instant::now();
            let before = self.last_write.replace(now).unwrap_or(now);
            self.longest_without_writes = self.longest_without_writes.max(now - before);
        }
    }
}

#[derive(Debug, Default)]
struct Shared {
    history: History,
    served: Mutex<Served>,
    values: AtomicU64,
    stop: AtomicBool,
}

/// Clients at work, until it is stopped.
#[derive(Debug)]
pub struct Load {
    shared: Arc<Shared>,
    clients: Vec<JoinHandle<()>>,
}

impl Load {
    /// Starts `clients` clients at each of `nodes`.
    pub fn start(net: &Arc<Net>, nodes: &[&str], clients: usize, token: &str, seed: u64) -> Self {
        let shared = Arc::new(Shared::default());
        let mut rng = Rng::with_seed(seed);
        let each = nodes
            .iter()
            .flat_map(|node| std::iter::repeat_n(*node, clients));
        let start = |node: &str| {
            let (shared, net, rng) = (Arc::clone(&shared), Arc::clone(net), rng.fork());
            let (node, token) = (node.to_owned(), token.to_owned());
            std::thread::spawn(move || at_node(&node, &net, || work(&shared, &token, rng)))
        };
        let clients = each.map(start).collect();
        Self { shared, clients }
    }

    /// How the nodes served so far.
    ///
    /// # Panics
    /// When a client panicked.
    pub fn served(&self) -> Served {
        self.shared
            .served
            .lock()
            .expect("no client panicked")
            .clone()
    }

    /// Ends the clients, reads every register once more through every one of
    /// `nodes`, and says what was asked and answered.
    ///
    /// # Panics
    /// When a client panicked, or a register cannot be read.
    pub fn finish(
        mut self,
        net: &Arc<Net>,
        nodes: &[&str],
        token: &str,
    ) -> (Vec<super::Call>, Served) {
        self.shared.stop.store(true, Ordering::Relaxed);
        for client in self.clients.drain(..) {
            client.join().expect("no client panicked");
        }
        let last = self.shared.values.load(Ordering::SeqCst) / WRITES_MAX;
        for node in nodes {
            let shared = &self.shared;
            net.inside(node, || {
                block_on(async {
                    let client = Client::new(crate::world::REST, token);
                    for number in 0..=last + REGISTERS {
                        let read = read(shared, &client, &key(number)).await;
                        assert!(read.is_some(), "{node} cannot read {}", key(number));
                    }
                });
            });
        }
        (self.shared.history.calls(), self.served())
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        for client in self.clients.drain(..) {
            // Its panic is the test's, which is ending.
            drop(client.join());
        }
    }
}

fn at_node(node: &str, net: &Net, work: impl AsyncFnOnce()) {
    net.enter(node).expect("the namespace can be entered");
    block_on(work());
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder
        .enable_all()
        .build()
        .expect("a runtime")
        .block_on(work)
}

fn key(number: u64) -> String {
    format!("register-{number}")
}

async fn work(shared: &Shared, token: &str, mut rng: Rng) {
    let client = Client::new(crate::world::REST, token);
    // What was read last, and where: the condition of the next write.
    let mut known: Option<(String, Option<Value>, Option<String>)> = None;
    while !shared.stop.load(Ordering::Relaxed) {
        let generation = shared.values.load(Ordering::SeqCst) / WRITES_MAX;
        let key = key(generation + rng.u64(0..REGISTERS));
        match (rng.u8(0..4), known.take()) {
            (0, _) => write(shared, &client, &key).await,
            (1, Some((key, value, Some(revision)))) => {
                compare_and_set(shared, &client, &key, value, &revision).await;
            }
            _ => {
                let found = read(shared, &client, &key).await;
                known = found.map(|(value, revision)| (key, value, revision));
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn read(
    shared: &Shared,
    client: &Client,
    key: &str,
) -> Option<(Option<Value>, Option<String>)> {
    let began = shared.history.moment();
    let answer = client.get(&format!("fleets/{key}")).await;
    let found = match &answer {
        Answer::Done(document, revision) => Some((value_of(document), revision.clone())),
        Answer::Absent => Some((None, None)),
        Answer::NotDone(_) | Answer::Unknown(_) => None,
    };
    let operation = Operation::Read(found.as_ref().and_then(|(value, _)| *value));
    if found.is_some() {
        shared.history.record(key, operation, Outcome::Done, began);
    }
    count(shared, &operation, &answer);
    found
}

async fn write(shared: &Shared, client: &Client, key: &str) {
    let operation = Operation::Write(shared.values.fetch_add(1, Ordering::SeqCst) + 1);
    put(shared, client, key, operation, None).await;
}

async fn compare_and_set(
    shared: &Shared,
    client: &Client,
    key: &str,
    expected: Option<Value>,
    revision: &str,
) {
    let value = shared.values.fetch_add(1, Ordering::SeqCst) + 1;
    let operation = Operation::CompareAndSet(expected, value);
    put(shared, client, key, operation, Some(revision)).await;
}

async fn put(
    shared: &Shared,
    client: &Client,
    key: &str,
    operation: Operation,
    revision: Option<&str>,
) {
    let (Operation::Write(value) | Operation::CompareAndSet(_, value)) = operation else {
        return;
    };
    let body = json!({
        "apiVersion": "holdfast/v1", "kind": "Fleet", "metadata": {"name": key},
        "spec": {"description": value.to_string()},
    });
    let began = shared.history.moment();
    let answer = client.put(&format!("fleets/{key}"), &body, revision).await;
    let outcome = match &answer {
        Answer::Done(..) => Outcome::Done,
        // That there is no such thing says of a write, too, that it was not done.
        Answer::Absent | Answer::NotDone(_) => Outcome::NotDone,
        Answer::Unknown(_) => Outcome::Unknown,
    };
    shared.history.record(key, operation, outcome, began);
    count(shared, &operation, &answer);
}

fn count(shared: &Shared, operation: &Operation, answer: &Answer) {
    let served = shared.served.lock();
    served.expect("no client panicked").count(operation, answer);
}

fn value_of(document: &Json) -> Option<Value> {
    document["spec"]["description"].as_str()?.parse().ok()
}
