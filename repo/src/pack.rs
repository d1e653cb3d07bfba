//! Packs: objects of tens of MiB that hold sealed records.
//!
//! ```text
//!  0  4  magic "HFPK"
//!  4  1  version 1
//!  5  3  reserved, 0
//!  8 16  key id (UUID)
//! 24 16  backup id (UUID)
//! 40  4  number
//! 44  4  reserved, 0
//! 48     records: nonce (12), ciphertext, tag (16)
//! ```
//! The header is for people and for `verify`: readers take places and keys
//! from the manifest. The associated data of a record are the lineage with its
//! cluster, a zero byte, the backup id, the pack's number and the record's
//! offset.

use std::sync::{Arc, Mutex, PoisonError};

use holdfast_types::{BackupId, KeyId};
use uuid::Uuid;

use crate::chunk::{PackId, RecordRef};
use crate::codec::{Compressor, Decompressor, bound};
use crate::crypto::{HashKey, NONCE, PlainHash, SEAL_OVERHEAD, SealingKey, TAG};
use crate::entropy::Entropy;
use crate::error::Damage;

const MAGIC: [u8; 4] = *b"HFPK";
const VERSION: u8 = 1;
pub(crate) const HEADER: usize = 48;

pub(crate) fn header(pack: PackId, key: KeyId) -> [u8; HEADER] {
    let mut header = [0; HEADER];
    header[..4].copy_from_slice(&MAGIC);
    header[4] = VERSION;
    header[8..24].copy_from_slice(key.uuid().as_bytes());
    header[24..40].copy_from_slice(pack.backup.uuid().as_bytes());
    header[40..44].copy_from_slice(&pack.number.to_le_bytes());
    header
}

/// Checks that a pack begins as the pack of that name must.
pub(crate) fn check_header(bytes: &[u8], pack: PackId, key: KeyId) -> Result<(), Damage> {
    let found = bytes.get(..HEADER).ok_or(Damage::Truncated)?;
    if found[..4] != MAGIC {
        return Err(Damage::WrongKind);
    }
    if found[4] != VERSION {
        return Err(Damage::Version(found[4]));
    }
    let owner = PackId {
        backup: BackupId::from_uuid(Uuid::from_slice(&found[24..40]).expect("sixteen bytes")),
        number: u32::from_le_bytes(found[40..44].try_into().expect("four bytes")),
    };
    if owner != pack || found != header(pack, key) {
        return Err(Damage::Structure(
            "its header names another pack or key".into(),
        ));
    }
    Ok(())
}

/// Associated data, made once per pack and patched per record.
pub(crate) struct RecordAad(Vec<u8>);

impl RecordAad {
    pub(crate) fn new(lineage: &str, pack: PackId) -> Self {
        let number = pack.number.to_le_bytes();
        let backup = *pack.backup.uuid().as_bytes();
        Self([lineage.as_bytes(), &[0], &backup, &number, &[0; 4]].concat())
    }

    pub(crate) fn at(&mut self, offset: u32) -> &[u8] {
        let place = self.0.len() - 4;
        self.0[place..].copy_from_slice(&offset.to_le_bytes());
        &self.0
    }
}

/// Recycles the memory of packs: a fresh allocation of tens of MiB costs a
/// page fault for every 4 KiB.
#[derive(Debug)]
pub(crate) struct BufferPool {
    bytes: usize,
    free: Mutex<Vec<Vec<u8>>>,
}

impl BufferPool {
    pub(crate) fn new(bytes: usize) -> Arc<Self> {
        Arc::new(Self {
            bytes,
            free: Mutex::default(),
        })
    }

    fn take(&self) -> Vec<u8> {
        let free = self
            .free
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop();
        free.unwrap_or_else(|| vec![0; self.bytes])
    }
}

/// A pack being filled; afterwards, the owner of its bytes while they are
/// uploaded.
pub(crate) struct PackBuffer {
    pub(crate) id: PackId,
    bytes: Vec<u8>,
    used: usize,
    aad: RecordAad,
    pool: Arc<BufferPool>,
}

impl PackBuffer {
    /// The room a buffer needs beyond the size at which packs are closed.
    pub(crate) fn slack(longest_record: usize) -> usize {
        SEAL_OVERHEAD + bound(longest_record)
    }

    pub(crate) fn new(pool: &Arc<BufferPool>, id: PackId, lineage: &str, key: KeyId) -> Self {
        let mut bytes = pool.take();
        bytes[..HEADER].copy_from_slice(&header(id, key));
        Self {
            id,
            bytes,
            used: HEADER,
            aad: RecordAad::new(lineage, id),
            pool: Arc::clone(pool),
        }
    }

    pub(crate) const fn used(&self) -> usize {
        self.used
    }

    /// Compresses and seals `plain` behind what is there.
    pub(crate) fn append(
        &mut self,
        plain: &[u8],
        hash: PlainHash,
        compressor: &mut Compressor,
        key: &SealingKey,
        entropy: &Entropy,
    ) -> RecordRef {
        let offset = u32::try_from(self.used).expect("a pack is far below 4 GiB");
        let nonce: [u8; NONCE] = entropy.bytes();
        let (clear, rest) = self.bytes[self.used..].split_at_mut(NONCE);
        let (length, codec) = compressor.compress(plain, rest);
        let tag = key.seal(nonce, self.aad.at(offset), &mut rest[..length]);
        clear.copy_from_slice(&nonce);
        rest[length..length + TAG].copy_from_slice(&tag);
        let stored = length + SEAL_OVERHEAD;
        self.used += stored;
        let stored = u32::try_from(stored).expect("a record is far below 4 GiB");
        RecordRef {
            pack: self.id,
            offset,
            stored,
            codec,
            hash,
        }
    }
}

impl AsRef<[u8]> for PackBuffer {
    fn as_ref(&self) -> &[u8] {
        &self.bytes[..self.used]
    }
}

impl Drop for PackBuffer {
    fn drop(&mut self) {
        let bytes = std::mem::take(&mut self.bytes);
        self.pool
            .free
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(bytes);
    }
}

/// What opening records takes, kept from record to record.
pub(crate) struct RecordOpener {
    decompressor: Decompressor,
    stored: Vec<u8>,
}

impl RecordOpener {
    pub(crate) const fn new() -> Self {
        Self {
            decompressor: Decompressor::new(),
            stored: Vec::new(),
        }
    }

    /// Opens `sealed`, the bytes of `record`, into `plain`, and checks its hash.
    pub(crate) fn open(
        &mut self,
        record: &RecordRef,
        sealed: &[u8],
        lineage: &str,
        (key, hash): (&SealingKey, &HashKey),
        plain: &mut [u8],
    ) -> Result<(), Damage> {
        let length = sealed
            .len()
            .checked_sub(SEAL_OVERHEAD)
            .ok_or(Damage::Truncated)?;
        let (nonce, rest) = sealed.split_at(NONCE);
        let (ciphertext, tag) = rest.split_at(length);
        let mut aad = RecordAad::new(lineage, record.pack);
        let aad = aad.at(record.offset);
        if record.codec == crate::codec::StoredCodec::None {
            if length != plain.len() {
                return Err(Damage::Truncated);
            }
            key.open(nonce, aad, ciphertext, tag, plain)?;
        } else {
            self.stored.resize(length, 0);
            key.open(nonce, aad, ciphertext, tag, &mut self.stored)?;
            self.decompressor
                .decompress(record.codec, &self.stored, plain)?;
        }
        if hash.hash(plain) == record.hash {
            Ok(())
        } else {
            Err(Damage::Hash)
        }
    }
}
