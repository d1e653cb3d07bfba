//! Phase copy: the files of the backup, into the new directory.
//!
//! One thread reads the manifest of the backup and makes directories, one per
//! core writes pieces of at most 256 MiB, the largest known piece first. What
//! is written was authenticated and hashed on the way. The manifest for
//! `pg_verifybackup` grows alongside, so a million files need no memory.
//!
//! A delta first removes what the backup does not have. Then every chunk that is
//! there already, by its keyed hash, stays; the others are written over it.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use holdfast_pg::control_file;
use holdfast_repo::{
    BackupReader, ConfigEntry, DirectoryEntry, EXTENT_BYTES, Entry, Extent, ExtentReader,
    FileEntry, GeneratedEntry, Piece as Bytes, SymlinkEntry,
};
use holdfast_types::{BackupId, Failure, JobPhase};
use jiff::Timestamp;
use tokio::runtime::Handle;

use super::backup_manifest::{ManifestFile, ManifestWriter};
use super::clear::{self, Expected};
use super::marker::Marker;
use super::places::{Places, WAL};
use super::prepare::{Ready, cannot_copy, cannot_write};
use super::{Stopped, directory, occupied, overwrite};
use crate::failure::of_repository;
use crate::job::JobContext;
use crate::job::backup::{fact, is_tablespace, thread_died};
use crate::job::conf::Files;
use crate::job::queue::Queue;

/// Pieces that wait for a thread.
const WAITING: usize = 1024;
/// Configuration files are written anew later, and described then.
pub(super) const CONFIGURATION: [&str; 4] = [
    "postgresql.conf",
    "pg_hba.conf",
    "pg_ident.conf",
    "postgresql.auto.conf",
];

/// By which PostgreSQL makes the links of tablespaces.
const TABLESPACE_MAP: &str = "tablespace_map";

/// What was copied.
pub(super) struct Copied {
    /// The manifest so far.
    pub(super) manifest: ManifestWriter<BufWriter<File>>,
    /// Configuration that was outside of the original data directory.
    pub(super) outside: Files,
}

struct Shared {
    dir: PathBuf,
    /// Something is there, to be written over.
    over: bool,
    /// Set when the directory is ours.
    taken: Arc<AtomicBool>,
    /// Bytes that were there already.
    same_bytes: AtomicU64,
    places: Places,
    owner: (u32, u32),
    queue: Queue<Piece>,
    cx: JobContext,
    failed: Mutex<Option<Failure>>,
}

/// A part of a file.
struct Piece {
    file: Arc<Target>,
    index: u32,
    extent: Option<Extent>,
}

/// A file some of whose pieces are not written yet.
struct Target {
    path: PathBuf,
    size: u64,
    mode: u32,
    left: AtomicU32,
}

/// Where the control file waits until everything else is in place.
pub(super) fn waiting_control_file(dir: &Path) -> PathBuf {
    directory::ours(dir).join("pg_control")
}

/// Where the manifest grows.
pub(super) fn growing_manifest(dir: &Path) -> PathBuf {
    directory::ours(dir).join("backup_manifest.partial")
}

/// Copies everything. Its threads have ended when it returns.
pub(super) async fn run(cx: &JobContext, ready: &Ready) -> Result<Copied, Stopped> {
    cx.enter(JobPhase::Copy);
    cx.expect_bytes(ready.backup.database_bytes);
    let reader = ready.lineage.open_backup(ready.backup.clone()).await?;
    let shared = Arc::new(Shared {
        dir: ready.dir.clone(),
        over: ready.delta && is_occupied(&ready.dir, &ready.places),
        taken: Arc::clone(&ready.taken),
        same_bytes: AtomicU64::new(0),
        places: ready.places.clone(),
        owner: ready.owner,
        queue: Queue::new(WAITING),
        cx: cx.clone(),
        failed: Mutex::default(),
    });
    let manifest = on_thread(&shared, {
        let (version, backup) = (ready.plan.server_version, ready.backup.id);
        let system = ready.plan.lineage.system_identifier;
        let mode = directory_mode(ready);
        move |shared| shared.begin(mode, version, (system, backup))
    })
    .await?;
    // If this future is dropped, the threads must not go on without it.
    let _guard = StopOnDrop(Arc::clone(&shared));
    let mut threads = spawn_writers(&shared, &reader);
    let feeder = spawn_feeder(&shared, &reader, manifest);
    let mut cancelled = false;
    loop {
        tokio::select! {
            biased;
            () = cx.cancel().cancelled(), if !cancelled => {
                cancelled = true;
                shared.queue.stop();
            }
            joined = threads.join_next() => match joined {
                None => break,
                Some(Ok(())) => {}
                Some(Err(error)) => shared.fail(thread_died(&error)),
            },
        }
    }
    let copied = feeder.await.map_err(|error| thread_died(&error))?;
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
    if shared.over {
        cx.log(format!(
            "{} of {} bytes were there already",
            shared.same_bytes.load(Ordering::Relaxed),
            ready.backup.database_bytes
        ));
    }
    Ok(copied?)
}

