//! Sessions of agents: who is connected to this node, and what they last
//! said of things that are never replicated.
//!
//! Sessions are local, truth is replicated: losing this node costs its agents
//! a reconnect and nothing else. What agents say that is never replicated, the
//! nodes tell each other ([`mirror`]), so that every node can answer for every
//! agent. A new leader may know no liveness yet, so it waits a full liveness
//! period before it takes anybody for lost.

pub(crate) mod access;
mod assign;
mod copies;
mod declared;
mod discovered;
mod facts;
mod fold;
mod identity;
mod instances;
mod known;
mod late;
mod link;
pub(crate) mod mirror;
mod offline;
mod orders;
mod plans;
mod progress;
mod registry;
mod reports;
mod shelf;
mod wal;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

pub(crate) use assign::INCARNATION;
pub use assign::assignments_of;
pub(crate) use declared::Declared;
pub use facts::{FactsBoard, differs};
pub use link::{Greeting, serve};
pub use plans::{PendingPlans, PlanError};
pub use progress::{Progress, ProgressBoard};
pub use registry::{AgentStatus, Registry};
pub use wal::{LiveWal, WalBoard, WalKey};

/// How often an agent says that it lives.
pub const HEARTBEAT_EVERY: Duration = Duration::from_secs(5);
/// After how long without a word it counts as offline.
pub const LOST_AFTER: Duration = Duration::from_secs(15);

/// Numbers what happens on the boards of this process, so that a node can ask
/// for what happened since.
fn tick() -> u64 {
    static TICKS: AtomicU64 = AtomicU64::new(0);
    TICKS.fetch_add(1, Ordering::Relaxed) + 1
}
