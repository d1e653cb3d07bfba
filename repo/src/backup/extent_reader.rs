//! Reading file content back. Every chunk is opened, unpacked and checked
//! against its hash before anybody sees a byte of it.

use std::fmt;
use std::io;
use std::sync::Arc;

use tokio::runtime::Handle;

use super::fetch::{Fetcher, Part};
use super::manifest::PackInfo;
use super::reader::Shared;
use crate::block_map;
use crate::chunk::{CHUNK_BYTES, Chunk, Content, Extent, MapRef, PackId, RecordRef, chunk_length};
use crate::crypto::SealingKey;
use crate::error::Damage;
use crate::pack::RecordOpener;
use crate::{Error, Result};

/// A piece of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Piece<'a> {
    /// These bytes.
    Data(&'a [u8]),
    /// So many zeros.
    Hole(u64),
}

/// Reads extents on one thread outside the runtime.
pub struct ExtentReader {
    shared: Arc<Shared>,
    fetcher: Fetcher,
    opener: RecordOpener,
    run: Run,
}

/// What the sink gets at once at the most. It is written by one call then, and is
/// still in the cache of the core that opened it.
const RUN_BYTES: usize = 8 * CHUNK_BYTES;

/// Chunks in a row, opened and not yet given to the sink.
struct Run {
    plain: Box<[u8]>,
    length: usize,
    extent: usize,
    /// Where it begins in the extent.
    offset: u64,
}

impl Run {
    /// Gives what there is to the sink.
    fn give(
        &mut self,
        sink: &mut impl FnMut(usize, u64, Piece<'_>) -> io::Result<()>,
    ) -> Result<()> {
        let length = std::mem::take(&mut self.length);
        if length == 0 {
            return Ok(());
        }
        let piece = Piece::Data(&self.plain[..length]);
        sink(self.extent, self.offset, piece).map_err(Error::Local)
    }

    /// Whether a chunk at this place may follow.
    fn takes(&self, extent: usize, offset: u64) -> bool {
        self.extent == extent
            && self.offset + self.length as u64 == offset
            && self.length + CHUNK_BYTES <= self.plain.len()
    }
}

/// Unwanted bytes between chunks that are read rather than asked around.
const FETCH_GAP: u64 = 128 << 10;

/// Items that one request brings.
#[derive(Debug, PartialEq, Eq)]
struct Fetch {
    part: Part,
    /// Up to which item.
    end: usize,
}

/// A chunk on its way from a pack to the sink.
#[derive(Debug, Clone, Copy)]
struct Item {
    extent: usize,
    /// Its index in the extent.
    at: usize,
    chunk: Chunk,
    /// The CRC of its plain bytes, when whoever reads has them already.
    held: Option<u32>,
}

static ZEROS: [u8; CHUNK_BYTES] = [0; CHUNK_BYTES];

impl ExtentReader {
    pub(super) fn new(shared: Arc<Shared>, runtime: Handle) -> Self {
        Self {
            fetcher: Fetcher::new(Arc::clone(&shared), runtime),
            shared,
            opener: RecordOpener::new(),
            run: Run {
                plain: vec![0; RUN_BYTES].into_boxed_slice(),
                length: 0,
                extent: 0,
                offset: 0,
            },
        }
    }

