//! Changing who is in the group.
//!
//! A node joins as a learner, catches up, and is promoted to a voter. Each
//! change is made by the leader, is looked at before ([`QuorumPreview`]) and
//! is refused when no quorum would be left. A node that was removed is never a
//! member again: it comes back under a new id.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::time::Duration;

use openraft::ChangeMembers;
use openraft::async_runtime::WatchReceiver;
use openraft::errors::{ChangeMembershipError, ClientWriteError, RaftError};
use tokio::time::Instant;

use super::Node;
use super::call::REMOVE;
use super::quorum::{MembershipChange, QuorumPreview};
use crate::error::{CallError, Leader, MembershipError, OpenError, ProposeError};
use crate::raft::{Member, Metrics, NodeId, TypeConfig};
use crate::wire::{self, pb};

type WriteError = RaftError<TypeConfig, ClientWriteError<TypeConfig>>;

/// A node that lacks no more entries than this has caught up: it gets them
/// within moments, and a quorum that counts on it does not wait for long.
const BEHIND_MAX: u64 = 256;
const PAUSE: Duration = Duration::from_millis(20);

impl Node {
    /// Adds a node as a learner: it is sent the log and has no vote. The
    /// answer does not wait until it has caught up
    /// ([`Node::await_caught_up`]). Adding what is there already is done.
    pub async fn add_member(&self, id: NodeId, member: Member) -> Result<(), MembershipError> {
        self.require_leader()?;
        if self.inner.machine.roster().is_former(id) {
            return Err(MembershipError::IdUsed(id));
        }
        match self.member(id) {
            None => {}
            Some(known) if known == member => return Ok(()),
            Some(known) => {
                return Err(MembershipError::IsMember {
                    id,
                    raft: known.raft,
                });
            }
        }
        let added = ChangeMembers::AddNodes(BTreeMap::from([(id, member)]));
        self.change(added, true).await
    }

    /// Waits until a member holds nearly all of the log; only the leader knows.
    pub async fn await_caught_up(
        &self,
        id: NodeId,
        timeout: Duration,
    ) -> Result<(), MembershipError> {
        let caught_up = async {
            let mut metrics = self.inner.raft.metrics();
            loop {
                let now = metrics.borrow_and_update().clone();
                self.require_leader()?;
                match self.caught_up(&now, id) {
                    Err(MembershipError::NotCaughtUp { .. }) => {}
                    known => return known,
                }
                if metrics.changed().await.is_err() {
                    return Err(ProposeError::ShuttingDown.into());
                }
            }
        };
        match tokio::time::timeout(timeout, caught_up).await {
            Ok(known) => known,
            Err(_) => self.caught_up(&self.metrics(), id),
        }
    }

    /// Gives a learner a vote. It must have caught up and answer, and a quorum
    /// must answer afterwards. Promoting a voter is done already.
    pub async fn promote(&self, id: NodeId) -> Result<(), MembershipError> {
        self.require_leader()?;
        let metrics = self.metrics();
        if metrics
            .membership_config
            .voter_ids()
            .any(|voter| voter == id)
        {
            return Ok(());
        }
        self.caught_up(&metrics, id)?;
        self.once_heard(|| self.require_reachable(id)).await?;
        self.require_quorum(&MembershipChange::Promote(id)).await?;
        let promoted = ChangeMembers::AddVoterIds(BTreeSet::from([id]));
        self.change(promoted, true).await
    }

    /// Makes exactly these members the voters. Whoever loses the vote leaves
    /// the group.
    pub async fn set_voters(&self, voters: BTreeSet<NodeId>) -> Result<(), MembershipError> {
        self.require_quorum(&MembershipChange::Voters(voters.clone()))
            .await?;
        self.change(ChangeMembers::ReplaceAllVoters(voters), false)
            .await
    }

    /// Removes a voter or a learner. From then on no node takes anything from
    /// it, and its id is never used again. Refused when no quorum of reachable
    /// voters would be left. A leader that is to remove itself hands over
    /// first, and asks its successor. Removing a node that was removed before
    /// is done already.
    pub async fn remove_member(&self, id: NodeId) -> Result<(), MembershipError> {
        self.require_leader()?;
        if id != self.inner.id {
            return self.remove_other(id).await;
        }
        let change = MembershipChange::Remove(id);
        let preview = self.require_quorum(&change).await?;
        self.leave(&preview).await
    }

