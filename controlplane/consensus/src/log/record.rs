//! One entry as a row, with the check that recognises damage.

use bytes::Bytes;

use crate::raft::{Entry, EntryPayload, LeaderId, LogId, NodeId, Payload};
use crate::wire::{self, pb};

/// Separates this use of BLAKE3 from every other.
const CONTEXT: &[u8] = b"holdfast log entry 1\0";
const BLANK: i64 = 0;
const COMMAND: i64 = 1;
const MEMBERSHIP: i64 = 2;

/// A row of the table `entry`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) position: i64,
    pub(super) term: i64,
    pub(super) leader: i64,
    pub(super) kind: i64,
    pub(super) body: Bytes,
    pub(super) check: Vec<u8>,
}

impl Record {
    pub(super) fn new(entry: &Entry) -> Self {
        let (kind, body) = match &entry.payload {
            EntryPayload::Blank => (BLANK, Bytes::new()),
            EntryPayload::Normal(payload) => (COMMAND, payload.0.clone()),
            EntryPayload::Membership(membership) => {
                let message = wire::membership_message(membership);
                (MEMBERSHIP, wire::encode(&message).into())
            }
        };
        let mut record = Self {
            position: signed(entry.log_id.index),
            term: signed(entry.log_id.leader_id.term),
            leader: signed(entry.log_id.leader_id.node_id.0),
            kind,
            body,
            check: Vec::new(),
        };
        record.check = record.compute_check();
        record
    }

    fn compute_check(&self) -> Vec<u8> {
        let mut hasher = blake3::Hasher::new();
        hasher.update(CONTEXT);
        for number in [self.position, self.term, self.leader, self.kind] {
            hasher.update(&number.to_le_bytes());
        }
        hasher.update(&self.body);
        hasher.finalize().as_bytes().to_vec()
    }

    /// The entry, or what is wrong with the row.
    pub(super) fn entry(self) -> Result<Entry, String> {
        if self.compute_check() != self.check {
            return Err("its check does not match its contents".to_owned());
        }
        let payload = match self.kind {
            BLANK => EntryPayload::Blank,
            COMMAND => EntryPayload::Normal(Payload(self.body)),
            MEMBERSHIP => {
                let message: pb::RaftMembership =
                    wire::decode(self.body).map_err(|error| error.to_string())?;
                let membership = wire::membership(message).map_err(|error| error.to_string())?;
                EntryPayload::Membership(membership)
            }
            other => return Err(format!("its kind {other} is unknown")),
        };
        let leader = LeaderId {
            term: unsigned(self.term),
            node_id: NodeId(unsigned(self.leader)),
        };
        Ok(Entry {
            log_id: LogId::new(leader, unsigned(self.position)),
            payload,
        })
    }
}

/// SQLite's integers are signed; a log that reaches 2^63 entries has other
/// problems.
pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).expect("no log index, term or node id reaches 2^63")
}

pub(super) fn unsigned(number: i64) -> u64 {
    number.cast_unsigned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Record {
        let leader = LeaderId {
            term: 3,
            node_id: NodeId(1),
        };
        Record::new(&Entry {
            log_id: LogId::new(leader, 7),
            payload: EntryPayload::Normal(Payload(Bytes::from_static(b"command"))),
        })
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        let good = sample();
        assert!(good.clone().entry().is_ok());
        for bit in 0..good.body.len() * 8 {
            let mut body = good.body.to_vec();
            body[bit / 8] ^= 1 << (bit % 8);
            let damaged = Record {
                body: body.into(),
                ..good.clone()
            };
            assert!(damaged.entry().is_err(), "bit {bit}");
        }
        assert!(
            Record {
                term: 4,
                ..good.clone()
            }
            .entry()
            .is_err()
        );
        assert!(
            Record {
                position: 8,
                ..good.clone()
            }
            .entry()
            .is_err()
        );
        assert!(
            Record {
                kind: BLANK,
                ..good
            }
            .entry()
            .is_err()
        );
    }

    /// Never edited: a change of these bytes is a change of the file format.
    #[test]
    fn golden_check() {
        assert_eq!(
            hex::encode(sample().check),
            "5985d6500e7b64d3f0aeb15ccb3daa1db0f88608263007db795e9e97b2fc847b"
        );
    }
}
