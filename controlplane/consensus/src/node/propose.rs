//! Proposing commands.

use std::time::Duration;

use bytes::Bytes;
use holdfast_state::{Cause, Command, Entry, IdempotencyKey, Refusal, ReplicatedCommand, Reply};
use jiff::Timestamp;
use openraft::errors::{ClientWriteError, Fatal, ForwardReason, ForwardToLeader, RaftError};
use tokio::time::Instant;

use super::Node;
use crate::error::{Leader, ProposeError};
use crate::fault::{Fault, FaultKind};
use crate::raft::{Answer, Payload, TypeConfig};

/// The most bytes one command may have. It must fit a frame between nodes.
const COMMAND_BYTES_MAX: usize = 16 << 20;
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

/// What to do about a proposal that was not taken.
enum Next {
    /// Nothing happened: try again in a moment.
    Again {
        no_quorum: bool,
    },
    Fail(ProposeError),
}

impl Node {
    /// Proposes `command` and waits until it is committed and applied here.
    ///
    /// A fresh leader takes nothing until a quorum has confirmed it, and there
    /// may be no leader for a moment: both are waited for, within the time
    /// that [`Timings::propose`](crate::Timings) gives. Dropping the future
    /// does not take the command back.
    pub async fn propose<C>(
        &self,
        context: ProposeContext,
        command: C,
    ) -> Result<Result<C::Outcome, Refusal>, ProposeError>
    where
        C: ReplicatedCommand + Into<Command>,
    {
        let entry = Entry {
            at: context.at,
            cause: context.cause,
            idempotency: context.idempotency,
            traceparent: context.traceparent,
            command: command.into(),
        };
        let reply = self.propose_entry(&entry).await?;
        reply
            .outcome::<C>()
            .map_err(|error| self.unreadable_reply().caused_by(error).into())
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
        let answer = self.propose_bytes(bytes.into()).await?;
        let reply = answer.reply.ok_or_else(|| self.unreadable_reply())?;
        Ok(Reply::from_bytes(reply))
    }

    async fn propose_bytes(&self, bytes: Bytes) -> Result<Answer, ProposeError> {
        let limit = self.inner.config.timings.propose;
        let deadline = Instant::now() + limit;
        let mut pause = PAUSE_MIN;
        loop {
            let write = self.inner.raft.client_write(Payload(bytes.clone()));
            let error = match tokio::time::timeout_at(deadline, write).await {
                Ok(Ok(written)) => return Ok(written.data),
                Ok(Err(error)) => error,
                Err(_) => return Err(ProposeError::Timeout(limit)),
            };
            let no_quorum = match self.judge(error, limit) {
                Next::Again { no_quorum } => no_quorum,
                Next::Fail(error) => return Err(error),
            };
            if Instant::now() + pause >= deadline {
                return Err(self.gave_up(no_quorum));
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }

    fn judge(
        &self,
        error: RaftError<TypeConfig, ClientWriteError<TypeConfig>>,
        limit: Duration,
    ) -> Next {
        match error {
            RaftError::Fatal(fatal) => Next::Fail(self.propose_stopped(&fatal)),
            RaftError::APIError(ClientWriteError::ForwardToLeader(forward)) => {
                self.judge_forward(forward)
            }
            // It reached the log and left it: it may have been committed by a
            // majority that this node is no part of.
            RaftError::APIError(
                ClientWriteError::LogEntryDiscarded(_)
                | ClientWriteError::ChangeMembershipError(_)
                | ClientWriteError::PreconditionFailed(_),
            ) => Next::Fail(ProposeError::Timeout(limit)),
        }
    }

    fn judge_forward(&self, forward: ForwardToLeader<TypeConfig>) -> Next {
        match forward.leader_id.zip(forward.leader_node) {
            Some((id, member)) if id != self.inner.id => {
                let leader = Some(Leader { id, member });
                Next::Fail(ProposeError::NotLeader { leader })
            }
            _ => Next::Again {
                no_quorum: forward.reason == ForwardReason::LeaseExpired,
            },
        }
    }

    fn gave_up(&self, no_quorum: bool) -> ProposeError {
        let member = self.inner.raft.voter_ids().any(|id| id == self.inner.id);
        if no_quorum || member {
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
