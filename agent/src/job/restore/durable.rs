//! Making a whole tree durable.
//!
//! On file systems of which we know that `syncfs` writes everything out and
//! waits, that is what is done: a million files cost as much as one. Anywhere
//! else (FUSE, network file systems) every file and directory is synced by
//! itself. [`EarlySync`] has large files go to the disk while others are still
//! being written, so that little is left for the end.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::sync::mpsc::{self, Receiver, SyncSender};

/// The numbers by which Linux knows ext2 to ext4, XFS, Btrfs, F2FS and ZFS
/// (`statfs(2)`).
const SYNCED_AS_A_WHOLE: [u64; 5] = [0xEF53, 0x5846_5342, 0x9123_683E, 0xF2F5_2010, 0x2FC1_2FC1];

/// Makes `directory`, everything in it and its own name durable.
pub(super) fn sync_tree(directory: &Path) -> io::Result<()> {
    let opened = File::open(directory)?;
    rustix::fs::syncfs(&opened)?;
    let kind = u64::try_from(rustix::fs::fstatfs(&opened)?.f_type).unwrap_or_default();
    if !SYNCED_AS_A_WHOLE.contains(&kind) {
        sync_below(directory)?;
    }
    // It may be a mount point, and its name belong to another file system.
    sync(directory)?;
    directory.parent().map_or(Ok(()), sync)
}

/// Has the file system of `directory` write out what it holds.
pub(super) fn sync_file_system(directory: &Path) -> io::Result<()> {
    Ok(rustix::fs::syncfs(File::open(directory)?)?)
}

fn sync_below(directory: &Path) -> io::Result<()> {
    let mut pending = vec![directory.to_owned()];
    while let Some(directory) = pending.pop() {
        for entry in fs::read_dir(&directory)? {
            let entry = entry?;
            let kind = entry.file_type()?;
            if kind.is_dir() {
                pending.push(entry.path());
            } else if kind.is_file() {
                sync(&entry.path())?;
            }
        }
        sync(&directory)?;
    }
    Ok(())
}

/// Makes one file or directory durable.
pub(super) fn sync(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// How much is written to a file before it goes to the disk. Less is left for
/// [`sync_tree`].
const EARLY_BYTES: usize = 32 << 20;
/// Files that wait for the disk; it is late by then, and more would wait in vain.
const EARLY_FILES: usize = 16;

/// One thread's part in syncing early.
#[derive(Debug, Clone)]
pub(super) struct EarlySync {
    files: SyncSender<File>,
    written: usize,
}

/// Files to sync early, for a thread of its own.
#[derive(Debug)]
pub(super) struct EarlyFiles(Receiver<File>);

impl EarlySync {
    pub(super) fn begin() -> (Self, EarlyFiles) {
        let (files, waiting) = mpsc::sync_channel(EARLY_FILES);
        (Self { files, written: 0 }, EarlyFiles(waiting))
    }

    /// So much more was written to `file`.
    pub(super) fn wrote(&mut self, file: &File, bytes: usize) {
        self.written += bytes;
        if self.written >= EARLY_BYTES {
            self.end_of(file);
        }
    }

    /// This thread turns to another file.
    pub(super) fn end_of(&mut self, file: &File) {
        if std::mem::take(&mut self.written) >= EARLY_BYTES / 8
            && let Ok(file) = file.try_clone()
        {
            // When too many wait, all is synced at the end in any case.
            let _ = self.files.try_send(file);
        }
    }
}

impl EarlyFiles {
    /// Syncs what it is given until all who give are gone. The first error ends it:
    /// bytes were lost.
    pub(super) fn sync_all(self) -> io::Result<()> {
        self.0.iter().try_for_each(|file| file.sync_data())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Pitfall 27
    #[test]
    fn a_tree_is_synced_to_its_leaves() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("a/b")).unwrap();
        fs::write(root.path().join("a/b/c"), "x").unwrap();
        sync_tree(root.path()).unwrap();
        sync_below(root.path()).unwrap();
        assert!(sync_tree(&root.path().join("gone")).is_err());
    }

    #[test]
    fn large_files_are_synced_early_and_never_waited_for() {
        let (mut early, files) = EarlySync::begin();
        let mut other = early.clone();
        let file = tempfile::tempfile().unwrap();
        early.wrote(&file, EARLY_BYTES - 1);
        other.end_of(&file);
        assert!(files.0.try_recv().is_err(), "too little of it so far");
        early.wrote(&file, 1);
        assert!(files.0.try_recv().is_ok());
        // Nobody takes them: what is too much is left for the end.
        for _ in 0..2 * EARLY_FILES {
            early.wrote(&file, EARLY_BYTES);
        }
        drop((early, other));
        files.sync_all().unwrap();
    }
}
