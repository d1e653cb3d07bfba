//! Snapshots of the control plane's own state in a repository: the one thing
//! that a node itself puts there.
//!
//! - A snapshot exists because its mark does, put last; what it holds is one
//!   moment of the applied state, and its secrets stay sealed (I-10).
//! - Only what the replicated state has condemned is deleted (I-06), by the
//!   leader, after it has proved that it leads (I-04).
//! - The repository is the truth: what it holds and the rows do not, is taken
//!   in; what it has lost is shown.

mod open;
mod prune;
mod reconcile;
mod take;

pub(crate) use open::{Absent, failure_of, open, open_at};
pub(crate) use prune::delete_condemned;
pub(crate) use take::take;
