//! The repository format of Holdfast over object stores.
//!
//! A repository is self-describing and write-once: every object is created
//! under a name of its own and never changed, everything but names is sealed,
//! and a commit mark put last is what makes a backup exist. This crate knows
//! how bytes are stored, found, proved and brought back; of PostgreSQL it
//! knows names only. The format is specified byte by byte in
//! `docs/repository-format.md`.

mod backup;
mod block_map;
mod chunk;
mod codec;
mod copy;
mod crypto;
mod dump;
mod entropy;
mod envelope;
mod error;
mod expiry;
#[doc(hidden)]
pub mod failpoint;
#[cfg(test)]
mod golden;
mod key;
mod keyring;
mod lineage;
mod pack;
mod repository;
mod state;
mod store;
#[cfg(feature = "testkit")]
pub mod testkit;
mod url;
mod verify;
mod wal;

pub use backup::{
    Backup, BackupKind, BackupProgress, BackupReader, BackupWriter, Backups, CommitFacts,
    ConfigEntry, DirectoryEntry, Entries, Entry, EntryPath, ExtentReader, FileEntry,
    FinishedBackup, GeneratedEntry, InvalidPath, LinkTarget, PackWorker, Parent, Piece, RunKey,
    SymlinkEntry, UnreadableMark, WriteOptions,
};
pub use chunk::{CHUNK_BYTES, EXTENT_BYTES, Extent};
pub use codec::Codec;
pub use copy::{CopiedBackup, CopyProgress, CopyScope, FanOut, KeptUp, LineageCopy, WalCopied};
pub use crypto::PlainHash;
pub use dump::{
    DUMP_GLOBALS, DUMP_MANIFEST, DatabaseLocale, DumpManifest, DumpedDatabase, DumpedGlobals,
    dump_path,
};
pub use error::{Damage, Error, Result, Source};
pub use expiry::{Batch, Remains, Stock};
pub use key::RepositoryKey;
pub use keyring::{KeyInfo, KeyPurpose};
pub use lineage::{LineageFacts, LineageRepository, Put};
pub use repository::{ListedLineage, Repository};
pub use state::{STATE_PART_BYTES, StateFacts, StateMark, StateSnapshots, StateWriter};
pub use store::{Store, StoreOptions, open_store};
pub use url::RepositoryUrl;
pub use verify::{Finding, Lost, VerifyOptions, VerifyProgress, VerifyReport};
pub use wal::{AsideFile, Fetched, SealedWal, TimelineWal, WalRepository};