    /// Asks the leader, which this node must be, to make `successor` lead. A
    /// voter that answers is taken; await [`Node::leader`] to see it lead.
    pub async fn transfer_leadership(&self, successor: NodeId) -> Result<(), MembershipError> {
        self.require_leader()?;
        let metrics = self.metrics();
        let membership = metrics.membership_config.membership();
        if membership.get_node(&successor).is_none() {
            return Err(MembershipError::NoSuchMember(successor));
        }
        if !membership.voter_ids().any(|voter| voter == successor) {
            return Err(MembershipError::NotVoter(successor));
        }
        if successor == self.inner.id {
            return Ok(());
        }
        // A leader that hands over takes no more commands until somebody leads.
        self.once_heard(|| self.require_reachable(successor))
            .await?;
        let asked = self.inner.raft.trigger().transfer_leader(successor).await;
        asked.map_err(|fatal| self.propose_stopped(&fatal).into())
    }

    /// Whether this node is a member of the group, as far as it has applied.
    pub fn is_member(&self) -> bool {
        self.inner.machine.roster().is_member(self.inner.id)
    }

    /// Waits until this node, which joins, was added and has learned of it.
    pub async fn await_membership(&self, timeout: Duration) -> Result<(), OpenError> {
        let mut roster = self.inner.machine.watch_roster();
        let added = roster.wait_for(|roster| roster.is_member(self.inner.id));
        tokio::select! {
            added = tokio::time::timeout(timeout, added) => match added {
                Ok(Ok(_)) => Ok(()),
                Ok(Err(_)) | Err(_) => Err(OpenError::NotReady(timeout)),
            },
            fault = self.failed() => Err(fault.into()),
        }
    }

    /// Removes a node that is not this one.
    pub(super) async fn remove_other(&self, id: NodeId) -> Result<(), MembershipError> {
        self.require_leader()?;
        if self.member(id).is_none() && self.inner.machine.roster().is_former(id) {
            return Ok(());
        }
        let preview = self.require_quorum(&MembershipChange::Remove(id)).await?;
        let nodes = BTreeSet::from([id]);
        let change = match preview.voters_now.contains(&id) {
            true => ChangeMembers::RemoveVoters(nodes),
            false => ChangeMembers::RemoveNodes(nodes),
        };
        self.change(change, false).await
    }

    /// Hands over to the best of `preview`, and asks whoever leads then to
    /// remove this node.
    async fn leave(&self, preview: &QuorumPreview) -> Result<(), MembershipError> {
        let limit = self.inner.config.timings.propose;
        let deadline = Instant::now() + limit;
        let body = wire::encode(&pb::RaftNodes {
            nodes: vec![self.inner.id.0],
        });
        let mut last = MembershipError::from(ProposeError::Unknown(limit));
        while Instant::now() < deadline {
            if self.is_leader() {
                let metrics = self.metrics();
                let Some(successor) = self.successor(&metrics, preview) else {
                    return Err(MembershipError::NoQuorumLeft(preview.clone()));
                };
                self.transfer_leadership(successor).await?;
            }
            let Some(leader) = self.await_other_leader(deadline).await else {
                return Err(last);
            };
            let left = deadline.saturating_duration_since(Instant::now());
            let body = body.clone().into();
            last = match self.call(leader.id, REMOVE, body, left).await {
                Ok(_) => return Ok(()),
                // It leads and says why not; other codes pass.
                Err(CallError::Fault { code, message, .. }) if is_final(&code) => {
                    return Err(MembershipError::Refused(message));
                }
                Err(error) => MembershipError::Refused(error.to_string()),
            };
            tokio::time::sleep(PAUSE).await;
        }
        Err(last)
    }

    async fn await_other_leader(&self, deadline: Instant) -> Option<Leader> {
        let mut leader = self.inner.leader.clone();
        let other = |now: &Option<Leader>| {
            now.as_ref()
                .is_some_and(|leader| leader.id != self.inner.id)
        };
        let known = tokio::time::timeout_at(deadline, leader.wait_for(other)).await;
        known.ok()?.ok()?.clone()
    }

    /// The voter that holds most of the log and answers.
    fn successor(&self, metrics: &Metrics, preview: &QuorumPreview) -> Option<NodeId> {
        let others = preview.reachable.iter().filter(|id| **id != self.inner.id);
        others.max_by_key(|id| matched(metrics, **id)).copied()
    }

    fn caught_up(&self, metrics: &Metrics, id: NodeId) -> Result<(), MembershipError> {
        if metrics
            .membership_config
            .membership()
            .get_node(&id)
            .is_none()
        {
            return Err(MembershipError::NoSuchMember(id));
        }
        let lag = |matched: u64| metrics.last_log_index.unwrap_or(0).saturating_sub(matched);
        let behind = match id == self.inner.id {
            true => Some(0),
            false => matched(metrics, id).map(lag),
        };
        if behind.is_some_and(|behind| behind <= BEHIND_MAX) {
            return Ok(());
        }
        Err(MembershipError::NotCaughtUp {
            id,
            behind,
            allowed: BEHIND_MAX,
        })
    }

