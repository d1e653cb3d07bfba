//! Sessions of agents: who is connected to this node, and what they last
//! said of things that are never replicated.
//!
//! Sessions are local, truth is replicated: losing this node costs its agents
//! a reconnect and nothing else. A new leader knows no liveness, so it waits a
//! full liveness period before it takes anybody for lost.

pub(crate) mod access;
mod assign;
mod facts;
mod identity;
mod link;
mod plans;
mod progress;
mod registry;
mod reports;
mod wal;

use std::time::Duration;

pub use assign::assignments_of;
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
