//! Doing a step of the plan to the world, and undoing it.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use fastrand::Rng;
use holdfast_tests::until::until;
use holdfast_types::schedule::RunId;

use super::fault::{Fault, Step};
use crate::disk::{Keep, Trouble};
use crate::net::Rules;
use crate::world::{AGENTS, NODES, World};

/// Room for a little more, then the disk is full.
const LAST_BYTES: u64 = 64 << 10;
const REPLACE_MAX: Duration = Duration::from_secs(60);

/// What was done, and how long the nodes took to be whole again.
#[derive(Debug, Clone)]
pub struct Event {
    /// Since the run began.
    pub at: Duration,
    /// What went wrong.
    pub step: Step,
    /// From the end of the fault until every node served and followed.
    pub whole_after: Duration,
    /// Which nodes had stopped by themselves, with what they said last.
    pub stopped: Vec<String>,
}

/// Breaks the world by a plan.
#[derive(Debug)]
pub struct Nemesis {
    rng: Rng,
    began: Instant,
    /// What it did.
    pub events: Vec<Event>,
    /// Runs that an agent began while there was no node.
    pub alone: BTreeSet<RunId>,
    /// How often the duty to receive WAL has moved because its agent was gone.
    pub moved: u64,
    /// What was awaited in vain, a line each.
    pub findings: Vec<String>,
}

impl Nemesis {
    /// One whose power cuts follow from the seed.
    pub fn new(seed: u64) -> Self {
        Self {
            rng: Rng::with_seed(seed ^ 0x00c0_ffee),
            began: Instant::now(),
            events: Vec::new(),
            alone: BTreeSet::new(),
            moved: 0,
            findings: Vec::new(),
        }
    }

    /// Does a step, waits for what is to come of it and as long as it lasts, undoes
    /// it, and waits until the nodes are whole.
    ///
    /// # Panics
    /// When they do not become whole: that is a finding.
    pub fn act(&mut self, world: &mut World, step: Step) {
        let at = self.began.elapsed();
        eprintln!(
            "{:8.1} s  {:?} for {:?}",
            at.as_secs_f64(),
            step.faults,
            step.lasts
        );
        for fault in &step.faults {
            self.begin(world, *fault);
        }
        std::thread::sleep(step.lasts);
        heal(world);
        let whole_after = world.wait_whole();
        let stopped = world
            .nodes
            .iter_mut()
            .flat_map(|node| node.stopped.drain(..));
        let stopped = stopped.collect();
        for fault in &step.faults {
            if let Fault::Replace(node) = fault {
                replace(world, *node);
            }
        }
        self.events.push(Event {
            at,
            step,
            whole_after,
            stopped,
        });
    }

    /// Cuts the power under an agent's disk.
    pub(super) fn cut_agent(&mut self, world: &mut World, agent: usize) {
        if agent == 0 {
            // The repository goes with it, and nobody may go on in it.
            world.agents.iter_mut().for_each(|agent| agent.host.kill());
        }
        world.agents[agent].host.power_cut(&mut self.keep());
    }

    fn keep(&mut self) -> Keep {
        if self.rng.bool() {
            Keep::Nothing
        } else {
            Keep::Some(self.rng.fork())
        }
    }

