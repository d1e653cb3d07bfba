//! What can go wrong with a repository, told apart so that a person knows
//! what to do.
//!
//! Every error has a stable [`Error::code`] and an [`Error::hint`]. None shows
//! a secret (I-10): keys and credentials never enter a message.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use holdfast_types::{BackupId, Lineage, LsnRange, RepositoryId, Timeline, WalSegment};
use jiff::Timestamp;

/// The result of this crate's functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What is wrong with the bytes of an object.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// It ends before it should.
    #[error("it is truncated")]
    Truncated,
    /// It does not begin as such an object begins.
    #[error("it is not what its name says")]
    WrongKind,
    /// It was written by a newer version.
    #[error("it has format version {0}, which this version cannot read")]
    Version(u8),
    /// The seal does not open: changed bytes, or an object under a wrong name.
    #[error("its seal does not open: bytes were changed, or it is under a wrong name")]
    Seal,
    /// It opened, but the plain bytes are not those that were sealed.
    #[error("its content does not match its hash")]
    Hash,
    /// It opened, but its structure is not that of the format.
    #[error("its structure is not valid: {0}")]
    Structure(String),
    /// Its key is not in the repository.
    #[error("its key {0} is not in the repository")]
    KeyMissing(holdfast_types::KeyId),
}

