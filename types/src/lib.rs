//! The nouns of Holdfast: ids, WAL positions, resources, jobs, exposure.
//!
//! Everything here is valid by construction and pure: no I/O, no clock, no
//! randomness. The words are those of `docs/glossary.md`.

mod coverage;
mod id;
mod lineage;
mod lsn;
mod name;
mod quantity;
mod secret;
mod wal;

pub use coverage::{Coverage, LsnRange};
pub use id::{
    AgentId, AssignmentId, BackupId, DrillId, InvalidId, JobId, JoinTokenId, KeyId, RepositoryId,
    RequestId, RestoreId, SessionId, TokenId, UserId,
};
pub use lineage::{InvalidLineage, Lineage};
pub use lsn::{InvalidLsn, Lsn};
pub use name::{InvalidName, Name};
pub use quantity::{ByteSize, InvalidQuantity, Span};
pub use secret::Secret;
pub use wal::{
    InvalidWal, SegmentSize, Timeline, TimelineHistory, TimelineSwitch, WalSegment,
};
