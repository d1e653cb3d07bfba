//! Sealed objects: WAL, histories, manifest sections, commit marks, markers of
//! expired WAL, and the parts and marks of a control plane's snapshots.
//!
//! ```text
//!  0  4  magic "HFOB"
//!  4  1  version 1
//!  5  1  kind
//!  6  1  codec: 0 none, 1 zstd, 2 lz4
//!  7  1  reserved, 0
//!  8 16  key id (UUID)
//! 24 12  nonce
//! 36  8  time of sealing, microseconds since 1970, signed
//! 44  8  length of the plain bytes
//! 52 32  keyed hash of the plain bytes
//! 84     ciphertext, then the tag (16)
//! ```
//! Numbers are little-endian. The associated data are the header, the lineage
//! with its cluster, a zero byte and the object's name below the lineage: an
//! object moved or renamed does not open, an object copied to another
//! repository does.

use bytes::Bytes;
use holdfast_types::KeyId;
use uuid::Uuid;

use crate::codec::{Codec, Compressor, Decompressor, StoredCodec, bound};
use crate::crypto::{HashKey, NONCE, PlainHash, SealingKey, TAG};
use crate::entropy::Entropy;
use crate::error::Damage;

pub(crate) const HEADER: usize = 84;
const MAGIC: [u8; 4] = *b"HFOB";
const VERSION: u8 = 1;
/// No object of these kinds is larger; a longer plain length is damage and
/// must not make us allocate.
const MAX_PLAIN: u64 = 2 << 30;

/// What a sealed object is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    Segment = 1,
    Slice = 2,
    History = 3,
    Section = 4,
    Mark = 5,
    StatePart = 6,
    StateMark = 7,
    BackupHistory = 8,
    Partial = 9,
    Expired = 10,
}

/// The clear part of a sealed object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) kind: u8,
    pub(crate) codec: StoredCodec,
    pub(crate) key: KeyId,
    pub(crate) nonce: [u8; NONCE],
    pub(crate) sealed_micros: i64,
    pub(crate) plain_length: u64,
    pub(crate) plain_hash: PlainHash,
}

impl Header {
    fn encode(&self) -> [u8; HEADER] {
        let mut header = [0; HEADER];
        header[..4].copy_from_slice(&MAGIC);
        header[4] = VERSION;
        header[5] = self.kind;
        header[6] = self.codec as u8;
        header[8..24].copy_from_slice(self.key.uuid().as_bytes());
        header[24..36].copy_from_slice(&self.nonce);
        header[36..44].copy_from_slice(&self.sealed_micros.to_le_bytes());
        header[44..52].copy_from_slice(&self.plain_length.to_le_bytes());
        header[52..84].copy_from_slice(&self.plain_hash.0);
        header
    }

    /// Reads the header of an object of `kind`.
    pub(crate) fn decode(object: &[u8], kind: Kind) -> Result<Self, Damage> {
        match (object.get(..4), object.get(4)) {
            (Some(magic), _) if magic != MAGIC => return Err(Damage::WrongKind),
            (_, Some(&version)) if version != VERSION => return Err(Damage::Version(version)),
            _ => {}
        }
        let header = object.get(..HEADER).ok_or(Damage::Truncated)?;
        if header[5] != kind as u8 {
            return Err(Damage::WrongKind);
        }
        let array =
            |from: usize| -> [u8; 8] { header[from..from + 8].try_into().expect("eight bytes") };
        let plain_length = u64::from_le_bytes(array(44));
        if plain_length > MAX_PLAIN {
            return Err(Damage::Structure(format!(
                "a plain length of {plain_length} bytes"
            )));
        }
        Ok(Self {
            kind: header[5],
            codec: StoredCodec::from_byte(header[6])?,
            key: KeyId::from_uuid(Uuid::from_slice(&header[8..24]).expect("sixteen bytes")),
            nonce: header[24..36].try_into().expect("twelve bytes"),
            sealed_micros: i64::from_le_bytes(array(36)),
            plain_length,
            plain_hash: PlainHash(header[52..84].try_into().expect("thirty-two bytes")),
        })
    }
}

/// The name under which an object is sealed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place<'a> {
    /// `<cluster>/<lineage>`.
    pub(crate) lineage: &'a str,
    /// The object's name below the lineage.
    pub(crate) name: &'a str,
}

impl Place<'_> {
    fn aad(self, header: &[u8]) -> Vec<u8> {
        [header, self.lineage.as_bytes(), &[0], self.name.as_bytes()].concat()
    }
}