/// A repository operation that failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Not a URL of a repository.
    #[error("\"{url}\" is not a repository URL: {reason}")]
    InvalidUrl {
        /// The text, without anything that looks like a password.
        url: String,
        /// Why.
        reason: &'static str,
    },
    /// Options that the store does not know.
    #[error("the store options of {repository} are not valid: {reason}")]
    InvalidOptions {
        /// The repository.
        repository: String,
        /// Why.
        reason: String,
    },
    /// Not a key file.
    #[error("{path} is not a repository key file: {reason}")]
    InvalidKeyFile {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The key file could not be read or written.
    #[error("the key file {path} cannot be {action}")]
    KeyFile {
        /// The file.
        path: PathBuf,
        /// What was tried: `read` or `written`.
        action: &'static str,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// There is no repository there.
    #[error("{repository} is not a repository: it has no holdfast.json")]
    NotARepository {
        /// Where.
        repository: String,
    },
    /// The bucket does not exist.
    #[error("the bucket of {repository} does not exist")]
    NoBucket {
        /// Where.
        repository: String,
    },
    /// Another repository is there than the one expected.
    #[error("{repository} holds the repository {found}, not {expected}")]
    OtherRepository {
        /// Where.
        repository: String,
        /// What was expected.
        expected: RepositoryId,
        /// What is there.
        found: RepositoryId,
    },
    /// The repository was made with another key.
    #[error("the key given is not the key of {repository}")]
    WrongKey {
        /// Where.
        repository: String,
    },
    /// The repository has a format this version cannot read.
    #[error("{repository} has format version {found}; this version reads {supported}")]
    UnsupportedFormat {
        /// Where.
        repository: String,
        /// Its version.
        found: u32,
        /// Ours.
        supported: u32,
    },
    /// The store lets an existing object be overwritten.
    #[error("the store of {repository} does not enforce put-if-absent")]
    NotWriteOnce {
        /// Where.
        repository: String,
    },
    /// The store did not answer, or answered that it cannot serve now.
    #[error("{repository} cannot be reached: {object}")]
    Unreachable {
        /// Where.
        repository: String,
        /// The object concerned.
        object: String,
        /// Why.
        #[source]
        source: Source,
    },
    /// The store refuses the rights needed.
    #[error("no permission in {repository}: {object}")]
    PermissionDenied {
        /// Where.
        repository: String,
        /// The object concerned.
        object: String,
        /// Why.
        #[source]
        source: Source,
    },
    /// The file system is mounted read-only.
    #[error("{repository} is read-only: {object}")]
    ReadOnly {
        /// Where.
        repository: String,
        /// The object concerned.
        object: String,
        /// Why.
        #[source]
        source: Source,
    },
    /// The store is full.
    #[error("{repository} has no space left: {object}")]
    NoSpace {
        /// Where.
        repository: String,
        /// The object concerned.
        object: String,
        /// Why.
        #[source]
        source: Source,
    },
    /// The store failed in another way.
    #[error("{repository} failed at {object}")]
    Store {
        /// Where.
        repository: String,
        /// The object concerned.
        object: String,
        /// Why.
        #[source]
        source: Source,
    },
    /// An object does not hold what was written.
    #[error("the object {object} is damaged: {damage}")]
    Damaged {
        /// The object.
        object: String,
        /// What is wrong with it.
        damage: Damage,
    },
    /// An object that must be there is not.
    #[error("the object {object} is missing")]
    Missing {
        /// The object.
        object: String,
    },
    /// A store said that it has written an object, and does not have it.
    #[error("the store said that it has written {object}, and {found}")]
    NotStored {
        /// The object.
        object: String,
        /// What is there instead.
        found: String,
    },
    /// A store said that it has deleted an object, and has it.
    #[error("the store said that it has deleted {object}, and still has it")]
    NotDeleted {
        /// The object.
        object: String,
    },
    /// An object exists with other content. Nothing was overwritten.
    #[error("the object {object} exists with other content; it was not overwritten")]
    Conflict {
        /// The object.
        object: String,
    },
    /// A copy has an object that is not the original's. Nothing was overwritten.
    #[error("the object {object} in {to} is not the one in {from}; it was not overwritten")]
    CopyDiffers {
        /// The object.
        object: String,
        /// What is copied.
        from: String,
        /// Where it is another.
        to: String,
    },
    /// The copy would be the original.
    #[error("{from} and {to} are the same repository")]
    CopyOntoItself {
        /// What was to be copied.
        from: String,
        /// Where to.
        to: String,
    },
    /// The run has a backup already (I-03).
    #[error("the run {run} is committed by {winner}; this backup is superseded")]
    Superseded {
        /// The run.
        run: String,
        /// The backup that won.
        winner: BackupId,
    },
    /// The lineage exists with other facts.
    #[error("the lineage {lineage} has {field} {stored}, not {given}")]
    LineageMismatch {
        /// The lineage.
        lineage: Lineage,
        /// Which fact differs.
        field: &'static str,
        /// The stored value.
        stored: u64,
        /// The value given.
        given: u64,
    },
    /// There is no such lineage.
    #[error("{repository} has no lineage {lineage} of cluster {cluster}")]
    UnknownLineage {
        /// Where.
        repository: String,
        /// The cluster.
        cluster: String,
        /// The lineage.
        lineage: Lineage,
    },
    /// There is no such backup.
    #[error("there is no backup {backup} in {lineage}")]
    UnknownBackup {
        /// The lineage, with its cluster.
        lineage: String,
        /// The backup.
        backup: BackupId,
    },
    /// What an incremental was to build on is damaged or not all there.
    #[error("{backup} cannot be built on: {cause}")]
    Parent {
        /// The parent.
        backup: BackupId,
        /// What is wrong with it.
        cause: Box<Error>,
    },
    /// The attempt took longer than what it wrote is kept for (I-06).
    #[error(
        "{backup} was begun at {begun:.0}, more than 30 days ago: it cannot be committed any more"
    )]
    TooLate {
        /// The backup.
        backup: BackupId,
        /// When its attempt began.
        begun: Timestamp,
    },
    /// An attempt took the id of an earlier one.
    #[error("the backup id {0} is in use already")]
    BackupIdUsed(BackupId),
    /// Text that cannot be the identity of a run.
    #[error(
        "\"{0}\" is not a run key: 1 to 200 of A-Z, a-z, 0-9, '.', '_' and '-', not starting with '.'"
    )]
    InvalidRunKey(String),
    /// Data that does not fit the format; nothing was written.
    #[error("{what} is not valid: {reason}")]
    Invalid {
        /// What was given.
        what: &'static str,
        /// Why it cannot be.
        reason: String,
    },
    /// The segment is there in part, with a hole before its end.
    #[error(
        "the WAL segment {segment} has a hole: its slices lack {}",
        ranges(gaps)
    )]
    WalHole {
        /// The segment.
        segment: WalSegment,
        /// What is missing before WAL that is there.
        gaps: Vec<LsnRange>,
    },
    /// WAL that a backup needs is not in the repository (I-05).
    #[error("WAL on timeline {timeline} is missing: {}", ranges(gaps))]
    WalIncomplete {
        /// The timeline.
        timeline: Timeline,
        /// What is missing.
        gaps: Vec<LsnRange>,
    },
    /// What is backed up, or restored to, could not be read or written.
    #[error("the caller's data cannot be read or written")]
    Local(#[source] io::Error),
    /// A writer of this backup failed before; the attempt is over.
    #[error("the backup attempt failed: {0}")]
    Aborted(Arc<Error>),
    /// The caller used a writer against its rules.
    #[error("the backup cannot be finished: {0}")]
    Unfinished(&'static str),
}

/// The cause that a store reports.
pub type Source = Box<dyn std::error::Error + Send + Sync>;

const HINT_COPY_DIFFERS: &str = "find out who else writes there: a copy takes nothing but what is copied to it. `holdfast-agent repo verify --deep` tells which of the two is damaged; copy to a new repository if both are whole";
const HINT_NOT_A_REPOSITORY: &str = "check the URL; if a file system or a bucket should be there, mount or create it; a new repository is made by `holdfast-agent repo init`";

impl Error {
    /// The stable name of this kind of error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::InvalidUrl { .. } => "invalid_repository_url",
            Self::InvalidOptions { .. } => "invalid_store_options",
            Self::InvalidKeyFile { .. } => "invalid_key_file",
            Self::KeyFile { .. } => "key_file_unreadable",
            Self::NotARepository { .. } => "not_a_repository",
            Self::NoBucket { .. } => "bucket_not_found",
            Self::OtherRepository { .. } => "other_repository",
            Self::WrongKey { .. } => "wrong_repository_key",
            Self::UnsupportedFormat { .. } => "unsupported_repository_format",
            Self::NotWriteOnce { .. } => "store_not_write_once",
            Self::Unreachable { .. } => "repository_unreachable",
            Self::PermissionDenied { .. } => "repository_permission_denied",
            Self::ReadOnly { .. } => "repository_read_only",
            Self::NoSpace { .. } => "repository_full",
            Self::Store { .. } => "repository_failed",
            Self::Damaged { .. } => "repository_damaged",
            Self::Missing { .. } => "repository_object_missing",
            Self::NotStored { .. } => "write_not_stored",
            Self::NotDeleted { .. } => "delete_not_done",
            Self::Conflict { .. } => "repository_conflict",
            Self::CopyDiffers { .. } => "copy_differs",
            Self::CopyOntoItself { .. } => "copy_onto_itself",
            Self::Superseded { .. } => "run_superseded",
            Self::LineageMismatch { .. } => "lineage_mismatch",
            Self::UnknownLineage { .. } => "lineage_not_found",
            Self::UnknownBackup { .. } => "backup_not_found",
            Self::Parent { .. } => "parent_damaged",
            Self::TooLate { .. } => "backup_too_late",
            Self::BackupIdUsed(_) => "backup_id_used",
            Self::InvalidRunKey(_) => "invalid_run_key",
            Self::Invalid { .. } => "invalid_repository_data",
            Self::WalHole { .. } => "wal_gap",
            Self::WalIncomplete { .. } => "wal_incomplete",
            Self::Local(_) => "local_io_failed",
            Self::Aborted(cause) => cause.code(),
            Self::Unfinished(_) => "backup_unfinished",
        }
    }

    /// What a person should do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::InvalidUrl { .. } => {
                "use file:///absolute/directory, s3://bucket/prefix, gs://bucket/prefix or az://container/prefix"
            }
            Self::InvalidOptions { .. } => {
                "name credentials as the store's own tools do, such as AWS_ACCESS_KEY_ID, AZURE_STORAGE_ACCOUNT or GOOGLE_SERVICE_ACCOUNT_KEY"
            }
            Self::InvalidKeyFile { .. } => "a key file is 64 hexadecimal characters and a newline",
            Self::KeyFile { .. } => "check the path, its owner and its mode (0600)",
            Self::NotARepository { .. } => HINT_NOT_A_REPOSITORY,
            Self::NoBucket { .. } => {
                "create the bucket or container, or check its name, the endpoint and the region"
            }
            Self::OtherRepository { .. } => {
                "check the URL: another repository was put there, or the wrong volume is mounted"
            }
            Self::WrongKey { .. } => {
                "give the key file this repository was made with; `holdfast repository key export` writes it"
            }
            Self::UnsupportedFormat { .. } => "use a version of Holdfast that knows this format",
            Self::NotWriteOnce { .. }
            | Self::Unreachable { .. }
            | Self::PermissionDenied { .. }
            | Self::ReadOnly { .. }
            | Self::NoSpace { .. }
            | Self::Store { .. }
            | Self::NotStored { .. }
            | Self::NotDeleted { .. } => self.hint_of_store(),
            Self::Damaged { .. } => {
                "run `holdfast-agent repo verify` to see what is lost, and take a new full backup"
            }
            Self::Missing { .. } => {
                "something deleted it outside Holdfast: run `holdfast-agent repo verify`, and take a new full backup"
            }
            Self::Conflict { .. } => {
                "two different servers wrote the same name: find out which one archives here by mistake"
            }
            Self::CopyDiffers { .. } => HINT_COPY_DIFFERS,
            Self::CopyOntoItself { .. } => "name another repository to copy to",
            Self::Superseded { .. } => "nothing to do: the other backup of this run is kept",
            Self::LineageMismatch { .. } => {
                "this is another database cluster than the one stored: start a new incarnation"
            }
            Self::UnknownLineage { .. } => {
                "list what the repository holds with `holdfast-agent repo list`"
            }
            Self::UnknownBackup { .. } => "list the backups with `holdfast-agent repo list`",
            Self::Parent { .. } => {
                "take a full backup; `holdfast-agent repo verify` shows what else is lost"
            }
            Self::TooLate { .. } => {
                "find out what held it up: the host slept, its clock jumped, or the store is too slow; then back up again"
            }
            Self::BackupIdUsed(_) => "each attempt needs an id of its own",
            Self::InvalidRunKey(_) | Self::Invalid { .. } | Self::Unfinished(_) => {
                "this is a defect in Holdfast: please report it"
            }
            Self::WalHole { .. } | Self::WalIncomplete { .. } => {
                "restore to a point before the hole, or put the missing WAL into the repository from a server that still has it"
            }
            Self::Local(_) => {
                "see the cause: a file of the data directory, or of the restore, failed"
            }
            Self::Aborted(cause) => cause.hint(),
        }
    }

    /// What a person should do about the store.
    fn hint_of_store(&self) -> &'static str {
        match self {
            Self::NotWriteOnce { .. } => {
                "use a store that honours If-None-Match on PUT; without it two agents could overwrite each other"
            }
            Self::Unreachable { .. } => {
                "check the network, the endpoint and the store; the operation can be repeated"
            }
            Self::PermissionDenied { .. } => {
                "grant read, write, list and delete to the account or user that the agent runs as"
            }
            Self::ReadOnly { .. } => "mount the file system read-write",
            Self::NoSpace { .. } => "free space or enlarge the store; nothing half-written counts",
            Self::NotStored { .. } => {
                "the store loses what it confirms: nothing was counted on it, and the operation can be repeated; run `holdfast-agent repo verify`, and have the store mended before you rely on it"
            }
            Self::NotDeleted { .. } => {
                "nothing was deleted that depends on it; it is tried again. If it stays, look at the store's rules: retention, legal holds, versions"
            }
            _ => "see the cause; the operation can be repeated",
        }
    }

    /// Whether repeating the same operation later can succeed.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Store { .. } | Self::NoSpace { .. } => true,
            Self::NotStored { .. } | Self::NotDeleted { .. } => true,
            // The next attempt builds on nothing.
            Self::Parent { .. } => true,
            Self::Aborted(cause) => cause.is_transient(),
            _ => false,
        }
    }

    /// The same, said of the parent it was met at; only damage and absence are
    /// its fault.
    pub(crate) fn of_parent(self, backup: BackupId) -> Self {
        match self {
            Self::Damaged { .. } | Self::Missing { .. } => Self::Parent {
                backup,
                cause: Box::new(self),
            },
            other => other,
        }
    }

    pub(crate) fn damaged(object: impl Into<String>, damage: Damage) -> Self {
        Self::Damaged {
            object: object.into(),
            damage,
        }
    }
}

fn ranges(gaps: &[LsnRange]) -> String {
    let texts: Vec<String> = gaps
        .iter()
        .map(|gap| format!("{} to {}", gap.from_lsn, gap.to_lsn))
        .collect();
    texts.join(", ")
}
