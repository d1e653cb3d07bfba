//! The agent's link to the control plane.
//!
//! The agent dials out to any of its servers over mutual TLS and keeps one
//! bidirectional stream. Over it come assignments; over it go heartbeats,
//! facts, WAL reports, progress, and the transitions of jobs, which are sent
//! from the journal until they are answered. Losing the link costs a reconnect
//! and nothing else: whatever runs goes on (I-08).

mod backoff;
mod connect;
mod heart;
mod link;
mod nodes;
mod renew;
mod reports;
mod stream;

pub use link::{Link, LinkParts};
pub use nodes::Nodes;
pub use renew::keep_fresh;
