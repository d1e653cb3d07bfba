//! Bringing a snapshot back.

use std::sync::Arc;

use bytes::Bytes;
use holdfast_types::{KeyId, StateSnapshotId};
use serde::Deserialize;

use super::mark::{FORMAT, StateMark};
use super::{StateKeys, StateSnapshots, mark_name, part_name};
use crate::envelope::{self, Header, Kind};
use crate::error::Damage;
use crate::keyring::KeyPurpose;
use crate::lineage::off_thread;
use crate::{Error, Result};

impl StateSnapshots {
    /// The mark of a snapshot.
    pub async fn mark(&self, id: StateSnapshotId) -> Result<StateMark> {
        let below = mark_name(id);
        let object = self
            .repository
            .store
            .read_existing(&self.name(&below))
            .await?;
        let damaged = |damage| Error::damaged(self.name(&below), damage);
        let header = Header::decode(&object, Kind::StateMark).map_err(damaged)?;
        let keys = self.keys(header.key).await?;
        let plain = self.opened(Kind::StateMark, &below, &keys, object).await?;
        let structure = |reason: String| damaged(Damage::Structure(reason));
        // The format first: what follows it may mean something else in a newer one.
        #[derive(Deserialize)]
        struct Format {
            format: u32,
        }
        let unreadable = |error: serde_json::Error| structure(error.to_string());
        let Format { format } = serde_json::from_slice(&plain).map_err(unreadable)?;
        if format != FORMAT {
            return Err(structure(format!("format version {format}")));
        }
        let mark: StateMark = serde_json::from_slice(&plain).map_err(unreadable)?;
        if mark.id != id || mark.control_plane != self.control_plane {
            return Err(structure("it belongs to another snapshot".to_owned()));
        }
        Ok(mark)
    }

    /// Reads a snapshot to its end, part by part in order, each checked before
    /// it is given to `sink`.
    pub async fn read(
        &self,
        mark: &StateMark,
        mut sink: impl FnMut(&[u8]) -> std::io::Result<()> + Send,
    ) -> Result<()> {
        let keys = self.keys(mark.key).await?;
        for (position, part) in (0u32..).zip(&mark.parts) {
            let below = part_name(mark.id, mark.key, part.number);
            let damaged = |damage| Error::damaged(self.name(&below), damage);
            let object = self
                .repository
                .store
                .read_existing(&self.name(&below))
                .await?;
            let header = Header::decode(&object, Kind::StatePart).map_err(damaged)?;
            let meant = part.number == position
                && header.key == mark.key
                && header.plain_hash == part.hash
                && header.plain_length == part.plain_bytes;
            if !meant {
                return Err(damaged(Damage::Hash));
            }
            let plain = self.opened(Kind::StatePart, &below, &keys, object).await?;
            sink(&plain).map_err(Error::Local)?;
        }
        Ok(())
    }

    async fn keys(&self, key: KeyId) -> Result<Arc<StateKeys>> {
        let bytes = self.repository.ring.find(key, KeyPurpose::State).await?;
        Ok(Arc::new(StateKeys::new(key, &bytes)))
    }

    async fn opened(
        &self,
        kind: Kind,
        below: &str,
        keys: &Arc<StateKeys>,
        object: Bytes,
    ) -> Result<Vec<u8>> {
        let damaged = |damage| Error::damaged(self.name(below), damage);
        let header = Header::decode(&object, kind).map_err(damaged)?;
        let (this, keys, name) = (self.clone(), Arc::clone(keys), below.to_owned());
        let opened = off_thread(object.len(), move || {
            let place = this.place(&name);
            envelope::open(place, (&keys.seal, &keys.hash), &header, &object)
        });
        opened.await.map_err(damaged)
    }
}
