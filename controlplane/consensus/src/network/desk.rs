//! Answering what other nodes ask beside Raft's own messages.

use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use holdfast_state::Entry;
use openraft::errors::{ClientWriteError, ForwardReason, ForwardToLeader, RaftError};
use tokio::sync::Semaphore;
use tonic::{Status, async_trait};

use super::server::stopped;
use crate::error::CallFault;
use crate::held;
use crate::raft::{COMMAND_BYTES_MAX, NodeId, Payload, Raft, TypeConfig};
use crate::wire::{self, pb};

/// The most bytes a call, or the answer to one, may have.
pub(crate) const CALL_BYTES_MAX: usize = 16 << 20;
/// Calls of these kinds are this crate's own.
const OWN_KINDS: &str = "raft/";
/// So many proposals of other nodes are worked on at once.
const PROPOSALS_MAX: usize = 1024;
/// So many calls are answered at once; more wait, where their time runs out.
const CALLS_MAX: usize = 256;
/// No sender waits longer.
const PATIENCE_MAX: Duration = Duration::from_secs(600);

/// Answers the calls of other nodes ([`Node::call`](crate::Node::call)).
#[async_trait]
pub trait PeerCalls: Send + Sync {
    /// Answers a call of the node `from`, whose certificate was checked. A
    /// `kind` that this program does not know is [`CallFault::UnknownKind`].
    /// When the caller's time is up or its connection ends, the future is
    /// dropped.
    async fn call(&self, from: NodeId, kind: &str, body: Bytes) -> Result<Bytes, CallFault>;
}

/// Why a call has no answer of its handler.
pub(crate) enum Unanswered {
    /// There is no handler yet.
    NotReady,
    Fault(CallFault),
}

/// The answer to a call that is answered by nobody.
pub(super) fn refused(code: &str, message: &str) -> pb::RaftCallReply {
    use pb::raft_call_reply::Outcome;
    let (code, message) = (code.to_owned(), message.to_owned());
    let fault = pb::RaftCallFault { code, message };
    pb::RaftCallReply {
        outcome: Some(Outcome::Fault(fault)),
    }
}

/// Who answers calls, and how much is answered at once. Kept apart from
/// Raft's own messages, whose number is bounded by the number of nodes and
/// which wait for nothing in here.
pub(crate) struct Desk {
    own: OnceLock<Arc<dyn PeerCalls>>,
    handler: Mutex<Option<Arc<dyn PeerCalls>>>,
    proposals: Semaphore,
    calls: Semaphore,
}

impl Desk {
    pub(crate) fn new() -> Self {
        Self {
            own: OnceLock::new(),
            handler: Mutex::new(None),
            proposals: Semaphore::new(PROPOSALS_MAX),
            calls: Semaphore::new(CALLS_MAX),
        }
    }

    /// Who answers this crate's own calls.
    pub(crate) fn set_own(&self, own: Arc<dyn PeerCalls>) {
        // A node listens once; a second listener has the same handler.
        let _ = self.own.set(own);
    }

    pub(crate) fn set_handler(&self, handler: Option<Arc<dyn PeerCalls>>) {
        *held(&self.handler) = handler;
    }

    /// What this node answers to a call of `from`, be it itself.
    pub(crate) async fn answer(
        &self,
        from: NodeId,
        kind: &str,
        body: Bytes,
    ) -> Result<Bytes, Unanswered> {
        let handler = if kind.starts_with(OWN_KINDS) {
            self.own.get().cloned()
        } else {
            held(&self.handler).clone()
        };
        let handler = handler.ok_or(Unanswered::NotReady)?;
        let answer = handler.call(from, kind, body).await;
        let answer = answer.map_err(Unanswered::Fault)?;
        if answer.len() > CALL_BYTES_MAX {
            let what = format!(
                "the answer has {} bytes, at most {CALL_BYTES_MAX} are sent",
                answer.len()
            );
            let fault = CallFault::failed("answer_too_large", what);
            return Err(Unanswered::Fault(fault));
        }
        Ok(answer)
    }

