//! What can go wrong here that is not a replicated answer.

use sea_orm::DbErr;

/// This node cannot go on: its storage failed or holds what it never should.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// SQLite failed.
    #[error("failed to read or write the state database")]
    Storage(#[from] DbErr),
    /// A log entry that this version cannot read.
    #[error("log entry {index} cannot be applied; a newer holdfastd may have written it")]
    Entry {
        /// Its index.
        index: u64,
        /// Why not.
        #[source]
        source: EntryError,
    },
    /// An entry came twice, or out of order.
    #[error("log entry {index} came after entry {applied} had been applied")]
    OutOfOrder {
        /// Its index.
        index: u64,
        /// What had been applied.
        applied: u64,
    },
    /// The database contradicts itself.
    #[error("the state database is damaged: {0}; restore this node from a snapshot")]
    Corrupt(String),
    /// The group has moved on to what this program does not know.
    #[error("the control plane is at feature level {level}, which this holdfastd does not know")]
    TooNew {
        /// The level.
        level: u32,
    },
    /// A page was asked for with a cursor that no list of this kind gave.
    #[error("the cursor is not one that this list gave; start again without it")]
    BadCursor,
}

impl StateError {
    pub(crate) fn corrupt(what: impl Into<String>) -> Self {
        Self::Corrupt(what.into())
    }
}

/// Bytes that are not a log entry of this version.
#[derive(Debug, thiserror::Error)]
pub enum EntryError {
    /// There is nothing.
    #[error("the entry is empty")]
    Empty,
    /// A version byte from the future.
    #[error("version {0} of the entry format is not known")]
    Version(u8),
    /// Not what the version promises.
    #[error("the entry cannot be decoded")]
    Json(#[from] serde_json::Error),
}
