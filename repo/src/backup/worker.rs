//! One thread's part in writing a backup: read, hash, compress, seal, pack.
//!
//! A chunk is read into a buffer of its own and compressed straight into the
//! pack, where it is sealed in place: its bytes are copied once, by the codec.
//! One whose hash is that of the parent's chunk at its place is not stored:
//! the parent's is referred to, whose bytes are the same.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::extent_reader::ExtentReader;
use super::writer::Shared;
use crate::block_map;
use crate::chunk::{
    CHUNK_BYTES, Chunk, Content, EXTENT_BYTES, EXTENT_CHUNKS, Extent, INLINE_CHUNKS, MapRef,
    PackId, RecordRef,
};
use crate::codec::Compressor;
use crate::crypto::PlainHash;
use crate::pack::PackBuffer;
use crate::{Error, Result};

/// Writes extents from one thread, into packs of its own. Blocks while the
/// uploads are behind, so not for threads of the runtime.
///
/// [`PackWorker::finish`] must be called at the end; a backup with a worker
/// that was only dropped cannot be finished.
pub struct PackWorker {
    shared: Arc<Shared>,
    compressor: Compressor,
    pack: Option<PackBuffer>,
    plain: Box<[u8]>,
    chunks: Vec<Chunk>,
    /// Of the parent's block maps.
    maps: Option<ExtentReader>,
}

static ZEROS: [u8; CHUNK_BYTES] = [0; CHUNK_BYTES];

