//! The faults, and a plan of them from a seed.

use std::fmt;
use std::time::Duration;

use fastrand::Rng;

/// How many nodes there are.
const NODES: usize = 3;
/// How many agents.
const AGENTS: usize = 2;

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
    /// Packets to and from a node or, by the numbers after theirs, an agent take so
    /// many milliseconds, and may overtake each other.
    SlowNetwork(usize, u64),
    /// An agent reaches its repository and its PostgreSQL, but no node.
    AgentCutOff(usize),
    /// kill -9 of an agent.
    AgentKill(usize),
    /// SIGSTOP of an agent, then SIGCONT.
    AgentPause(usize),
    /// A power cut under an agent's journal, at the first one under the repository
    /// as well.
    AgentPowerCut(usize),
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
    /// No node runs over a due time, until the agent follows its schedules on
    /// its own.
    AllGone(Meanwhile),
    /// The agent that receives WAL is away until the other does.
    ReceiverGone(Away),
    /// A node's clock jumps by so many seconds, and back.
    ClockJump(usize, i64),
    /// Another node is made to lead.
    Handover(usize),
    /// A node is removed, loses its disk, and joins as a new one.
    Replace(usize),
}

/// What befalls the agent while it is on its own, in the middle of a backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meanwhile {
    /// Nothing.
    Nothing,
    /// kill -9, and it is started again.
    Kill,
    /// A power cut under its journal and the repository, and it is started again.
    PowerCut,
}

/// How an agent is away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Away {
    /// kill -9.
    Killed,
    /// SIGSTOP: its connections are open.
    Paused,
    /// It reaches no node, and goes on for all it knows.
    CutOff,
}

const AWAY: [Away; 3] = [Away::Killed, Away::Paused, Away::CutOff];
const MEANWHILE: [Meanwhile; 3] = [Meanwhile::Nothing, Meanwhile::Kill, Meanwhile::PowerCut];

/// A kind of fault, for reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Kind(&'static str);

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl Fault {
    /// Whether it lasts until something has come of it. Such a fault comes alone:
    /// another could be in the way of that.
    pub const fn is_lasting(self) -> bool {
        matches!(self, Self::AllGone(_) | Self::ReceiverGone(_))
    }

    /// Its kind.
    pub const fn kind(self) -> Kind {
        Kind(match self {
            Self::Kill(_) => "kill -9 of a node",
            Self::Pause(_) => "pause of a node",
            Self::Isolate(_) => "node cut off",
            Self::LeaderAlone => "leader alone",
            Self::OneWay(..) => "one-way partition",
            Self::Loss(..) => "lost packets",
            Self::SlowNetwork(..) => "slow network",
            Self::AgentCutOff(_) => "agent sees the repository but no node",
            Self::AgentKill(_) => "kill -9 of an agent",
            Self::AgentPause(_) => "pause of an agent",
            Self::AgentPowerCut(0) => "power cut under journal and repository",
            Self::AgentPowerCut(_) => "power cut under the relay's journal",
            Self::SlowDisk(..) => "slow disk",
            Self::FullDisk(_) => "full disk",
            Self::FailingSync(_) => "failing fsync",
            Self::RepositoryFull => "full repository",
            Self::PowerCut(_) => "power cut of a node",
            Self::PowerCutAll => "power cut of all nodes",
            Self::AllGone(_) => "no node over a due time",
            Self::ReceiverGone(_) => "WAL's receiver gone until it moved",
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
    /// How often all kinds have been shuffled.
    rounds: u64,
    /// Kinds still to come before any comes again.
    deck: Vec<u8>,
    /// Drawn already.
    next: Option<Fault>,
}

/// How many kinds [`Plan::fault`] knows that are over in a moment.
const KINDS: u8 = 20;
/// And how many that last.
const LASTING: u8 = 2;
/// Those come in every so many rounds of the others, from the second on.
const LASTING_EVERY: u64 = 4;

impl Plan {
    /// The plan of a seed.
    pub fn new(seed: u64) -> Self {
        Self {
            rng: Rng::with_seed(seed),
            rounds: 0,
            deck: Vec::new(),
            next: None,
        }
    }

    /// What comes next: one fault, every third time two.
    pub fn step(&mut self) -> Step {
        let mut faults = vec![self.fault()];
        if self.rng.u8(0..3) == 0 && !faults[0].is_lasting() {
            let second = self.fault();
            if second.is_lasting() {
                self.next = Some(second);
            } else {
                faults.push(second);
            }
        }
        let lasts = Duration::from_millis(self.rng.u64(300..3000));
        Step { faults, lasts }
    }

    fn fault(&mut self) -> Fault {
        if let Some(fault) = self.next.take() {
            return fault;
        }
        if self.deck.is_empty() {
            let lasting = self.rounds % LASTING_EVERY == 1;
            self.rounds += 1;
            self.deck = (0..KINDS + if lasting { LASTING } else { 0 }).collect();
            self.rng.shuffle(&mut self.deck);
        }
        let kind = self.deck.pop().unwrap_or_default();
        let rng = &mut self.rng;
        let node = rng.usize(0..NODES);
        let other = (node + rng.usize(1..NODES)) % NODES;
        let agent = rng.usize(0..AGENTS);
        match kind {
            0 => Fault::Kill(node),
            1 => Fault::Pause(node),
            2 => Fault::Isolate(node),
            3 => Fault::LeaderAlone,
            4 => Fault::OneWay(node, other),
            5 => Fault::Loss(node, rng.u8(5..40)),
            6 => Fault::AgentCutOff(agent),
            7 => Fault::AgentKill(agent),
            8 => Fault::AgentPause(agent),
            9 => Fault::AgentPowerCut(agent),
            10 => Fault::SlowDisk(node, rng.u64(20..400)),
            11 => Fault::FullDisk(node),
            12 => Fault::FailingSync(node),
            13 => Fault::RepositoryFull,
            14 => Fault::PowerCut(node),
            15 => Fault::PowerCutAll,
            16 => Fault::ClockJump(node, rng.i64(-90..90)),
            17 => Fault::Handover(node),
            18 => Fault::Replace(node),
            19 => Fault::SlowNetwork(rng.usize(0..NODES + AGENTS), rng.u64(5..250)),
            20 => Fault::ReceiverGone(AWAY[rng.usize(0..AWAY.len())]),
            _ => Fault::AllGone(MEANWHILE[rng.usize(0..MEANWHILE.len())]),
        }
    }
}

impl Iterator for Plan {
    type Item = Step;

    fn next(&mut self) -> Option<Step> {
        Some(self.step())
    }
}
