//! What a node asks of another beside Raft's own messages: proposals passed on
//! to the leader, read barriers, and calls.
//!
//! These travel on connections of their own. Raft's heartbeats and appends
//! share an HTTP/2 connection with nothing else, so that a call of many
//! megabytes cannot fill the window before a heartbeat, and proposals do not
//! wait behind calls. How much may be under way to one node is bounded by
//! bytes: what comes beyond that waits here, where its own time runs out.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::Instant;

use super::batch::{self, Ask, Outcome};
use super::client::{Network, Peer, RpcError, answered, frame};
use crate::held;
use crate::raft::{Member, NodeId};
use crate::wire::pb;

/// What a request costs of [`BUDGET`], in parts of this size, beside one.
const UNIT_BYTES: usize = 64 << 10;
/// So many small requests, or 64 MiB, may be under way to a node in a lane.
const BUDGET: u32 = 1024;

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Purpose {
    Propose,
    Call,
}

/// The connections beside Raft's own, one to each node for each purpose.
#[derive(Debug, Clone, Default)]
pub(super) struct Lanes(Arc<Mutex<BTreeMap<(Purpose, NodeId), Lane>>>);

/// A connection for requests to one node.
#[derive(Debug, Clone)]
pub(crate) struct Lane {
    peer: Peer,
    address: String,
    budget: Arc<Semaphore>,
    proposals: mpsc::UnboundedSender<Ask>,
}

impl Network {
    /// For proposals and read barriers.
    pub(crate) fn to_leader(&self, id: NodeId, member: &Member) -> Lane {
        self.lane(Purpose::Propose, id, member)
    }

    /// For calls.
    pub(crate) fn to_call(&self, id: NodeId, member: &Member) -> Lane {
        self.lane(Purpose::Call, id, member)
    }

    /// Lets go of the connections; requests under way keep theirs.
    pub(crate) fn close(&self) {
        held(&self.lanes.0).clear();
    }

    fn lane(&self, purpose: Purpose, id: NodeId, member: &Member) -> Lane {
        let mut lanes = held(&self.lanes.0);
        if let Some(lane) = lanes.get(&(purpose, id))
            && lane.address == member.raft
        {
            return lane.clone();
        }
        let peer = self.peer(id, member);
        let (proposals, asks) = mpsc::unbounded_channel();
        // Ends with the lane.
        tokio::spawn(batch::send(peer.clone(), asks));
        let lane = Lane {
            peer,
            address: member.raft.clone(),
            budget: Arc::new(Semaphore::new(BUDGET as usize)),
            proposals,
        };
        lanes.insert((purpose, id), lane.clone());
        lane
    }
}

/// What waiting `timeout` from now is told to the peer as.
pub(super) fn milliseconds(timeout: Duration) -> u64 {
    u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX)
}

impl Lane {
    /// Asks the leader how far to have applied before answering a read.
    pub(crate) async fn read_index(
        &self,
        timeout: Duration,
    ) -> Result<pb::RaftReadReply, RpcError> {
        let mut client = self.peer.client()?;
        let request = frame(&pb::RaftReadRequest { to: self.peer.id.0 });
        answered(timeout, async move { client.read_index(request).await }).await
    }

    /// Asks the leader to get `entry` done. Giving up before it was this
    /// request's turn is an error that is unsent.
    pub(crate) async fn propose(&self, entry: Bytes, timeout: Duration) -> Outcome {
        let (_permit, left) = self.await_turn(entry.len(), timeout).await?;
        let (answer, answered) = oneshot::channel();
        let ask = Ask {
            entry,
            deadline: Instant::now() + left,
            answer,
        };
        // Both ends of the channels last as long as the lane.
        let _ = self.proposals.send(ask);
        match tokio::time::timeout(left, answered).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) | Err(_) => Err(Arc::new(RpcError::Timeout(left))),
        }
    }

    /// Calls the node.
    pub(crate) async fn call(
        &self,
        kind: &str,
        body: Bytes,
        timeout: Duration,
    ) -> Result<pb::RaftCallReply, RpcError> {
        let (_permit, left) = self.await_turn(body.len(), timeout).await?;
        let mut client = self.peer.client()?;
        let request = frame(&pb::RaftCallRequest {
            to: self.peer.id.0,
            kind: kind.to_owned(),
            body,
            patience_ms: milliseconds(left),
        });
        answered(left, async move { client.call(request).await }).await
    }

    /// Waits until so many bytes more may be under way. Gives the time left.
    async fn await_turn(
        &self,
        bytes: usize,
        timeout: Duration,
    ) -> Result<(tokio::sync::OwnedSemaphorePermit, Duration), RpcError> {
        let deadline = Instant::now() + timeout;
        let cost = u32::try_from(1 + bytes / UNIT_BYTES).unwrap_or(BUDGET);
        let turn = Arc::clone(&self.budget).acquire_many_owned(cost.min(BUDGET));
        match tokio::time::timeout_at(deadline, turn).await {
            Ok(Ok(permit)) => {
                let left = deadline.saturating_duration_since(Instant::now());
                Ok((permit, left))
            }
            // The semaphore is never closed.
            Ok(Err(_)) | Err(_) => Err(RpcError::Crowded(timeout)),
        }
    }
}
