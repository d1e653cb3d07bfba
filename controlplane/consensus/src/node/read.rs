//! Reading the state: current, confirmed by a quorum, or as this node last
//! knew it.

use std::time::Duration;

use openraft::errors::{Fatal, LinearizableReadError, RaftError};
use openraft::{Instant as _, ReadPolicy};
use sea_orm::DatabaseConnection;
use tokio::time::Instant;

use super::Node;
use crate::error::{Leader, ReadError};
use crate::raft::TypeConfig;
use crate::wire::pb::raft_read_reply::Outcome;

const PAUSE: Duration = Duration::from_millis(20);

/// Connections to the state that may only read. For one request, not for
/// keeping: when a snapshot takes the place of the state, a view made before
/// finishes the query it is in and then answers no more.
#[derive(Debug, Clone)]
pub struct StateView {
    connection: DatabaseConnection,
    applied: u64,
}

impl StateView {
    pub(super) const fn new(connection: DatabaseConnection, applied: u64) -> Self {
        Self {
            connection,
            applied,
        }
    }

    /// The connections. A query sees at least what was applied when the view
    /// was made; two queries may see different states, unless they share a
    /// transaction.
    pub fn connection(&self) -> &DatabaseConnection {
        &self.connection
    }

    /// How far entries were applied when the view was made: one more than the
    /// index of the last.
    pub fn applied(&self) -> u64 {
        self.applied
    }
}

/// How old what is read may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Age {
    /// All that was committed so long ago is in it.
    Known(Duration),
    /// This node has heard no leader since it started.
    Unknown,
}

/// The state as this node last knew it.
#[derive(Debug, Clone)]
pub struct StaleView {
    /// What can be read.
    pub view: StateView,
    /// How old it may be.
    pub age: Age,
}

/// Where a barrier stands.
#[derive(Debug, Clone)]
pub(super) enum Barrier {
    /// Everything below this index must be applied.
    Below(u64),
    /// Nobody could say; ask again unless time is up.
    Again(ReadError),
}

impl Node {
    /// A view of the state that holds every command acknowledged, by any node,
    /// before this call: the leader confirms with a quorum that it still leads
    /// (`ReadIndex`), a follower asks it.
    pub async fn read(&self) -> Result<StateView, ReadError> {
        let limit = self.inner.config.timings.read;
        let deadline = Instant::now() + limit;
        let below = self.await_barrier(deadline, limit).await?;
        let caught_up = self.await_reached(below);
        tokio::select! {
            reached = tokio::time::timeout_at(deadline, caught_up) => match reached {
                Ok(Ok(())) => Ok(self.view()),
                Ok(Err(error)) => Err(error),
                Err(_) => Err(ReadError::Timeout(limit)),
            },
            fault = self.failed() => Err(ReadError::Storage(fault)),
        }
    }

    /// Waits until everything below this index is applied here.
    async fn await_reached(&self, below: u64) -> Result<(), ReadError> {
        let mut applied = self.applied();
        let reached = applied.wait_for(|applied| *applied >= below).await;
        // What it gives locks the number while it lives. Whoever then looked at
        // the number again would wait for the one who is about to raise it, and
        // that one for us: for ever, and every thread behind them.
        reached.map(drop).map_err(|_| ReadError::ShuttingDown)
    }

    /// A view of the state as this node last knew it, and how old that is.
    pub fn read_stale(&self) -> StaleView {
        let view = self.view();
        let age = self.age(view.applied);
        StaleView { view, age }
    }

    /// The same for short look-ups by key: statements execute on the thread
    /// that calls, which costs a fraction of handing them to the pool. Not for
    /// lists and searches, which would hold up what else that thread serves.
    pub fn look_up(&self) -> StateView {
        let applied = *self.applied().borrow();
        StateView::new(self.inner.machine.lookup(), applied)
    }

    pub(super) fn view(&self) -> StateView {
        // In this order: the connections see at least what the number says.
        let applied = *self.applied().borrow();
        StateView {
            connection: self.inner.machine.readers(),
            applied,
        }
    }

    /// Asks until somebody can say how far to have applied.
    async fn await_barrier(&self, deadline: Instant, limit: Duration) -> Result<u64, ReadError> {
        let mut last = ReadError::Timeout(limit);
        loop {
            let barrier = tokio::time::timeout_at(deadline, self.shared_barrier()).await;
            match barrier {
                Ok(Ok(Barrier::Below(below))) => return Ok(below),
                Ok(Ok(Barrier::Again(error))) => last = error,
                Ok(Err(error)) => return Err(error),
                Err(_) => return Err(last),
            }
            if Instant::now() + PAUSE >= deadline {
                return Err(last);
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    pub(super) async fn barrier(&self, deadline: Instant) -> Result<Barrier, ReadError> {
        let forward = match self
            .inner
            .raft
            .get_read_linearizer(ReadPolicy::ReadIndex)
            .await
        {
            Ok(linearizer) => {
                return Ok(Barrier::Below(linearizer.read_log_id().index() + 1));
            }
            Err(RaftError::Fatal(fatal)) => return Err(self.read_stopped(&fatal)),
            Err(RaftError::APIError(LinearizableReadError::QuorumNotEnough(_))) => {
                return Ok(Barrier::Again(ReadError::NoQuorum));
            }
            Err(RaftError::APIError(LinearizableReadError::ForwardToLeader(forward))) => forward,
        };
        match forward.leader_id.zip(forward.leader_node) {
            Some((id, member)) if id != self.inner.id => {
                Ok(self.ask_leader(&Leader { id, member }, deadline).await)
            }
            _ => Ok(Barrier::Again(ReadError::NoLeader)),
        }
    }

    async fn ask_leader(&self, leader: &Leader, deadline: Instant) -> Barrier {
        let timeout = deadline.saturating_duration_since(Instant::now());
        let lane = self.inner.network.to_leader(leader.id, &leader.member);
        match lane.read_index(timeout).await {
            Ok(reply) => match reply.outcome {
                Some(Outcome::ReadyAt(id)) => Barrier::Below(id.index + 1),
                Some(Outcome::NoQuorum(_)) => Barrier::Again(ReadError::NoQuorum),
                Some(Outcome::NotLeader(_)) | None => Barrier::Again(ReadError::NoLeader),
            },
            Err(error) => {
                tracing::debug!(leader = %leader.id, "failed to ask the leader: {error}");
                Barrier::Again(ReadError::NoLeader)
            }
        }
    }

    fn age(&self, applied: u64) -> Age {
        let known = if self.is_leader() {
            let metrics = self.metrics();
            let voters: Vec<_> = metrics.membership_config.voter_ids().collect();
            if voters == [self.inner.id] {
                Some(Duration::ZERO)
            } else {
                metrics.last_quorum_acked.map(|acked| acked.elapsed())
            }
        } else {
            let now = std::time::Instant::now();
            self.inner.freshness.age(now, applied)
        };
        known.map_or(Age::Unknown, Age::Known)
    }

    fn read_stopped(&self, fatal: &Fatal<TypeConfig>) -> ReadError {
        if self.is_stopping() {
            return ReadError::ShuttingDown;
        }
        ReadError::Storage(self.stopped(fatal))
    }
}