    /// The preview of `change`, or the refusal that follows from it.
    async fn require_quorum(
        &self,
        change: &MembershipChange,
    ) -> Result<QuorumPreview, MembershipError> {
        self.once_heard(|| self.check_quorum(change)).await
    }

    /// A check that some nodes can be reached. A leader that has just won has
    /// heard from nobody yet: before it refuses, it listens for as long as a
    /// node may be silent that is not lost.
    async fn once_heard<T>(
        &self,
        check: impl Fn() -> Result<T, MembershipError>,
    ) -> Result<T, MembershipError> {
        let deadline = Instant::now() + self.silence_max();
        loop {
            match check() {
                Err(MembershipError::NoQuorumLeft(_) | MembershipError::Unreachable(_))
                    if Instant::now() < deadline =>
                {
                    tokio::time::sleep(PAUSE).await;
                }
                known => return known,
            }
        }
    }

    fn require_reachable(&self, id: NodeId) -> Result<(), MembershipError> {
        if self.is_reachable(&self.metrics(), id) {
            return Ok(());
        }
        Err(MembershipError::Unreachable(id))
    }

    fn check_quorum(&self, change: &MembershipChange) -> Result<QuorumPreview, MembershipError> {
        let preview = self.quorum_preview(change)?;
        if let MembershipChange::Remove(id) = change
            && preview.voters_after.is_empty()
        {
            return Err(MembershipError::LastVoter(*id));
        }
        if !preview.keeps_quorum() {
            return Err(MembershipError::NoQuorumLeft(preview));
        }
        Ok(preview)
    }

    /// Makes a change, within the time that a proposal has: openraft itself
    /// would wait for a quorum for ever.
    pub(super) async fn change(
        &self,
        change: ChangeMembers<NodeId, Member>,
        retain: bool,
    ) -> Result<(), MembershipError> {
        let limit = self.inner.config.timings.propose;
        let deadline = Instant::now() + limit;
        loop {
            let making = self.inner.raft.change_membership(change.clone(), retain);
            let error = match self.within(deadline, making).await? {
                Ok(_) => return Ok(()),
                Err(error) => error,
            };
            // A fresh leader takes no change before an entry of its own is
            // committed; nothing was written.
            if !is_early(&error) || Instant::now() + PAUSE >= deadline {
                return Err(self.not_changed(error));
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn within<T>(
        &self,
        deadline: Instant,
        work: impl Future<Output = T>,
    ) -> Result<T, MembershipError> {
        let limit = self.inner.config.timings.propose;
        let done = tokio::time::timeout_at(deadline, work).await;
        done.map_err(|_| ProposeError::Unknown(limit).into())
    }

    fn not_changed(&self, error: WriteError) -> MembershipError {
        let limit = self.inner.config.timings.propose;
        match error {
            RaftError::Fatal(fatal) => self.propose_stopped(&fatal).into(),
            RaftError::APIError(ClientWriteError::ForwardToLeader(forward)) => {
                let leader = forward.leader_id.zip(forward.leader_node);
                let leader = leader.map(|(id, member)| Leader { id, member });
                ProposeError::NotLeader { leader }.into()
            }
            RaftError::APIError(ClientWriteError::LogEntryDiscarded(_)) => {
                ProposeError::Unknown(limit).into()
            }
            RaftError::APIError(ClientWriteError::ChangeMembershipError(
                error @ (ChangeMembershipError::InProgress(_)
                | ChangeMembershipError::UncommittedLeaderLog(_)),
            )) => MembershipError::InProgress(error.to_string()),
            RaftError::APIError(
                error @ (ClientWriteError::ChangeMembershipError(_)
                | ClientWriteError::PreconditionFailed(_)),
            ) => MembershipError::Refused(error.to_string()),
        }
    }
}

/// Whether a leader refuses only because it has just become one.
fn is_early(error: &WriteError) -> bool {
    match error {
        RaftError::APIError(ClientWriteError::ChangeMembershipError(
            ChangeMembershipError::UncommittedLeaderLog(_),
        )) => true,
        RaftError::APIError(ClientWriteError::ForwardToLeader(forward)) => {
            forward.reason == openraft::errors::ForwardReason::LeaseExpired
        }
        _ => false,
    }
}

/// Whether a leader that answers this to a removal would do so again.
fn is_final(code: &str) -> bool {
    matches!(
        code,
        "no_quorum_left" | "last_voter" | "membership_change_refused"
    )
}

/// The last entry that the log of `id` is known to hold.
fn matched(metrics: &Metrics, id: NodeId) -> Option<u64> {
    let progress = metrics.replication.as_ref()?.get(&id)?;
    progress.as_ref().map(|id| id.index)
}