    pub(super) async fn call(
        &self,
        from: NodeId,
        message: pb::RaftCallRequest,
    ) -> Result<pb::RaftCallReply, Status> {
        use pb::raft_call_reply::Outcome;
        let late = |_| Status::deadline_exceeded("the caller's time is up");
        let answering = async {
            let _permit = self.calls.acquire().await;
            self.answer(from, &message.kind, message.body).await
        };
        let answer = tokio::time::timeout(patience(message.patience_ms), answering).await;
        let outcome = match answer.map_err(late)? {
            Ok(body) => Outcome::Body(body),
            Err(Unanswered::NotReady) => {
                return Err(Status::unavailable("it does not answer calls yet"));
            }
            Err(Unanswered::Fault(CallFault::UnknownKind)) => {
                Outcome::UnknownKind(pb::RaftBlank {})
            }
            Err(Unanswered::Fault(CallFault::Failed { code, message })) => {
                Outcome::Fault(pb::RaftCallFault { code, message })
            }
        };
        Ok(pb::RaftCallReply {
            outcome: Some(outcome),
        })
    }

    /// Gets a command done for another node, if this one leads. It is never
    /// sent further: two nodes that each take the other for the leader would
    /// send it to and fro.
    pub(super) async fn propose(
        &self,
        raft: &Raft,
        message: pb::RaftProposeRequest,
    ) -> Result<pb::RaftProposeReply, Status> {
        let outcome = self.proposed(raft, message).await?;
        Ok(pb::RaftProposeReply {
            outcome: Some(outcome),
        })
    }

    /// The same for several commands. An error means that none was begun.
    pub(super) async fn propose_many(
        &self,
        raft: &Raft,
        message: pb::RaftProposeManyRequest,
    ) -> Result<pb::RaftProposeManyReply, Status> {
        use pb::raft_propose_reply::Outcome;
        let patience_ms = message.patience_ms;
        let each = message.entries.into_iter().map(|entry| async move {
            let one = pb::RaftProposeRequest {
                to: message.to,
                entry,
                patience_ms,
            };
            // One that cannot be taken must not hide what became of the others.
            let unknown = |_| Outcome::Unknown(pb::RaftBlank {});
            let outcome = self.proposed(raft, one).await.unwrap_or_else(unknown);
            pb::RaftProposeReply {
                outcome: Some(outcome),
            }
        });
        let replies = join_all(each).await;
        Ok(pb::RaftProposeManyReply { replies })
    }

    async fn proposed(
        &self,
        raft: &Raft,
        message: pb::RaftProposeRequest,
    ) -> Result<pb::raft_propose_reply::Outcome, Status> {
        use pb::raft_propose_reply::Outcome;
        if message.entry.len() > COMMAND_BYTES_MAX {
            let what = format!("a command has at most {COMMAND_BYTES_MAX} bytes");
            return Err(Status::invalid_argument(what));
        }
        // An entry that cannot be read could not be applied: every node of
        // this program's version would stop.
        if Entry::decode(&message.entry).is_err() {
            return Ok(Outcome::Unreadable(pb::RaftBlank {}));
        }
        let Ok(_permit) = self.proposals.try_acquire() else {
            return Ok(Outcome::Busy(pb::RaftBlank {}));
        };
        let patience = patience(message.patience_ms);
        let write = raft.client_write(Payload(message.entry));
        Ok(match tokio::time::timeout(patience, write).await {
            Ok(Ok(written)) => Outcome::Done(pb::RaftProposed {
                index: written.log_id.index,
                reply: written.data.reply.unwrap_or_default().into(),
            }),
            Ok(Err(RaftError::Fatal(fatal))) => return Err(stopped(&fatal)),
            Ok(Err(RaftError::APIError(ClientWriteError::ForwardToLeader(forward)))) => {
                not_taken(*raft.node_id(), forward)
            }
            Ok(Err(RaftError::APIError(
                ClientWriteError::LogEntryDiscarded(_)
                | ClientWriteError::ChangeMembershipError(_)
                | ClientWriteError::PreconditionFailed(_),
            )))
            | Err(_) => Outcome::Unknown(pb::RaftBlank {}),
        })
    }
}

fn patience(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds).min(PATIENCE_MAX)
}

fn not_taken(own: NodeId, forward: ForwardToLeader<TypeConfig>) -> pb::raft_propose_reply::Outcome {
    use pb::raft_propose_reply::Outcome;
    if forward.reason == ForwardReason::LeaseExpired {
        return Outcome::NoQuorum(pb::RaftBlank {});
    }
    let leader = forward.leader_id.zip(forward.leader_node);
    let leader = leader.filter(|(id, _)| *id != own);
    Outcome::NotLeader(pb::RaftNotLeader {
        leader: leader.map(|(id, member)| wire::member_message(id, &member)),
    })
}
