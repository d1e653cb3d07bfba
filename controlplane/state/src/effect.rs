//! What an applied command sets in motion.
//!
//! Effects only wake things: a lost one costs latency, never truth.

use holdfast_types::{AgentId, Revision};
use serde::{Deserialize, Serialize};

/// A leader-only task that something made worth running now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskName {
    /// Orders the copies that policies want.
    Copies,
    /// Sees what is wrong, and decides what is told.
    Alarms,
    /// Gives queued jobs to agents.
    Dispatch,
    /// Places standing duties such as WAL receiving.
    Duties,
    /// Condemns what is kept no longer, and deletes it.
    Expiry,
    /// Judges exposure.
    Exposure,
    /// Brings the Raft group to the nodes that there should be.
    Members,
    /// Moves restores on.
    Restores,
    /// Sends what channels are to be told.
    Notices,
    /// Decides on due times.
    Schedules,
    /// Compares the catalog with repositories.
    Scans,
    /// Keeps snapshots of the state in a repository.
    StateSnapshots,
}

/// Something to wake.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effect {
    /// A task of the leader.
    Activate(TaskName),
    /// What this agent must do has changed: push it to its session.
    AgentChanged(AgentId),
    /// Something a person may be looking at has changed.
    Changed {
        /// `clusters`, `jobs`, `backups`, …
        plural: &'static str,
        /// Its name or id.
        key: String,
        /// Which change.
        revision: Revision,
    },
}
