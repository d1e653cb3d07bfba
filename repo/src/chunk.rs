//! References to stored bytes: packs, chunks and extents.
//!
//! A file is cut into extents of at most 256 MiB, an extent into chunks of
//! 64 KiB. References name packs in full, so an extent, a chunk or a whole
//! block map can be taken over by a later backup as it is.

use std::fmt;
use std::str::FromStr;

use holdfast_types::BackupId;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::codec::StoredCodec;
use crate::crypto::PlainHash;

/// The plain bytes of a chunk; the last of a file may have fewer.
pub const CHUNK_BYTES: usize = 64 << 10;
/// The plain bytes of an extent; the last of a file may have fewer.
pub const EXTENT_BYTES: u64 = 256 << 20;
/// The most chunks an extent can have.
pub(crate) const EXTENT_CHUNKS: usize = 4096;
/// Up to so many chunks, an extent carries its references itself.
pub(crate) const INLINE_CHUNKS: usize = 8;

/// A pack: the backup that wrote it and its number there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct PackId {
    pub(crate) backup: BackupId,
    pub(crate) number: u32,
}

impl PackId {
    /// Its name below the lineage.
    pub(crate) fn name(self) -> String {
        format!("packs/{self}")
    }
}

impl fmt::Display for PackId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.backup, self.number)
    }
}

impl FromStr for PackId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let invalid = || format!("\"{text}\" is not a pack");
        let (backup, number) = text.split_once('/').ok_or_else(invalid)?;
        let id = Self {
            backup: backup.parse().map_err(|_| invalid())?,
            number: number.parse().map_err(|_| invalid())?,
        };
        if id.to_string() == text {
            Ok(id)
        } else {
            Err(invalid())
        }
    }
}

impl Serialize for PackId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for PackId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(D::Error::custom)
    }
}

/// Where a sealed record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RecordRef {
    pub(crate) pack: PackId,
    pub(crate) offset: u32,
    /// Its length in the pack: nonce, ciphertext and tag.
    pub(crate) stored: u32,
    pub(crate) codec: StoredCodec,
    pub(crate) hash: PlainHash,
}

impl RecordRef {
    pub(crate) const fn end(&self) -> u64 {
        self.offset as u64 + self.stored as u64
    }
}

/// One chunk of an extent; `None` is a chunk of zeros, which is not stored.
pub(crate) type Chunk = Option<RecordRef>;

impl Serialize for RecordRef {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let codec = self.codec.to_string();
        (self.pack, self.offset, self.stored, codec, self.hash).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for RecordRef {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (pack, offset, stored, codec, hash) =
            <(PackId, u32, u32, String, PlainHash)>::deserialize(deserializer)?;
        let codec = codec.parse().map_err(D::Error::custom)?;
        Ok(Self {
            pack,
            offset,
            stored,
            codec,
            hash,
        })
    }
}

/// Up to 256 MiB of one file, as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extent {
    bytes: u64,
    #[serde(with = "hex_u32")]
    crc32c: u32,
    #[serde(flatten)]
    pub(crate) content: Content,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Content {
    /// The references themselves.
    Chunks(Vec<Chunk>),
    /// A block map that holds them.
    Map(MapRef),
}

/// A block map, and what the extent needs of each pack, so that neither
/// expiry nor a later backup must read the map to know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MapRef {
    pub(crate) record: RecordRef,
    /// The plain length of the map.
    pub(crate) bytes: u32,
    /// Bytes of chunks and map per pack.
    pub(crate) live: Vec<(PackId, u64)>,
}

impl Extent {
    pub(crate) const fn new(bytes: u64, crc32c: u32, content: Content) -> Self {
        Self {
            bytes,
            crc32c,
            content,
        }
    }

    /// Its plain bytes. Fewer than [`EXTENT_BYTES`] means that the file ended.
    pub const fn plain_bytes(&self) -> u64 {
        self.bytes
    }

    /// The CRC-32C of its plain bytes.
    pub const fn crc32c(&self) -> u32 {
        self.crc32c
    }

    /// What it needs of each pack.
    pub(crate) fn live(&self) -> impl Iterator<Item = (PackId, u64)> + '_ {
        let (chunks, live) = match &self.content {
            Content::Chunks(chunks) => (chunks.as_slice(), [].as_slice()),
            Content::Map(map) => ([].as_slice(), map.live.as_slice()),
        };
        let inline = chunks
            .iter()
            .flatten()
            .map(|chunk| (chunk.pack, u64::from(chunk.stored)));
        inline.chain(live.iter().copied())
    }

    /// How many chunks its length makes.
    pub(crate) fn chunk_count(&self) -> usize {
        usize::try_from(self.bytes.div_ceil(CHUNK_BYTES as u64)).unwrap_or(usize::MAX)
    }

    /// What cannot be true of an extent that was read from a manifest.
    pub(crate) fn check(&self) -> Result<(), String> {
        if self.bytes == 0 || self.bytes > EXTENT_BYTES {
            return Err(format!("an extent of {} bytes", self.bytes));
        }
        match &self.content {
            Content::Chunks(chunks) if chunks.len() != self.chunk_count() => {
                Err(format!("{} chunks for {} bytes", chunks.len(), self.bytes))
            }
            _ => Ok(()),
        }
    }
}

/// The plain length of chunk `index` of an extent of `bytes`.
pub(crate) fn chunk_length(bytes: u64, index: usize) -> usize {
    let left = bytes.saturating_sub(index as u64 * CHUNK_BYTES as u64);
    usize::try_from(left).unwrap_or(usize::MAX).min(CHUNK_BYTES)
}

/// The CRC-32C of the file that `extents` make up, from theirs.
pub(crate) fn combined_crc32c(extents: &[Extent]) -> u32 {
    extents.iter().fold(0, |crc, extent| {
        let length = usize::try_from(extent.bytes).expect("an extent is at most 256 MiB");
        crc32c::crc32c_combine(crc, extent.crc32c, length)
    })
}

mod hex_u32 {
    use serde::de::Error as _;
    use serde::{Deserialize, Deserializer, Serializer};

    #[expect(
        clippy::trivially_copy_pass_by_ref,
        reason = "serde passes fields by reference"
    )]
    pub(super) fn serialize<S: Serializer>(value: &u32, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{value:08x}"))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
        let text = String::deserialize(deserializer)?;
        u32::from_str_radix(&text, 16).map_err(D::Error::custom)
    }
}
