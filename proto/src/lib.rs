//! Contracts between the processes of Holdfast.
//!
//! [`v1`] is the generated code. The other modules hold the same contracts as
//! domain types: validation happens once, on receipt, by `TryFrom`, and names
//! the field at fault. Code outside this crate works with domain types and
//! converts at the edge.

mod access;
mod assignment;
mod copy;
mod drill;
mod dump;
mod invalid;
pub mod join;
mod offline;
mod parent;
mod plan;
mod report;
mod wal;

pub use access::{InstanceAccess, RepositoryAccess};
pub use assignment::{
    Assignment, Assignments, BackupWork, KeptSlot, ObservedInstance, RestoreWork, WalWork, Work,
};
pub use copy::CopyWork;
pub use drill::DrillWork;
pub use dump::DumpRestoreWork;
pub use invalid::Invalid;
pub use offline::{
    OfflineBegan, OfflineDecision, OfflineEvent, OfflineReport, OfflineSettled, OpenRun,
    StandingOrders, StandingSchedule,
};
pub use parent::PinnedParent;
pub use plan::{PlanAnswer, PlanRequest};
pub use report::{BackupStarted, Held, JobEvent, JobOutcome, JobProgress, JobReport, JobSuccess};
pub use wal::{CopiedWal, LineageWal, ReportedFrontier, TimelineWal, WalGap, WalReport};

/// The generated code of package `holdfast.v1`.
#[expect(
    missing_docs,
    clippy::allow_attributes,
    clippy::too_many_lines,
    reason = "generated from the .proto files, documented there"
)]
pub mod v1 {
    tonic::include_proto!("holdfast.v1");
}

/// The descriptors of the public services, as an encoded
/// `google.protobuf.FileDescriptorSet` with our options and comments.
#[cfg(feature = "control")]
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
