//! PostgreSQL as the agent sees it, versions 14 to 18: the replication
//! protocol, SQL facts, the control file, data pages, WAL records, and the
//! server's programs.
//!
//! Nothing here knows a repository or the control plane. What is read from a
//! server or a disk is checked before it is believed: CRCs of control file and
//! WAL records, page headers, message lengths. No error and no `Debug` shows a
//! password (I-10).

pub mod backup_label;
pub mod binaries;
pub mod client;
pub mod connection;
pub mod control_file;
mod error;
pub mod exclude;
mod hint;
pub mod instance;
pub mod page;
pub mod replication;
mod run_as;
mod server_message;
mod slot;
mod socket;
pub mod sql;
pub mod tar;
#[cfg(feature = "testkit")]
pub mod testkit;
mod time;
mod tls;
pub mod wal;

pub use connection::ConnectionInfo;
pub use error::Error;
pub use server_message::ServerMessage;
pub use slot::{InvalidSlotName, SlotName};