impl PackWorker {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        shared.workers.fetch_add(1, Ordering::Relaxed);
        let compressor = Compressor::for_chunks(shared.options.codec);
        let plain = vec![0; CHUNK_BYTES].into_boxed_slice();
        Self {
            shared,
            compressor,
            pack: None,
            plain,
            chunks: Vec::with_capacity(EXTENT_CHUNKS),
            maps: None,
        }
    }

    /// Writes what `read` returns, until it returns 0 or the extent is full.
    /// `read` behaves as [`io::Read::read`]; each byte is asked for once.
    ///
    /// An error of `read` is [`Error::Local`] and ends this extent only: what
    /// was written of it is not referenced, and the worker goes on.
    pub fn write_extent(
        &mut self,
        read: impl FnMut(&mut [u8]) -> io::Result<usize>,
    ) -> Result<Extent> {
        self.write_extent_over(None, read)
    }

    /// The same, against `before`: what the parent of this incremental holds
    /// at the same place of the same file. Without a parent it means nothing.
    ///
    /// A block map of the parent that cannot be read is [`Error::Parent`].
    pub fn write_extent_over(
        &mut self,
        before: Option<&Extent>,
        mut read: impl FnMut(&mut [u8]) -> io::Result<usize>,
    ) -> Result<Extent> {
        let parents = match before {
            Some(extent) => self.parents_chunks(extent)?,
            None => Vec::new(),
        };
        self.chunks.clear();
        let mut bytes = 0;
        let mut crc = 0;
        while bytes < EXTENT_BYTES {
            let length = fill(&mut self.plain, &mut read).map_err(Error::Local)?;
            if length == 0 {
                break;
            }
            let before = parents.get(self.chunks.len()).copied().flatten();
            let chunk = self.write_chunk(length, before)?;
            self.chunks.push(chunk);
            crc = crc32c::crc32c_append(crc, &self.plain[..length]);
            bytes += length as u64;
            self.shared
                .read_bytes
                .fetch_add(length as u64, Ordering::Relaxed);
            if length < CHUNK_BYTES {
                break;
            }
        }
        let content = if self.chunks.len() <= INLINE_CHUNKS {
            Content::Chunks(self.chunks.clone())
        } else {
            Content::Map(
                match before.and_then(|extent| self.same_map(extent, &parents)) {
                    Some(map) => map,
                    None => self.write_map()?,
                },
            )
        };
        Ok(Extent::new(bytes, crc, content))
    }

    /// The chunks of an extent of the parent.
    fn parents_chunks(&mut self, extent: &Extent) -> Result<Vec<Chunk>> {
        let Some(parent) = &self.shared.parent else {
            return Ok(Vec::new());
        };
        let map = match &extent.content {
            Content::Chunks(chunks) => return Ok(chunks.clone()),
            Content::Map(map) => map,
        };
        let maps = self.maps.get_or_insert_with(|| parent.extent_reader());
        let read = maps.read_map(extent, map);
        read.map_err(|error| error.of_parent(parent.backup().id))
    }

    /// The parent's map, if every chunk is the parent's: a map says nothing of
    /// the extent but its chunks.
    fn same_map(&self, extent: &Extent, parents: &[Chunk]) -> Option<MapRef> {
        let parent = self.shared.parent.as_ref()?;
        let Content::Map(map) = &extent.content else {
            return None;
        };
        let same = self.chunks == parents && parent.may_refer_to(map.record.pack);
        same.then(|| map.clone())
    }

    fn write_chunk(&mut self, length: usize, before: Chunk) -> Result<Chunk> {
        let plain = &self.plain[..length];
        if plain == &ZEROS[..length] {
            return Ok(None);
        }
        let shared = &*self.shared;
        let hash = shared.lineage.hash_key().hash(plain);
        if let (Some(record), Some(parent)) = (before, &shared.parent)
            && record.hash == hash
            && parent.may_refer_to(record.pack)
        {
            return Ok(Some(record));
        }
        let record = append(shared, &mut self.pack, &mut self.compressor, (plain, hash));
        self.close_full_pack()?;
        Ok(Some(record))
    }

    fn write_map(&mut self) -> Result<MapRef> {
        let map = block_map::encode(&self.chunks);
        let hash = self.shared.lineage.hash_key().hash(&map);
        let shared = &*self.shared;
        let record = append(shared, &mut self.pack, &mut self.compressor, (&map, hash));
        let used = self.chunks.iter().flatten().chain([&record]);
        let live = live_bytes(used);
        self.close_full_pack()?;
        let bytes = u32::try_from(map.len()).expect("a map is small");
        Ok(MapRef {
            record,
            bytes,
            live,
        })
    }

    fn close_full_pack(&mut self) -> Result<()> {
        let full = |pack: &mut PackBuffer| pack.used() >= self.shared.options.pack_bytes as usize;
        match self.pack.take_if(full) {
            Some(pack) => self.shared.submit_pack(pack),
            None => Ok(()),
        }
    }

    /// Hands over the last pack.
    pub fn finish(mut self) -> Result<()> {
        let last = self.pack.take();
        let submitted = last.map_or(Ok(()), |pack| self.shared.submit_pack(pack));
        if submitted.is_ok() {
            self.shared.workers.fetch_sub(1, Ordering::Relaxed);
        }
        submitted
    }
}

fn append(
    shared: &Shared,
    pack: &mut Option<PackBuffer>,
    compressor: &mut Compressor,
    (plain, hash): (&[u8], PlainHash),
) -> RecordRef {
    let pack = pack.get_or_insert_with(|| shared.new_pack());
    pack.append(
        plain,
        hash,
        compressor,
        &shared.key,
        &shared.lineage.repository.entropy,
    )
}

/// How much of which pack these records are, in the order in which packs are
/// met first.
fn live_bytes<'a>(used: impl Iterator<Item = &'a RecordRef>) -> Vec<(PackId, u64)> {
    let mut live: Vec<(PackId, u64)> = Vec::new();
    let mut places: HashMap<PackId, usize> = HashMap::new();
    for record in used {
        let place = *places.entry(record.pack).or_insert_with(|| {
            live.push((record.pack, 0));
            live.len() - 1
        });
        live[place].1 += u64::from(record.stored);
    }
    live
}

/// Reads until `buffer` is full or the source ends.
fn fill(
    buffer: &mut [u8],
    read: &mut impl FnMut(&mut [u8]) -> io::Result<usize>,
) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(length) => filled += length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

impl fmt::Debug for PackWorker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PackWorker({})", self.shared.backup)
    }
}
