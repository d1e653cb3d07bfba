//! `[jobs]`: jobs and the agents that do them.

use holdfast_types::Span;
use serde::{Deserialize, Serialize};

/// Jobs and the agents that do them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Jobs {
    /// How long the agent of a job may be gone before the job is tried again.
    pub agent_gone_after: Span,
    /// How often a job is tried.
    pub attempts: u32,
    /// How long a gap in the WAL is on record before a full backup is ordered:
    /// an instance may still fill it.
    pub backup_after_gap: Span,
    /// How many jobs are in agents' hands at most, of the whole fleet; what is
    /// restored waits for no place.
    pub max_running: u64,
    /// How long a backup is kept at least because an incremental may build on
    /// it: an agent that nobody reaches for longer takes full backups.
    pub pin_for: Span,
    /// How long an agent may take to plan a restore.
    pub plan_timeout: Span,
    /// How long a restore may make no progress before it is given up; that of
    /// a backup is its schedule's `retry.idleTimeout`.
    pub restore_idle_timeout: Span,
    /// How often the catalog is compared with each repository.
    pub scan_every: Span,
}

impl Default for Jobs {
    fn default() -> Self {
        Self {
            agent_gone_after: Span::from_secs(10 * 60),
            attempts: 3,
            backup_after_gap: Span::from_secs(60),
            max_running: 10_000,
            pin_for: Span::from_secs(7 * 24 * 3600),
            plan_timeout: Span::from_secs(30),
            restore_idle_timeout: Span::from_secs(30 * 60),
            scan_every: Span::from_secs(6 * 3600),
        }
    }
}

impl Jobs {
    pub(super) fn problem(&self) -> Option<String> {
        if !(1..=100).contains(&self.attempts) {
            return Some("jobs.attempts: a job is tried 1 to 100 times".to_owned());
        }
        if self.max_running == 0 {
            return Some("jobs.maxRunning: at least 1, or no job would ever run".to_owned());
        }
        let pin_most = Span::from_secs(30 * 24 * 3600);
        if self.pin_for < Span::from_secs(3600) || self.pin_for > pin_most {
            return Some("jobs.pinFor: 1h to 30d".to_owned());
        }
        if self.scan_every < Span::from_secs(60) {
            return Some("jobs.scanEvery: at least 1m".to_owned());
        }
        if self.restore_idle_timeout < Span::from_secs(5) {
            return Some(
                "jobs.restoreIdleTimeout: at least 5s, agents tell every second".to_owned(),
            );
        }
        let shortest = Span::from_secs(15);
        if self.agent_gone_after < shortest {
            return Some(format!(
                "jobs.agentGoneAfter: not shorter than {shortest}, after which an agent counts as lost"
            ));
        }
        None
    }
}
