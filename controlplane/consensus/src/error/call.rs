//! Errors of calls between nodes.

use std::time::Duration;

use crate::raft::NodeId;

/// Why a call to a node has no answer.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The group has no such node.
    #[error("the control plane has no node {0}")]
    NoSuchMember(NodeId),
    /// The node was not reached, takes no calls at the moment, or the
    /// connection broke before it answered: it may have done what was asked.
    #[error("node {node} cannot be reached: {reason}")]
    Unreachable {
        /// Which node.
        node: NodeId,
        /// Why not.
        reason: String,
    },
    /// The node's program does not know this kind of call: it is older.
    #[error("node {node} does not know calls of the kind \"{kind}\"")]
    UnknownKind {
        /// Which node.
        node: NodeId,
        /// The kind.
        kind: String,
    },
    /// The node answered with an error.
    #[error("node {node}: {message}")]
    Fault {
        /// Which node.
        node: NodeId,
        /// Its stable code, `snake_case`.
        code: String,
        /// What it said.
        message: String,
    },
    /// The answer did not come in time: it may have done what was asked.
    #[error("node {node} did not answer within {after:?}")]
    Timeout {
        /// Which node.
        node: NodeId,
        /// How long was waited.
        after: Duration,
    },
    /// The call is larger than nodes take.
    #[error("the call has {bytes} bytes, at most {limit} are taken")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The most there may be.
        limit: usize,
    },
}

impl CallError {
    /// Stable, `snake_case`; that of the answering node's error is its own.
    pub fn code(&self) -> &str {
        match self {
            Self::NoSuchMember(_) => "no_such_node",
            Self::Unreachable { .. } => "node_unreachable",
            Self::UnknownKind { .. } => "node_too_old",
            Self::Fault { code, .. } => code,
            Self::Timeout { .. } => "node_timeout",
            Self::TooLarge { .. } => "call_too_large",
        }
    }

    /// What to do next.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::NoSuchMember(_) => "list the nodes: it was removed, or never added",
            Self::Unreachable { .. } => "check that the node runs and its Raft address is open",
            Self::UnknownKind { .. } => "upgrade the node, then try again",
            Self::Fault { .. } => "look at the log of the node that answered",
            Self::Timeout { .. } => "try again; check the node's load and its network",
            Self::TooLarge { .. } => "ask for less at once",
        }
    }
}

/// What the node that was called says instead of an answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallFault {
    /// It does not know this kind of call.
    #[error("calls of this kind are not known here")]
    UnknownKind,
    /// It could not do it.
    #[error("{message}")]
    Failed {
        /// Stable, `snake_case`.
        code: String,
        /// What went wrong; no secret.
        message: String,
    },
}

impl CallFault {
    /// It could not do it.
    pub fn failed(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Failed {
            code: code.into(),
            message: message.into(),
        }
    }
}
