//! The mark of a snapshot: what it holds, and which parts make it up.

use holdfast_types::{ControlPlaneId, KeyId, StateSnapshotId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::crypto::PlainHash;

/// The format of the mark, and with it of the whole snapshot.
pub(super) const FORMAT: u32 = 1;

/// What a control plane says of a snapshot of its state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StateFacts {
    /// The log entry up to which the state is in it.
    pub index: u64,
    /// When it was taken.
    pub taken_at: Timestamp,
    /// The feature level, which a program that restores it must know.
    pub level: u32,
    /// The node that took it.
    pub node: String,
    /// The release it ran.
    pub release: String,
    /// Tells the sealing key without which its secrets stay closed; nothing
    /// follows from it.
    pub sealing_key_check: String,
}

/// One part, as its mark names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PartRef {
    pub(super) number: u32,
    /// Of the object.
    pub(super) bytes: u64,
    pub(super) plain_bytes: u64,
    pub(super) hash: PlainHash,
}

/// A snapshot that exists, because this mark does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StateMark {
    pub(super) format: u32,
    /// The snapshot.
    pub id: StateSnapshotId,
    /// Whose state it holds.
    pub control_plane: ControlPlaneId,
    /// What it holds.
    #[serde(flatten)]
    pub facts: StateFacts,
    /// The key that seals its parts.
    pub key: KeyId,
    pub(super) parts: Vec<PartRef>,
}

impl StateMark {
    /// The size of the state.
    pub fn state_bytes(&self) -> u64 {
        self.parts.iter().map(|part| part.plain_bytes).sum()
    }

    /// What it takes in the repository, the mark aside.
    pub fn stored_bytes(&self) -> u64 {
        self.parts.iter().map(|part| part.bytes).sum()
    }
}
