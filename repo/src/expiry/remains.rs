//! What is left of the dead, in the order in which it is deleted.

use std::collections::BTreeSet;

use holdfast_types::{BackupId, KeyId};
use uuid::Uuid;

use super::stock::{Owned, Stock};
use crate::keyring::KeyPurpose;
use crate::{Error, LineageRepository, Result};

/// Objects that are deleted on one confirmation.
const BATCH: usize = 64;
/// Where a pack and a sealed object name their key.
const KEY_AT: std::ops::Range<u64> = 8..24;

/// What is left of one of the dead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remains {
    /// Which.
    pub backup: BackupId,
    objects: Vec<String>,
    /// The last object, which tells the key until that is deleted, and whether the
    /// key can go: not while a pack of the attempt is needed.
    last: Option<(String, bool)>,
}

/// What is deleted on one confirmation of the licence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Batch {
    /// Objects.
    Objects(Vec<String>),
    /// A key with all its wraps.
    Key(KeyId),
}

impl Stock {
    /// What nothing needs of the dead, whose marks are gone.
    pub fn remains(&self, dead: &BTreeSet<BackupId>) -> Vec<Remains> {
        let left = dead.iter().filter(|id| !self.backups.contains_key(id));
        let left = left.filter_map(|id| {
            let owned = self.objects.get(id)?;
            let remains = self.remains_of(*id, owned);
            (remains.last.is_some()).then_some(remains)
        });
        left.collect()
    }

    fn remains_of(&self, backup: BackupId, owned: &Owned) -> Remains {
        let (needed, free): (Vec<_>, Vec<_>) = owned
            .packs
            .iter()
            .partition(|(pack, _)| self.needed.contains(pack));
        let packs = free.iter().map(|(_, listed)| listed.name.clone());
        let sections = owned.sections.iter().map(|listed| listed.name.clone());
        let mut objects: Vec<String> = packs.chain(sections).collect();
        let last = objects.pop().map(|last| (last, needed.is_empty()));
        Remains {
            backup,
            objects,
            last,
        }
    }
}

impl Remains {
    /// How many objects there are.
    pub fn objects(&self) -> usize {
        self.objects.len() + usize::from(self.last.is_some())
    }
}

impl LineageRepository {
    /// The batches in which remains are deleted, to be asked for as they stand in
    /// `stock`. The key goes before the last object, which says which key it is: so
    /// an interruption leaves no key behind that nobody knows of.
    pub async fn batches(&self, remains: &Remains, stock: &Stock) -> Result<Vec<Batch>> {
        let some = remains.objects.chunks(BATCH).map(<[String]>::to_vec);
        let mut batches: Vec<Batch> = some.map(Batch::Objects).collect();
        if let Some((last, free)) = &remains.last {
            if *free
                && let Some(key) = self.key_of(last).await?
                && !stock.needed_keys().contains(&key)
                && self.repository.ring.holds(key).await?
            {
                batches.push(Batch::Key(key));
            }
            batches.push(Batch::Objects(vec![last.clone()]));
        }
        Ok(batches)
    }

    /// The keys that the attempts in `stock` sealed with, whether or not committed.
    pub(crate) async fn keys_of_all(&self, stock: &Stock) -> Result<BTreeSet<KeyId>> {
        let mut keys = BTreeSet::new();
        for owned in stock.objects.values() {
            let first = owned
                .sections
                .first()
                .or(owned.packs.first().map(|(_, pack)| pack));
            if let Some(first) = first {
                keys.extend(self.key_of(&first.name).await?);
            }
        }
        Ok(keys)
    }

    /// The key that an object names; none of one that is damaged.
    async fn key_of(&self, object: &str) -> Result<Option<KeyId>> {
        match self.repository.store.read_range(object, KEY_AT).await {
            Ok(bytes) => Ok(Uuid::from_slice(&bytes).ok().map(KeyId::from_uuid)),
            Err(Error::Missing { .. } | Error::Damaged { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Deletes a batch. Repeating it is fine.
    ///
    /// Only for what is condemned and may be deleted, with a quorum confirmed just
    /// now (I-04, I-06).
    pub async fn delete_batch(&self, batch: &Batch) -> Result<()> {
        match batch {
            Batch::Objects(names) => self.repository.store.delete_durably(names).await,
            Batch::Key(key) => match self.repository.ring.delete(*key, KeyPurpose::Backup).await {
                // A damaged object may name anything: then a key stays.
                Err(Error::Damaged { .. } | Error::Missing { .. }) => Ok(()),
                deleted => deleted,
            },
        }
    }
}
