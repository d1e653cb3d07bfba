//! Phase copy: every file of the data directory goes into the repository.
//!
//! One thread walks, one per core reads, hashes, compresses and seals pieces
//! of at most 256 MiB, the largest known piece first. Everything between them
//! is bounded. No byte is read twice but for pages that fail their checksum.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use holdfast_pg::control_file;
use holdfast_pg::exclude;
use holdfast_repo::{
    BackupWriter, ConfigEntry, DirectoryEntry, EXTENT_BYTES, Entry, EntryPath, Extent, FileEntry,
    PackWorker,
};
use holdfast_types::{Failure, JobPhase, Lsn};
use tokio::sync::{mpsc, oneshot};

use super::outside::OutsideFile;
use super::pages::{PageCheck, RangeReader};
use super::prepare::{Ready, unreadable};
use super::start::Started;
use super::walk::{Found, FoundFile};
use super::{Stopped, control};
use crate::failure::of_repository;
use crate::job::JobContext;
use crate::job::queue::Queue;

/// Pieces that wait for a thread.
const WAITING: usize = 4096;
/// How often the server is asked whether it still holds our backup open.
const CHECK_EVERY: Duration = Duration::from_secs(15);
/// How many damaged files are named.
const NAMED_FILES: usize = 50;

/// What was copied.
#[derive(Debug, Default)]
pub(super) struct Copied {
    pub(super) files: u64,
    pub(super) corrupt_pages: u64,
    /// Damaged files and the blocks in them, as far as they are named.
    pub(super) corrupt_files: BTreeMap<String, Vec<u32>>,
}

/// What all threads share.
struct Shared {
    queue: Queue<Piece>,
    writer: BackupWriter,
    source: Source,
    cx: JobContext,
    /// The first failure; the others follow from it.
    failed: Mutex<Option<Failure>>,
    copied: Mutex<Copied>,
    positions: mpsc::Sender<oneshot::Sender<Option<Lsn>>>,
}

/// What is copied from.
struct Source {
    data_dir: std::path::PathBuf,
    start_lsn: Lsn,
    page_bytes: u32,
    blocks_per_segment: u32,
    checksums: bool,
}

/// A part of a file.
struct Piece {
    file: Arc<Pending>,
    index: u32,
    bytes: u64,
}

/// A file that some of whose pieces are not read yet.
struct Pending {
    found: FoundFile,
    pieces: u32,
    left: AtomicU32,
    /// Whether it is gone, or is another file by now.
    gone: AtomicU64,
    parts: Mutex<BTreeMap<u32, (Extent, Vec<u32>)>>,
}

/// Copies everything. Its threads have ended when it returns.
pub(super) async fn run(
    cx: &JobContext,
    prepared: &Ready,
    started: &Started,
) -> Result<Copied, Stopped> {
    cx.enter(JobPhase::Copy);
    cx.expect_bytes(prepared.facts.database_bytes);
    let (positions, mut asked) = mpsc::channel(1);
    let shared = Arc::new(Shared {
        queue: Queue::new(WAITING),
        writer: started.writer.clone(),
        source: Source {
            data_dir: prepared.data_dir.clone(),
            start_lsn: started.session.start_lsn(),
            page_bytes: prepared.control.block_size,
            blocks_per_segment: prepared.control.blocks_per_segment,
            checksums: prepared.control.has_data_checksums(),
        },
        cx: cx.clone(),
        failed: Mutex::default(),
        copied: Mutex::default(),
        positions,
    });
    // If this future is dropped, the threads must not go on without it.
    let _guard = StopOnDrop(Arc::clone(&shared));
    let mut threads = spawn(&shared);
    let mut check = tokio::time::interval(CHECK_EVERY);
    let mut cancelled = false;
    loop {
        tokio::select! {
            biased;
            () = cx.cancel().cancelled(), if !cancelled => {
                cancelled = true;
                shared.stop();
            }
            joined = threads.join_next() => match joined {
                None => break,
                Some(Ok(())) => {}
                Some(Err(error)) => shared.fail(thread_died(&error)),
            },
            Some(answer) = asked.recv() => {
                let position = started.session.session().insert_position().await;
                // The thread that asked may have been stopped meanwhile.
                let _ = answer.send(position.ok().flatten());
            }
            _ = check.tick() => {
                if let Err(error) = started.session.check().await {
                    shared.fail(crate::failure::of_postgres(&error));
                }
            }
        }
    }
    if cancelled {
        return Err(Stopped::Cancelled);
    }
    if let Some(failure) = shared
        .failed
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .take()
    {
        return Err(Stopped::Failed(failure));
    }
    copy_control_file(&shared, prepared).await?;
    copy_outside(&shared, &prepared.outside.files).await?;
    let copied = std::mem::take(&mut *shared.copied());
    report(cx, &copied);
    Ok(copied)
}

