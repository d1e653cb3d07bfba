//! Compression, one record at a time. A record that does not shrink is stored
//! as it is, so the codec is a fact of each record and not of the backup.

use std::fmt;
use std::io::Cursor;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use zstd::zstd_safe::CParameter;

use crate::error::Damage;

/// How new data is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "codec", rename_all = "lowercase")]
pub enum Codec {
    /// Not at all.
    None,
    /// LZ4 blocks: fastest.
    Lz4,
    /// Zstandard frames.
    Zstd {
        /// Its level: 1 is fast, 3 the tool's own default, 19 slow.
        level: i32,
    },
}

impl Codec {
    /// Level 1 of zstd: the least CPU time for nearly the size of level 3.
    pub const DEFAULT: Self = Self::Zstd { level: 1 };
}

impl Default for Codec {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// How one record is compressed, as the format stores it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum StoredCodec {
    None = 0,
    Zstd = 1,
    Lz4 = 2,
}

impl StoredCodec {
    pub(crate) fn from_byte(byte: u8) -> Result<Self, Damage> {
        match byte {
            0 => Ok(Self::None),
            1 => Ok(Self::Zstd),
            2 => Ok(Self::Lz4),
            other => Err(Damage::Structure(format!("unknown codec {other}"))),
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Zstd => "zstd",
            Self::Lz4 => "lz4",
        }
    }
}

impl fmt::Display for StoredCodec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for StoredCodec {
    type Err = Damage;

    fn from_str(text: &str) -> Result<Self, Damage> {
        [Self::None, Self::Zstd, Self::Lz4]
            .into_iter()
            .find(|codec| codec.name() == text)
            .ok_or_else(|| Damage::Structure(format!("unknown codec {text}")))
    }
}

/// The room a compressor needs for `length` plain bytes at the worst.
pub(crate) fn bound(length: usize) -> usize {
    zstd::zstd_safe::compress_bound(length).max(lz4_flex::block::get_maximum_output_size(length))
}

/// The shortest match that is looked for in chunks at level 1 of zstd, in bytes. By
/// itself it would be six.
const CHUNK_MATCH: u32 = 5;

/// A compressor that keeps its working memory from record to record.
pub(crate) struct Compressor(Kind);

enum Kind {
    None,
    Lz4,
    Zstd(Box<zstd::bulk::Compressor<'static>>),
}

impl Compressor {
    pub(crate) fn new(codec: Codec) -> Self {
        Self(match codec {
            Codec::None => Kind::None,
            Codec::Lz4 => Kind::Lz4,
            Codec::Zstd { level } => {
                let compressor = zstd::bulk::Compressor::new(level);
                Kind::Zstd(Box::new(
                    compressor.expect("zstd clamps levels and only needs memory"),
                ))
            }
        })
    }

    /// For chunks of pages. Each is compressed alone, so that one can be read and
    /// referred to without another: what a stream finds far behind is not there to be
    /// found. Shorter matches make up for it: of pages, level 1 then stores a tenth
    /// less, for little time.
    pub(crate) fn for_chunks(codec: Codec) -> Self {
        let mut made = Self::new(codec);
        if let (Kind::Zstd(zstd), Codec::Zstd { level: 1 }) = (&mut made.0, codec) {
            let shorter = zstd.set_parameter(CParameter::MinMatch(CHUNK_MATCH));
            shorter.expect("zstd knows matches of this length");
        }
        made
    }

