//! Writing a piece of a file, and reading the file back once it is whole.
//!
//! What comes from the repository is authentic. What lies in the directory is
//! proved by reading it: each file must have the length and the CRC that the
//! manifest gives it, after the last write to it. That is what `pg_verifybackup`
//! does with checksums, done by the threads that write while the rest is copied.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use holdfast_repo::{EXTENT_BYTES, Extent, ExtentReader, Piece as Bytes};
use holdfast_types::Failure;
use rustix::fs::FallocateFlags;

use super::copy::Shared;
use super::durable::EarlySync;
use super::overwrite;
use super::prepare::{cannot_copy, cannot_write};

/// How much room in a file is made at once. Where blocks have their place already, a
/// write costs the kernel half; a hole is given at most so much room for nothing.
const ROOM_BYTES: u64 = 16 << 20;
/// How much of a file is read back at once: it stays in the cache of a core.
const READ_BYTES: usize = 256 << 10;

/// A part of a file.
pub(super) struct Piece {
    pub(super) file: Arc<Target>,
    pub(super) index: u32,
    pub(super) extent: Option<Extent>,
}

/// A file some of whose pieces are not written yet.
pub(super) struct Target {
    pub(super) path: PathBuf,
    pub(super) size: u64,
    pub(super) mode: u32,
    /// Of all of it, as the manifest will say.
    pub(super) crc32c: u32,
    pub(super) left: AtomicU32,
}

/// Writes pieces on one thread.
pub(super) struct PieceWriter {
    reader: ExtentReader,
    early: EarlySync,
    memory: Box<[u8]>,
}

impl PieceWriter {
    pub(super) fn new(reader: ExtentReader, early: EarlySync) -> Self {
        Self {
            reader,
            early,
            memory: vec![0; READ_BYTES].into_boxed_slice(),
        }
    }

    /// Writes a piece. The last one of a file makes sure of the whole file.
    pub(super) fn write(&mut self, shared: &Shared, piece: &Piece) -> Result<(), Failure> {
        let target = &piece.file;
        let failed = |error: &io::Error| cannot_write(&target.path, error);
        let file = overwrite::open(&target.path).map_err(|error| failed(&error))?;
        if let Some(extent) = &piece.extent {
            self.copy(shared, &file, u64::from(piece.index) * EXTENT_BYTES, extent)
                .map_err(|error| cannot_copy(&target.path, &error))?;
        }
        if target.left.fetch_sub(1, Ordering::AcqRel) == 1 {
            // It may end with zeros that were not written.
            file.set_len(target.size).map_err(|error| failed(&error))?;
            shared
                .hand_over(&target.path, target.mode)
                .map_err(|error| failed(&error))?;
            prove(&file, target, &mut self.memory)?;
        }
        Ok(())
    }

    fn copy(
        &mut self,
        shared: &Shared,
        file: &File,
        start: u64,
        extent: &Extent,
    ) -> Result<(), holdfast_repo::Error> {
        let early = &mut self.early;
        let mut room = 0;
        let sink = |offset: u64, bytes: Bytes<'_>| {
            shared.unless_stopped()?;
            let length = match bytes {
                Bytes::Data(data) => {
                    if offset >= room && extent.plain_bytes() >= ROOM_BYTES {
                        room = make_room(file, start, offset, extent.plain_bytes());
                    }
                    file.write_all_at(data, start + offset)?;
                    early.wrote(file, data.len());
                    data.len() as u64
                }
                Bytes::Hole(zeros) => {
                    // A new file reads as zeros where nothing was written.
                    if shared.over {
                        let at = start + offset;
                        overwrite::zero(file, at..at + zeros)?;
                    }
                    zeros
                }
            };
            shared.cx.add_bytes(length);
            Ok(())
        };
        let copied = if shared.over {
            let held = |offset: u64, there: &mut [u8]| {
                shared.unless_stopped()?;
                overwrite::held(file, start + offset, there)
            };
            let read = self.reader.read_extent_over(extent, held, sink);
            read.map(|same| shared.note_same(same))
        } else {
            self.reader.read_extent(extent, sink)
        };
        early.end_of(file);
        copied
    }
}

/// Makes room from `offset` of the extent that begins at `start` and holds `bytes`,
/// and returns up to where in the extent.
fn make_room(file: &File, start: u64, offset: u64, bytes: u64) -> u64 {
    let until = (offset + ROOM_BYTES).min(bytes);
    // Where it cannot be made, the write makes it, or says why it cannot.
    let flags = FallocateFlags::empty();
    let _ = rustix::fs::fallocate(file, flags, start + offset, until - offset);
    until
}

/// The length and the CRC-32C of what a file holds.
fn read_back(file: &File, memory: &mut [u8]) -> io::Result<(u64, u32)> {
    let (mut at, mut crc) = (0, 0);
    loop {
        match file.read_at(memory, at) {
            Ok(0) => return Ok((at, crc)),
            Ok(length) => {
                crc = crc32c::crc32c_append(crc, &memory[..length]);
                at += length as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// I-12: what counts as written is what was read back.
fn prove(file: &File, target: &Target, memory: &mut [u8]) -> Result<(), Failure> {
    let read = read_back(file, memory).map_err(|error| cannot_write(&target.path, &error))?;
    if read == (target.size, target.crc32c) {
        return Ok(());
    }
    let (length, crc) = read;
    Err(Failure::permanent(
        "restore_verification_failed",
        format!(
            "{} reads back as {length} bytes with the CRC {crc:08x}; it was to have {} bytes and \
             {:08x}",
            target.path.display(),
            target.size,
            target.crc32c
        ),
        "the volume may be failing: look at the kernel's log, then restore into another directory",
    ))
}

impl Piece {
    fn bytes(&self) -> u64 {
        self.extent.as_ref().map_or(0, Extent::plain_bytes)
    }
}

/// By size; among equals the order does not matter.
impl Ord for Piece {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.bytes().cmp(&other.bytes())
    }
}

impl PartialOrd for Piece {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Piece {
    fn eq(&self, other: &Self) -> bool {
        self.bytes() == other.bytes()
    }
}

impl Eq for Piece {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_does_not_read_back_ends_the_restore() {
        let file = tempfile::tempfile().unwrap();
        let bytes: Vec<u8> = (0..100_000u32).flat_map(u32::to_le_bytes).collect();
        file.write_all_at(&bytes, 0).unwrap();
        let target = Target {
            path: "base/5/16384".into(),
            size: bytes.len() as u64,
            mode: 0o600,
            crc32c: crc32c::crc32c(&bytes),
            left: AtomicU32::new(0),
        };
        let mut memory = [0; 4096];
        let mut prove = || prove(&file, &target, &mut memory).map_err(|failure| failure.code);
        assert_eq!(prove(), Ok(()));
        let failed = Err("restore_verification_failed".to_owned());
        // One bit that is not what was written; a piece that was not written; an end too far.
        file.write_all_at(&[bytes[77_777] ^ 1], 77_777).unwrap();
        assert_eq!(prove(), failed);
        file.write_all_at(&bytes, 0).unwrap();
        assert_eq!(prove(), Ok(()));
        file.write_all_at(&[0; 4096], 8192).unwrap();
        assert_eq!(prove(), failed);
        file.write_all_at(&bytes, 0).unwrap();
        file.set_len(target.size + 1).unwrap();
        assert_eq!(prove(), failed);
        file.set_len(target.size - 1).unwrap();
        assert_eq!(prove(), failed);
    }
}
