//! Requests and replies between openraft's types and messages. What arrives is
//! validated here, on receipt.

use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, TransferLeaderError, TransferLeaderRequest,
    TransferLeaderResponse, VoteRequest, VoteResponse,
};

use crate::raft::{NodeId, TypeConfig};
use crate::wire::{self, WireError, need, pb};

type AppendRequest = AppendEntriesRequest<TypeConfig>;
type AppendReply = AppendEntriesResponse<TypeConfig>;

pub(super) fn append_message(to: NodeId, request: &AppendRequest) -> pb::RaftAppendRequest {
    pb::RaftAppendRequest {
        to: to.0,
        vote: Some(wire::vote_message(&request.vote)),
        previous: request.prev_log_id.as_ref().map(wire::log_id_message),
        entries: request.entries.iter().map(wire::entry_message).collect(),
        committed: request.leader_commit.as_ref().map(wire::log_id_message),
    }
}

pub(super) fn append_request(message: pb::RaftAppendRequest) -> Result<AppendRequest, WireError> {
    let entries: Result<_, WireError> = message.entries.into_iter().map(wire::entry).collect();
    Ok(AppendEntriesRequest {
        vote: wire::vote(&need(message.vote, "the vote")?),
        prev_log_id: message.previous.as_ref().map(wire::log_id),
        entries: entries?,
        leader_commit: message.committed.as_ref().map(wire::log_id),
    })
}

pub(super) fn append_reply_message(reply: &AppendReply) -> pb::RaftAppendReply {
    use pb::raft_append_reply::Outcome;
    let outcome = match reply {
        AppendEntriesResponse::Success => Outcome::Success(pb::RaftBlank {}),
        AppendEntriesResponse::PartialSuccess(upto) => Outcome::Partial(pb::RaftAppendPartial {
            upto: upto.as_ref().map(wire::log_id_message),
        }),
        AppendEntriesResponse::Conflict => Outcome::Conflict(pb::RaftBlank {}),
        AppendEntriesResponse::HigherVote(vote) => Outcome::HigherVote(wire::vote_message(vote)),
    };
    pb::RaftAppendReply {
        outcome: Some(outcome),
    }
}

pub(super) fn append_reply(message: pb::RaftAppendReply) -> Result<AppendReply, WireError> {
    use pb::raft_append_reply::Outcome;
    Ok(match need(message.outcome, "the outcome")? {
        Outcome::Success(pb::RaftBlank {}) => AppendEntriesResponse::Success,
        Outcome::Partial(partial) => {
            AppendEntriesResponse::PartialSuccess(partial.upto.as_ref().map(wire::log_id))
        }
        Outcome::Conflict(pb::RaftBlank {}) => AppendEntriesResponse::Conflict,
        Outcome::HigherVote(vote) => AppendEntriesResponse::HigherVote(wire::vote(&vote)),
    })
}

pub(super) fn vote_message(to: NodeId, request: &VoteRequest<TypeConfig>) -> pb::RaftVoteRequest {
    pb::RaftVoteRequest {
        to: to.0,
        vote: Some(wire::vote_message(&request.vote)),
        last_log: request.last_log_id.as_ref().map(wire::log_id_message),
        leadership_transfer: request.leadership_transfer,
    }
}

pub(super) fn vote_request(
    message: &pb::RaftVoteRequest,
) -> Result<VoteRequest<TypeConfig>, WireError> {
    Ok(VoteRequest {
        vote: wire::vote(&need(message.vote, "the vote")?),
        last_log_id: message.last_log.as_ref().map(wire::log_id),
        leadership_transfer: message.leadership_transfer,
    })
}

pub(super) fn vote_reply_message(reply: &VoteResponse<TypeConfig>) -> pb::RaftVoteReply {
    pb::RaftVoteReply {
        vote: Some(wire::vote_message(&reply.vote)),
        granted: reply.vote_granted,
        last_log: reply.last_log_id.as_ref().map(wire::log_id_message),
    }
}

pub(super) fn vote_reply(
    message: &pb::RaftVoteReply,
) -> Result<VoteResponse<TypeConfig>, WireError> {
    Ok(VoteResponse {
        vote: wire::vote(&need(message.vote, "the vote")?),
        vote_granted: message.granted,
        last_log_id: message.last_log.as_ref().map(wire::log_id),
    })
}

pub(super) fn transfer_message(
    to: NodeId,
    request: &TransferLeaderRequest<TypeConfig>,
) -> pb::RaftTransferRequest {
    pb::RaftTransferRequest {
        to: to.0,
        from_leader: Some(wire::vote_message(request.from_leader())),
        successor: request.to_node_id().0,
        last_log: request.last_log_id().map(wire::log_id_message),
    }
}

pub(super) fn transfer_request(
    message: &pb::RaftTransferRequest,
) -> Result<TransferLeaderRequest<TypeConfig>, WireError> {
    Ok(TransferLeaderRequest::new(
        wire::vote(&need(message.from_leader, "the leader's vote")?),
        NodeId(message.successor),
        message.last_log.as_ref().map(wire::log_id),
    ))
}

pub(super) fn transfer_reply_message(
    reply: &TransferLeaderResponse<TypeConfig>,
) -> pb::RaftTransferReply {
    use pb::raft_transfer_reply::Outcome;
    let outcome = match reply {
        Ok(()) => Outcome::Accepted(pb::RaftBlank {}),
        Err(TransferLeaderError::VoteChanged { expected, actual }) => {
            Outcome::VoteChanged(pb::RaftVoteChanged {
                expected: Some(wire::vote_message(expected)),
                actual: Some(wire::vote_message(actual)),
            })
        }
        Err(TransferLeaderError::LogNotFlushed { expected, actual }) => {
            Outcome::LogNotFlushed(pb::RaftLogNotFlushed {
                expected: expected.as_ref().map(wire::log_id_message),
                actual: actual.as_ref().map(wire::log_id_message),
            })
        }
    };
    pb::RaftTransferReply {
        outcome: Some(outcome),
    }
}

pub(super) fn transfer_reply(
    message: pb::RaftTransferReply,
) -> Result<TransferLeaderResponse<TypeConfig>, WireError> {
    use pb::raft_transfer_reply::Outcome;
    Ok(match need(message.outcome, "the outcome")? {
        Outcome::Accepted(pb::RaftBlank {}) => Ok(()),
        Outcome::VoteChanged(changed) => Err(TransferLeaderError::VoteChanged {
            expected: wire::vote(&need(changed.expected, "the expected vote")?),
            actual: wire::vote(&need(changed.actual, "the actual vote")?),
        }),
        Outcome::LogNotFlushed(behind) => Err(TransferLeaderError::LogNotFlushed {
            expected: behind.expected.as_ref().map(wire::log_id),
            actual: behind.actual.as_ref().map(wire::log_id),
        }),
    })
}
