//! Takes the archives of a `BASE_BACKUP` apart, on a thread that may wait.
//!
//! What an archive says decides which files a restore will write, so it is
//! held to what PostgreSQL sends: paths below their place, links of tablespaces
//! alone. What a copy of the files would leave out is left out.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use bytes::{Buf, Bytes};
use holdfast_pg::control_file::{self, ControlFile};
use holdfast_pg::exclude::{Decision, Directory};
use holdfast_pg::replication::{BaseBackupEvent, StreamedTablespace};
use holdfast_pg::tar::{TarEntry, TarError, TarKind, TarReader};
use holdfast_repo::{BackupWriter, DirectoryEntry, Entry, Extent, FileEntry, PackWorker, Parent};
use holdfast_types::{Failure, Lsn};
use jiff::Timestamp;
use tokio::sync::mpsc;

use super::copy::{Copied, entry_path};
use super::remote::tablespace_path;
use super::tablespaces;
use super::walk::OURS;
use crate::failure::of_repository;
use crate::job::JobContext;

/// `backup_label` has a few lines, `tablespace_map` one a tablespace.
const SMALL_FILE: u64 = 16 << 20;
const CONTROL_FILE: u64 = 64 << 10;

/// What came, beside the files.
#[derive(Debug)]
pub(super) struct Taken {
    pub(super) backup_label: Vec<u8>,
    pub(super) tablespace_map: Vec<u8>,
    /// When the last checkpoint began that the control file knows.
    pub(super) checkpoint_at: Timestamp,
    pub(super) copied: Copied,
}

/// Takes archives apart.
pub(super) struct Taker {
    writer: BackupWriter,
    worker: Option<PackWorker>,
    parent: Option<Parent>,
    cx: JobContext,
    events: mpsc::Receiver<BaseBackupEvent>,
    /// Whose archive begins next.
    next: Option<Option<u32>>,
    copied: Copied,
    backup_label: Option<Vec<u8>>,
    tablespace_map: Vec<u8>,
    control: Option<(TarEntry, Vec<u8>)>,
}

impl Taker {
    /// Takes what comes out of `events`.
    pub(super) fn new(
        writer: &BackupWriter,
        events: mpsc::Receiver<BaseBackupEvent>,
        cx: &JobContext,
    ) -> Self {
        Self {
            writer: writer.clone(),
            worker: None,
            parent: None,
            cx: cx.clone(),
            events,
            next: None,
            copied: Copied::default(),
            backup_label: None,
            tablespace_map: Vec::new(),
            control: None,
        }
    }

    /// Refers to what the parent has at the same place.
    pub(super) fn build_on(&mut self, parent: Parent) {
        self.parent = Some(parent);
    }

    /// Takes all archives; the control file, which must know a checkpoint at or
    /// after `start_lsn` of that system, becomes an entry last.
    pub(super) fn take_all(
        mut self,
        announced: &[StreamedTablespace],
        expected: (u64, Lsn),
    ) -> Result<Taken, Failure> {
        self.worker = Some(self.writer.worker());
        for tablespace in announced.iter().filter(|one| one.location.is_absolute()) {
            let (oid, location) = (tablespace.oid, &tablespace.location);
            self.copied.tablespaces.link(oid, location);
        }
        self.next = match self.events.blocking_recv() {
            Some(BaseBackupEvent::Archive(of)) => Some(of),
            Some(_) => return Err(invalid("bytes before the first archive")),
            None => None,
        };
        while let Some(of) = self.next.take() {
            let prefix = match of {
                None => PathBuf::new(),
                Some(oid) if announced.iter().any(|one| one.oid == oid) => tablespace_path(oid),
                Some(oid) => {
                    return Err(invalid(&format!(
                        "an archive of {oid}, which was not announced"
                    )));
                }
            };
            self.archive(&prefix)?;
        }
        self.finish(expected)
    }

    fn archive(&mut self, prefix: &Path) -> Result<(), Failure> {
        let events = std::mem::replace(&mut self.events, mpsc::channel(1).1);
        let mut reader = TarReader::new(Archive {
            events,
            bytes: Bytes::new(),
            next: None,
        });
        while let Some(entry) = reader.next_entry().map_err(|error| of_tar(&error))? {
            self.entry(prefix, entry, &mut reader)?;
        }
        let mut archive = reader.into_input();
        // What follows the end are blocks of zeros.
        io::copy(&mut archive, &mut io::sink()).map_err(|error| of_tar(&error.into()))?;
        self.next = archive.next;
        self.events = archive.events;
        Ok(())
    }

    fn entry(
        &mut self,
        prefix: &Path,
        entry: TarEntry,
        reader: &mut TarReader<Archive>,
    ) -> Result<(), Failure> {
        let path = prefix.join(&entry.path);
        if prefix.as_os_str().is_empty() && self.is_ours(&path, &entry, reader)? {
            return Ok(());
        }
        match &entry.kind {
            // The links of those that were announced are there already, and
            // one that was made since is in the WAL.
            TarKind::Symlink(_) if tablespaces::is_tablespace(&path).is_some() => Ok(()),
            TarKind::Symlink(_) => Err(invalid(&format!("the link {}", path.display()))),
            TarKind::Directory => self.directory(&path, entry.mode),
            TarKind::File => self.file(&path, &entry, reader),
        }
    }