/// Compresses and seals `plain`.
pub(crate) fn seal(
    kind: Kind,
    place: Place<'_>,
    (key, hash): (&SealingKey, &HashKey),
    codec: Codec,
    entropy: &Entropy,
    plain: &[u8],
) -> (Bytes, PlainHash) {
    assert!(
        plain.len() as u64 <= MAX_PLAIN,
        "an object of {} bytes",
        plain.len()
    );
    let mut object = Vec::with_capacity(HEADER + bound(plain.len()) + TAG);
    object.resize(HEADER, 0);
    let codec = Compressor::new(codec).append(plain, &mut object);
    let header = Header {
        kind: kind as u8,
        codec,
        key: key.id(),
        nonce: entropy.bytes(),
        sealed_micros: entropy.now().as_microsecond(),
        plain_length: plain.len() as u64,
        plain_hash: hash.hash(plain),
    };
    let clear = header.encode();
    object[..HEADER].copy_from_slice(&clear);
    let tag = key.seal(header.nonce, &place.aad(&clear), &mut object[HEADER..]);
    object.extend_from_slice(&tag);
    (object.into(), header.plain_hash)
}

/// Opens a sealed object whose header is `header`, and checks its hash.
pub(crate) fn open(
    place: Place<'_>,
    (key, hash): (&SealingKey, &HashKey),
    header: &Header,
    object: &[u8],
) -> Result<Vec<u8>, Damage> {
    let body = object.get(HEADER..).ok_or(Damage::Truncated)?;
    let length = body.len().checked_sub(TAG).ok_or(Damage::Truncated)?;
    let (ciphertext, tag) = body.split_at(length);
    let mut stored = vec![0; length];
    let aad = place.aad(&object[..HEADER]);
    key.open(&header.nonce, &aad, ciphertext, tag, &mut stored)?;
    let plain_length =
        usize::try_from(header.plain_length).map_err(|_| Damage::Structure("its length".into()))?;
    let plain = if header.codec == StoredCodec::None {
        stored
    } else {
        let mut plain = vec![0; plain_length];
        Decompressor::new().decompress(header.codec, &stored, &mut plain)?;
        plain
    };
    if plain.len() != plain_length || hash.hash(&plain) != header.plain_hash {
        return Err(Damage::Hash);
    }
    Ok(plain)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use zeroize::Zeroizing;

    use super::*;

    fn keys() -> (SealingKey, HashKey) {
        let id = |n| KeyId::from_uuid(Uuid::from_u128(n));
        (
            SealingKey::new(id(1), &Zeroizing::new([1; 32])),
            HashKey::new(id(2), Zeroizing::new([2; 32])),
        )
    }

    const PLACE: Place<'_> = Place {
        lineage: "orders/7-1",
        name: "wal/x",
    };

    fn open_all(object: &[u8], place: Place<'_>) -> Result<Vec<u8>, Damage> {
        let (key, hash) = keys();
        open(
            place,
            (&key, &hash),
            &Header::decode(object, Kind::Slice)?,
            object,
        )
    }

    proptest! {
        #[test]
        fn round_trips_and_notices_every_change(
            plain in proptest::collection::vec(any::<u8>(), 0..300), at: prop::sample::Index, bit in 0u8..8
        ) {
            let (key, hash) = keys();
            let entropy = Entropy::system();
            let (object, _) = seal(Kind::Slice, PLACE, (&key, &hash), Codec::DEFAULT, &entropy, &plain);
            prop_assert_eq!(&open_all(&object, PLACE).unwrap(), &plain);
            let mut changed = object.to_vec();
            changed[at.index(object.len())] ^= 1 << bit;
            prop_assert!(open_all(&changed, PLACE).is_err());
            prop_assert!(open_all(&object[..at.index(object.len())], PLACE).is_err());
        }
    }

    #[test]
    fn a_moved_object_does_not_open() {
        let (key, hash) = keys();
        let entropy = Entropy::system();
        let (object, _) = seal(
            Kind::Slice,
            PLACE,
            (&key, &hash),
            Codec::None,
            &entropy,
            b"bytes",
        );
        for place in [
            Place {
                name: "wal/y",
                ..PLACE
            },
            Place {
                lineage: "orders/7-2",
                ..PLACE
            },
        ] {
            assert_eq!(open_all(&object, place), Err(Damage::Seal));
        }
        assert_eq!(
            Header::decode(&object, Kind::Mark).unwrap_err(),
            Damage::WrongKind
        );
    }
}
