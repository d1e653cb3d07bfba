//! `wal-fetch`: what PostgreSQL's `restore_command` runs.
//!
//! It asks the agent of its host, or reads the repository itself without any
//! agent (I-09). PostgreSQL takes almost every failure of its command for the
//! end of WAL and promotes there, so the exit code is the point of it all:
//! 0 found, 1 proved absent, 130 for anything else (PostgreSQL stops at codes
//! above 125).

mod command;
mod config;
mod guard;
mod handler;
mod lookup;
mod place;
mod prefetch;

pub use command::{FetchArgs, FetchExit, fetch_command};
pub use config::FetchConfig;
pub use handler::{FetchAnswer, FetchHandler, FetchQuestion};
pub use lookup::{End, Found, InvalidWalName, WalName, look_up};
pub(in crate::wal) use place::STORE_PATIENCE;
pub use prefetch::{Prefetches, clean};