    fn begin(&mut self, world: &mut World, fault: Fault) {
        match fault {
            Fault::Kill(node) => world.nodes[node].host.kill(),
            Fault::Pause(node) => world.nodes[node].host.pause(),
            Fault::AgentKill(agent) => world.agents[agent].host.kill(),
            Fault::AgentPause(agent) => world.agents[agent].host.pause(),
            Fault::AgentPowerCut(agent) => self.cut_agent(world, agent),
            Fault::PowerCut(node) => {
                let mut keep = self.keep();
                world.nodes[node].host.power_cut(&mut keep);
            }
            Fault::PowerCutAll => {
                // All at once: none may go on and sync what another lost.
                world.nodes.iter_mut().for_each(|node| node.host.kill());
                for node in &mut world.nodes {
                    node.host.power_cut(&mut self.keep());
                }
            }
            Fault::AllGone(meanwhile) => self.all_gone(world, meanwhile),
            Fault::ReceiverGone(away) => self.receiver_gone(world, away),
            Fault::ClockJump(node, seconds) => {
                let shifted = world.nodes[node].clock.shift(seconds);
                shifted.expect("the clock's file can be written");
            }
            Fault::Handover(node) => {
                // It may be refused: another fault may be in its way.
                let asked = (node + 1) % NODES.len();
                if world.nodes[asked].host.runs() {
                    world.nodes[asked].cli(|cli| cli.run(["node", "lead", NODES[node]]));
                }
            }
            // Done when all is well: removing needs a quorum.
            Fault::Replace(_) => {}
            _ => disturb(world, fault),
        }
    }
}

/// Faults of disks and of the network.
fn disturb(world: &mut World, fault: Fault) {
    let full = Trouble {
        room: Some(LAST_BYTES),
        ..Trouble::default()
    };
    let others = |node: usize| NODES.into_iter().filter(move |name| *name != NODES[node]);
    match fault {
        Fault::SlowDisk(node, milliseconds) => world.nodes[node].host.disk.trouble(Trouble {
            slow_sync: Duration::from_millis(milliseconds),
            ..Trouble::default()
        }),
        Fault::FullDisk(node) => world.nodes[node].host.disk.trouble(full),
        Fault::FailingSync(node) => world.nodes[node].host.disk.trouble(Trouble {
            failing_sync: true,
            ..Trouble::default()
        }),
        Fault::RepositoryFull => world.agents[0].host.disk.trouble(full),
        Fault::Isolate(node) => {
            others(node)
                .chain(AGENTS)
                .for_each(|other| world.rules.cut(NODES[node], other));
        }
        Fault::LeaderAlone => {
            if let Some(leader) = world.leader() {
                others(leader).for_each(|other| world.rules.cut(NODES[leader], other));
            }
        }
        Fault::OneWay(from, to) => world.rules.cut_one_way(NODES[from], NODES[to]),
        Fault::Loss(node, percent) => world.rules.lose(NODES[node], percent),
        Fault::SlowNetwork(place, milliseconds) => {
            let mut members = NODES.into_iter().chain(AGENTS);
            let name = members.nth(place).expect("somebody has that number");
            let by = Duration::from_millis(milliseconds);
            world.rules.delay(name, by);
        }
        Fault::AgentCutOff(agent) => {
            let agent = AGENTS[agent];
            NODES.iter().for_each(|node| world.rules.cut(node, agent));
        }
        _ => {}
    }
    world.apply_rules();
}

/// Undoes everything, and starts again what has ended.
fn heal(world: &mut World) {
    world.rules = Rules::default();
    world.apply_rules();
    for agent in &mut world.agents {
        agent.host.disk.trouble(Trouble::default());
        agent.host.resume();
        agent.start_if_down();
    }
    for node in &mut world.nodes {
        if node.host.disk.mend() {
            node.doom();
        }
        node.clock
            .shift(0)
            .expect("the clock's file can be written");
        node.host.resume();
        node.start_what_stopped();
        if !node.host.runs() {
            node.start(false);
        }
    }
}

/// Takes a node out of the group and lets it join anew with an empty disk.
fn replace(world: &mut World, index: usize) {
    let asked = (index + 1) % NODES.len();
    let name = NODES[index];
    until("the node to be removed", REPLACE_MAX, || {
        let ran = world.nodes[asked].cli(|cli| cli.run(["node", "remove", name]));
        (ran.code == 0).then_some(())
    });
    until("the node to be out", REPLACE_MAX, || {
        let nodes = world.list_at(NODES[asked], "nodes").ok()?;
        nodes.iter().all(|node| node["name"] != name).then_some(())
    });
    world.nodes[index].wipe();
    world.join(index);
}
