//! The process: its directory, its listeners, its life.

mod accept;
mod directory;
mod found;
mod identity;
mod join;
mod listen_file;
mod member;
mod rebuild;
mod renew;
mod restore_state;
mod run;

pub use accept::Peer;
pub use join::{JoinError, join};
pub use listen_file::ListenFile;
pub use rebuild::{
    Files, RebuildError, RebuildFrom, Rebuilt, RebuiltCluster, RebuiltFinding, RebuiltRepository,
    rebuild,
};
pub use restore_state::{RestoreError, RestoreFrom, RestoredState, restore_state};
pub use run::{Running, StartError, start};

/// Where the sealing key of the node in `data` is.
pub(crate) fn sealing_key(data: &std::path::Path) -> std::path::PathBuf {
    identity::Paths::new(data).sealing_key()
}