fn is_occupied(dir: &Path, places: &Places) -> bool {
    let mut elsewhere = places.directories();
    occupied::is_occupied(dir) || elsewhere.any(|(_, place)| occupied::is_occupied(place))
}

fn directory_mode(ready: &Ready) -> u32 {
    let mode = ready.backup.facts.get(fact::DIRECTORY_MODE);
    mode.and_then(|mode| u32::from_str_radix(mode, 8).ok())
        .unwrap_or(0o700)
}

fn spawn_writers(shared: &Arc<Shared>, reader: &BackupReader) -> tokio::task::JoinSet<()> {
    let mut threads = tokio::task::JoinSet::new();
    let cores = std::thread::available_parallelism().map_or(2, usize::from);
    for _ in 0..cores {
        let (shared, mut reader) = (Arc::clone(shared), reader.extent_reader());
        threads.spawn_blocking(move || {
            while let Some(piece) = shared.queue.pop() {
                if let Err(failure) = shared.write(&mut reader, &piece) {
                    shared.fail(failure);
                }
            }
        });
    }
    threads
}

fn spawn_feeder(
    shared: &Arc<Shared>,
    reader: &BackupReader,
    manifest: ManifestWriter<BufWriter<File>>,
) -> tokio::task::JoinHandle<Result<Copied, Failure>> {
    let shared = Arc::clone(shared);
    let (mut entries, extents) = (reader.entries(), reader.extent_reader());
    let names = shared.over.then(|| reader.entries());
    let runtime = Handle::current();
    tokio::task::spawn_blocking(move || {
        if let Some(mut names) = names {
            let pruned = shared.prune(|| runtime.block_on(names.next()));
            pruned.inspect_err(|failure| shared.fail(failure.clone()))?;
        }
        let mut feeder = Feeder {
            shared: &shared,
            manifest,
            outside: Files::new(),
            extents,
        };
        let fed = loop {
            if shared.queue.is_stopped() {
                break Ok(());
            }
            match runtime.block_on(entries.next()) {
                Ok(None) => break Ok(()),
                Ok(Some(entry)) => {
                    if let Err(failure) = feeder.feed(entry) {
                        break Err(failure);
                    }
                }
                Err(error) => break Err(of_repository(&error)),
            }
        };
        let Feeder {
            manifest, outside, ..
        } = feeder;
        match fed {
            Ok(()) => {
                shared.queue.end();
                Ok(Copied { manifest, outside })
            }
            Err(failure) => {
                shared.fail(failure.clone());
                Err(failure)
            }
        }
    })
}

async fn on_thread<T: Send + 'static>(
    shared: &Arc<Shared>,
    work: impl FnOnce(&Shared) -> Result<T, Failure> + Send + 'static,
) -> Result<T, Stopped> {
    let shared = Arc::clone(shared);
    let done = tokio::task::spawn_blocking(move || work(&shared)).await;
    done.map_err(|error| thread_died(&error))?
        .map_err(Stopped::Failed)
}

/// Reads the backup's manifest and hands out work.
struct Feeder<'a> {
    shared: &'a Shared,
    manifest: ManifestWriter<BufWriter<File>>,
    outside: Files,
    extents: ExtentReader,
}

