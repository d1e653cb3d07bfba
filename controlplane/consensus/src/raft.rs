//! The types with which openraft is instantiated. Nothing outside this crate
//! sees an openraft type, so that a new version of it is a change in here.

use std::fmt;

use bytes::Bytes;
use openraft::alias;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::machine::Machine;

/// The most bytes one command may have. It must fit a frame between nodes.
pub(crate) const COMMAND_BYTES_MAX: usize = 16 << 20;

/// A member of the control plane's Raft group. Never reused: a node that lost
/// its disk comes back under a new id, or a vote it has forgotten could be
/// given twice.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct NodeId(pub u64);

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl From<u64> for NodeId {
    fn from(number: u64) -> Self {
        Self(number)
    }
}

/// Where a member is reached. An address is `host:port`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Member {
    /// Its `RaftService`; empty for a node that runs alone without a listener.
    pub raft: String,
    /// Its gRPC listener for agents and automation.
    pub grpc: String,
    /// Its REST listener.
    pub rest: String,
}

/// One encoded command. Its `Debug` and `Display` give its length only: a
/// command may hold what no log may show (I-10).
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Payload(pub(crate) Bytes);

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "command of {} bytes", self.0.len())
    }
}

impl fmt::Display for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

// openraft's serde feature asks for these; our own frames never use them.
impl Serialize for Payload {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Payload {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Vec::<u8>::deserialize(deserializer).map(|bytes| Self(bytes.into()))
    }
}

/// What applying one entry answers to its proposer: the encoded reply of a
/// command, nothing for blank and membership entries.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Answer {
    pub(crate) reply: Option<Vec<u8>>,
}

openraft::declare_raft_types!(
    /// openraft, as Holdfast uses it.
    pub(crate) TypeConfig:
        D = Payload,
        R = Answer,
        NodeId = NodeId,
        Node = Member,
);

pub(crate) type Raft = openraft::Raft<TypeConfig, Machine>;
pub(crate) type Entry = alias::EntryOf<TypeConfig>;
pub(crate) type EntryPayload = alias::EntryPayloadOf<TypeConfig>;
pub(crate) type LogId = alias::LogIdOf<TypeConfig>;
pub(crate) type LeaderId = alias::LeaderIdOf<TypeConfig>;
pub(crate) type Vote = alias::VoteOf<TypeConfig>;
pub(crate) type Membership = openraft::Membership<NodeId, Member>;
pub(crate) type StoredMembership = alias::StoredMembershipOf<TypeConfig>;
pub(crate) type SnapshotMeta = alias::SnapshotMetaOf<TypeConfig>;
pub(crate) type Metrics = openraft::RaftMetrics<TypeConfig>;
