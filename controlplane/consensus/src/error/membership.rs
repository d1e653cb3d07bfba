//! Errors of changing who is in the group.

use super::ProposeError;
use crate::node::QuorumPreview;
use crate::raft::NodeId;

/// Why the membership was not changed.
#[derive(Debug, thiserror::Error)]
pub enum MembershipError {
    /// As for a command.
    #[error(transparent)]
    Propose(#[from] ProposeError),
    /// The group has no such node.
    #[error("the control plane has no node {0}")]
    NoSuchMember(NodeId),
    /// A node id is never used again.
    #[error("node {0} was a member before: its id is never used again")]
    IdUsed(NodeId),
    /// It is a member, reached elsewhere.
    #[error("node {id} is a member already, at {raft}")]
    IsMember {
        /// Which node.
        id: NodeId,
        /// Where it is reached.
        raft: String,
    },
    /// It does not vote, so it cannot lead.
    #[error("node {0} has no vote: it cannot lead")]
    NotVoter(NodeId),
    /// It does not hold enough of the log yet.
    #[error(
        "node {id} has not caught up: {}", behind.map_or_else(
            || "it has not answered yet".to_owned(),
            |behind| format!("it is {behind} entries behind, at most {allowed} are taken"),
        )
    )]
    NotCaughtUp {
        /// Which node.
        id: NodeId,
        /// How many entries it lacks; `None` while it has not answered.
        behind: Option<u64>,
        /// How many it may lack.
        allowed: u64,
    },
    /// The leader has not heard from it lately.
    #[error("node {0} does not answer the leader")]
    Unreachable(NodeId),
    /// The group cannot be without voters.
    #[error("node {0} is the only voter: without it there is no control plane")]
    LastVoter(NodeId),
    /// Too few of the voters that would be left can be reached.
    #[error("no quorum would be left: {0}")]
    NoQuorumLeft(QuorumPreview),
    /// Another change is under way.
    #[error("another change of the membership is under way: {0}")]
    InProgress(String),
    /// The change is not possible.
    #[error("the membership cannot be changed so: {0}")]
    Refused(String),
}

impl MembershipError {
    /// Stable, `snake_case`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Propose(error) => error.code(),
            Self::NoSuchMember(_) => "no_such_node",
            Self::IdUsed(_) => "node_id_used",
            Self::IsMember { .. } => "node_is_member",
            Self::NotVoter(_) => "node_has_no_vote",
            Self::NotCaughtUp { .. } => "node_not_caught_up",
            Self::Unreachable(_) => "node_unreachable",
            Self::LastVoter(_) => "last_voter",
            Self::NoQuorumLeft(_) => "no_quorum_left",
            Self::InProgress(_) => "membership_change_in_progress",
            Self::Refused(_) => "membership_change_refused",
        }
    }

    /// What to do next.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Propose(error) => error.hint(),
            Self::NoSuchMember(_) => "list the nodes: it was removed, or never added",
            Self::IdUsed(_) => "join the node again: it is given a new id",
            Self::IsMember { .. } => "remove that node first, or give the new one an id of its own",
            Self::NotVoter(_) => "promote it first, or choose a voter",
            Self::NotCaughtUp { .. } => "wait until it has caught up, then promote it",
            Self::Unreachable(_) => "check that the node runs and its Raft address is open",
            Self::LastVoter(_) => "add and promote another node first",
            Self::NoQuorumLeft(_) => {
                "bring back nodes that are down, or add and promote another one first"
            }
            Self::InProgress(_) => "try again in a moment",
            Self::Refused(_) => "list the nodes and choose another change",
        }
    }
}
