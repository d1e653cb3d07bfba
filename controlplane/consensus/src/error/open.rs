//! Errors of making and starting a node.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::fault::Fault;
use crate::raft::NodeId;

/// Why a node could not be opened, bootstrapped or joined.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process uses the directory.
    #[error(
        "the directory {} is in use by {}", dir.display(),
        holder.map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}"))
    )]
    Locked {
        /// The directory.
        dir: PathBuf,
        /// The process that holds it.
        holder: Option<u32>,
    },
    /// Nobody bootstrapped or joined there.
    #[error("the directory {} holds no node", dir.display())]
    NotPrepared {
        /// The directory.
        dir: PathBuf,
    },
    /// A bootstrap or join ended in the middle.
    #[error("the directory {} holds a node whose preparation did not finish", dir.display())]
    Unfinished {
        /// The directory.
        dir: PathBuf,
    },
    /// A new node would have to share its directory.
    #[error("the directory {} is not empty: it holds {found}", dir.display())]
    NotEmpty {
        /// The directory.
        dir: PathBuf,
        /// One of the things in it.
        found: String,
    },
    /// The directory belongs to another node.
    #[error("the directory {} belongs to node {found}, not to node {wanted}", dir.display())]
    WrongNode {
        /// The directory.
        dir: PathBuf,
        /// Whose it is.
        found: NodeId,
        /// Who was to be started.
        wanted: NodeId,
    },
    /// A newer program wrote the file.
    #[error("{} has format {found}, this program reads format {known}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: i64,
        /// The format this program writes.
        known: i64,
    },
    /// The SQLite linked in can corrupt a database in WAL mode.
    #[error("SQLite {found} can corrupt its write-ahead log, 3.51.3 is the first that cannot")]
    OldSqlite {
        /// Its version.
        found: String,
    },
    /// The operating system refused.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The configuration cannot work.
    #[error("the node's configuration cannot work: {0}")]
    Configuration(String),
    /// The group did not come up in time.
    #[error("the node did not become ready within {0:?}")]
    NotReady(Duration),
    /// The node's storage failed.
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl OpenError {
    pub(crate) fn io(action: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Io {
            action,
            path: path.to_owned(),
            source,
        }
    }

    /// Stable, snake_case.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Locked { .. } => "node_directory_in_use",
            Self::NotPrepared { .. } => "node_not_prepared",
            Self::Unfinished { .. } => "node_preparation_unfinished",
            Self::NotEmpty { .. } => "node_directory_not_empty",
            Self::WrongNode { .. } => "node_wrong_identity",
            Self::Format { .. } => "node_format_unknown",
            Self::OldSqlite { .. } => "node_sqlite_too_old",
            Self::Io { .. } => "node_directory_unusable",
            Self::Configuration(_) => "node_configuration_invalid",
            Self::NotReady(_) => "node_not_ready",
            Self::Fault(fault) => fault.code(),
        }
    }

    /// What to do next.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Locked { .. } => "stop the other process, or give this one its own --data",
            Self::NotPrepared { .. } => {
                "start the first node of a new control plane with --bootstrap, or join an \
                 existing one with `holdfastd join`; if there was a node here, check that the \
                 volume is mounted"
            }
            Self::Unfinished { .. } => {
                "it acknowledged nothing yet: run the same bootstrap or join again"
            }
            Self::NotEmpty { .. } => {
                "start the node that is there without --bootstrap, or choose an empty directory"
            }
            Self::WrongNode { .. } => "start it under its own id: node ids are never reused",
            Self::Format { .. } => "start it with the program that wrote it, or a newer one",
            Self::OldSqlite { .. } => "build with the SQLite that the workspace pins",
            Self::Io { .. } => "check that the directory exists, is writable and has space",
            Self::Configuration(_) => "correct the configuration",
            Self::NotReady(_) => "look at the node's log for what it waits for, and try again",
            Self::Fault(fault) => fault.hint(),
        }
    }
}
