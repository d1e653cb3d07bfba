//! Faults that last until something has come of them: who takes over when
//! others are gone for long. It is awaited, and that it does not come in time
//! is a finding.

use std::time::{Duration, Instant};

use holdfast_types::schedule::RunId;
use jiff::Timestamp;

use super::act::Nemesis;
use super::fault::{Away, Meanwhile};
use crate::world::{AGENTS, CLUSTER, FaultyAgent, NODES, World};

/// What an agent logs when it begins a run on its own.
const BEGINS: &str = "a scheduled backup begins on its own";
/// Until an agent takes over, and to the next due time; a clock that jumped
/// just before may have it wait for longer.
const ALONE_WITHIN: Duration = Duration::from_secs(180);
/// Until an agent counts as gone and another has its duty: 15 s of silence, and
/// as long as PostgreSQL may take to let go of the slot.
const MOVES_WITHIN: Duration = Duration::from_secs(90);

impl Nemesis {
    /// No node runs until the agent has begun a run on its own that came due
    /// without them, and, where the agent has a fault too, goes on after it.
    pub(super) fn all_gone(&mut self, world: &mut World, meanwhile: Meanwhile) {
        let gone = Timestamp::now();
        let before = world.agents[0].host.log().len();
        world.nodes.iter_mut().for_each(|node| node.host.kill());
        let came_due = |run: &RunId| run.due() > gone;
        if !self.awaits_alone(world, before, came_due) {
            return;
        }
        let before = world.agents[0].host.log().len();
        match meanwhile {
            Meanwhile::Nothing => return,
            Meanwhile::Kill => world.agents[0].host.kill(),
            Meanwhile::PowerCut => self.cut_agent(world, 0),
        }
        let agents = world.agents.iter_mut();
        agents.for_each(FaultyAgent::start_if_down);
        self.awaits_alone(world, before, came_due);
    }

    /// Whoever receives WAL is away until the other agent does, without a gap.
    pub(super) fn receiver_gone(&mut self, world: &mut World, away: Away) {
        let held = within(MOVES_WITHIN, || world.receiver());
        let held = held.and_then(|name| AGENTS.iter().position(|agent| *agent == name));
        let Some(gone) = held else {
            self.findings.push("nobody receives WAL".to_owned());
            return;
        };
        match away {
            Away::Killed => world.agents[gone].host.kill(),
            Away::Paused => world.agents[gone].host.pause(),
            Away::CutOff => {
                let agent = AGENTS[gone];
                NODES.iter().for_each(|node| world.rules.cut(node, agent));
                world.apply_rules();
            }
        }
        let other = AGENTS[1 - gone];
        let moved = within(MOVES_WITHIN, || {
            (world.receiver()? == other).then(Timestamp::now)
        });
        // It may have the duty and not be able to do it.
        let received = moved
            .and_then(|moved| within(MOVES_WITHIN, || (world.frontier()? >= moved).then_some(())));
        match received {
            Some(()) => self.moved += 1,
            None => self.findings.push(format!(
                "{} was {away:?} and {other} did not receive WAL instead; it has moved: {moved:?}",
                AGENTS[gone]
            )),
        }
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
            let log = world.agents[0].host.log();
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