impl Feeder<'_> {
    fn feed(&mut self, entry: Entry) -> Result<(), Failure> {
        match entry {
            Entry::Directory(entry) => self.shared.make_directory(&entry),
            Entry::File(entry) => self.file(entry),
            Entry::Generated(entry) => self.generated(&entry),
            Entry::Config(entry) => self.config(&entry),
            Entry::Symlink(entry) => self.shared.link(&entry),
        }
    }

    fn file(&mut self, entry: FileEntry) -> Result<(), Failure> {
        let relative = entry.path.as_path();
        let path = if relative == Path::new(control_file::PATH) {
            waiting_control_file(&self.shared.dir)
        } else {
            self.shared.dir.join(relative)
        };
        let modified_at = Timestamp::from_nanosecond(entry.mtime_ns.into()).unwrap_or_default();
        let (size, crc32c) = (entry.size, entry.crc32c());
        self.describe(ManifestFile {
            path: relative,
            size,
            modified_at,
            crc32c,
        })?;
        if self.shared.over {
            clear::clear_way(&path).map_err(|error| cannot_write(&path, &error))?;
        }
        let pieces = entry.extents.len().max(1);
        let left = AtomicU32::new(u32::try_from(pieces).unwrap_or(u32::MAX));
        let mode = entry.mode;
        let file = Arc::new(Target {
            path,
            size,
            mode,
            left,
        });
        if entry.extents.is_empty() {
            self.shared.queue.push(Piece {
                file,
                index: 0,
                extent: None,
            });
            return Ok(());
        }
        for (index, extent) in (0..).zip(entry.extents) {
            let (file, extent) = (Arc::clone(&file), Some(extent));
            if !self.shared.queue.push(Piece {
                file,
                index,
                extent,
            }) {
                break;
            }
        }
        Ok(())
    }

    fn generated(&mut self, entry: &GeneratedEntry) -> Result<(), Failure> {
        let relative = entry.path.as_path();
        let path = self.shared.dir.join(relative);
        // PostgreSQL makes its links by it: they lead to where they lead now.
        let mapped =
            (relative == Path::new(TABLESPACE_MAP)).then(|| self.shared.places.tablespace_map());
        let bytes = mapped.as_ref().unwrap_or(&entry.bytes);
        let written = self
            .shared
            .create(&path)
            .and_then(|mut file| file.write_all(bytes));
        written
            .and_then(|()| self.shared.hand_over(&path, entry.mode))
            .map_err(|error| cannot_write(&path, &error))?;
        let (size, modified_at) = (bytes.len() as u64, Timestamp::now());
        let crc32c = crc32c::crc32c(bytes);
        self.describe(ManifestFile {
            path: relative,
            size,
            modified_at,
            crc32c,
        })
    }

    /// Configuration from outside is small, and kept for the phase that makes
    /// one file of it.
    fn config(&mut self, entry: &ConfigEntry) -> Result<(), Failure> {
        let mut bytes = Vec::new();
        for extent in &entry.extents {
            let read = self.extents.read_extent(extent, |_, piece| {
                match piece {
                    Bytes::Data(data) => bytes.extend_from_slice(data),
                    Bytes::Hole(zeros) => {
                        bytes.resize(bytes.len() + usize::try_from(zeros).unwrap_or(0), 0);
                    }
                }
                Ok(())
            });
            read.map_err(|error| of_repository(&error))?;
        }
        self.outside
            .insert(entry.origin.as_path().to_owned(), bytes);
        Ok(())
    }

    fn describe(&mut self, file: ManifestFile<'_>) -> Result<(), Failure> {
        if CONFIGURATION
            .iter()
            .any(|name| file.path == Path::new(name))
        {
            return Ok(());
        }
        let path = growing_manifest(&self.shared.dir);
        self.manifest
            .add(file)
            .map_err(|error| cannot_write(&path, &error))
    }
}

impl Shared {
    /// Makes the directory and our own in it: the first thing that is written.
    fn begin(
        &self,
        mode: u32,
        server_version: u32,
        (system_identifier, backup): (u64, BackupId),
    ) -> Result<ManifestWriter<BufWriter<File>>, Failure> {
        let make = if self.over {
            directory::take
        } else {
            directory::make
        };
        let ours = directory::ours(&self.dir);
        if self.over {
            clear::withdraw(&self.dir, self.owner)?;
        }
        let made = make(&self.dir, self.owner, mode);
        made.map_err(|error| cannot_write(&self.dir, &error))?;
        self.taken.store(true, Ordering::Release);
        if !self.over {
            let made = fs::DirBuilder::new().mode(0o700).create(&ours);
            made.and_then(|()| directory::give(&ours, self.owner))
                .map_err(|error| cannot_write(&ours, &error))?;
        }
        for (_, place) in self.places.directories() {
            let made = make(place, self.owner, 0o700);
            made.map_err(|error| cannot_write(place, &error))?;
        }
        // From here on whoever goes on knows whose it is.
        Marker::new(system_identifier, backup, &self.dir, &self.places)
            .and_then(|marker| marker.write(&self.dir, self.owner))
            .map_err(|error| cannot_write(&ours, &error))?;
        let path = growing_manifest(&self.dir);
        self.create(&path)
            .and_then(|file| {
                directory::give(&path, self.owner)?;
                ManifestWriter::new(BufWriter::new(file), server_version, system_identifier)
            })
            .map_err(|error| cannot_write(&path, &error))
    }

