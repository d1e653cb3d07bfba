//! The process: its directory, its listeners, its life.

mod accept;
mod directory;
mod found;
mod identity;
mod listen_file;
mod renew;
mod run;

pub use accept::Peer;
pub use listen_file::ListenFile;
pub use run::{Running, StartError, start};
