//! The keys inside a repository: wrapped under the repository key, one
//! write-once object each.
//!
//! A wrap names its key and purpose and nothing of the repository, so a copy
//! in another repository needs a wrap of the same key and no re-encryption.
//! Rotating the repository key adds wraps `keys/<id>/1`, `keys/<id>/2` and so
//! on; every wrap is tried until one opens.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures_util::TryStreamExt;
use holdfast_types::KeyId;
use serde::{Deserialize, Serialize};
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::crypto::{KeyBytes, NONCE, SealingKey, TAG};
use crate::entropy::Entropy;
use crate::error::Damage;
use crate::store::{Created, Store};
use crate::{Error, RepositoryKey, Result};

/// What a key is for. A key serves one purpose only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[repr(u8)]
pub enum KeyPurpose {
    /// Hashing the plain bytes of a lineage.
    Hash = 1,
    /// Sealing a lineage's WAL, histories and marks.
    Wal = 2,
    /// Sealing the chunks, maps and manifest of one backup attempt.
    Backup = 3,
    /// Sealing one snapshot of a control plane's state.
    State = 4,
}

const MAGIC: [u8; 4] = *b"HFKY";
const VERSION: u8 = 1;
/// magic 4, version 1, purpose 1, reserved 2, key id 16.
const HEADER: usize = 24;
const WRAPPED: usize = HEADER + NONCE + 32 + TAG;

/// Finds and makes the keys of a repository.
pub(crate) struct KeyRing {
    store: Store,
    wrapping: SealingKey,
    entropy: Entropy,
    known: Mutex<HashMap<KeyId, Known>>,
}

#[derive(Clone)]
struct Known {
    purpose: KeyPurpose,
    bytes: KeyBytes,
}

/// A key of a repository, as `repo keys` shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyInfo {
    /// The key.
    pub id: KeyId,
    /// What it is for; absent when no wrap opens with the key given.
    pub purpose: Option<KeyPurpose>,
    /// Its wraps.
    pub wraps: Vec<u32>,
}

impl KeyRing {
    pub(crate) fn new(store: Store, key: &RepositoryKey, entropy: Entropy) -> Self {
        let wrapping = SealingKey::new(KeyId::from_uuid(Uuid::nil()), &key.wrapping());
        Self {
            store,
            wrapping,
            entropy,
            known: Mutex::default(),
        }
    }

    /// Makes a key and stores it wrapped.
    pub(crate) async fn create(&self, purpose: KeyPurpose) -> Result<(KeyId, KeyBytes)> {
        let id = self.entropy.key_id();
        let bytes: KeyBytes = Zeroizing::new(self.entropy.bytes());
        let wrapped = wrap(&self.wrapping, self.entropy.bytes(), id, purpose, &bytes);
        let object = name(id, 0);
        self.store.create_own(&object, Bytes::from(wrapped)).await?;
        // What it seals is lost without it.
        self.store.prove_stored(&object, WRAPPED as u64).await?;
        self.remember(
            id,
            Known {
                purpose,
                bytes: bytes.clone(),
            },
        );
        Ok((id, bytes))
    }

    /// The bytes of a key that must be for `purpose`.
    pub(crate) async fn find(&self, id: KeyId, purpose: KeyPurpose) -> Result<KeyBytes> {
        let known = self.load(id).await?;
        if known.purpose != purpose {
            let damage = Damage::Structure(format!("the key is not for {purpose:?}"));
            return Err(Error::damaged(directory(id), damage));
        }
        Ok(known.bytes)
    }

    /// The key as a sealing key.
    pub(crate) async fn sealing(&self, id: KeyId, purpose: KeyPurpose) -> Result<Arc<SealingKey>> {
        Ok(Arc::new(SealingKey::new(
            id,
            &self.find(id, purpose).await?,
        )))
    }

    /// Whether any wrap of a key is there.
    pub(crate) async fn holds(&self, id: KeyId) -> Result<bool> {
        Ok(!self.wraps(id).await?.is_empty())
    }

