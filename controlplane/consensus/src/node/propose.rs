//! Proposing commands, on any node: one that does not lead passes them on to
//! the node that does.
//!
//! What is retried, and what is not: an attempt that certainly left nothing in
//! a log is made again until time is up. When it is not known whether an
//! attempt left something, another one could do the command twice. An entry
//! with an idempotency key may be repeated all the same, because applying
//! recognises the repeat and answers what it answered before (I-14); without,
//! the caller is told that the outcome is unknown.

use std::time::Duration;

use bytes::Bytes;
use holdfast_state::{
    Cause, Command, Entry, IdempotencyKey, Refusal, ReplicatedCommand, Reply, schema,
};
use jiff::Timestamp;
use openraft::errors::{ClientWriteError, Fatal, ForwardReason, ForwardToLeader, RaftError};
use tokio::time::Instant;

use super::Node;
use crate::error::{Leader, ProposeError};
use crate::fault::{Fault, FaultKind};
use crate::network::RpcError;
use crate::raft::{Answer, COMMAND_BYTES_MAX, Payload, TypeConfig};
use crate::wire::pb;

const PAUSE_MIN: Duration = Duration::from_millis(5);
const PAUSE_MAX: Duration = Duration::from_millis(100);

/// Who proposes a command, when, and how a repeat is recognised.
#[derive(Debug, Clone)]
pub struct ProposeContext {
    /// The proposer's clock: the only time that applying ever sees (I-02).
    pub at: Timestamp,
    /// Who caused it; `None` when the control plane itself did.
    pub cause: Option<Cause>,
    /// Makes a repeat of the same request harmless (I-14).
    pub idempotency: Option<IdempotencyKey>,
    /// W3C trace context of the request.
    pub traceparent: Option<String>,
}

impl ProposeContext {
    /// The control plane's own doing, now.
    pub fn internal() -> Self {
        Self {
            at: Timestamp::now(),
            cause: None,
            idempotency: None,
            traceparent: None,
        }
    }

    /// What `cause` does, now.
    pub fn caused_by(cause: Cause) -> Self {
        Self {
            cause: Some(cause),
            ..Self::internal()
        }
    }
}

/// What came of one attempt.
enum Attempt {
    /// It is committed, as the entry `index`, and applied on the leader.
    Done { index: u64, answer: Answer },
    /// It is in no log, for this reason: try again in a moment.
    NotYet(ProposeError),
    /// It may be in a log.
    Unknown,
    /// Trying again is no use.
    Failed(ProposeError),
}

/// An encoded entry on its way into the log.
struct Proposal {
    bytes: Bytes,
    /// Whether a repeat is harmless.
    repeatable: bool,
    deadline: Instant,
}

impl Node {
    /// Proposes `command` and waits until it is committed and applied here:
    /// whoever wrote on this node reads what it wrote on this node, also when
    /// another node leads. (Only if this node does not catch up within the
    /// time there is, the answer comes before that; a linearizable read waits
    /// on its own account.)
    ///
    /// A node that does not lead passes the command on to the leader. A change
    /// of leader is survived within the time that
    /// [`Timings::propose`](crate::Timings) gives; when it is not known
    /// whether the command was done, that takes an idempotency key, and is
    /// [`ProposeError::Unknown`] without. Dropping the future does not take
    /// the command back.
    pub async fn propose<C>(
        &self,
        context: ProposeContext,
        command: C,
    ) -> Result<Result<C::Outcome, Refusal>, ProposeError>
    where
        C: ReplicatedCommand + Into<Command>,
    {
        let command: Command = command.into();
        if let Err(refusal) = self.ready_for(command.level()).await? {
            return Ok(Err(refusal));
        }
        let entry = Entry {
            at: context.at,
            cause: context.cause,
            idempotency: context.idempotency,
            traceparent: context.traceparent,
            command,
        };
        let reply = self.propose_entry(&entry).await?;
        reply
            .outcome::<C>()
            .map_err(|error| self.unreadable_reply().caused_by(error).into())
    }

