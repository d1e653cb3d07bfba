//! Reconcilers that run on the leader alone.
//!
//! Each reads the state, proposes idempotent commands, and is run on a period
//! and on a wake-up from effects, one activation at a time. They take no
//! input, so start-up, failover and the usual path are one path; what fails is
//! tried again by the next activation.

mod agents;
mod copies;
mod dispatch;
mod driver;
mod duties;
mod expiry;
mod gaps;
mod idle;
mod members;
mod pins;
mod prune;
mod queue;
mod scans;
mod schedules;
mod signs;
mod state_snapshots;

pub use driver::spawn_all;
pub(crate) use queue::Queue;