    /// Deletes a key with all its wraps, if it is for `purpose`: whatever it
    /// sealed is gone for good.
    pub(crate) async fn delete(&self, id: KeyId, purpose: KeyPurpose) -> Result<()> {
        let wraps = self.wraps(id).await?;
        if wraps.is_empty() {
            return Ok(());
        }
        // A name that lies must not make us delete a lineage's key.
        self.find(id, purpose).await?;
        for wrap in wraps {
            self.store.delete(&name(id, wrap)).await?;
        }
        self.known
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&id);
        Ok(())
    }

    /// Makes one of these keys readable in another repository, by wrapping it for
    /// that one's key. What it seals is not touched.
    ///
    /// [`Error::Conflict`] means that another key has its id there.
    pub(crate) async fn carry(&self, id: KeyId, to: &Self) -> Result<()> {
        let known = self.load(id).await?;
        match to.load(id).await {
            Ok(there) => return same_key(id, &known, &there),
            // None, or only wraps for a repository key that is not given any more.
            Err(Error::Damaged { .. } | Error::Missing { .. }) => {}
            Err(error) => return Err(error),
        }
        let next = to.wraps(id).await?.last().map_or(0, |last| last + 1);
        let nonce = to.entropy.bytes();
        let wrapped = wrap(&to.wrapping, nonce, id, known.purpose, &known.bytes);
        let object = name(id, next);
        match to.store.create(&object, wrapped.into()).await? {
            Created::Yes => {
                to.store.prove_stored(&object, WRAPPED as u64).await?;
                to.remember(id, known)
            }
            // Somebody else carries it at this moment: theirs counts.
            Created::Exists => {
                let there = to.load(id).await?;
                same_key(id, &known, &there)?;
                there
            }
        };
        Ok(())
    }

    async fn load(&self, id: KeyId) -> Result<Known> {
        let known = self
            .known
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&id)
            .cloned();
        if let Some(known) = known {
            return Ok(known);
        }
        let first = name(id, 0);
        let mut failure = match self.store.read(&first).await? {
            Some(wrapped) => match unwrap(&self.wrapping, id, &wrapped) {
                Ok(known) => return Ok(self.remember(id, known)),
                Err(damage) => Error::damaged(first, damage),
            },
            None => Error::damaged(first, Damage::KeyMissing(id)),
        };
        for wrap in self.wraps(id).await?.into_iter().filter(|wrap| *wrap != 0) {
            let object = name(id, wrap);
            match unwrap(
                &self.wrapping,
                id,
                &self.store.read_existing(&object).await?,
            ) {
                Ok(known) => return Ok(self.remember(id, known)),
                Err(damage) => failure = Error::damaged(object, damage),
            }
        }
        Err(failure)
    }

    fn remember(&self, id: KeyId, known: Known) -> Known {
        self.known
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(id, known.clone());
        known
    }

    async fn wraps(&self, id: KeyId) -> Result<Vec<u32>> {
        let listed: Vec<_> = self.store.list(&directory(id)).try_collect().await?;
        let number = |name: &str| name.rsplit('/').next()?.parse().ok();
        let mut wraps: Vec<u32> = listed
            .iter()
            .filter_map(|item| number(&item.name))
            .collect();
        wraps.sort_unstable();
        Ok(wraps)
    }

    /// Every key of the repository.
    pub(crate) async fn list(&self) -> Result<Vec<KeyInfo>> {
        let mut keys = Vec::new();
        for text in self.store.list_directories("keys").await? {
            let Ok(id) = text.parse::<KeyId>() else {
                continue;
            };
            let wraps = self.wraps(id).await?;
            // A directory stays when its last object is deleted.
            if wraps.is_empty() {
                continue;
            }
            let purpose = match self.load(id).await {
                Ok(known) => Some(known.purpose),
                Err(Error::Damaged { .. } | Error::Missing { .. }) => None,
                Err(error) => return Err(error),
            };
            keys.push(KeyInfo { id, purpose, wraps });
        }
        keys.sort_by_key(|key| key.id);
        Ok(keys)
    }
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyRing({:?})", self.store)
    }
}

