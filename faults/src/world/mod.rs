//! The world under faults: three nodes on disks and clocks of their own, an
//! agent with a PostgreSQL and a repository, a second one that can receive its
//! WAL, and the network between them.

mod agent;
mod ask;
mod documents;
mod host;
mod node;
mod setup;

pub use agent::FaultyAgent;
pub use documents::KEPT;
pub use host::Host;
pub use node::{FaultyNode, RAFT};
pub use setup::{AGENTS, CLUSTER, NODES, World};

/// Where every node serves REST, in its own namespace.
pub const REST: &str = "http://127.0.0.1:8080";
