//! The nouns of Holdfast: ids, WAL positions, resources, jobs, exposure.
//!
//! Everything here is valid by construction and pure: no I/O, no clock, no
//! randomness. The words are those of `docs/glossary.md`.

pub mod access;
pub mod alarm;
mod backup;
mod coverage;
mod discovery;
pub mod drill;
mod dump;
mod exposure;
mod facts;
mod failure;
mod generation;
mod id;
mod job;
mod lineage;
mod lsn;
mod name;
pub mod policy;
mod quantity;
pub mod resource;
mod restore;
pub mod restoring;
pub mod schedule;
mod secret;
mod target;
mod wal;

pub use backup::{BackupKind, BackupState, CommittedBackup, InvalidWord};
pub use coverage::{Coverage, LsnRange};
pub use discovery::{DISCOVERED_MAX, DiscoveredInstance};
pub use dump::{
    ALL_DATABASES, DUMP_JOBS_MAX, DumpFormat, DumpOptions, DumpRestoreRequest, DumpRestoreResult,
    InvalidDump,
};
pub use exposure::{
    Compliance, CopyExposure, Frontier, ReceivedBy, RepositoryExposure, RpoScope, blind_after,
    judge, judge_age,
};
pub use facts::{
    ArchiverFacts, DiskFacts, InstanceFacts, InstanceRole, Observation, PatroniFacts, ServerFacts,
    SlotFacts,
};
pub use failure::Failure;
pub use generation::{Generation, Revision};
pub use id::{
    AgentId, AlarmId, ApprovalId, AssignmentId, BackupId, ControlPlaneId, DrillId, ExemptionId,
    InvalidId, JobId, JoinTokenId, KeyId, NodeTokenId, NoticeId, ReportId, RepositoryId, RequestId,
    RestoreId, SessionId, SilenceId, StateSnapshotId, TokenId, UserId,
};
pub use job::{JobKind, JobPhase, JobState, PhaseTime};
pub use lineage::{InvalidLineage, Lineage};
pub use lsn::{InvalidLsn, Lsn};
pub use name::{InvalidName, Name};
pub use quantity::{ByteRate, ByteSize, InvalidQuantity, Span};
pub use restore::{
    HookRun, PlannedTablespace, PlannedWal, RestorePlan, RestoreRequest, RestoreResult, StopBefore,
    TargetAction, parse_tablespace_mapping,
};
pub use secret::Secret;
pub use target::{InvalidTarget, RestoreTarget};
pub use wal::{InvalidWal, SegmentSize, Timeline, TimelineHistory, TimelineSwitch, WalSegment};
