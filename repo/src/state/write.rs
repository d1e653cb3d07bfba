//! Putting a snapshot into the repository.

use std::sync::Arc;

use bytes::Bytes;
use holdfast_types::{KeyId, StateSnapshotId};

use super::mark::{FORMAT, PartRef, StateFacts, StateMark};
use super::{StateKeys, StateSnapshots, mark_name, part_name};
use crate::Result;
use crate::codec::Codec;
use crate::envelope::{self, Kind};
use crate::keyring::KeyPurpose;
use crate::lineage::off_thread;
use crate::store::Created;

/// How many plain bytes a part has; the last one has fewer.
pub const STATE_PART_BYTES: usize = 8 << 20;

/// Writes one snapshot. Dropped before its end it leaves parts that no mark
/// names, which deleting the snapshot by its id clears away.
pub struct StateWriter {
    snapshots: StateSnapshots,
    id: StateSnapshotId,
    key: KeyId,
    keys: Arc<StateKeys>,
    parts: Vec<PartRef>,
}

impl std::fmt::Debug for StateWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "StateWriter({})", self.id)
    }
}

impl StateSnapshots {
    /// Begins a snapshot, under a key that seals nothing else.
    pub async fn writer(&self, id: StateSnapshotId) -> Result<StateWriter> {
        let (key, bytes) = self.repository.ring.create(KeyPurpose::State).await?;
        Ok(StateWriter {
            snapshots: self.clone(),
            id,
            key,
            keys: Arc::new(StateKeys::new(key, &bytes)),
            parts: Vec::new(),
        })
    }
}

impl StateWriter {
    /// Stores the next bytes of the state, at most [`STATE_PART_BYTES`] of
    /// them, and returns when they are durable.
    pub async fn put(&mut self, plain: Bytes) -> Result<()> {
        let number = u32::try_from(self.parts.len()).expect("fewer than 2^32 parts");
        let below = part_name(self.id, self.key, number);
        let plain_bytes = plain.len() as u64;
        let (sealed, hash) = self.seal(Kind::StatePart, &below, plain).await;
        let bytes = sealed.len() as u64;
        let store = &self.snapshots.repository.store;
        store
            .create_own(&self.snapshots.name(&below), sealed)
            .await?;
        self.parts.push(PartRef {
            number,
            bytes,
            plain_bytes,
            hash,
        });
        Ok(())
    }

    /// Makes the snapshot exist. If another node has made it meanwhile, that
    /// one counts and is what this returns; nothing is overwritten.
    pub async fn commit(self, facts: StateFacts) -> Result<StateMark> {
        let mark = StateMark {
            format: FORMAT,
            id: self.id,
            control_plane: self.snapshots.control_plane,
            facts,
            key: self.key,
            parts: self.parts.clone(),
        };
        let below = mark_name(self.id);
        let plain = serde_json::to_vec(&mark).expect("a mark is plain data");
        let (sealed, _) = self.seal(Kind::StateMark, &below, Bytes::from(plain)).await;
        let store = &self.snapshots.repository.store;
        match store.create(&self.snapshots.name(&below), sealed).await? {
            Created::Yes => Ok(mark),
            // Our own, whose answer was lost, or another's: what is there counts.
            Created::Exists => self.snapshots.mark(self.id).await,
        }
    }

    async fn seal(
        &self,
        kind: Kind,
        below: &str,
        plain: Bytes,
    ) -> (Bytes, crate::crypto::PlainHash) {
        let (snapshots, keys) = (self.snapshots.clone(), Arc::clone(&self.keys));
        let below = below.to_owned();
        off_thread(plain.len(), move || {
            let entropy = &snapshots.repository.entropy;
            let keys = (&keys.seal, &keys.hash);
            let place = snapshots.place(&below);
            envelope::seal(kind, place, keys, Codec::DEFAULT, entropy, &plain)
        })
        .await
    }
}
