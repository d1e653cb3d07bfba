//! Making a whole tree durable.
//!
//! On file systems of which we know that `syncfs` writes everything out and
//! waits, that is what is done: a million files cost as much as one. Anywhere
//! else (FUSE, network file systems) every file and directory is synced by
//! itself.

use std::fs::{self, File};
use std::io;
use std::path::Path;

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_is_synced_to_its_leaves() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("a/b")).unwrap();
        fs::write(root.path().join("a/b/c"), "x").unwrap();
        sync_tree(root.path()).unwrap();
        sync_below(root.path()).unwrap();
        assert!(sync_tree(&root.path().join("gone")).is_err());
    }
}
