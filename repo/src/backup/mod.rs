//! Backups: written by parallel threads, committed by one small object,
//! read back with every byte verified.

mod entry;
mod extent_reader;
mod fetch;
mod finish;
#[cfg(test)]
mod incremental;
mod manifest;
mod mark;
mod parent;
mod path;
mod reader;
mod upload;
mod worker;
mod writer;

pub use self::entry::{
    ConfigEntry, DirectoryEntry, Entry, FileEntry, GeneratedEntry, SymlinkEntry,
};
pub use self::extent_reader::{ExtentReader, Piece};
pub use self::finish::{CommitFacts, FinishedBackup};
pub use self::mark::{Backup, BackupKind, Backups, RunKey, UnreadableMark};
pub(crate) use self::mark::{mark_name, read as read_mark};
pub use self::parent::Parent;
pub use self::path::{EntryPath, InvalidPath, LinkTarget};
pub use self::reader::{BackupReader, Entries};
pub use self::worker::PackWorker;
pub use self::writer::{BackupProgress, BackupWriter, WriteOptions};
