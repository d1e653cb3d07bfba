//! What can go wrong with the journal.

use std::io;
use std::path::PathBuf;

use holdfast_types::Failure;

/// The journal could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The file cannot be opened.
    #[error("the journal {} cannot be opened", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// SQLite refused: a full disk, damage, another process.
    #[error("the journal cannot be used")]
    Database(#[from] rusqlite::Error),
    /// It was written by a newer version.
    #[error("the journal has version {0}, which this version of holdfast-agent cannot read")]
    Version(i64),
    /// A row does not hold what was written.
    #[error("the journal is damaged: {0}")]
    Damaged(String),
    /// The process is ending.
    #[error("the journal is closed: the agent is ending")]
    Ended,
}

impl JournalError {
    /// What a person is told.
    pub fn failure(&self) -> Failure {
        let message = crate::failure::chain(self);
        match self {
            Self::File { .. } => Failure::permanent(
                "journal_unusable",
                message,
                "check the owner and the mode of the agent's directory",
            ),
            Self::Version(_) => Failure::permanent(
                "journal_version",
                message,
                "use the version of holdfast-agent that wrote it, or a newer one",
            ),
            Self::Damaged(_) => Failure::permanent(
                "journal_damaged",
                message,
                "move journal.db away and restart the agent: the control plane hands out its work \
                 again",
            ),
            Self::Database(_) | Self::Ended => Failure::transient(
                "journal_unusable",
                message,
                "check that the volume of the agent's directory is neither full nor read-only",
            ),
        }
    }
}

impl From<serde_json::Error> for JournalError {
    fn from(error: serde_json::Error) -> Self {
        Self::Damaged(error.to_string())
    }
}
