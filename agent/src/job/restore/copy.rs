//! Phase copy: the files of the backup, into the new directory.
//!
//! One thread reads the manifest of the backup and makes directories, one per
//! core writes pieces of at most 256 MiB, the largest known piece first. What
//! is written was authenticated and hashed on the way, and every file is read
//! back when its last piece is there. The manifest for `pg_verifybackup` grows
//! alongside, so a million files need no memory.
//!
//! A delta first removes what the backup does not have. Then every chunk that is
//! there already, by its keyed hash, stays; the others are written over it.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use holdfast_pg::control_file;
use holdfast_repo::{
    BackupReader, ConfigEntry, DirectoryEntry, Entry, ExtentReader, FileEntry, GeneratedEntry,
    Piece as Bytes, SymlinkEntry,
};
use holdfast_types::{BackupId, Failure, JobPhase};
use jiff::Timestamp;
use tokio::runtime::Handle;

use super::backup_manifest::{ManifestFile, ManifestWriter};
use super::clear::{self, Expected};
use super::durable::EarlySync;
use super::marker::Marker;
use super::piece::{Piece, PieceWriter, Target};
use super::places::{Places, WAL};
use super::prepare::{Ready, cannot_write};
use super::{Stopped, directory, occupied};
use crate::failure::of_repository;
use crate::job::JobContext;
use crate::job::backup::{fact, is_tablespace, thread_died};
use crate::job::conf::Files;
use crate::job::queue::Queue;

/// Pieces that wait for a thread.
const WAITING: usize = 1024;
/// Configuration files are written anew later, as the control file is, and described then.
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

pub(super) struct Shared {
    dir: PathBuf,
    /// Something is there, to be written over.
    pub(super) over: bool,
    /// Set when the directory is ours.
    taken: Arc<AtomicBool>,
    /// Bytes that were there already.
    same_bytes: AtomicU64,
    places: Places,
    owner: (u32, u32),
    pub(super) queue: Queue<Piece>,
    pub(super) cx: JobContext,
    failed: Mutex<Option<Failure>>,
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
    let mut threads = spawn_threads(&shared, &reader);
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

/// Those that write, and one that has written files go to the disk meanwhile.
fn spawn_threads(shared: &Arc<Shared>, reader: &BackupReader) -> tokio::task::JoinSet<()> {
    let mut threads = tokio::task::JoinSet::new();
    let (early, files) = EarlySync::begin();
    let cores = std::thread::available_parallelism().map_or(2, usize::from);
    for _ in 0..cores {
        let shared = Arc::clone(shared);
        let mut writer = PieceWriter::new(reader.extent_reader(), early.clone());
        threads.spawn_blocking(move || {
            while let Some(piece) = shared.queue.pop() {
                if let Err(failure) = writer.write(&shared, &piece) {
                    shared.fail(failure);
                }
            }
        });
    }
    let shared = Arc::clone(shared);
    threads.spawn_blocking(move || {
        if let Err(error) = files.sync_all() {
            shared.fail(cannot_write(&shared.dir, &error));
        }
    });
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
            crc32c,
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
        let mut written_later = CONFIGURATION.iter().chain(&[control_file::PATH]);
        if written_later.any(|name| file.path == Path::new(name)) {
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

    pub(super) fn note_same(&self, bytes: u64) {
        self.same_bytes.fetch_add(bytes, Ordering::Relaxed);
        self.cx.add_bytes(bytes);
    }

    pub(super) fn unless_stopped(&self) -> io::Result<()> {
        if self.queue.is_stopped() {
            return Err(io::Error::other("the restore was stopped"));
        }
        Ok(())
    }

    /// Gives a path to the directory's owner, with the mode it had.
    pub(super) fn hand_over(&self, path: &Path, mode: u32) -> io::Result<()> {
        directory::give(path, self.owner)?;
        fs::set_permissions(path, Permissions::from_mode(mode & 0o777))
    }

    pub(super) fn fail(&self, failure: Failure) {
        let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        failed.get_or_insert(failure);
        drop(failed);
        self.queue.stop();
    }
}

struct StopOnDrop(Arc<Shared>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.queue.stop();
    }
}