    /// Reads an extent of this backup in order and gives every piece to
    /// `sink`, with its offset in the extent. Blocks, so not for threads of the
    /// runtime. An error of `sink` is [`Error::Local`].
    pub fn read_extent(
        &mut self,
        extent: &Extent,
        mut sink: impl FnMut(u64, Piece<'_>) -> io::Result<()>,
    ) -> Result<()> {
        self.read_extents(&[extent], |_, offset, piece| sink(offset, piece))
    }

    /// Reads several extents, one after the other, and gives every piece to
    /// `sink` with the index of its extent. Many small files are read with few
    /// requests this way, because neighbours in a pack are fetched together.
    pub fn read_extents(
        &mut self,
        extents: &[&Extent],
        mut sink: impl FnMut(usize, u64, Piece<'_>) -> io::Result<()>,
    ) -> Result<()> {
        let items = self.items(extents)?;
        self.read_items(extents, &items, &mut sink)
    }

    /// The same for somebody who may have parts of the extent already: `held`
    /// fills a buffer with what it has at an offset, or says that it has less.
    /// What is the very same, by its keyed hash, is neither fetched nor given
    /// to `sink`. Returns how many bytes that were.
    pub fn read_extent_over(
        &mut self,
        extent: &Extent,
        mut held: impl FnMut(u64, &mut [u8]) -> io::Result<bool>,
        mut sink: impl FnMut(u64, Piece<'_>) -> io::Result<()>,
    ) -> Result<u64> {
        let mut items = self.items(&[extent])?;
        let mut same_bytes = 0;
        let mut plain = std::mem::take(&mut self.run.plain);
        let compared = items.iter_mut().try_for_each(|item| {
            let length = chunk_length(extent.plain_bytes(), item.at);
            let there = &mut plain[..length];
            if held(item.at as u64 * CHUNK_BYTES as u64, there)? && self.is(item.chunk, there) {
                item.held = Some(crc32c::crc32c(there));
                same_bytes += length as u64;
            }
            Ok(())
        });
        self.run.plain = plain;
        compared.map_err(Error::Local)?;
        self.read_items(&[extent], &items, &mut |_, offset, piece| {
            sink(offset, piece)
        })?;
        Ok(same_bytes)
    }

    /// Whether a chunk has these plain bytes.
    fn is(&self, chunk: Chunk, plain: &[u8]) -> bool {
        match chunk {
            Some(record) => self.shared.lineage.hash_key().hash(plain) == record.hash,
            None => plain == &ZEROS[..plain.len()],
        }
    }

    fn read_items(
        &mut self,
        extents: &[&Extent],
        items: &[Item],
        sink: &mut impl FnMut(usize, u64, Piece<'_>) -> io::Result<()>,
    ) -> Result<()> {
        // An error may have left something of the extents before.
        self.run.length = 0;
        let fetches = plan(items, self.fetcher.longest());
        let mut crc = 0;
        let mut done = 0;
        for (index, fetch) in fetches.iter().enumerate() {
            let next = fetches.get(index + 1).map(|next| &next.part);
            let bytes = self.fetcher.fetch(&fetch.part, next)?;
            for item in &items[done..fetch.end] {
                let extent = extents[item.extent];
                let bytes = (&*bytes, fetch.part.range.start);
                crc = self.emit(extent, *item, bytes, crc, sink)?;
            }
            self.fetcher.give_back(bytes);
            done = fetch.end;
        }
        for item in &items[done..] {
            crc = self.emit(extents[item.extent], *item, (&[], 0), crc, sink)?;
        }
        Ok(())
    }

    fn items(&mut self, extents: &[&Extent]) -> Result<Vec<Item>> {
        let mut items = Vec::new();
        for (index, extent) in extents.iter().enumerate() {
            let mut push = |chunks: &[Chunk]| {
                let chunks = chunks.iter().enumerate();
                items.extend(chunks.map(|(at, chunk)| Item {
                    extent: index,
                    at,
                    chunk: *chunk,
                    held: None,
                }));
            };
            match &extent.content {
                Content::Chunks(chunks) => push(chunks),
                Content::Map(map) => push(&self.read_map(extent, map)?),
            }
        }
        Ok(items)
    }

    /// Opens one chunk, which goes to the sink with those that follow it. `bytes` are
    /// those of the pack from the offset beside them on. Returns the CRC of the extent
    /// so far, or 0 after its last chunk, when that CRC was right.
    fn emit(
        &mut self,
        extent: &Extent,
        item: Item,
        (bytes, start): (&[u8], u64),
        crc: u32,
        sink: &mut impl FnMut(usize, u64, Piece<'_>) -> io::Result<()>,
    ) -> Result<u32> {
        let offset = item.at as u64 * CHUNK_BYTES as u64;
        let length = chunk_length(extent.plain_bytes(), item.at);
        // What is not a chunk to open comes after those that wait.
        let opens = item.held.is_none() && item.chunk.is_some();
        if !opens || !self.run.takes(item.extent, offset) {
            self.run.give(sink)?;
        }
        let crc = if let Some(held) = item.held {
            crc32c::crc32c_combine(crc, held, length)
        } else if let Some(record) = item.chunk {
            let from = usize::try_from(u64::from(record.offset) - start).unwrap_or(usize::MAX);
            let sealed = bytes.get(from..from.saturating_add(record.stored as usize));
            let sealed = sealed.ok_or_else(|| self.damaged(record.pack, Damage::Truncated))?;
            self.open_behind(&record, sealed, (item.extent, offset, length), crc)?
        } else {
            sink(item.extent, offset, Piece::Hole(length as u64)).map_err(Error::Local)?;
            crc32c::crc32c_append(crc, &ZEROS[..length])
        };
        if item.at + 1 < extent.chunk_count() {
            return Ok(crc);
        }
        self.run.give(sink)?;
        if crc == extent.crc32c() {
            return Ok(0);
        }
        // Every chunk is right and the whole is not: the manifest is wrong.
        let object = self
            .shared
            .lineage
            .name(&format!("manifests/{}", self.shared.backup.id));
        Err(Error::damaged(
            object,
            Damage::Structure("the CRC of an extent".into()),
        ))
    }

    /// Opens a chunk behind those that wait for the sink, and goes on with the CRC.
    fn open_behind(
        &mut self,
        record: &RecordRef,
        sealed: &[u8],
        (extent, offset, length): (usize, u64, usize),
        crc: u32,
    ) -> Result<u32> {
        let mut plain = std::mem::take(&mut self.run.plain);
        let behind = self.run.length..self.run.length + length;
        let opened = self.open(record, sealed, &mut plain[behind.clone()]);
        let crc = crc32c::crc32c_append(crc, &plain[behind]);
        self.run.plain = plain;
        opened?;
        if self.run.length == 0 {
            (self.run.extent, self.run.offset) = (extent, offset);
        }
        self.run.length += length;
        Ok(crc)
    }

    fn open(&mut self, record: &RecordRef, sealed: &[u8], plain: &mut [u8]) -> Result<()> {
        let shared = Arc::clone(&self.shared);
        let (_, key) = shared.pack(record.pack)?;
        let keys = (&**key, shared.lineage.hash_key());
        let opened = self
            .opener
            .open(record, sealed, shared.lineage.place(), keys, plain);
        opened.map_err(|damage| self.damaged(record.pack, damage))
    }

    /// Reads the block map of an extent.
    pub(crate) fn read_map(&mut self, extent: &Extent, map: &MapRef) -> Result<Vec<Chunk>> {
        let pack = map.record.pack;
        if map.bytes as usize > block_map::MAX_BYTES {
            return Err(self.damaged(pack, Damage::Structure("a block map's length".into())));
        }
        let range = u64::from(map.record.offset)..map.record.end();
        let sealed = self.fetcher.fetch(&Part { pack, range }, None)?;
        let mut plain = vec![0; map.bytes as usize];
        let opened = self.open(&map.record, &sealed, &mut plain);
        self.fetcher.give_back(sealed);
        opened?;
        let chunks = block_map::decode(&plain).map_err(|damage| self.damaged(pack, damage))?;
        if chunks.len() == extent.chunk_count() {
            return Ok(chunks);
        }
        Err(self.damaged(
            pack,
            Damage::Structure("a block map of another extent".into()),
        ))
    }

    fn damaged(&self, pack: PackId, damage: Damage) -> Error {
        Error::damaged(self.shared.lineage.name(&pack.name()), damage)
    }
}

impl Shared {
    pub(super) fn pack(&self, pack: PackId) -> Result<(&PackInfo, &Arc<SealingKey>)> {
        let found = self.packs.get(&pack);
        let found = found.and_then(|info| Some((info, self.keys.get(&info.key)?)));
        found.ok_or_else(|| {
            let object = self.lineage.name(&format!("manifests/{}", self.backup.id));
            Error::damaged(
                object,
                Damage::Structure(format!("pack {pack} is not listed")),
            )
        })
    }
}

/// Joins neighbouring chunks into requests of at most `longest` bytes, in the order
/// of the files.
fn plan(items: &[Item], longest: u64) -> Vec<Fetch> {
    let mut fetches: Vec<Fetch> = Vec::new();
    for (index, item) in items.iter().enumerate() {
        let wanted = item.chunk.filter(|_| item.held.is_none());
        let Some(record) = wanted else { continue };
        let start = u64::from(record.offset);
        match fetches.last_mut() {
            Some(last)
                if last.part.pack == record.pack
                    && start >= last.part.range.end
                    && start - last.part.range.end <= FETCH_GAP
                    && record.end() - last.part.range.start <= longest =>
            {
                last.part.range.end = record.end();
                last.end = index + 1;
            }
            _ => fetches.push(Fetch {
                part: Part {
                    pack: record.pack,
                    range: start..record.end(),
                },
                end: index + 1,
            }),
        }
    }
    fetches
}

impl fmt::Debug for ExtentReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ExtentReader({})", self.shared.backup.id)
    }
}
