//! What a change of the membership would leave: asked before every change, and
//! shown to whoever asks for one.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use openraft::Instant as _;

use super::Node;
use crate::error::{MembershipError, ProposeError};
use crate::raft::{Metrics, NodeId};

/// A change of the membership.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MembershipChange {
    /// A learner gets a vote ([`Node::promote`]).
    Promote(NodeId),
    /// A node leaves the group ([`Node::remove_member`]).
    Remove(NodeId),
    /// Exactly these vote ([`Node::set_voters`]).
    Voters(BTreeSet<NodeId>),
}

/// What a change of the membership leaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuorumPreview {
    /// Who votes now.
    pub voters_now: BTreeSet<NodeId>,
    /// Who would vote.
    pub voters_after: BTreeSet<NodeId>,
    /// How many of those are a quorum.
    pub needed: usize,
    /// Those of them that the leader has heard from lately, itself included.
    pub reachable: BTreeSet<NodeId>,
}

impl QuorumPreview {
    /// Whether a quorum would answer.
    pub fn keeps_quorum(&self) -> bool {
        !self.voters_after.is_empty() && self.reachable.len() >= self.needed
    }

    /// How many more nodes could be lost after the change.
    pub fn spare(&self) -> usize {
        self.reachable.len().saturating_sub(self.needed)
    }
}

impl fmt::Display for QuorumPreview {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (voters, needed) = (self.voters_after.len(), self.needed);
        let reachable = self.reachable.len();
        write!(
            f,
            "{needed} of {voters} voters would be needed, {reachable} can be reached"
        )
    }
}

impl Node {
    /// What `change` would leave. Only the leader knows who can be reached; one
    /// that has just won has not heard from all of them yet.
    pub fn quorum_preview(
        &self,
        change: &MembershipChange,
    ) -> Result<QuorumPreview, MembershipError> {
        self.require_leader()?;
        let metrics = self.metrics();
        let membership = metrics.membership_config.membership();
        let voters_now: BTreeSet<NodeId> = membership.voter_ids().collect();
        let mut voters_after = voters_now.clone();
        let known = |id: &NodeId| membership.get_node(id).is_some();
        match change {
            MembershipChange::Promote(id) => {
                voters_after.insert(*id);
            }
            MembershipChange::Remove(id) if known(id) => {
                voters_after.remove(id);
            }
            MembershipChange::Remove(id) => return Err(MembershipError::NoSuchMember(*id)),
            MembershipChange::Voters(voters) => voters_after.clone_from(voters),
        }
        if let Some(stranger) = voters_after.iter().find(|id| !known(id)) {
            return Err(MembershipError::NoSuchMember(*stranger));
        }
        let reachable = voters_after
            .iter()
            .copied()
            .filter(|id| self.is_reachable(&metrics, *id));
        Ok(QuorumPreview {
            needed: voters_after.len() / 2 + 1,
            reachable: reachable.collect(),
            voters_now,
            voters_after,
        })
    }

    pub(super) fn require_leader(&self) -> Result<(), MembershipError> {
        if self.is_leader() {
            return Ok(());
        }
        let leader = self.inner.leader.borrow().clone();
        Err(ProposeError::NotLeader { leader }.into())
    }

    /// Whether this leader has heard from `id` lately: a node that is silent
    /// for longer than a leader may be is taken for lost.
    pub(super) fn is_reachable(&self, metrics: &Metrics, id: NodeId) -> bool {
        let lately = self.silence_max();
        id == self.inner.id || heard(metrics, id).is_some_and(|ago| ago <= lately)
    }

    /// How long a node may be silent before it is taken for lost.
    pub(super) fn silence_max(&self) -> Duration {
        self.inner.config.timings.election_max * 2
    }
}

/// How long ago a leader last heard from `id`.
pub(super) fn heard(metrics: &Metrics, id: NodeId) -> Option<Duration> {
    let heartbeats = metrics.heartbeat.as_ref()?;
    let at = heartbeats.get(&id)?.as_ref()?;
    Some(at.elapsed())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(ids: &[u64]) -> BTreeSet<NodeId> {
        ids.iter().copied().map(NodeId).collect()
    }

    #[test]
    fn a_preview_counts_those_that_answer() {
        let preview = |after: &[u64], reachable: &[u64]| QuorumPreview {
            voters_now: ids(&[1, 2, 3]),
            voters_after: ids(after),
            needed: after.len() / 2 + 1,
            reachable: ids(reachable),
        };
        assert!(preview(&[1, 2], &[1, 2]).keeps_quorum());
        assert_eq!(preview(&[1, 2], &[1, 2]).spare(), 0);
        assert!(!preview(&[1, 2], &[1]).keeps_quorum());
        assert!(preview(&[1], &[1]).keeps_quorum());
        assert!(!preview(&[], &[]).keeps_quorum());
        assert_eq!(
            preview(&[1, 2], &[1]).to_string(),
            "2 of 2 voters would be needed, 1 can be reached"
        );
    }
}
