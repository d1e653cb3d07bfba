//! Errors of proposing.

use std::time::Duration;

use super::Leader;
use crate::fault::Fault;
use crate::raft::NodeId;

/// Why a command has no answer.
#[derive(Debug, thiserror::Error)]
pub enum ProposeError {
    /// No leader was found, or none that can be reached from here. The command
    /// was not done.
    #[error(
        "{}", leader.as_ref().map_or_else(
            || "the control plane has no leader at the moment".to_owned(),
            |leader| format!("node {} leads the control plane and cannot be reached", leader.id),
        )
    )]
    NotLeader {
        /// Who leads, as this node knows.
        leader: Option<Leader>,
    },
    /// No quorum answers. The command was not done.
    #[error("the control plane has no quorum")]
    NoQuorum,
    /// The answer did not come in time, or was lost with the leader or the
    /// connection to it: the command may be done, now or later.
    #[error("it is not known whether the command was done: no answer came within {0:?}")]
    Unknown(Duration),
    /// The command is larger than the log takes.
    #[error("the command has {bytes} bytes, at most {limit} are taken")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The most there may be.
        limit: usize,
    },
    /// The leader runs a program that does not know the command, or takes none
    /// from other nodes. The command was not done.
    #[error("the leader, node {leader}, runs a program that cannot read the command")]
    LeaderTooOld {
        /// Who leads.
        leader: NodeId,
    },
    /// This node's storage failed. The command may be done.
    #[error(transparent)]
    Storage(#[from] Fault),
    /// The node is being stopped. The command may be done.
    #[error("the node is shutting down")]
    ShuttingDown,
}

impl ProposeError {
    /// Stable, snake_case.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotLeader { .. } => "not_leader",
            Self::NoQuorum => "no_quorum",
            Self::Unknown(_) => "outcome_unknown",
            Self::TooLarge { .. } => "command_too_large",
            Self::LeaderTooOld { .. } => "leader_too_old",
            Self::Storage(fault) => fault.code(),
            Self::ShuttingDown => "shutting_down",
        }
    }

    /// What to do next.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::NotLeader { .. } => "try again in a moment, or ask another node",
            Self::NoQuorum => "bring back enough nodes for a majority, then try again",
            Self::Unknown(_) => {
                "repeat it with the same idempotency key: it is done at most once; without a key \
                 look first whether it was done"
            }
            Self::TooLarge { .. } => "split it into smaller ones",
            Self::LeaderTooOld { .. } => "upgrade the remaining nodes, then try again",
            Self::Storage(fault) => fault.hint(),
            Self::ShuttingDown => "ask another node, or this one when it is back",
        }
    }

    /// Whether the command certainly was not done.
    pub fn is_certain(&self) -> bool {
        match self {
            Self::NotLeader { .. }
            | Self::NoQuorum
            | Self::TooLarge { .. }
            | Self::LeaderTooOld { .. } => true,
            Self::Unknown(_) | Self::Storage(_) | Self::ShuttingDown => false,
        }
    }
}
