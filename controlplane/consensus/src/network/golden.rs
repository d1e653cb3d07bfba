//! The bytes of every message between nodes, and of what the files share with
//! them. The files in `wire/` are never edited: another byte in one of them is
//! another format, and needs another version.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use bytes::Bytes;
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, TransferLeaderError, TransferLeaderRequest,
    VoteRequest, VoteResponse,
};
use prost::Message;

use super::exchange;
use crate::raft::{
    Entry, EntryPayload, LeaderId, LogId, Member, Membership, NodeId, Payload, StoredMembership,
    Vote,
};
use crate::wire::{self, WireError, pb};

/// Checks the bytes of `message` and gives back what they decode to.
fn golden<M: Message + Default + PartialEq>(name: &str, message: &M) -> M {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("wire")
        .join(format!("{name}.1.hex"));
    let bytes = wire::encode(message);
    let kept = fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("{}: {error}\n{}", path.display(), hex::encode(&bytes)));
    assert_eq!(hex::encode(&bytes), kept.trim_end(), "{name}");
    let decoded = wire::decode(Bytes::from(hex::decode(kept.trim_end()).unwrap())).unwrap();
    assert!(decoded == *message, "{name} decodes to something else");
    decoded
}

fn leader(term: u64, node: u64) -> LeaderId {
    LeaderId {
        term,
        node_id: NodeId(node),
    }
}

fn id(index: u64) -> LogId {
    LogId::new(leader(3, 1), index)
}

fn vote(committed: bool) -> Vote {
    Vote {
        leader_id: leader(3, 1),
        committed,
    }
}

fn membership() -> Membership {
    let member = |number: u64| Member {
        raft: format!("10.0.0.{number}:8444"),
        grpc: format!("10.0.0.{number}:8443"),
        rest: format!("10.0.0.{number}:8080"),
    };
    let members: BTreeMap<NodeId, Member> = (1..=3).map(|n| (NodeId(n), member(n))).collect();
    let voters: BTreeSet<NodeId> = [NodeId(1), NodeId(2)].into();
    Membership::new(vec![voters], members).unwrap()
}

fn entries() -> Vec<Entry> {
    let command = Payload(Bytes::from_static(b"\x01{}"));
    let payloads = [
        EntryPayload::Blank,
        EntryPayload::Normal(command),
        EntryPayload::Membership(membership()),
    ];
    let entry = |(payload, index)| Entry {
        log_id: id(index),
        payload,
    };
    payloads.into_iter().zip(7..).map(entry).collect()
}

#[test]
fn what_is_written_in_files() {
    let decoded = golden("log_id", &wire::log_id_message(&id(7)));
    assert_eq!(wire::log_id(&decoded), id(7));
    let decoded = golden("vote", &wire::vote_message(&vote(true)));
    assert_eq!(wire::vote(&decoded), vote(true));
    let decoded = golden("membership", &wire::membership_message(&membership()));
    assert_eq!(wire::membership(decoded).unwrap(), membership());
    let stored = StoredMembership::new(Some(id(9)), membership());
    let decoded = golden(
        "stored_membership",
        &wire::stored_membership_message(&stored),
    );
    assert_eq!(wire::stored_membership(decoded).unwrap(), stored);
}

#[test]
fn append() {
    let request = AppendEntriesRequest {
        vote: vote(true),
        prev_log_id: Some(id(6)),
        entries: entries(),
        leader_commit: Some(id(5)),
    };
    let message = exchange::append_message(NodeId(2), &request);
    let decoded = golden("append_request", &message);
    assert_eq!(decoded.to, 2);
    let decoded = exchange::append_request(decoded).unwrap();
    assert_eq!(format!("{decoded:?}"), format!("{request:?}"));
    assert!(decoded.entries == entries());
    let replies = [
        ("append_success", AppendEntriesResponse::Success),
        (
            "append_partial",
            AppendEntriesResponse::PartialSuccess(Some(id(8))),
        ),
        ("append_conflict", AppendEntriesResponse::Conflict),
        (
            "append_higher_vote",
            AppendEntriesResponse::HigherVote(vote(false)),
        ),
    ];
    for (name, reply) in replies {
        let decoded = golden(name, &exchange::append_reply_message(&reply));
        assert_eq!(exchange::append_reply(decoded).unwrap(), reply);
    }
}

#[test]
fn votes() {
    let request = VoteRequest {
        vote: vote(false),
        last_log_id: Some(id(7)),
        leadership_transfer: true,
    };
    let decoded = golden("vote_request", &exchange::vote_message(NodeId(2), &request));
    assert_eq!(exchange::vote_request(&decoded).unwrap(), request);
    let reply = VoteResponse::new(vote(false), Some(id(7)), true);
    let decoded = golden("vote_reply", &exchange::vote_reply_message(&reply));
    assert_eq!(exchange::vote_reply(&decoded).unwrap(), reply);
}

#[test]
fn transfer() {
    let request = TransferLeaderRequest::new(vote(true), NodeId(3), Some(id(7)));
    let message = exchange::transfer_message(NodeId(2), &request);
    let decoded = golden("transfer_request", &message);
    assert_eq!(exchange::transfer_request(&decoded).unwrap(), request);
    let (expected, actual) = (vote(true), vote(false));
    let replies = [
        ("transfer_accepted", Ok(())),
        (
            "transfer_vote_changed",
            Err(TransferLeaderError::VoteChanged { expected, actual }),
        ),
        (
            "transfer_log_not_flushed",
            Err(TransferLeaderError::LogNotFlushed {
                expected: Some(id(7)),
                actual: None,
            }),
        ),
    ];
    for (name, reply) in replies {
        let decoded = golden(name, &exchange::transfer_reply_message(&reply));
        assert_eq!(exchange::transfer_reply(decoded).unwrap(), reply);
    }
}

