//! Faults that last until something has come of them: who takes over when
//! others are gone for long. It is awaited, and that it does not come in time
//! is a finding.

use std::time::{Duration, Instant};

use holdfast_types::schedule::RunId;
use jiff::Timestamp;

use super::act::Nemesis;
use super::fault::Meanwhile;
use crate::world::{CLUSTER, World};

/// What an agent logs when it begins a run on its own.
const BEGINS: &str = "a scheduled backup begins on its own";
/// Until an agent takes over, and to the next due time; a clock that jumped
/// just before may have it wait for longer.
const ALONE_WITHIN: Duration = Duration::from_secs(180);

impl Nemesis {
    /// No node runs until the agent has begun a run on its own that came due
    /// without them, and, where the agent has a fault too, goes on after it.
    pub(super) fn all_gone(&mut self, world: &mut World, meanwhile: Meanwhile) {
        let gone = Timestamp::now();
        let before = world.agent.host.log().len();
        world.nodes.iter_mut().for_each(|node| node.host.kill());
        let came_due = |run: &RunId| run.due() > gone;
        if !self.awaits_alone(world, before, came_due) {
            return;
        }
        let before = world.agent.host.log().len();
        match meanwhile {
            Meanwhile::Nothing => return,
            Meanwhile::Kill => world.agent.host.kill(),
            Meanwhile::PowerCut => {
                let mut keep = self.keep();
                world.agent.host.power_cut(&mut keep);
            }
        }
        world.agent.start();
        self.awaits_alone(world, before, came_due);
    }

    /// Waits until the agent has begun such a run on its own since its log was
    /// `before` bytes long. Whether it has; a finding otherwise.
    fn awaits_alone(
        &mut self,
        world: &World,
        before: usize,
        such: impl Fn(&RunId) -> bool,
    ) -> bool {
        let found = within(ALONE_WITHIN, || {
            let log = world.agent.host.log();
            let lines = log.get(before..)?.lines();
            let mut runs = lines.filter_map(begun);
            runs.find(|run| such(run))
        });
        let began = found.is_some();
        match found {
            Some(run) => {
                self.alone.insert(run);
            }
            None => self.findings.push(format!(
                "the agent began no run on its own in {ALONE_WITHIN:?} without a node"
            )),
        }
        began
    }
}

/// The run that a line of an agent's log says to begin.
fn begun(line: &str) -> Option<RunId> {
    let said = line.split_once(BEGINS)?.1;
    let run = &said[said.find(&format!("{CLUSTER}."))?..];
    run.split_whitespace().next()?.parse().ok()
}

/// Looks until there is something, for so long.
fn within<T>(limit: Duration, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let started = Instant::now();
    loop {
        let found = look();
        if found.is_some() || started.elapsed() > limit {
            return found;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}
