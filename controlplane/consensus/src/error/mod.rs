//! What callers of a node are told. Each error has a stable code and a hint.

mod call;
mod membership;
mod open;
mod propose;
mod read;

pub use self::call::{CallError, CallFault};
pub use self::membership::MembershipError;
pub use self::open::OpenError;
pub use self::propose::ProposeError;
pub use self::read::ReadError;
use crate::raft::{Member, NodeId};

/// The leader, as this node knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leader {
    /// Its id.
    pub id: NodeId,
    /// Where it is reached.
    pub member: Member,
}