    /// What is at the top of a data directory and no file like any other.
    fn is_ours(
        &mut self,
        path: &Path,
        entry: &TarEntry,
        reader: &mut TarReader<Archive>,
    ) -> Result<bool, Failure> {
        let read = |reader: &mut TarReader<Archive>, most| {
            reader.read_all(most).map_err(|error| of_tar(&error))
        };
        let is_file = entry.kind == TarKind::File;
        match path.to_str() {
            Some("backup_label") if is_file => {
                self.backup_label = Some(read(reader, SMALL_FILE)?);
            }
            Some("tablespace_map") if is_file => self.tablespace_map = read(reader, SMALL_FILE)?,
            Some(control_file::PATH) if is_file => {
                let bytes = read(reader, CONTROL_FILE)?;
                self.control = Some((entry.clone(), bytes));
            }
            // Announced.
            Some(tablespaces::LINKS) => return Ok(self.copied.tablespaces.any()),
            _ => return Ok(path.starts_with(OURS) || is_excluded(path)),
        }
        Ok(true)
    }

    fn directory(&mut self, path: &Path, mode: u32) -> Result<(), Failure> {
        self.add(&Entry::Directory(DirectoryEntry {
            path: entry_path(path)?,
            mode,
        }))
    }

    fn file(
        &mut self,
        path: &Path,
        entry: &TarEntry,
        reader: &mut TarReader<Archive>,
    ) -> Result<(), Failure> {
        let name = entry_path(path)?;
        let before = match &self.parent {
            Some(parent) => parent.file(&name).map_err(|error| of_repository(&error))?,
            None => None,
        };
        let before = before.map(|file| file.extents).unwrap_or_default();
        let mut extents = Vec::new();
        while reader.left() > 0 {
            let worker = self.worker.as_mut().expect("it is there until the end");
            let cx = &self.cx;
            let extent = worker.write_extent_over(before.get(extents.len()), |buffer| {
                let length = reader.read(buffer)?;
                cx.add_bytes(length as u64);
                Ok(length)
            });
            extents.push(extent.map_err(|error| match error {
                holdfast_repo::Error::Local(error) => of_tar(&error.into()),
                error => of_repository(&error),
            })?);
        }
        self.copied.files += 1;
        self.copied.tablespaces.file(path, entry.size);
        self.add(&Entry::File(described(path, entry, extents)?))
    }

    fn finish(mut self, (system, start_lsn): (u64, Lsn)) -> Result<Taken, Failure> {
        let (Some(backup_label), Some((entry, bytes))) =
            (self.backup_label.take(), self.control.take())
        else {
            return Err(invalid("no backup_label or no pg_control"));
        };
        let control = ControlFile::parse(&bytes).map_err(|error| {
            Failure::transient(
                "control_file_invalid",
                format!("the pg_control that the server sent: {error}"),
                "it was written while it was read: take the backup again",
            )
        })?;
        if control.system_identifier != system || control.redo_lsn < start_lsn {
            return Err(Failure::transient(
                "control_file_too_old",
                format!(
                    "the pg_control that the server sent is of system {} and knows no checkpoint \
                     since {start_lsn}",
                    control.system_identifier
                ),
                "take the backup again",
            ));
        }
        let mut worker = self.worker.take().expect("it is there until the end");
        let mut left = bytes.as_slice();
        let extent = worker.write_extent(|buffer| left.read(buffer));
        let extent = extent.map_err(|error| of_repository(&error))?;
        worker.finish().map_err(|error| of_repository(&error))?;
        let path = Path::new(control_file::PATH);
        self.add(&Entry::File(described(path, &entry, vec![extent])?))?;
        self.copied.files += 1;
        Ok(Taken {
            backup_label,
            tablespace_map: self.tablespace_map,
            checkpoint_at: control.checkpoint_at,
            copied: self.copied,
        })
    }

    fn add(&self, entry: &Entry) -> Result<(), Failure> {
        self.writer
            .add(entry)
            .map_err(|error| of_repository(&error))
    }
}

/// Whether a copy of the files would leave it out.
fn is_excluded(path: &Path) -> bool {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return false;
    };
    // Of unlogged relations PostgreSQL sends no more than we would copy.
    Directory::new(parent, []).decide(name) == Decision::Skip
}

/// A stream tells neither inodes nor changes of them: no later copy takes a
/// file for unchanged because of it.
fn described(path: &Path, entry: &TarEntry, extents: Vec<Extent>) -> Result<FileEntry, Failure> {
    let seconds = i64::try_from(entry.mtime).unwrap_or(0);
    Ok(FileEntry {
        path: entry_path(path)?,
        size: extents.iter().map(Extent::plain_bytes).sum(),
        mode: entry.mode,
        mtime_ns: seconds.saturating_mul(1_000_000_000),
        ctime_ns: 0,
        inode: 0,
        extents,
        bad_blocks: Vec::new(),
    })
}

/// One archive, out of the events that hold it: it ends where another begins,
/// or where no more come.
struct Archive {
    events: mpsc::Receiver<BaseBackupEvent>,
    bytes: Bytes,
    next: Option<Option<u32>>,
}

impl Read for Archive {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.bytes.is_empty() {
            if self.next.is_some() {
                return Ok(0);
            }
            match self.events.blocking_recv() {
                Some(BaseBackupEvent::Data(bytes)) => self.bytes = bytes,
                Some(BaseBackupEvent::Archive(next)) => self.next = Some(next),
                Some(BaseBackupEvent::End { .. }) | None => return Ok(0),
            }
        }
        let length = self.bytes.len().min(buffer.len());
        self.bytes.copy_to_slice(&mut buffer[..length]);
        Ok(length)
    }
}

fn of_tar(error: &TarError) -> Failure {
    invalid(&crate::failure::chain(error))
}

/// Transient: the connection may have broken, and who feeds us says so.
fn invalid(what: &str) -> Failure {
    Failure::transient(
        "archive_invalid",
        format!("what the server sent cannot be taken apart: {what}; nothing was committed"),
        "if it happens again, report it with the agent's log; an agent on the server's own host \
         can copy the files instead (dataDirectory: auto)",
    )
}
