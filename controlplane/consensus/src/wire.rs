//! How log entries, votes and messages are written down: one version byte,
//! then a protobuf message of `proto/raft.proto`. The log file, the state
//! database and the network share these frames, so that none of them depends
//! on how openraft would serialise its own types, which may change between
//! its releases. Golden bytes in `wire/` hold the format still.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use prost::Message;

use crate::raft::{
    Entry, EntryPayload, LeaderId, LogId, Member, Membership, NodeId, Payload, StoredMembership,
    Vote,
};

/// The generated messages and service.
#[expect(
    unreachable_pub,
    clippy::allow_attributes,
    clippy::too_many_lines,
    reason = "generated from proto/raft.proto"
)]
pub(crate) mod pb {
    tonic::include_proto!("holdfast.v1");
}

/// The only version there is.
const VERSION: u8 = 1;

/// Bytes that are not a frame of a known version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum WireError {
    #[error("the frame is empty")]
    Empty,
    #[error("the frame has version {0}, this program reads version {VERSION}")]
    Version(u8),
    #[error("the frame cannot be decoded: {0}")]
    Malformed(String),
    #[error("the frame lacks {0}")]
    Missing(&'static str),
    #[error("the membership is not valid: {0}")]
    Membership(String),
}

pub(crate) fn encode(message: &impl Message) -> Vec<u8> {
    let mut frame = Vec::with_capacity(1 + message.encoded_len());
    frame.push(VERSION);
    message
        .encode(&mut frame)
        .expect("a vector has room for every message");
    frame
}

pub(crate) fn decode<M: Message + Default>(frame: Bytes) -> Result<M, WireError> {
    let mut frame = frame;
    let version = *frame.first().ok_or(WireError::Empty)?;
    if version != VERSION {
        return Err(WireError::Version(version));
    }
    let body = frame.split_off(1);
    M::decode(body).map_err(|error| WireError::Malformed(error.to_string()))
}

pub(crate) fn log_id(message: &pb::RaftLogId) -> LogId {
    let leader = LeaderId {
        term: message.term,
        node_id: NodeId(message.node),
    };
    LogId::new(leader, message.index)
}

pub(crate) fn log_id_message(id: &LogId) -> pb::RaftLogId {
    pb::RaftLogId {
        term: id.leader_id.term,
        node: id.leader_id.node_id.0,
        index: id.index,
    }
}

pub(crate) fn vote(message: &pb::RaftVote) -> Vote {
    let leader_id = LeaderId {
        term: message.term,
        node_id: NodeId(message.node),
    };
    Vote {
        leader_id,
        committed: message.committed,
    }
}

pub(crate) fn vote_message(vote: &Vote) -> pb::RaftVote {
    pb::RaftVote {
        term: vote.leader_id.term,
        node: vote.leader_id.node_id.0,
        committed: vote.committed,
    }
}

pub(crate) fn need<T>(field: Option<T>, name: &'static str) -> Result<T, WireError> {
    field.ok_or(WireError::Missing(name))
}

pub(crate) fn member_message(id: NodeId, member: &Member) -> pb::RaftMember {
    pb::RaftMember {
        node: id.0,
        raft: member.raft.clone(),
        grpc: member.grpc.clone(),
        rest: member.rest.clone(),
    }
}

pub(crate) fn member(message: pb::RaftMember) -> (NodeId, Member) {
    let member = Member {
        raft: message.raft,
        grpc: message.grpc,
        rest: message.rest,
    };
    (NodeId(message.node), member)
}

pub(crate) fn membership_message(membership: &Membership) -> pb::RaftMembership {
    let voters = membership
        .get_joint_config()
        .iter()
        .map(|config| pb::RaftVoters {
            nodes: config.iter().map(|node| node.0).collect(),
        });
    pb::RaftMembership {
        voters: voters.collect(),
        members: membership
            .nodes()
            .map(|(id, member)| member_message(*id, member))
            .collect(),
    }
}

pub(crate) fn membership(message: pb::RaftMembership) -> Result<Membership, WireError> {
    let voters: Vec<BTreeSet<NodeId>> = message
        .voters
        .into_iter()
        .map(|config| config.nodes.into_iter().map(NodeId).collect())
        .collect();
    let members: BTreeMap<NodeId, Member> = message.members.into_iter().map(member).collect();
    if voters.is_empty() && members.is_empty() {
        return Ok(Membership::default());
    }
    Membership::new(voters, members).map_err(|error| WireError::Membership(error.to_string()))
}

pub(crate) fn stored_membership_message(stored: &StoredMembership) -> pb::RaftStoredMembership {
    pb::RaftStoredMembership {
        log_id: stored.log_id().as_ref().map(log_id_message),
        membership: Some(membership_message(stored.membership())),
    }
}

pub(crate) fn stored_membership(
    message: pb::RaftStoredMembership,
) -> Result<StoredMembership, WireError> {
    let log_id = message.log_id.as_ref().map(log_id);
    let membership = membership(need(message.membership, "the membership")?)?;
    Ok(StoredMembership::new(log_id, membership))
}

pub(crate) fn entry_message(entry: &Entry) -> pb::RaftEntry {
    let body = match &entry.payload {
        EntryPayload::Blank => pb::raft_entry::Body::Blank(pb::RaftBlank {}),
        EntryPayload::Normal(payload) => pb::raft_entry::Body::Command(payload.0.clone()),
        EntryPayload::Membership(membership) => {
            pb::raft_entry::Body::Membership(membership_message(membership))
        }
    };
    pb::RaftEntry {
        id: Some(log_id_message(&entry.log_id)),
        body: Some(body),
    }
}

pub(crate) fn entry(message: pb::RaftEntry) -> Result<Entry, WireError> {
    let id = need(message.id, "the id of an entry")?;
    let payload = match need(message.body, "the body of an entry")? {
        pb::raft_entry::Body::Blank(pb::RaftBlank {}) => EntryPayload::Blank,
        pb::raft_entry::Body::Command(command) => EntryPayload::Normal(Payload(command)),
        pb::raft_entry::Body::Membership(message) => EntryPayload::Membership(membership(message)?),
    };
    Ok(Entry {
        log_id: log_id(&id),
        payload,
    })
}