    /// Refuses what a member may not know yet: it could not read the entry,
    /// and would stop. The level only grows, so what this node has applied is
    /// enough to say yes.
    async fn ready_for(&self, needed: u32) -> Result<Result<(), Refusal>, ProposeError> {
        if needed <= schema::VERSION {
            return Ok(Ok(()));
        }
        let read = schema::version(self.view().connection()).await;
        let current = read.map_err(|error| self.unreadable_reply().caused_by(error))?;
        if current < needed {
            return Ok(Err(Refusal::LevelTooLow { needed, current }));
        }
        Ok(Ok(()))
    }

    /// Proposes an entry and gives its encoded reply, for callers that do not
    /// know the command's type.
    pub async fn propose_entry(&self, entry: &Entry) -> Result<Reply, ProposeError> {
        let bytes = entry.encode();
        if bytes.len() > COMMAND_BYTES_MAX {
            return Err(ProposeError::TooLarge {
                bytes: bytes.len(),
                limit: COMMAND_BYTES_MAX,
            });
        }
        let proposal = Proposal {
            bytes: bytes.into(),
            repeatable: entry.idempotency.is_some(),
            deadline: Instant::now() + self.inner.config.timings.propose,
        };
        let answer = self.settle(&proposal).await?;
        let reply = answer.reply.ok_or_else(|| self.unreadable_reply())?;
        Ok(Reply::from_bytes(reply))
    }

