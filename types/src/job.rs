//! Jobs: one piece of work, its states and phases.

use serde::{Deserialize, Serialize};

use crate::backup::as_word;

/// What a job does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub enum JobKind {
    /// Takes a backup.
    Backup,
    /// Restores a cluster into a directory.
    Restore,
    /// Copies a backup to another repository.
    Copy,
    /// Rehearses a restore.
    Drill,
}

as_word!(JobKind {
    Backup = "backup",
    Restore = "restore",
    Copy = "copy",
    Drill = "drill",
});

/// Where a job is. A terminal state never changes (I-14).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub enum JobState {
    /// Waits for an agent.
    Queued,
    /// Given to an agent that has not begun.
    Leased,
    /// The agent works on it.
    Running,
    /// The agent makes the result final.
    Committing,
    /// Done.
    Succeeded,
    /// Given up.
    Failed,
    /// Ended on request.
    Cancelled,
    /// Another attempt of the same run committed first (I-03).
    Superseded,
}

as_word!(JobState {
    Queued = "queued",
    Leased = "leased",
    Running = "running",
    Committing = "committing",
    Succeeded = "succeeded",
    Failed = "failed",
    Cancelled = "cancelled",
    Superseded = "superseded",
});

impl JobState {
    /// Whether the job has ended for good.
    pub const fn is_terminal(self) -> bool {
        matches!(
            self,
            Self::Succeeded | Self::Failed | Self::Cancelled | Self::Superseded
        )
    }
}

/// What a running job is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub enum JobPhase {
    /// Checks that the work is possible.
    Prepare,
    /// Waits for PostgreSQL to begin the backup (a checkpoint).
    Start,
    /// Copies files to or from the repository.
    Copy,
    /// Ends PostgreSQL's backup mode.
    Stop,
    /// Waits for, or fetches, the WAL the result needs.
    Wal,
    /// Checks the result before it counts.
    Verify,
    /// PostgreSQL replays WAL.
    Replay,
    /// PostgreSQL is promoted.
    Promote,
    /// Looks at what was restored.
    Check,
    /// Makes the result final.
    Commit,
}

/// How long a job was in a phase.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct PhaseTime {
    /// The phase.
    pub phase: JobPhase,
    /// So long.
    pub milliseconds: u64,
}

as_word!(JobPhase {
    Prepare = "prepare",
    Start = "start",
    Copy = "copy",
    Stop = "stop",
    Wal = "wal",
    Verify = "verify",
    Replay = "replay",
    Promote = "promote",
    Check = "check",
    Commit = "commit",
});