fn same_key(id: KeyId, given: &Known, there: &Known) -> Result<()> {
    if given.purpose == there.purpose && given.bytes == there.bytes {
        return Ok(());
    }
    let object = directory(id);
    Err(Error::Conflict { object })
}

fn directory(id: KeyId) -> String {
    format!("keys/{id}")
}

fn name(id: KeyId, wrap: u32) -> String {
    format!("keys/{id}/{wrap}")
}

fn header(id: KeyId, purpose: KeyPurpose) -> [u8; HEADER] {
    let mut header = [0; HEADER];
    header[..4].copy_from_slice(&MAGIC);
    header[4] = VERSION;
    header[5] = purpose as u8;
    header[8..24].copy_from_slice(id.uuid().as_bytes());
    header
}

pub(crate) fn wrap(
    wrapping: &SealingKey,
    nonce: [u8; NONCE],
    id: KeyId,
    purpose: KeyPurpose,
    key: &KeyBytes,
) -> Vec<u8> {
    let header = header(id, purpose);
    let mut sealed: KeyBytes = key.clone();
    let tag = wrapping.seal(nonce, &header, sealed.as_mut_slice());
    let wrapped = [&header[..], &nonce, sealed.as_slice(), &tag].concat();
    assert_eq!(wrapped.len(), WRAPPED);
    wrapped
}

fn unwrap(wrapping: &SealingKey, id: KeyId, wrapped: &[u8]) -> Result<Known, Damage> {
    if wrapped.get(..4) != Some(&MAGIC) {
        return Err(Damage::WrongKind);
    }
    match wrapped.get(4) {
        Some(&VERSION) => {}
        Some(other) => return Err(Damage::Version(*other)),
        None => return Err(Damage::Truncated),
    }
    if wrapped.len() != WRAPPED {
        return Err(Damage::Truncated);
    }
    let purpose = match wrapped[5] {
        1 => KeyPurpose::Hash,
        2 => KeyPurpose::Wal,
        3 => KeyPurpose::Backup,
        4 => KeyPurpose::State,
        other => return Err(Damage::Structure(format!("unknown purpose {other}"))),
    };
    let (nonce, rest) = wrapped[HEADER..].split_at(NONCE);
    let (sealed, tag) = rest.split_at(32);
    let mut bytes = Zeroizing::new([0; 32]);
    // The header is rebuilt from the name, so a wrap under another key's name fails.
    wrapping.open(
        nonce,
        &header(id, purpose),
        sealed,
        tag,
        bytes.as_mut_slice(),
    )?;
    Ok(Known { purpose, bytes })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrap_opens_only_under_its_own_name_and_key() {
        let repository = RepositoryKey::generate();
        let wrapping = SealingKey::new(KeyId::from_uuid(Uuid::nil()), &repository.wrapping());
        let id = KeyId::from_uuid(Uuid::from_u128(1));
        let key = Zeroizing::new([9; 32]);
        let wrapped = wrap(&wrapping, [0; NONCE], id, KeyPurpose::Wal, &key);
        assert_eq!(
            unwrap(&wrapping, id, &wrapped).map(|known| known.bytes),
            Ok(key)
        );
        let other = KeyId::from_uuid(Uuid::from_u128(2));
        assert_eq!(
            unwrap(&wrapping, other, &wrapped).map(|_| ()),
            Err(Damage::Seal)
        );
        let foreign = RepositoryKey::generate().wrapping();
        let foreign = SealingKey::new(KeyId::from_uuid(Uuid::nil()), &foreign);
        assert_eq!(
            unwrap(&foreign, id, &wrapped).map(|_| ()),
            Err(Damage::Seal)
        );
        for length in 0..wrapped.len() {
            assert!(unwrap(&wrapping, id, &wrapped[..length]).is_err());
        }
    }
}
