//! The threads of the copy: one that walks, others that read pieces of files.
//!
//! A file is cut into pieces of at most 256 MiB, which several threads may read
//! at once; the one that finishes the last piece makes the file an entry.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use holdfast_pg::exclude;
use holdfast_repo::{
    BackupWriter, DirectoryEntry, EXTENT_BYTES, Entry, Extent, FileEntry, PackWorker, Parent,
    SymlinkEntry,
};
use holdfast_types::{Failure, Lsn};
use tokio::sync::{mpsc, oneshot};

use super::copy::{Copied, entry_path};
use super::pages::{PageCheck, RangeReader};
use super::prepare::unreadable;
use super::unchanged::Rule;
use super::walk::{Found, FoundFile};
use crate::failure::of_repository;
use crate::job::JobContext;
use crate::job::queue::Queue;

/// How many damaged files are named.
const NAMED_FILES: usize = 50;

/// What all threads share.
pub(super) struct Shared {
    pub(super) queue: Queue<Piece>,
    pub(super) writer: BackupWriter,
    /// What an incremental is made against.
    pub(super) before: Option<Before>,
    pub(super) source: Source,
    pub(super) cx: JobContext,
    /// The first failure; the others follow from it.
    pub(super) failed: Mutex<Option<Failure>>,
    pub(super) copied: Mutex<Copied>,
    pub(super) positions: mpsc::Sender<oneshot::Sender<Option<Lsn>>>,
}

/// What an incremental is made against.
pub(super) struct Before {
    pub(super) parent: Parent,
    pub(super) rule: Rule,
}

/// What is copied from.
pub(super) struct Source {
    pub(super) data_dir: PathBuf,
    /// This server's directory in each tablespace.
    pub(super) version_directory: String,
    pub(super) start_lsn: Lsn,
    pub(super) page_bytes: u32,
    pub(super) blocks_per_segment: u32,
    pub(super) checksums: bool,
}

/// A part of a file.
pub(super) struct Piece {
    file: Arc<Pending>,
    index: u32,
    bytes: u64,
}

/// A file that some of whose pieces are not read yet.
struct Pending {
    found: FoundFile,
    /// What the parent holds of it.
    before: Vec<Extent>,
    pieces: u32,
    left: AtomicU32,
    /// Whether it is gone, or is another file by now.
    gone: AtomicBool,
    parts: Mutex<BTreeMap<u32, (Extent, Vec<u32>)>>,
}

impl Shared {
    pub(super) fn walk(&self) -> Result<(), Failure> {
        let (root, version) = (&self.source.data_dir, &self.source.version_directory);
        super::walk::walk(root, version, |found| {
            match found {
                Found::Tablespace { path, oid, target } => {
                    self.copied().tablespaces.link(oid, target.as_path());
                    let path = entry_path(&path)?;
                    self.add(&Entry::Symlink(SymlinkEntry { path, target }))?;
                }
                Found::Warning(text) => self.cx.log(format!("warning: {text}")),
                Found::Directory { path, mode } => {
                    let path = entry_path(&path)?;
                    self.add(&Entry::Directory(DirectoryEntry { path, mode }))?;
                }
                Found::File(file) => return self.take(file),
            }
            Ok(!self.queue.is_stopped())
        })
    }

    /// Takes over what is unchanged, and has the threads read the rest.
    fn take(&self, found: FoundFile) -> Result<bool, Failure> {
        let Some(Before { parent, rule }) = &self.before else {
            return Ok(self.enqueue(found, Vec::new()));
        };
        let path = entry_path(&found.path)?;
        let known = parent.file(&path).map_err(|error| of_repository(&error))?;
        let Some(known) = known else {
            return Ok(self.enqueue(found, Vec::new()));
        };
        if !rule.is_unchanged(&found, &known) || !parent.may_keep(&known.extents) {
            return Ok(self.enqueue(found, known.extents));
        }
        self.cx.add_bytes(known.size);
        {
            let mut copied = self.copied();
            copied.files += 1;
            copied.unchanged_files += 1;
            copied.tablespaces.file(&found.path, known.size);
        }
        let mode = found.mode;
        self.add(&Entry::File(FileEntry { mode, ..known }))?;
        Ok(!self.queue.is_stopped())
    }

    fn enqueue(&self, found: FoundFile, before: Vec<Extent>) -> bool {
        let pieces = found.size.div_ceil(EXTENT_BYTES).max(1);
        // A file of a relation has at most 1 GiB; the bound is 1 EiB.
        let pieces = u32::try_from(pieces).unwrap_or(u32::MAX);
        let size = found.size;
        let file = Arc::new(Pending {
            found,
            before,
            pieces,
            left: AtomicU32::new(pieces),
            gone: AtomicBool::new(false),
            parts: Mutex::default(),
        });
        (0..pieces).all(|index| {
            let bytes = (size - u64::from(index) * EXTENT_BYTES).min(EXTENT_BYTES);
            self.queue.push(Piece {
                file: Arc::clone(&file),
                index,
                bytes,
            })
        })
    }