    /// Makes attempts until the outcome is known or time is up.
    async fn settle(&self, proposal: &Proposal) -> Result<Answer, ProposeError> {
        let limit = self.inner.config.timings.propose;
        let mut pause = PAUSE_MIN;
        // Once an attempt may have left something in a log, no later one can
        // prove that the command was not done.
        let mut unsure = false;
        loop {
            let error = match self.attempt(proposal).await {
                Attempt::Done { index, answer } => {
                    self.await_applied(index, proposal.deadline).await;
                    return Ok(answer);
                }
                Attempt::NotYet(error) => error,
                Attempt::Unknown => {
                    unsure = true;
                    ProposeError::Unknown(limit)
                }
                Attempt::Failed(error) if unsure && error.is_certain() => {
                    return Err(ProposeError::Unknown(limit));
                }
                Attempt::Failed(error) => return Err(error),
            };
            let in_vain = unsure && !proposal.repeatable;
            if in_vain || Instant::now() + pause >= proposal.deadline {
                return Err(match unsure {
                    true => ProposeError::Unknown(limit),
                    false => error,
                });
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }

    async fn attempt(&self, proposal: &Proposal) -> Attempt {
        let payload = Payload(proposal.bytes.clone());
        let write = self.inner.raft.client_write(payload);
        let error = match tokio::time::timeout_at(proposal.deadline, write).await {
            Ok(Ok(written)) => {
                return Attempt::Done {
                    index: written.log_id.index,
                    answer: written.data,
                };
            }
            Ok(Err(error)) => error,
            Err(_) => return Attempt::Unknown,
        };
        match error {
            RaftError::Fatal(fatal) => Attempt::Failed(self.propose_stopped(&fatal)),
            RaftError::APIError(ClientWriteError::ForwardToLeader(forward)) => {
                self.forward(proposal, forward).await
            }
            // It reached the log and left it: it may have been committed by a
            // majority that this node is no part of.
            RaftError::APIError(
                ClientWriteError::LogEntryDiscarded(_)
                | ClientWriteError::ChangeMembershipError(_)
                | ClientWriteError::PreconditionFailed(_),
            ) => Attempt::Unknown,
        }
    }

    /// Passes the proposal on to the leader, if there is one elsewhere.
    async fn forward(&self, proposal: &Proposal, forward: ForwardToLeader<TypeConfig>) -> Attempt {
        let leader = match forward.leader_id.zip(forward.leader_node) {
            Some((id, member)) if id != self.inner.id => Leader { id, member },
            _ => {
                let no_quorum = forward.reason == ForwardReason::LeaseExpired;
                return Attempt::NotYet(self.gave_up(no_quorum));
            }
        };
        let lane = self.inner.network.to_leader(leader.id, &leader.member);
        let patience = proposal.deadline.saturating_duration_since(Instant::now());
        let asking = lane.propose(proposal.bytes.clone(), patience);
        tokio::select! {
            reply = asking => match reply {
                Ok(reply) => judge_reply(leader, reply),
                Err(error) => judge_failure(leader, &error),
            },
            // A leader that hangs does not answer, nor does its connection
            // break for long; a repeat goes to whoever leads now.
            () = self.leads_no_more(&leader), if proposal.repeatable => Attempt::Unknown,
        }
    }

    /// Waits until this node hears of a leader that is neither the one it
    /// knows now nor `asked`.
    async fn leads_no_more(&self, asked: &Leader) {
        let mut leader = self.inner.leader.clone();
        let known = leader.borrow_and_update().as_ref().map(|known| known.id);
        let another = |now: &Option<Leader>| {
            now.as_ref()
                .is_some_and(|now| now.id != asked.id && Some(now.id) != known)
        };
        if leader.wait_for(another).await.is_err() {
            // The node stops; whoever waits for the answer is told.
            std::future::pending::<()>().await;
        }
    }

    /// Waits, at most until `deadline`, until the entry `index` is applied
    /// here.
    async fn await_applied(&self, index: u64, deadline: Instant) {
        let mut applied = self.applied();
        let reached = applied.wait_for(|applied| *applied > index);
        tokio::select! {
            // Whichever it is, the command is done and its answer is known.
            _ = tokio::time::timeout_at(deadline, reached) => {}
            _ = self.failed() => {}
        }
    }

    fn gave_up(&self, no_quorum: bool) -> ProposeError {
        let voter = self.inner.raft.voter_ids().any(|id| id == self.inner.id);
        if no_quorum || voter {
            return ProposeError::NoQuorum;
        }
        ProposeError::NotLeader { leader: None }
    }

    pub(super) fn propose_stopped(&self, fatal: &Fatal<TypeConfig>) -> ProposeError {
        if self.is_stopping() {
            return ProposeError::ShuttingDown;
        }
        ProposeError::Storage(self.stopped(fatal))
    }

    fn unreadable_reply(&self) -> Fault {
        let what = "the reply to a command cannot be read";
        Fault::new(FaultKind::ApplyFailed, &self.inner.config.dir, what)
    }
}

/// What the answer of the node that was taken for the leader says.
fn judge_reply(leader: Leader, reply: pb::RaftProposeReply) -> Attempt {
    use pb::raft_propose_reply::Outcome;
    match reply.outcome {
        Some(Outcome::Done(done)) => Attempt::Done {
            index: done.index,
            answer: Answer {
                reply: Some(done.reply.into()),
            },
        },
        Some(Outcome::NotLeader(_) | Outcome::Busy(_)) => {
            let leader = Some(leader);
            Attempt::NotYet(ProposeError::NotLeader { leader })
        }
        Some(Outcome::NoQuorum(_)) => Attempt::NotYet(ProposeError::NoQuorum),
        Some(Outcome::Unreadable(_)) => {
            Attempt::Failed(ProposeError::LeaderTooOld { leader: leader.id })
        }
        // An outcome of a newer program says nothing to this one.
        Some(Outcome::Unknown(_)) | None => Attempt::Unknown,
    }
}

fn judge_failure(leader: Leader, error: &RpcError) -> Attempt {
    tracing::debug!(leader = %leader.id, "failed to pass a command on: {error}");
    if error.is_unknown_method() {
        return Attempt::Failed(ProposeError::LeaderTooOld { leader: leader.id });
    }
    if error.is_unsent() {
        let leader = Some(leader);
        return Attempt::NotYet(ProposeError::NotLeader { leader });
    }
    Attempt::Unknown
}
