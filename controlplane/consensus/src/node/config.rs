//! How a node is set up.

use std::path::PathBuf;
use std::time::Duration;

use openraft::{Config, SnapshotPolicy};

use crate::error::OpenError;
use crate::network::PeerTls;
use crate::raft::NodeId;

/// What a node needs to run.
#[derive(Debug, Clone)]
pub struct NodeConfig {
    /// Its directory, used by nothing else.
    pub dir: PathBuf,
    /// Its id, never used for another node before or after.
    pub node_id: NodeId,
    /// How it proves itself to other nodes; without, it runs alone.
    pub peers: Option<PeerTls>,
    /// How long it waits for what.
    pub timings: Timings,
    /// A snapshot is taken after this many entries.
    pub snapshot_every: u64,
    /// So many entries stay in the log although a snapshot holds them, for
    /// followers that are a little behind.
    pub log_keep: u64,
}

impl NodeConfig {
    /// A node alone, with the usual settings.
    pub fn new(dir: impl Into<PathBuf>, node_id: NodeId) -> Self {
        Self {
            dir: dir.into(),
            node_id,
            peers: None,
            timings: Timings::default(),
            snapshot_every: 20_000,
            log_keep: 5_000,
        }
    }
}

/// How long a node waits.
#[derive(Debug, Clone)]
pub struct Timings {
    /// How often the leader shows that it is there.
    pub heartbeat: Duration,
    /// When a leader's lease has ended, a follower waits at least this long
    /// before it stands for election; a round trip and the fsync of a vote must
    /// fit.
    pub election_min: Duration,
    /// And at most this long. It is also the lease: how long after a leader's
    /// last word nobody else is voted for, and how long a leader that lost its
    /// quorum goes on taking commands, which it cannot commit.
    pub election_max: Duration,
    /// How long a proposal may take, retries included.
    pub propose: Duration,
    /// How long a read may wait for its barrier.
    pub read: Duration,
    /// How long sending a whole snapshot may take.
    pub snapshot: Duration,
}

impl Default for Timings {
    fn default() -> Self {
        Self {
            heartbeat: Duration::from_millis(100),
            // A follower stands for election after the leader's lease, which
            // is `election_max`, and a time between the two: 0.8 to 1 s after
            // the leader's last word. Measured with kill -9 in
            // `examples/failover.rs`. Less would take a busy machine's pauses
            // for a death; it would cost a change of leader, nothing more.
            election_min: Duration::from_millis(300),
            election_max: Duration::from_millis(500),
            propose: Duration::from_secs(5),
            read: Duration::from_secs(5),
            snapshot: Duration::from_secs(600),
        }
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

impl NodeConfig {
    pub(super) fn raft(&self) -> Result<Config, OpenError> {
        let config = Config {
            cluster_name: "holdfast".to_owned(),
            heartbeat_interval: milliseconds(self.timings.heartbeat),
            election_timeout_min: milliseconds(self.timings.election_min),
            election_timeout_max: milliseconds(self.timings.election_max),
            install_snapshot_timeout: milliseconds(self.timings.snapshot),
            snapshot_policy: SnapshotPolicy::LogsSinceLast(self.snapshot_every),
            max_in_snapshot_log_to_keep: self.log_keep,
            // A follower that can still be caught up from the log is.
            replication_lag_threshold: self.snapshot_every.saturating_add(self.log_keep),
            purge_batch_size: 256,
            max_payload_entries: 512,
            // A node that was cut off must not depose a working leader.
            enable_pre_vote: Some(true),
            // A node that returns with an emptied log has forgotten what it
            // acknowledged: it may not go on as if it had not.
            allow_log_reversion: Some(false),
            // After a restart leadership is won again, not assumed.
            enable_leader_restore: Some(false),
            ..Config::default()
        };
        config
            .validate()
            .map_err(|error| OpenError::Configuration(error.to_string()))
    }
}
