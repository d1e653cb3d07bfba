//! The faults, and a plan of them from a seed.

use std::fmt;
use std::time::Duration;

use fastrand::Rng;

/// How many nodes there are.
const NODES: usize = 3;

/// One fault. Nodes are meant by their place, the leader as it is then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// kill -9 of a node.
    Kill(usize),
    /// SIGSTOP of a node, then SIGCONT.
    Pause(usize),
    /// A node reaches no other, and no other reaches it.
    Isolate(usize),
    /// The leader reaches no other node, but its agents.
    LeaderAlone,
    /// What the first sends does not arrive at the second.
    OneWay(usize, usize),
    /// Packets to a node get lost, so many in a hundred.
    Loss(usize, u8),
    /// The agent reaches its repository and its PostgreSQL, but no node.
    AgentCutOff,
    /// kill -9 of the agent.
    AgentKill,
    /// SIGSTOP of the agent, then SIGCONT.
    AgentPause,
    /// A power cut under the agent's journal and the repository.
    AgentPowerCut,
    /// Every `fsync` of a node takes so many milliseconds longer.
    SlowDisk(usize, u64),
    /// A node's disk is full.
    FullDisk(usize),
    /// Every `fsync` of a node fails.
    FailingSync(usize),
    /// The disk of the repository and the agent's journal is full.
    RepositoryFull,
    /// A power cut of one node.
    PowerCut(usize),
    /// A power cut of all nodes at once.
    PowerCutAll,
    /// A node's clock jumps by so many seconds, and back.
    ClockJump(usize, i64),
    /// Another node is made to lead.
    Handover(usize),
    /// A node is removed, loses its disk, and joins as a new one.
    Replace(usize),
}

/// A kind of fault, for reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Kind(&'static str);

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl Fault {
    /// Its kind.
    pub const fn kind(self) -> Kind {
        Kind(match self {
            Self::Kill(_) => "kill -9 of a node",
            Self::Pause(_) => "pause of a node",
            Self::Isolate(_) => "node cut off",
            Self::LeaderAlone => "leader alone",
            Self::OneWay(..) => "one-way partition",
            Self::Loss(..) => "lost packets",
            Self::AgentCutOff => "agent sees the repository but no node",
            Self::AgentKill => "kill -9 of the agent",
            Self::AgentPause => "pause of the agent",
            Self::AgentPowerCut => "power cut under journal and repository",
            Self::SlowDisk(..) => "slow disk",
            Self::FullDisk(_) => "full disk",
            Self::FailingSync(_) => "failing fsync",
            Self::RepositoryFull => "full repository",
            Self::PowerCut(_) => "power cut of a node",
            Self::PowerCutAll => "power cut of all nodes",
            Self::ClockJump(..) => "clock jump",
            Self::Handover(_) => "leadership handed over",
            Self::Replace(_) => "node replaced",
        })
    }
}

/// What goes wrong at one time, and for how long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// One fault, or two.
    pub faults: Vec<Fault>,
    /// How long it stays so.
    pub lasts: Duration,
}

/// Every step there is, one after the other; the same for the same seed.
#[derive(Debug, Clone)]
pub struct Plan {
    rng: Rng,
    /// Kinds still to come before any comes again.
    deck: Vec<u8>,
}

/// How many kinds [`Plan::fault`] knows.
const KINDS: u8 = 19;

impl Plan {
    /// The plan of a seed.
    pub fn new(seed: u64) -> Self {
        Self {
            rng: Rng::with_seed(seed),
            deck: Vec::new(),
        }
    }

    /// What comes next: one fault, every third time two.
    pub fn step(&mut self) -> Step {
        let mut faults = vec![self.fault()];
        if self.rng.u8(0..3) == 0 {
            faults.push(self.fault());
        }
        let lasts = Duration::from_millis(self.rng.u64(300..3000));
        Step { faults, lasts }
    }

    fn fault(&mut self) -> Fault {
        if self.deck.is_empty() {
            self.deck = (0..KINDS).collect();
            self.rng.shuffle(&mut self.deck);
        }
        let kind = self.deck.pop().unwrap_or_default();
        let rng = &mut self.rng;
        let node = rng.usize(0..NODES);
        let other = (node + rng.usize(1..NODES)) % NODES;
        match kind {
            0 => Fault::Kill(node),
            1 => Fault::Pause(node),
            2 => Fault::Isolate(node),
            3 => Fault::LeaderAlone,
            4 => Fault::OneWay(node, other),
            5 => Fault::Loss(node, rng.u8(5..40)),
            6 => Fault::AgentCutOff,
            7 => Fault::AgentKill,
            8 => Fault::AgentPause,
            9 => Fault::AgentPowerCut,
            10 => Fault::SlowDisk(node, rng.u64(20..400)),
            11 => Fault::FullDisk(node),
            12 => Fault::FailingSync(node),
            13 => Fault::RepositoryFull,
            14 => Fault::PowerCut(node),
            15 => Fault::PowerCutAll,
            16 => Fault::ClockJump(node, rng.i64(-90..90)),
            17 => Fault::Handover(node),
            _ => Fault::Replace(node),
        }
    }
}

impl Iterator for Plan {
    type Item = Step;

    fn next(&mut self) -> Option<Step> {
        Some(self.step())
    }
}