    /// Puts `plain` into `out`, compressed when that makes it smaller. `out`
    /// has at least [`bound`] bytes. Returns the length and the codec used.
    pub(crate) fn compress(&mut self, plain: &[u8], out: &mut [u8]) -> (usize, StoredCodec) {
        let (length, codec) = match &mut self.0 {
            Kind::None => (None, StoredCodec::None),
            Kind::Lz4 => (
                lz4_flex::block::compress_into(plain, out).ok(),
                StoredCodec::Lz4,
            ),
            Kind::Zstd(zstd) => (zstd.compress_to_buffer(plain, out).ok(), StoredCodec::Zstd),
        };
        match length {
            Some(length) if length < plain.len() => (length, codec),
            _ => {
                out[..plain.len()].copy_from_slice(plain);
                (plain.len(), StoredCodec::None)
            }
        }
    }
}

impl Compressor {
    /// Puts `plain` behind what `out` holds, compressed when that makes it smaller.
    /// Memory behind the result is not touched: the kernel need not give it.
    pub(crate) fn append(&mut self, plain: &[u8], out: &mut Vec<u8>) -> StoredCodec {
        let start = out.len();
        out.reserve(bound(plain.len()));
        let Kind::Zstd(zstd) = &mut self.0 else {
            out.resize(start + bound(plain.len()), 0);
            let (length, codec) = self.compress(plain, &mut out[start..]);
            out.truncate(start + length);
            return codec;
        };
        let mut behind = Cursor::new(&mut *out);
        behind.set_position(start as u64);
        match zstd.compress_to_buffer(plain, &mut behind) {
            Ok(length) if length < plain.len() => StoredCodec::Zstd,
            _ => {
                out.truncate(start);
                out.extend_from_slice(plain);
                StoredCodec::None
            }
        }
    }
}

/// A decompressor that keeps its working memory from record to record.
pub(crate) struct Decompressor(Option<Box<zstd::bulk::Decompressor<'static>>>);

impl Decompressor {
    pub(crate) const fn new() -> Self {
        Self(None)
    }

    /// Unpacks a record into exactly `plain.len()` bytes.
    pub(crate) fn decompress(
        &mut self,
        codec: StoredCodec,
        stored: &[u8],
        plain: &mut [u8],
    ) -> Result<(), Damage> {
        let length = match codec {
            StoredCodec::None => {
                if stored.len() != plain.len() {
                    return Err(Damage::Truncated);
                }
                plain.copy_from_slice(stored);
                Some(stored.len())
            }
            StoredCodec::Lz4 => lz4_flex::block::decompress_into(stored, plain).ok(),
            StoredCodec::Zstd => {
                let zstd = match &mut self.0 {
                    Some(zstd) => zstd,
                    empty => empty.insert(Box::new(
                        zstd::bulk::Decompressor::new().expect("a decompressor only needs memory"),
                    )),
                };
                zstd.decompress_to_buffer(stored, plain).ok()
            }
        };
        match length {
            Some(length) if length == plain.len() => Ok(()),
            _ => Err(Damage::Structure(format!("{codec} data does not unpack"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn round_trips(seed in proptest::collection::vec(any::<u8>(), 0..400), times in 1usize..100) {
            let plain = seed.repeat(times);
            for codec in [Codec::None, Codec::Lz4, Codec::Zstd { level: 1 }, Codec::Zstd { level: 9 }] {
                let mut out = vec![0; bound(plain.len())];
                let (length, stored) = Compressor::new(codec).compress(&plain, &mut out);
                prop_assert!(length <= plain.len());
                let mut back = vec![0; plain.len()];
                Decompressor::new().decompress(stored, &out[..length], &mut back).unwrap();
                prop_assert_eq!(&back, &plain);
                let mut behind = b"head".to_vec();
                prop_assert_eq!(Compressor::new(codec).append(&plain, &mut behind), stored);
                prop_assert_eq!(behind, [b"head", &out[..length]].concat());
            }
        }
    }

    #[test]
    fn chunks_are_stored_in_less_at_the_same_level() {
        // Rows of a number that is spread and one of a hundred words of five bytes.
        let row = |n: u32| {
            let number = n.wrapping_mul(2_654_435_761).to_le_bytes();
            let word = format!("{:05}", n * 7 % 97 * 131_071 % 100_000);
            [&number[..3], word.as_bytes()].concat()
        };
        let plain: Vec<u8> = (0..8192).flat_map(row).collect();
        let mut out = vec![0; bound(plain.len())];
        let codec = Codec::Zstd { level: 1 };
        let (usual, _) = Compressor::new(codec).compress(&plain, &mut out);
        let (length, stored) = Compressor::for_chunks(codec).compress(&plain, &mut out);
        assert!(length < usual, "{length} against {usual}");
        let mut back = vec![0; plain.len()];
        let unpacked = Decompressor::new().decompress(stored, &out[..length], &mut back);
        assert_eq!((unpacked, back), (Ok(()), plain));
    }

    #[test]
    fn damaged_data_is_an_error_and_not_a_panic() {
        let mut plain = [0; 100];
        for codec in [StoredCodec::None, StoredCodec::Lz4, StoredCodec::Zstd] {
            for stored in [&[][..], &[0xff; 7], &[0; 300]] {
                assert!(
                    Decompressor::new()
                        .decompress(codec, stored, &mut plain)
                        .is_err()
                );
            }
        }
    }
}