    pub(super) fn work(&self) -> Result<(), Failure> {
        let mut worker = self.writer.worker();
        while let Some(piece) = self.queue.pop() {
            self.read(&mut worker, &piece)?;
            if piece.file.left.fetch_sub(1, Ordering::AcqRel) == 1 {
                self.complete(&piece.file)?;
            }
        }
        if self.queue.is_stopped() {
            return Ok(());
        }
        worker.finish().map_err(|error| of_repository(&error))
    }

    /// Reads a piece, unless its file is gone: then WAL says so.
    fn read(&self, worker: &mut PackWorker, piece: &Piece) -> Result<(), Failure> {
        let found = &piece.file.found;
        let path = self.source.data_dir.join(&found.path);
        if found.size == 0 {
            return Ok(());
        }
        let file = match open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                piece.file.gone.store(true, Ordering::Relaxed);
                return Ok(());
            }
            Err(error) => return Err(unreadable(&path, &error)),
        };
        let inode = file
            .metadata()
            .map_err(|error| unreadable(&path, &error))?
            .ino();
        if inode != found.inode {
            // Dropped and made again under its name: the new one began after
            // the backup did, so WAL holds all of it.
            piece.file.gone.store(true, Ordering::Relaxed);
            return Ok(());
        }
        let start = u64::from(piece.index) * EXTENT_BYTES;
        let is_last = piece.index + 1 == piece.file.pieces;
        let ask = || self.insert_position();
        let check = self.page_check(&found.path, &ask);
        let mut range = RangeReader::new(&file, start..start + piece.bytes, !is_last, check);
        let before = piece.file.before.get(piece.index as usize);
        let extent = worker.write_extent_over(before, |buffer| {
            if self.queue.is_stopped() {
                return Err(std::io::Error::other("the backup was stopped"));
            }
            let length = range.read(buffer)?;
            self.cx.add_bytes(length as u64);
            Ok(length)
        });
        let extent = extent.map_err(|error| match error {
            holdfast_repo::Error::Local(error) => unreadable(&path, &error),
            error => of_repository(&error),
        })?;
        if extent.plain_bytes() > 0 {
            piece
                .file
                .parts()
                .insert(piece.index, (extent, range.bad_blocks));
        }
        Ok(())
    }

    /// All pieces of a file are read: it becomes an entry.
    fn complete(&self, file: &Pending) -> Result<(), Failure> {
        if file.gone.load(Ordering::Relaxed) || self.queue.is_stopped() {
            return Ok(());
        }
        let (mut extents, mut bad_blocks) = (Vec::new(), Vec::new());
        for (_, (extent, bad)) in std::mem::take(&mut *file.parts()) {
            extents.push(extent);
            bad_blocks.extend(bad);
        }
        let found = &file.found;
        let size = extents.iter().map(Extent::plain_bytes).sum();
        {
            let mut copied = self.copied();
            copied.files += 1;
            copied.tablespaces.file(&found.path, size);
            copied.corrupt_pages += bad_blocks.len() as u64;
            if !bad_blocks.is_empty() && copied.corrupt_files.len() < NAMED_FILES {
                copied
                    .corrupt_files
                    .insert(found.path.display().to_string(), bad_blocks.clone());
            }
        }
        self.add(&Entry::File(FileEntry {
            path: entry_path(&found.path)?,
            size,
            mode: found.mode,
            mtime_ns: found.mtime_ns,
            ctime_ns: found.ctime_ns,
            inode: found.inode,
            extents,
            bad_blocks,
        }))
    }

    fn page_check<'a>(
        &self,
        path: &Path,
        insert_position: &'a dyn Fn() -> Option<Lsn>,
    ) -> Option<PageCheck<'a>> {
        if !self.source.checksums {
            return None;
        }
        let relation = exclude::relation_file(path)?;
        Some(PageCheck {
            page_bytes: usize::try_from(self.source.page_bytes).ok()?,
            first_block: relation.first_block(self.source.blocks_per_segment)?,
            start_lsn: self.source.start_lsn,
            insert_position,
        })
    }

    /// Asks PostgreSQL, through the session that holds the backup.
    fn insert_position(&self) -> Option<Lsn> {
        let (answer, answered) = oneshot::channel();
        self.positions.blocking_send(answer).ok()?;
        answered.blocking_recv().ok()?
    }

    pub(super) fn add(&self, entry: &Entry) -> Result<(), Failure> {
        self.writer
            .add(entry)
            .map_err(|error| of_repository(&error))
    }

    pub(super) fn copied(&self) -> MutexGuard<'_, Copied> {
        self.copied.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn fail(&self, failure: Failure) {
        let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        failed.get_or_insert(failure);
        drop(failed);
        self.stop();
    }

    pub(super) fn stop(&self) {
        self.queue.stop();
    }
}

impl Pending {
    fn parts(&self) -> MutexGuard<'_, BTreeMap<u32, (Extent, Vec<u32>)>> {
        self.parts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// By size; among equals the order does not matter.
impl Ord for Piece {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.bytes.cmp(&other.bytes)
    }
}

impl PartialOrd for Piece {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Piece {
    fn eq(&self, other: &Self) -> bool {
        self.bytes == other.bytes
    }
}

impl Eq for Piece {}

/// Opens a file for one reading from front to back.
fn open(path: &Path) -> std::io::Result<File> {
    let file = File::open(path)?;
    // Advice only: where it is not taken, nothing is lost.
    let _ = rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::Sequential);
    Ok(file)
}
