//! The block map of an extent: where each of its chunks is.
//!
//! ```text
//!  0  4  magic "HFBM"
//!  4  1  version 1
//!  5  3  reserved, 0
//!  8  4  chunks
//! 12  4  packs
//! 16     packs x { backup id (16), number (4) }
//!        chunks x { hash (32), offset (4), stored length (4), pack (2), codec (1), flags (1) }
//! ```
//! Numbers are little-endian; `pack` counts in the map's own table, so a map
//! means the same in every manifest. Flag 1 is a chunk of zeros, all else 0.

use std::collections::HashMap;

use holdfast_types::BackupId;
use uuid::Uuid;

use crate::chunk::{Chunk, EXTENT_CHUNKS, PackId, RecordRef};
use crate::codec::StoredCodec;
use crate::crypto::PlainHash;
use crate::error::Damage;

const MAGIC: [u8; 4] = *b"HFBM";
const VERSION: u8 = 1;
const HEADER: usize = 16;
const PACK: usize = 20;
const RECORD: usize = 44;
const HOLE: u8 = 1;

/// The longest a map can be.
pub(crate) const MAX_BYTES: usize = HEADER + EXTENT_CHUNKS * (PACK + RECORD);

pub(crate) fn encode(chunks: &[Chunk]) -> Vec<u8> {
    assert!(
        chunks.len() <= EXTENT_CHUNKS,
        "a map of {} chunks",
        chunks.len()
    );
    let mut packs: Vec<PackId> = Vec::new();
    let mut index: HashMap<PackId, u16> = HashMap::new();
    for chunk in chunks.iter().flatten() {
        index.entry(chunk.pack).or_insert_with(|| {
            packs.push(chunk.pack);
            u16::try_from(packs.len() - 1).expect("a map has at most 4096 packs")
        });
    }
    let count = |n: usize| u32::try_from(n).expect("a map is small").to_le_bytes();
    let mut map = Vec::with_capacity(HEADER + packs.len() * PACK + chunks.len() * RECORD);
    map.extend_from_slice(&MAGIC);
    map.extend_from_slice(&[VERSION, 0, 0, 0]);
    map.extend_from_slice(&count(chunks.len()));
    map.extend_from_slice(&count(packs.len()));
    for pack in &packs {
        map.extend_from_slice(pack.backup.uuid().as_bytes());
        map.extend_from_slice(&pack.number.to_le_bytes());
    }
    for chunk in chunks {
        let Some(chunk) = chunk else {
            map.extend_from_slice(&[0; RECORD - 1]);
            map.push(HOLE);
            continue;
        };
        map.extend_from_slice(&chunk.hash.0);
        map.extend_from_slice(&chunk.offset.to_le_bytes());
        map.extend_from_slice(&chunk.stored.to_le_bytes());
        map.extend_from_slice(&index[&chunk.pack].to_le_bytes());
        map.extend_from_slice(&[chunk.codec as u8, 0]);
    }
    map
}

pub(crate) fn decode(map: &[u8]) -> Result<Vec<Chunk>, Damage> {
    let structure = |reason: &str| Damage::Structure(format!("block map: {reason}"));
    let header = map.get(..HEADER).ok_or(Damage::Truncated)?;
    if header[..4] != MAGIC {
        return Err(Damage::WrongKind);
    }
    if header[4] != VERSION {
        return Err(Damage::Version(header[4]));
    }
    let number = |bytes: &[u8]| u32::from_le_bytes(bytes.try_into().expect("four bytes"));
    let count =
        |from: usize| usize::try_from(number(&header[from..from + 4])).unwrap_or(usize::MAX);
    let (chunks, packs) = (count(8), count(12));
    if chunks > EXTENT_CHUNKS || packs > chunks {
        return Err(structure("its counts"));
    }
    if map.len() != HEADER + packs * PACK + chunks * RECORD {
        return Err(Damage::Truncated);
    }
    let (table, records) = map[HEADER..].split_at(packs * PACK);
    let packs: Vec<PackId> = table
        .chunks_exact(PACK)
        .map(|pack| PackId {
            backup: BackupId::from_uuid(Uuid::from_slice(&pack[..16]).expect("sixteen bytes")),
            number: number(&pack[16..]),
        })
        .collect();
    let chunk = |record: &[u8]| -> Result<Chunk, Damage> {
        match record[43] {
            HOLE if record[..43].iter().all(|byte| *byte == 0) => return Ok(None),
            0 => {}
            _ => return Err(structure("its flags")),
        }
        let pack = usize::from(u16::from_le_bytes([record[40], record[41]]));
        Ok(Some(RecordRef {
            pack: *packs.get(pack).ok_or_else(|| structure("its packs"))?,
            offset: number(&record[32..36]),
            stored: number(&record[36..40]),
            codec: StoredCodec::from_byte(record[42])?,
            hash: PlainHash(record[..32].try_into().expect("thirty-two bytes")),
        }))
    };
    records.chunks_exact(RECORD).map(chunk).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn chunks() -> impl Strategy<Value = Vec<Chunk>> {
        let record = (
            0u32..5,
            any::<u32>(),
            any::<u32>(),
            0u8..3,
            any::<[u8; 32]>(),
        );
        let chunk =
            proptest::option::of(record.prop_map(|(number, offset, stored, codec, hash)| {
                RecordRef {
                    pack: PackId {
                        backup: BackupId::from_uuid(Uuid::from_u128(u128::from(number % 2))),
                        number,
                    },
                    offset,
                    stored,
                    codec: StoredCodec::from_byte(codec).unwrap(),
                    hash: PlainHash(hash),
                }
            }));
        proptest::collection::vec(chunk, 0..40)
    }

    proptest! {
        #[test]
        fn round_trips(chunks in chunks()) {
            let map = encode(&chunks);
            prop_assert!(map.len() <= MAX_BYTES);
            prop_assert_eq!(decode(&map).unwrap(), chunks);
        }

        #[test]
        fn never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode(&bytes);
            let _ = decode(&[&MAGIC[..], &[VERSION], &bytes].concat());
        }
    }
}
