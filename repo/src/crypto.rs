//! Sealing (AES-256-GCM) and hashing (keyed BLAKE3) with the keys of a
//! repository.
//!
//! A sealed record is `nonce (12) | ciphertext | tag (16)`. Nonces are random,
//! so a key must seal fewer than 2^32 records: a data key lives for one backup
//! attempt (at most 256 TiB of chunks), a lineage's WAL key for one epoch.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use holdfast_types::KeyId;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroizing;

use crate::error::Damage;

/// The bytes of a nonce.
pub(crate) const NONCE: usize = NONCE_LEN;
/// The bytes of an authentication tag.
pub(crate) const TAG: usize = 16;
/// What sealing adds to a record.
pub(crate) const SEAL_OVERHEAD: usize = NONCE + TAG;

/// Thirty-two secret bytes, cleared when dropped.
pub(crate) type KeyBytes = Zeroizing<[u8; 32]>;

/// A key that seals and opens.
pub(crate) struct SealingKey {
    id: KeyId,
    aead: LessSafeKey,
}

impl SealingKey {
    pub(crate) fn new(id: KeyId, bytes: &KeyBytes) -> Self {
        let unbound =
            UnboundKey::new(&AES_256_GCM, bytes.as_slice()).expect("an AES-256 key is 32 bytes");
        Self {
            id,
            aead: LessSafeKey::new(unbound),
        }
    }

    pub(crate) const fn id(&self) -> KeyId {
        self.id
    }

    /// Seals `bytes` in place and returns the tag.
    pub(crate) fn seal(&self, nonce: [u8; NONCE], aad: &[u8], bytes: &mut [u8]) -> [u8; TAG] {
        let nonce = Nonce::assume_unique_for_key(nonce);
        let sealed = self
            .aead
            .seal_in_place_separate_tag(nonce, Aad::from(aad), bytes);
        let tag = sealed.expect("a record is far below AES-GCM's 64 GiB");
        tag.as_ref().try_into().expect("an AES-GCM tag is 16 bytes")
    }

    /// Opens `ciphertext` into `plain`, which has the same length.
    pub(crate) fn open(
        &self,
        nonce: &[u8],
        aad: &[u8],
        ciphertext: &[u8],
        tag: &[u8],
        plain: &mut [u8],
    ) -> Result<(), Damage> {
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| Damage::Truncated)?;
        self.aead
            .open_separate_gather(nonce, Aad::from(aad), ciphertext, tag, plain)
            .map_err(|_| Damage::Seal)
    }
}

impl fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SealingKey({}, hidden)", self.id)
    }
}

/// The key with which a lineage hashes plain bytes.
///
/// Hashes are keyed so that someone who reads the store cannot test whether a
/// known page is in it.
pub(crate) struct HashKey {
    id: KeyId,
    bytes: KeyBytes,
}

impl HashKey {
    pub(crate) const fn new(id: KeyId, bytes: KeyBytes) -> Self {
        Self { id, bytes }
    }

    pub(crate) const fn id(&self) -> KeyId {
        self.id
    }

    pub(crate) fn hash(&self, plain: &[u8]) -> PlainHash {
        PlainHash(*blake3::keyed_hash(&self.bytes, plain).as_bytes())
    }
}

impl fmt::Debug for HashKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HashKey({}, hidden)", self.id)
    }
}

/// The keyed BLAKE3 hash of plain bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PlainHash(pub(crate) [u8; 32]);

impl fmt::Display for PlainHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for PlainHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for PlainHash {
    type Err = hex::FromHexError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes)?;
        Ok(Self(bytes))
    }
}

impl Serialize for PlainHash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for PlainHash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

/// A key for one purpose, derived from the repository key.
pub(crate) fn derive(context: &str, key: &KeyBytes) -> KeyBytes {
    Zeroizing::new(blake3::derive_key(context, key.as_slice()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seal_opens_only_as_it_was_made() {
        let key = SealingKey::new(
            KeyId::from_uuid(uuid::Uuid::nil()),
            &Zeroizing::new([7; 32]),
        );
        let mut bytes = *b"plain";
        let tag = key.seal([1; NONCE], b"here", &mut bytes);
        let mut plain = [0; 5];
        key.open(&[1; NONCE], b"here", &bytes, &tag, &mut plain)
            .unwrap();
        assert_eq!(&plain, b"plain");
        let elsewhere = key.open(&[1; NONCE], b"there", &bytes, &tag, &mut plain);
        assert_eq!(elsewhere, Err(Damage::Seal));
        bytes[0] ^= 1;
        assert_eq!(
            key.open(&[1; NONCE], b"here", &bytes, &tag, &mut plain),
            Err(Damage::Seal)
        );
        assert!(!format!("{key:?}").contains('7') || !format!("{key:?}").contains("[7"));
    }
}
