//! How the nodes of one control plane talk: `holdfast.v1.RaftService` over
//! mutual TLS.
//!
//! A peer is admitted only with a client certificate that the caller's rustls
//! configuration accepts and that [`AdmitPeer`] recognises as a node's: agents
//! hold certificates of the same authority. Every request names the node it is
//! meant for, so that one sent to an address that now belongs to another node
//! is refused. A node that was removed is refused whatever its certificate
//! says, and requests beside Raft's own messages are taken from members only.

mod batch;
mod client;
mod desk;
mod exchange;
mod freshness;
#[cfg(test)]
mod golden;
mod receive;
mod request;
mod server;
mod tls;

pub(crate) use client::{Network, RpcError};
pub use desk::PeerCalls;
pub(crate) use desk::{CALL_BYTES_MAX, Desk, Unanswered};
pub(crate) use freshness::Freshness;
pub(crate) use server::{Listener, Services, serve};
pub use tls::{AdmitPeer, PeerTls};

/// The code by which a node that calls others learns that it was removed.
pub const NODE_REMOVED: &str = "node_removed";
/// A frame may hold an entry of the largest size and its neighbours.
pub(crate) const FRAME_BYTES_MAX: usize = 64 << 20;
/// About so much is sent in one append; a larger batch is sent in parts.
pub(crate) const APPEND_BYTES_TARGET: usize = 8 << 20;
/// The size of a snapshot's parts.
pub(crate) const CHUNK_BYTES: usize = 1 << 20;
