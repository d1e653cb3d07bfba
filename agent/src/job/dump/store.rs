//! What programs wrote becomes entries of the backup.

use std::collections::VecDeque;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use holdfast_repo::{BackupWriter, EXTENT_BYTES, Entry, EntryPath, Extent, FileEntry, PackWorker};
use holdfast_types::Failure;
use jiff::Timestamp;

use crate::failure::of_repository;
use crate::job::JobContext;
use crate::job::backup::unreadable;

/// All that `source` has, as extents.
pub(super) fn write_all(
    worker: &mut PackWorker,
    source: &mut impl Read,
    cx: &JobContext,
) -> Result<Vec<Extent>, holdfast_repo::Error> {
    let mut extents = Vec::new();
    loop {
        let extent = worker.write_extent(|buffer| {
            if cx.cancel().is_cancelled() {
                return Err(std::io::Error::other("the job was cancelled"));
            }
            let read = source.read(buffer)?;
            cx.add_bytes(read as u64);
            Ok(read)
        })?;
        let bytes = extent.plain_bytes();
        if bytes > 0 {
            extents.push(extent);
        }
        if bytes < EXTENT_BYTES {
            return Ok(extents);
        }
    }
}

/// Stores files until none is left, and removes each that is stored.
pub(super) fn store_files(
    writer: &BackupWriter,
    files: &Mutex<VecDeque<(PathBuf, u64)>>,
    path: &EntryPath,
    cx: &JobContext,
) -> Result<(), Failure> {
    let mut worker = writer.worker();
    loop {
        let next = files
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop_front();
        let Some((file, _)) = next else { break };
        let mut opened = File::open(&file).map_err(|error| unreadable(&file, &error))?;
        let extents = write_all(&mut worker, &mut opened, cx);
        let extents = extents.map_err(|error| of_repository(&error))?;
        let below = path.as_path().join(file.file_name().unwrap_or_default());
        let entry = file_entry(entry_path(&below)?, extents);
        writer.add(&entry).map_err(|error| of_repository(&error))?;
        std::fs::remove_file(&file).map_err(|error| unreadable(&file, &error))?;
    }
    worker.finish().map_err(|error| of_repository(&error))
}

/// The files of a directory, the largest first.
pub(super) fn files_of(directory: &Path) -> std::io::Result<Vec<(PathBuf, u64)>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        let meta = entry.metadata()?;
        if !meta.is_file() {
            let what = format!("{} is no file", entry.path().display());
            return Err(std::io::Error::other(what));
        }
        files.push((entry.path(), meta.size()));
    }
    files.sort_by_key(|(_, size)| std::cmp::Reverse(*size));
    Ok(files)
}

/// A file of a dump. Its times and inode mean nothing.
pub(super) fn file_entry(path: EntryPath, extents: Vec<Extent>) -> Entry {
    let now = Timestamp::now().as_nanosecond();
    let now = i64::try_from(now).unwrap_or_default();
    Entry::File(FileEntry {
        path,
        size: extents.iter().map(Extent::plain_bytes).sum(),
        mode: 0o600,
        mtime_ns: now,
        ctime_ns: now,
        inode: 0,
        extents,
        bad_blocks: Vec::new(),
    })
}

/// A path in a dump.
pub(super) fn entry_path(path: &Path) -> Result<EntryPath, Failure> {
    EntryPath::new(path).map_err(|error| {
        let hint = "this is a defect in Holdfast: please report it";
        Failure::permanent("invalid_path", error.to_string(), hint)
    })
}
