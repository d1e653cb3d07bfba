//! Backups as the catalog knows them.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{BackupId, JobId, Lineage, Lsn, Name, Timeline};

/// What a backup holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub enum BackupKind {
    /// All of the data directory.
    Full,
    /// What changed since its parent, by reference to the parent's packs.
    Incremental,
    /// A dump by `pg_dump`.
    Logical,
}

/// How far a backup is from being restorable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub enum BackupState {
    /// Being written.
    Running,
    /// Its commit mark and its WAL are in the repository (I-05).
    Available,
    /// Never became available.
    Failed,
    /// Decided to be deleted.
    Condemned,
    /// Deleted.
    Deleted,
}

macro_rules! as_word {
    ($name:ident { $($variant:ident = $word:literal),* $(,)? }) => {
        impl $name {
            /// The word it is written as.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),* }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = crate::InvalidWord;

            fn from_str(text: &str) -> Result<Self, crate::InvalidWord> {
                match text {
                    $($word => Ok(Self::$variant),)*
                    _ => Err(crate::InvalidWord { text: text.to_owned(), allowed: &[$($word),*] }),
                }
            }
        }
    };
}
pub(crate) use as_word;

/// Text that is none of the allowed words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{text}\" is none of {}", allowed.join(", "))]
pub struct InvalidWord {
    /// What was given.
    pub text: String,
    /// What would have been right.
    pub allowed: &'static [&'static str],
}

as_word!(BackupKind { Full = "full", Incremental = "incremental", Logical = "logical" });
as_word!(BackupState {
    Running = "running",
    Available = "available",
    Failed = "failed",
    Condemned = "condemned",
    Deleted = "deleted",
});

/// What an agent reports of a backup whose commit mark it has put.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CommittedBackup {
    /// Its identity.
    pub id: BackupId,
    /// The job that took it: on demand, the job is the run (I-03).
    pub job: JobId,
    /// The cluster it is of.
    pub cluster: Name,
    /// The repository it is in.
    pub repository: Name,
    /// What it holds.
    pub kind: BackupKind,
    /// The backup it builds on.
    pub parent: Option<BackupId>,
    /// The lineage it belongs to.
    pub lineage: Lineage,
    /// The timeline on which it was taken.
    pub timeline: Timeline,
    /// Where its recovery begins.
    pub start_lsn: Lsn,
    /// Where it is consistent.
    pub stop_lsn: Lsn,
    /// When it began.
    pub started_at: Timestamp,
    /// When its data was consistent (the time of `stop_lsn`).
    pub finished_at: Timestamp,
    /// Bytes of the files it describes.
    pub database_bytes: u64,
    /// Bytes it added to the repository.
    pub added_bytes: u64,
    /// PostgreSQL's `server_version_num`.
    pub server_version: u32,
}
