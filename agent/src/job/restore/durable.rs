//! Making a whole tree durable.
//!
//! `syncfs` writes everything out at once, which is far quicker than a million
//! times waiting for one file. Every file and directory is still synced by
//! itself afterwards: that costs little when nothing is left to write, and
//! holds on file systems where `syncfs` reaches nothing.

use std::fs::{self, File};
use std::io;
use std::path::Path;

/// Makes `directory`, everything in it and its own name durable.
pub(super) fn sync_tree(directory: &Path) -> io::Result<()> {
    rustix::fs::syncfs(File::open(directory)?)?;
    sync_below(directory)?;
    match directory.parent() {
        Some(parent) => sync(parent),
        None => Ok(()),
    }
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
