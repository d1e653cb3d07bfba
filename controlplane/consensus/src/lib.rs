//! The control plane's replicated log and state on this node: everything that
//! names openraft.
//!
//! A [`Node`] is one member of the group. It proposes commands (through the
//! leader, when it does not lead itself), answers when they are committed and
//! applied, and gives connections to read the state with; for what is never
//! replicated, nodes call each other. What it promises:
//!
//! - An acknowledged command survives losing any minority of nodes, power
//!   loss included (I-01): the log is fsynced before anything is acknowledged.
//! - Equal logs give equal databases (I-02): only committed entries change the
//!   state, one by one, in order.
//! - A deposed leader can acknowledge nothing (I-14), and a linearizable read
//!   is confirmed by a quorum.
//! - A node whose storage fails, or holds what it never wrote, stops and says
//!   why ([`Node::fatal`]); it never skips an entry.
//!
//! It does not know what a command means (that is `holdfast-state`), nor who
//! may propose it (that is the application).

#[cfg(test)]
mod conformance;
mod directory;
mod error;
mod fault;
mod log;
mod machine;
mod network;
mod node;
mod raft;
mod wire;

use std::sync::{Mutex, MutexGuard, PoisonError};

pub use error::{
    CallError, CallFault, Leader, MembershipError, OpenError, ProposeError, ReadError,
};
pub use fault::{Fault, FaultKind};
pub use machine::Notice;
pub use network::{AdmitPeer, NODE_REMOVED, PeerCalls, PeerTls};
pub use node::{
    Age, MemberStatus, MembershipChange, Node, NodeConfig, ProposeContext, QuorumPreview, Role,
    StaleView, StateCopy, StateView, Status, Timings,
};
pub use raft::{Member, NodeId};

/// What a mutex guards. A panic elsewhere leaves our mutexes' contents whole:
/// each is changed by a single assignment or by code that cannot panic.
pub(crate) fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
