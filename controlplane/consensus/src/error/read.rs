//! Errors of reading.

use std::time::Duration;

use crate::fault::Fault;

/// Why a read has no answer.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ReadError {
    /// No leader is known, so nobody can say what is current.
    #[error("the control plane has no leader at the moment")]
    NoLeader,
    /// No quorum confirms that what this node holds is current.
    #[error("the control plane has no quorum")]
    NoQuorum,
    /// The node did not catch up in time.
    #[error("the node did not catch up within {0:?}")]
    Timeout(Duration),
    /// This node's storage failed.
    #[error(transparent)]
    Storage(#[from] Fault),
    /// The node is being stopped.
    #[error("the node is shutting down")]
    ShuttingDown,
}

impl ReadError {
    /// Stable, snake_case.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoLeader => "no_leader",
            Self::NoQuorum => "no_quorum",
            Self::Timeout(_) => "node_behind",
            Self::Storage(fault) => fault.code(),
            Self::ShuttingDown => "shutting_down",
        }
    }

    /// What to do next.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::NoLeader | Self::NoQuorum => {
                "try again in a moment, or read with consistency=stale what this node last knew"
            }
            Self::Timeout(_) => "ask another node, or read with consistency=stale",
            Self::Storage(fault) => fault.hint(),
            Self::ShuttingDown => "ask another node, or this one when it is back",
        }
    }
}
