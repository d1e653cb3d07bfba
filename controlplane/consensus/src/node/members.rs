//! Changing who is in the group, and what else an operator asks of it.

use std::collections::BTreeSet;
use std::time::Duration;

use openraft::async_runtime::WatchReceiver;
use openraft::errors::{ClientWriteError, RaftError};

use super::Node;
use crate::error::{Leader, MembershipError, OpenError, ProposeError};
use crate::raft::{Member, NodeId, TypeConfig};

type WriteError = RaftError<TypeConfig, ClientWriteError<TypeConfig>>;

impl Node {
    /// Adds a node as a learner, and waits until it has nearly caught up. It
    /// has no vote until [`Node::set_voters`] gives it one.
    pub async fn add_member(&self, id: NodeId, member: Member) -> Result<(), MembershipError> {
        let added = self.inner.raft.add_learner(id, member, true).await;
        added.map(|_| ()).map_err(|error| self.not_changed(error))
    }

    /// Makes exactly these members the voters. Whoever loses the vote leaves
    /// the group.
    pub async fn set_voters(&self, voters: BTreeSet<NodeId>) -> Result<(), MembershipError> {
        let changed = self.inner.raft.change_membership(voters, false).await;
        changed.map(|_| ()).map_err(|error| self.not_changed(error))
    }

    /// Asks the leader, which this node must be, to make `successor` lead.
    pub async fn transfer_leadership(&self, successor: NodeId) -> Result<(), MembershipError> {
        if !self.is_leader() {
            let leader = self.inner.leader.borrow().clone();
            return Err(ProposeError::NotLeader { leader }.into());
        }
        let asked = self.inner.raft.trigger().transfer_leader(successor).await;
        asked.map_err(|fatal| self.propose_stopped(&fatal).into())
    }

    /// Takes a snapshot now, and waits until one holds all that was applied
    /// when this was called.
    pub async fn snapshot(&self, timeout: Duration) -> Result<(), OpenError> {
        let wanted = self.metrics().last_applied;
        let taken = async {
            let mut metrics = self.inner.raft.metrics();
            let mut before = None;
            loop {
                let now = metrics.borrow_and_update().clone();
                if let Err(fatal) = &now.running_state {
                    return Err(self.stopped(fatal).into());
                }
                if now.snapshot >= wanted {
                    return Ok(());
                }
                // While one is being built the request is not heard: it is
                // repeated after each that turns out to be too old.
                if before != Some(now.snapshot) {
                    before = Some(now.snapshot);
                    let triggered = self.inner.raft.trigger().snapshot().await;
                    triggered.map_err(|fatal| self.stopped(&fatal))?;
                }
                if metrics.changed().await.is_err() {
                    return Err(OpenError::NotReady(timeout));
                }
            }
        };
        tokio::time::timeout(timeout, taken)
            .await
            .unwrap_or(Err(OpenError::NotReady(timeout)))
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
                ProposeError::Timeout(limit).into()
            }
            RaftError::APIError(
                error @ (ClientWriteError::ChangeMembershipError(_)
                | ClientWriteError::PreconditionFailed(_)),
            ) => MembershipError::Refused(error.to_string()),
        }
    }
}