#[test]
fn snapshot_and_read() {
    use pb::raft_snapshot_part::Part;
    let stored = StoredMembership::new(Some(id(9)), membership());
    let header = pb::RaftSnapshotHeader {
        to: 2,
        vote: Some(wire::vote_message(&vote(true))),
        last_log: Some(wire::log_id_message(&id(9))),
        membership: Some(wire::stored_membership_message(&stored)),
        bytes: 4096,
        blake3: Bytes::from(vec![0xab; 32]),
        offset: 0,
    };
    let part = |part| pb::RaftSnapshotPart { part: Some(part) };
    golden("snapshot_header", &part(Part::Header(header.clone())));
    let resumed = pb::RaftSnapshotHeader {
        offset: 1024,
        ..header
    };
    golden("snapshot_header_resumed", &part(Part::Header(resumed)));
    let ask = pb::RaftSnapshotOffsetRequest {
        to: 2,
        blake3: Bytes::from(vec![0xab; 32]),
    };
    golden("snapshot_offset_request", &ask);
    let offset = 1024;
    golden(
        "snapshot_offset_reply",
        &pb::RaftSnapshotOffsetReply { offset },
    );
    golden(
        "snapshot_chunk",
        &part(Part::Chunk(Bytes::from_static(b"SQLite"))),
    );
    let vote = Some(wire::vote_message(&vote(true)));
    golden("snapshot_reply", &pb::RaftSnapshotReply { vote });
    golden("read_request", &pb::RaftReadRequest { to: 2 });
    let outcome = pb::raft_read_reply::Outcome::ReadyAt(wire::log_id_message(&id(7)));
    golden(
        "read_reply",
        &pb::RaftReadReply {
            outcome: Some(outcome),
        },
    );
}

#[test]
fn propose() {
    use pb::raft_propose_reply::Outcome;
    let entry = Bytes::from_static(b"\x01{}");
    let request = pb::RaftProposeRequest {
        to: 2,
        entry: entry.clone(),
        patience_ms: 5000,
    };
    golden("propose_request", &request);
    let many = pb::RaftProposeManyRequest {
        to: 2,
        entries: vec![entry.clone(), entry.clone()],
        patience_ms: 5000,
    };
    golden("propose_many_request", &many);
    let done = pb::RaftProposed {
        index: 7,
        reply: entry,
    };
    let leader = wire::member_message(
        NodeId(3),
        &Member {
            raft: "10.0.0.3:8444".to_owned(),
            grpc: "10.0.0.3:8443".to_owned(),
            rest: "10.0.0.3:8080".to_owned(),
        },
    );
    let not_leader = pb::RaftNotLeader {
        leader: Some(leader),
    };
    let outcomes = [
        ("propose_done", Outcome::Done(done)),
        ("propose_not_leader", Outcome::NotLeader(not_leader)),
        ("propose_no_quorum", Outcome::NoQuorum(pb::RaftBlank {})),
        ("propose_busy", Outcome::Busy(pb::RaftBlank {})),
        ("propose_unreadable", Outcome::Unreadable(pb::RaftBlank {})),
        ("propose_unknown", Outcome::Unknown(pb::RaftBlank {})),
    ];
    for (name, outcome) in outcomes {
        let outcome = Some(outcome);
        golden(name, &pb::RaftProposeReply { outcome });
    }
    let unknown = Some(Outcome::Unknown(pb::RaftBlank {}));
    let replies = vec![pb::RaftProposeReply { outcome: unknown }; 2];
    golden("propose_many_reply", &pb::RaftProposeManyReply { replies });
}

#[test]
fn call() {
    use pb::raft_call_reply::Outcome;
    let request = pb::RaftCallRequest {
        to: 2,
        kind: "agents/ask".to_owned(),
        body: Bytes::from_static(b"who"),
        patience_ms: 5000,
    };
    golden("call_request", &request);
    let fault = pb::RaftCallFault {
        code: "agent_away".to_owned(),
        message: "the agent is not here".to_owned(),
    };
    let outcomes = [
        ("call_body", Outcome::Body(Bytes::from_static(b"me"))),
        ("call_unknown_kind", Outcome::UnknownKind(pb::RaftBlank {})),
        ("call_fault", Outcome::Fault(fault)),
    ];
    for (name, outcome) in outcomes {
        let outcome = Some(outcome);
        golden(name, &pb::RaftCallReply { outcome });
    }
    let nodes = vec![2, 300];
    golden("nodes", &pb::RaftNodes { nodes });
}

#[test]
fn a_frame_from_the_future_is_refused() {
    let decode = |bytes: &'static [u8]| wire::decode::<pb::RaftLogId>(Bytes::from_static(bytes));
    assert_eq!(decode(b"\x02\x08\x01").unwrap_err(), WireError::Version(2));
    assert_eq!(decode(b"").unwrap_err(), WireError::Empty);
    assert!(matches!(decode(b"\x01\xff"), Err(WireError::Malformed(_))));
    let lacking = exchange::append_request(pb::RaftAppendRequest::default());
    assert_eq!(lacking.unwrap_err(), WireError::Missing("the vote"));
}
