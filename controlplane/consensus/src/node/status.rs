//! How a node is doing.

use std::time::Duration;

use openraft::async_runtime::WatchReceiver;
use openraft::{Instant as _, ServerState};

use super::Node;
use super::quorum::heard;
use crate::error::Leader;
use crate::fault::Fault;
use crate::raft::{LogId, Member, Metrics, NodeId};

/// What a node does in its group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// It decides what is committed.
    Leader,
    /// It follows the leader and votes.
    Follower,
    /// It stands for election.
    Candidate,
    /// It follows without a vote, or is not a member yet.
    Learner,
    /// It has stopped.
    Stopped,
}

/// A member, as this node knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberStatus {
    /// Its id.
    pub id: NodeId,
    /// Where it is reached.
    pub member: Member,
    /// Whether it counts for the quorum.
    pub voter: bool,
    /// The last entry known to be in its log; only the leader knows.
    pub matched: Option<u64>,
    /// How long ago it last answered the leader; only the leader knows.
    pub heard: Option<Duration>,
}

/// A node's view of itself and of its group.
#[derive(Debug, Clone)]
pub struct Status {
    /// Its id.
    pub id: NodeId,
    /// What it does.
    pub role: Role,
    /// Who leads.
    pub leader: Option<Leader>,
    /// The current term.
    pub term: u64,
    /// The last entry in its log.
    pub last_log: Option<u64>,
    /// The last entry it knows to be committed.
    pub committed: Option<u64>,
    /// The last entry applied.
    pub applied: Option<u64>,
    /// The last entry in its snapshot.
    pub snapshot: Option<u64>,
    /// The last entry removed from its log.
    pub purged: Option<u64>,
    /// How long ago a quorum last confirmed this leader.
    pub quorum_acked: Option<Duration>,
    /// The group.
    pub members: Vec<MemberStatus>,
    /// Why it stopped by itself.
    pub fault: Option<Fault>,
}

impl Node {
    pub(super) fn metrics(&self) -> Metrics {
        self.inner.raft.metrics().borrow_watched().clone()
    }

    /// How the node is doing now.
    pub fn status(&self) -> Status {
        let metrics = self.metrics();
        let index = |id: &Option<LogId>| id.as_ref().map(|id| id.index);
        let role = match (&metrics.running_state, metrics.state) {
            (Err(_), _) | (_, ServerState::Shutdown) => Role::Stopped,
            (_, ServerState::Leader) => Role::Leader,
            (_, ServerState::Follower) => Role::Follower,
            (_, ServerState::Candidate) => Role::Candidate,
            (_, ServerState::Learner) => Role::Learner,
        };
        Status {
            id: self.inner.id,
            role,
            leader: self.inner.leader.borrow().clone(),
            term: metrics.current_term,
            last_log: metrics.last_log_index,
            committed: index(&metrics.cluster_committed),
            applied: index(&metrics.last_applied),
            snapshot: index(&metrics.snapshot),
            purged: index(&metrics.purged),
            quorum_acked: metrics.last_quorum_acked.map(|acked| acked.elapsed()),
            members: members(&metrics),
            fault: self.fatal(),
        }
    }
}

fn members(metrics: &Metrics) -> Vec<MemberStatus> {
    let membership = metrics.membership_config.membership();
    let voters: Vec<NodeId> = membership.voter_ids().collect();
    let matched = |id: &NodeId| {
        let progress = metrics.replication.as_ref()?.get(id)?;
        progress.as_ref().map(|id| id.index)
    };
    let status = |(id, member): (&NodeId, &Member)| MemberStatus {
        id: *id,
        member: member.clone(),
        voter: voters.contains(id),
        matched: matched(id),
        heard: heard(metrics, *id),
    };
    membership.nodes().map(status).collect()
}