    /// Removes what the backup does not have.
    fn prune(
        &self,
        mut next: impl FnMut() -> holdfast_repo::Result<Option<Entry>>,
    ) -> Result<(), Failure> {
        let mut expected = Expected::default();
        while let Some(entry) = next().map_err(|error| of_repository(&error))? {
            expected.note(&entry, &self.places);
        }
        let removed = clear::prune(&self.dir, &self.places, &expected)?;
        self.cx.log(format!(
            "{removed} files and directories that the backup does not have are removed"
        ));
        Ok(())
    }

    fn make_directory(&self, entry: &DirectoryEntry) -> Result<(), Failure> {
        let path = self.dir.join(entry.path.as_path());
        if let (Some(place), true) = (&self.places.wal, entry.path.as_path() == Path::new(WAL)) {
            return self.make_link(&path, place);
        }
        let make = || -> io::Result<()> {
            match fs::DirBuilder::new().mode(0o700).create(&path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                made => made?,
            }
            self.hand_over(&path, entry.mode)
        };
        make().map_err(|error| cannot_write(&path, &error))
    }

    /// The only links that a backup holds are those of its tablespaces; each
    /// leads to where the plan says, whatever the backup says.
    fn link(&self, entry: &SymlinkEntry) -> Result<(), Failure> {
        let path = entry.path.as_path();
        let place = is_tablespace(path).and_then(|oid| self.places.of(oid));
        let Some(place) = place else {
            return Err(Failure::permanent(
                "symlink_not_supported_yet",
                format!("the backup holds the symbolic link {}", entry.path),
                "use a version of Holdfast that knows how to restore it",
            ));
        };
        self.make_link(&self.dir.join(path), &place.at)
    }

    fn make_link(&self, path: &Path, place: &Path) -> Result<(), Failure> {
        if self.over {
            clear::clear_way(path).map_err(|error| cannot_write(path, &error))?;
        }
        std::os::unix::fs::symlink(place, path)
            .and_then(|()| directory::give(path, self.owner))
            .map_err(|error| cannot_write(path, &error))
    }

    fn create(&self, path: &Path) -> io::Result<File> {
        OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(path)
    }

    fn write(&self, reader: &mut ExtentReader, piece: &Piece) -> Result<(), Failure> {
        let target = &piece.file;
        let failed = |error: &io::Error| cannot_write(&target.path, error);
        let file = overwrite::open(&target.path).map_err(|error| failed(&error))?;
        let start = u64::from(piece.index) * EXTENT_BYTES;
        if let Some(extent) = &piece.extent {
            let sink = |offset: u64, bytes: Bytes<'_>| self.put(&file, start + offset, bytes);
            let read = if self.over {
                let held = |offset: u64, there: &mut [u8]| {
                    self.unless_stopped()?;
                    overwrite::held(&file, start + offset, there)
                };
                let read = reader.read_extent_over(extent, held, sink);
                read.map(|same| self.note_same(same))
            } else {
                reader.read_extent(extent, sink)
            };
            read.map_err(|error| cannot_copy(&target.path, &error))?;
        }
        if target.left.fetch_sub(1, Ordering::AcqRel) == 1 {
            // It may end with zeros that were not written.
            file.set_len(target.size).map_err(|error| failed(&error))?;
            self.hand_over(&target.path, target.mode)
                .map_err(|error| failed(&error))?;
        }
        Ok(())
    }

    fn put(&self, file: &File, at: u64, bytes: Bytes<'_>) -> io::Result<()> {
        self.unless_stopped()?;
        let length = match bytes {
            Bytes::Data(data) => {
                file.write_all_at(data, at)?;
                data.len() as u64
            }
            Bytes::Hole(zeros) => {
                // A new file reads as zeros where nothing was written.
                if self.over {
                    overwrite::zero(file, at..at + zeros)?;
                }
                zeros
            }
        };
        self.cx.add_bytes(length);
        Ok(())
    }

    fn note_same(&self, bytes: u64) {
        self.same_bytes.fetch_add(bytes, Ordering::Relaxed);
        self.cx.add_bytes(bytes);
    }

    fn unless_stopped(&self) -> io::Result<()> {
        if self.queue.is_stopped() {
            return Err(io::Error::other("the restore was stopped"));
        }
        Ok(())
    }

    /// Gives a path to the directory's owner, with the mode it had.
    fn hand_over(&self, path: &Path, mode: u32) -> io::Result<()> {
        directory::give(path, self.owner)?;
        fs::set_permissions(path, Permissions::from_mode(mode & 0o777))
    }

    fn fail(&self, failure: Failure) {
        let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        failed.get_or_insert(failure);
        drop(failed);
        self.queue.stop();
    }
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

struct StopOnDrop(Arc<Shared>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.queue.stop();
    }
}
