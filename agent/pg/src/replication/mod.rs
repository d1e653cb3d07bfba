//! A small client for physical replication: what `pg_receivewal` does, as a
//! library on tokio.
//!
//! [`Client`] speaks the commands; [`Client::start_replication`] turns it into
//! a [`WalStream`]. The client confirms nothing by itself: PostgreSQL learns
//! of a position only through [`WalStream::send_status`] (I-07).

mod authenticate;
mod base_backup;
mod client;
mod stream;
mod wire;

pub use base_backup::{
    BaseBackup, BaseBackupEvent, BaseBackupRequest, BaseBackupStart, StreamedTablespace,
};
pub use client::{
    Client, SlotPosition, Start, StartedStream, SystemIdentity, TimelineEnd, TimelineHistoryFile,
};
pub use stream::{StandbyStatus, StreamOptions, WalEvent, WalStream};
