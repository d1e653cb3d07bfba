//! A run: the world, the load, the faults one after the other, the checks.

use std::time::{Duration, Instant};

use holdfast_tests::ledger::Ledger;
use jiff::Timestamp;

use crate::check::{self, Work};
use crate::load::{Load, Served, violations};
use crate::nemesis::{Event, Nemesis, Plan, Step};
use crate::world::{NODES, World};

/// Clients at each node.
const CLIENTS: usize = 2;

/// Between commits in the cluster that is protected: its WAL flows all the while,
/// and it stays small.
const PACE: Duration = Duration::from_millis(50);

/// How much is tried.
#[derive(Debug, Clone)]
pub struct Options {
    /// From which everything follows.
    pub seed: u64,
    /// So many faults at least, unless time is up before.
    pub faults: usize,
    /// No new fault after so long.
    pub at_most: Duration,
    /// Steps that come before those of the seed.
    pub first: Vec<Step>,
}

/// What came of it.
#[derive(Debug)]
pub struct Outcome {
    /// The seed.
    pub seed: u64,
    /// What went wrong, and how it healed.
    pub events: Vec<Event>,
    /// How clients were served.
    pub served: Served,
    /// Requests that the check of linearizability saw.
    pub calls: usize,
    /// How often another agent took over the duty to receive WAL.
    pub moved: u64,
    /// Rows that were committed in the cluster, and restored.
    pub written: usize,
    /// What there was to do.
    pub work: Work,
    /// Rows that were equal on all nodes.
    pub rows: usize,
    /// What must not be, a line each.
    pub violations: Vec<String>,
    /// How long it took.
    pub took: Duration,
}

impl Outcome {
    /// How many faults there were.
    pub fn faults(&self) -> usize {
        self.events
            .iter()
            .map(|event| event.step.faults.len())
            .sum()
    }
}

/// Runs. The seed is printed first, so that a run that never ends can be had
/// again.
///
/// # Panics
/// When the world cannot be made, or does not become whole after a fault.
pub fn run(options: &Options) -> Outcome {
    let seed = options.seed;
    eprintln!(
        "faults: seed {seed}, {} faults in at most {:?}",
        options.faults, options.at_most
    );
    let began = Instant::now();
    let mut world = World::new();
    // Its schedules have begun by now.
    let since = Timestamp::now();
    world.wait_whole();
    eprintln!("the world is there after {:?}", began.elapsed());
    let load = Load::start(&world.net, &NODES, CLIENTS, &world.token, seed);
    let connection = world.postgres.socket_conninfo();
    let ledger = Ledger::start_with(&format!("{connection} dbname=postgres"), PACE);
    let mut nemesis = Nemesis::new(seed);
    let mut done = 0;
    for step in options.first.iter().cloned().chain(Plan::new(seed)) {
        if done >= options.faults || began.elapsed() > options.at_most {
            break;
        }
        done += step.faults.len();
        nemesis.act(&mut world, step);
    }
    let (calls, served) = load.finish(&world.net, &NODES, &world.token);
    let mut found = nemesis.findings;
    found.extend(violations(&calls));
    let written = ledger.stop();
    let (work, wrong) = check::work(&world, since, &nemesis.alone);
    found.extend(wrong);
    found.extend(check::wal(&world, &written));
    let rows = check::databases(&mut world).unwrap_or_else(|difference| {
        found.push(difference);
        0
    });
    if !found.is_empty() {
        world.keep_logs();
    }
    Outcome {
        seed,
        moved: nemesis.moved,
        written: written.len(),
        events: nemesis.events,
        served,
        calls: calls.len(),
        work,
        rows,
        violations: found,
        took: began.elapsed(),
    }
}
