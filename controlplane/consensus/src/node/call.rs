//! Calls between nodes: for what is never replicated, such as who is connected
//! where and how far a job is.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tonic::{Code, async_trait};

use super::Node;
use crate::error::{CallError, CallFault};
use crate::network::{CALL_BYTES_MAX, PeerCalls, RpcError, Unanswered};
use crate::raft::{Member, NodeId};
use crate::wire::pb::raft_call_reply::Outcome;
use crate::wire::{self, pb};

/// Asks the leader to remove nodes.
pub(super) const REMOVE: &str = "raft/remove";

impl Node {
    /// Calls the node `to`, which answers with its own [`PeerCalls`]. Nothing
    /// is replicated, nothing is tried twice: when the connection breaks or
    /// time runs out, `to` may have done what was asked. A call to oneself is
    /// answered right here.
    pub async fn call(
        &self,
        to: NodeId,
        kind: &str,
        body: Bytes,
        timeout: Duration,
    ) -> Result<Bytes, CallError> {
        if body.len() > CALL_BYTES_MAX {
            return Err(CallError::TooLarge {
                bytes: body.len(),
                limit: CALL_BYTES_MAX,
            });
        }
        if to == self.inner.id {
            return self.call_self(kind, body, timeout).await;
        }
        let member = self.member(to).ok_or(CallError::NoSuchMember(to))?;
        self.call_member(to, &member, kind, body, timeout).await
    }

    pub(super) async fn call_member(
        &self,
        to: NodeId,
        member: &Member,
        kind: &str,
        body: Bytes,
        timeout: Duration,
    ) -> Result<Bytes, CallError> {
        let lane = self.inner.network.to_call(to, member);
        match lane.call(kind, body, timeout).await {
            Ok(reply) => outcome(to, kind, reply),
            Err(error) => Err(failure(to, kind, timeout, &error)),
        }
    }

    /// From now on `handler` answers calls, other nodes' and this one's own.
    /// Until there is one, this node cannot be reached by calls. Kinds that
    /// begin with `raft/` are the consensus' own and never get here.
    pub fn answer_calls(&self, handler: Arc<dyn PeerCalls>) {
        self.inner.desk.set_handler(Some(handler));
    }

    async fn call_self(
        &self,
        kind: &str,
        body: Bytes,
        timeout: Duration,
    ) -> Result<Bytes, CallError> {
        let node = self.inner.id;
        let answering = self.inner.desk.answer(node, kind, body);
        let answer = tokio::time::timeout(timeout, answering).await;
        let after = timeout;
        match answer.map_err(|_| CallError::Timeout { node, after })? {
            Ok(body) => Ok(body),
            Err(Unanswered::NotReady) => Err(CallError::Unreachable {
                node,
                reason: "it does not answer calls yet".to_owned(),
            }),
            Err(Unanswered::Fault(fault)) => Err(faulted(node, kind, fault)),
        }
    }

    /// Where a member is reached, as this node knows.
    pub(super) fn member(&self, id: NodeId) -> Option<Member> {
        let metrics = self.metrics();
        let membership = metrics.membership_config.membership();
        membership.get_node(&id).cloned()
    }

    pub(super) fn answer_own_calls(&self) {
        self.inner
            .desk
            .set_own(Arc::new(OwnCalls(self.downgrade())));
    }
}

fn faulted(node: NodeId, kind: &str, fault: CallFault) -> CallError {
    match fault {
        CallFault::UnknownKind => CallError::UnknownKind {
            node,
            kind: kind.to_owned(),
        },
        CallFault::Failed { code, message } => CallError::Fault {
            node,
            code,
            message,
        },
    }
}

fn outcome(node: NodeId, kind: &str, reply: pb::RaftCallReply) -> Result<Bytes, CallError> {
    match reply.outcome {
        Some(Outcome::Body(body)) => Ok(body),
        Some(Outcome::UnknownKind(_)) => Err(faulted(node, kind, CallFault::UnknownKind)),
        Some(Outcome::Fault(fault)) => {
            let fault = CallFault::failed(fault.code, fault.message);
            Err(faulted(node, kind, fault))
        }
        None => Err(CallError::Unreachable {
            node,
            reason: "its answer is of a kind that this program does not know".to_owned(),
        }),
    }
}

fn failure(node: NodeId, kind: &str, after: Duration, error: &RpcError) -> CallError {
    match error {
        RpcError::Timeout(_) | RpcError::Crowded(_) => CallError::Timeout { node, after },
        RpcError::Status(status) if status.code() == Code::DeadlineExceeded => {
            CallError::Timeout { node, after }
        }
        // A program from before there were calls knows none.
        RpcError::Status(status) if status.code() == Code::Unimplemented => {
            faulted(node, kind, CallFault::UnknownKind)
        }
        RpcError::Alone | RpcError::Status(_) | RpcError::Answer(_) => CallError::Unreachable {
            node,
            reason: error.to_string(),
        },
    }
}

/// Answers what the consensus asks of another node's consensus.
struct OwnCalls(super::WeakNode);

#[async_trait]
impl PeerCalls for OwnCalls {
    async fn call(&self, _from: NodeId, kind: &str, body: Bytes) -> Result<Bytes, CallFault> {
        let node = self.0.upgrade();
        let node = node.ok_or_else(|| CallFault::failed("shutting_down", "it is stopping"))?;
        if kind != REMOVE {
            return Err(CallFault::UnknownKind);
        }
        let malformed = |error: wire::WireError| CallFault::failed("malformed", error.to_string());
        let nodes: pb::RaftNodes = wire::decode(body).map_err(malformed)?;
        for id in nodes.nodes {
            let removed = node.remove_other(NodeId(id)).await;
            removed.map_err(|error| CallFault::failed(error.code(), error.to_string()))?;
        }
        Ok(Bytes::new())
    }
}