fn spawn(shared: &Arc<Shared>) -> tokio::task::JoinSet<()> {
    let mut threads = tokio::task::JoinSet::new();
    let walker = Arc::clone(shared);
    threads.spawn_blocking(move || {
        if let Err(failure) = walker.walk() {
            walker.fail(failure);
        }
        walker.queue.end();
    });
    let cores = std::thread::available_parallelism().map_or(2, usize::from);
    for _ in 0..cores {
        let shared = Arc::clone(shared);
        threads.spawn_blocking(move || {
            if let Err(failure) = shared.work() {
                shared.fail(failure);
            }
        });
    }
    threads
}

impl Shared {
    fn walk(&self) -> Result<(), Failure> {
        super::walk::walk(&self.source.data_dir, |found| {
            match found {
                Found::Warning(text) => self.cx.log(format!("warning: {text}")),
                Found::Directory { path, mode } => {
                    let path = entry_path(&path)?;
                    self.add(&Entry::Directory(DirectoryEntry { path, mode }))?;
                }
                Found::File(file) => return Ok(self.enqueue(file)),
            }
            Ok(!self.queue.is_stopped())
        })
    }

    fn enqueue(&self, found: FoundFile) -> bool {
        let pieces = found.size.div_ceil(EXTENT_BYTES).max(1);
        // A file of a relation has at most 1 GiB; the bound is 1 EiB.
        let pieces = u32::try_from(pieces).unwrap_or(u32::MAX);
        let size = found.size;
        let file = Arc::new(Pending {
            found,
            pieces,
            left: AtomicU32::new(pieces),
            gone: AtomicU64::new(0),
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

    fn work(&self) -> Result<(), Failure> {
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
                piece.file.gone.store(1, Ordering::Relaxed);
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
            piece.file.gone.store(1, Ordering::Relaxed);
            return Ok(());
        }
        let start = u64::from(piece.index) * EXTENT_BYTES;
        let is_last = piece.index + 1 == piece.file.pieces;
        let ask = || self.insert_position();
        let check = self.page_check(&found.path, &ask);
        let mut range = RangeReader::new(&file, start..start + piece.bytes, !is_last, check);
        let extent = worker.write_extent(|buffer| {
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
        if file.gone.load(Ordering::Relaxed) != 0 || self.queue.is_stopped() {
            return Ok(());
        }
        let (mut extents, mut bad_blocks) = (Vec::new(), Vec::new());
        for (_, (extent, bad)) in std::mem::take(&mut *file.parts()) {
            extents.push(extent);
            bad_blocks.extend(bad);
        }
        let found = &file.found;
        {
            let mut copied = self.copied();
            copied.files += 1;
            copied.corrupt_pages += bad_blocks.len() as u64;
            if !bad_blocks.is_empty() && copied.corrupt_files.len() < NAMED_FILES {
                copied
                    .corrupt_files
                    .insert(found.path.display().to_string(), bad_blocks.clone());
            }
        }
        self.add(&Entry::File(FileEntry {
            path: entry_path(&found.path)?,
            size: extents.iter().map(Extent::plain_bytes).sum(),
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

    fn add(&self, entry: &Entry) -> Result<(), Failure> {
        self.writer
            .add(entry)
            .map_err(|error| of_repository(&error))
    }

    fn copied(&self) -> std::sync::MutexGuard<'_, Copied> {
        self.copied.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fail(&self, failure: Failure) {
        let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        failed.get_or_insert(failure);
        drop(failed);
        self.stop();
    }

    fn stop(&self) {
        self.queue.stop();
    }
}

impl Pending {
    fn parts(&self) -> std::sync::MutexGuard<'_, BTreeMap<u32, (Extent, Vec<u32>)>> {
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

struct StopOnDrop(Arc<Shared>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.stop();
    }
}

/// Opens a file for one reading from front to back.
fn open(path: &Path) -> std::io::Result<File> {
    let file = File::open(path)?;
    // Advice only: where it is not taken, nothing is lost.
    let _ = rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::Sequential);
    Ok(file)
}

/// The control file, after everything else: it must not know of a checkpoint
/// that the files do not have.
async fn copy_control_file(shared: &Arc<Shared>, prepared: &Ready) -> Result<(), Stopped> {
    let path = prepared.data_dir.join(control_file::PATH);
    on_thread(shared, move |shared| {
        let (control, bytes) = control::read(&path)?;
        if control.redo_lsn < shared.source.start_lsn {
            return Err(Failure::transient(
                "control_file_too_old",
                format!(
                    "{} knows no checkpoint since {}",
                    path.display(),
                    shared.source.start_lsn
                ),
                "the directory may be a snapshot, or of another server; take the backup again",
            ));
        }
        let meta = std::fs::metadata(&path).map_err(|error| unreadable(&path, &error))?;
        let relative = Path::new(control_file::PATH);
        let extents = write_bytes(shared, &bytes)?;
        let nanoseconds =
            |seconds: i64, rest: i64| seconds.saturating_mul(1_000_000_000).saturating_add(rest);
        shared.copied().files += 1;
        shared.add(&Entry::File(FileEntry {
            path: entry_path(relative)?,
            size: bytes.len() as u64,
            mode: meta.mode() & 0o7777,
            mtime_ns: nanoseconds(meta.mtime(), meta.mtime_nsec()),
            ctime_ns: nanoseconds(meta.ctime(), meta.ctime_nsec()),
            inode: meta.ino(),
            extents,
            bad_blocks: Vec::new(),
        }))
    })
    .await
}

/// Configuration that lies outside of the data directory.
async fn copy_outside(shared: &Arc<Shared>, files: &[OutsideFile]) -> Result<(), Stopped> {
    if files.is_empty() {
        return Ok(());
    }
    let files = files.to_vec();
    on_thread(shared, move |shared| {
        for file in files {
            let extents = write_bytes(shared, &file.bytes)?;
            shared.add(&Entry::Config(ConfigEntry {
                origin: entry_path(&file.path)?,
                size: file.bytes.len() as u64,
                mode: file.mode,
                mtime_ns: file.mtime_ns,
                extents,
            }))?;
        }
        Ok(())
    })
    .await
}

/// Writes what is in memory.
fn write_bytes(shared: &Shared, bytes: &[u8]) -> Result<Vec<Extent>, Failure> {
    let mut worker = shared.writer.worker();
    let mut left = bytes;
    let extent = worker.write_extent(|buffer| std::io::Read::read(&mut left, buffer));
    let extent = extent.map_err(|error| of_repository(&error))?;
    worker.finish().map_err(|error| of_repository(&error))?;
    Ok(if extent.plain_bytes() == 0 {
        Vec::new()
    } else {
        vec![extent]
    })
}

async fn on_thread(
    shared: &Arc<Shared>,
    work: impl FnOnce(&Shared) -> Result<(), Failure> + Send + 'static,
) -> Result<(), Stopped> {
    let shared = Arc::clone(shared);
    let done = tokio::task::spawn_blocking(move || work(&shared)).await;
    done.map_err(|error| thread_died(&error))?
        .map_err(Stopped::Failed)
}

pub(super) fn entry_path(path: &Path) -> Result<EntryPath, Failure> {
    EntryPath::new(path)
        .map_err(|error| Failure::permanent("invalid_path", error.to_string(), "rename the file"))
}

/// A panic in one of our threads: the process lives on, the job does not.
pub(crate) fn thread_died(error: &tokio::task::JoinError) -> Failure {
    Failure::permanent(
        "agent_defect",
        format!("a thread of the agent ended unexpectedly: {error}"),
        "this is a defect in Holdfast: please report it with the agent's log",
    )
}

fn report(cx: &JobContext, copied: &Copied) {
    cx.log(format!("{} files copied", copied.files));
    for (file, blocks) in &copied.corrupt_files {
        tracing::error!(file, ?blocks, "damaged pages in the database");
        cx.log(format!(
            "WARNING: {file} has damaged pages, blocks {blocks:?}: their checksum is wrong on \
             disk. The backup holds them as they are; find out now what they held"
        ));
    }
    if copied.corrupt_pages > 0 {
        cx.log(format!(
            "WARNING: {} damaged pages in all",
            copied.corrupt_pages
        ));
    }
}
