//! `.holdfast/restored.json`: this directory is one that Holdfast restored, with
//! these directories beside it. By it a later `--delta` knows what it may write
//! over without being forced (I-12).
//!
//! It names directories by their inodes and their file systems: a copy of a restored
//! directory, or a standby that was made of it, is somebody else's. The topmost
//! directories of volumes all have the same inode.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use holdfast_types::BackupId;
use serde::{Deserialize, Serialize};

use super::directory;
use super::places::Places;
use crate::file::write_atomically;

pub(super) const NAME: &str = "restored.json";

/// What was restored where. Written before the first file is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Marker {
    /// The system that it became a copy of.
    pub(super) system_identifier: u64,
    /// From which backup.
    pub(super) backup: BackupId,
    inode: Inode,
    elsewhere: Vec<Elsewhere>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Elsewhere {
    path: PathBuf,
    inode: Inode,
}

/// A directory, whatever it is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Inode {
    number: u64,
    /// Of the file system; it stays when that is mounted again.
    volume: u64,
}

impl Marker {
    /// Of directories that are there by now.
    pub(super) fn new(
        system_identifier: u64,
        backup: BackupId,
        dir: &Path,
        places: &Places,
    ) -> io::Result<Self> {
        let elsewhere = places.directories().map(|(_, path)| {
            let path = path.to_owned();
            inode(&path).map(|inode| Elsewhere { path, inode })
        });
        Ok(Self {
            system_identifier,
            backup,
            inode: inode(dir)?,
            elsewhere: elsewhere.collect::<io::Result<_>>()?,
        })
    }

    /// The marker of `dir`; `None` where there is none, or one of another
    /// directory.
    pub(super) fn of(dir: &Path) -> Option<Self> {
        let bytes = fs::read(directory::ours(dir).join(NAME)).ok()?;
        let marker: Self = serde_json::from_slice(&bytes).ok()?;
        (inode(dir).ok()? == marker.inode).then_some(marker)
    }

    /// Whether a directory elsewhere belongs to it.
    pub(super) fn names(&self, place: &Path) -> bool {
        let mut known = self.elsewhere.iter().filter(|known| known.path == place);
        known.any(|known| inode(place).is_ok_and(|inode| inode == known.inode))
    }

    /// Writes it durably.
    pub(super) fn write(&self, dir: &Path, owner: (u32, u32)) -> io::Result<()> {
        let path = directory::ours(dir).join(NAME);
        let bytes = serde_json::to_vec(self).map_err(io::Error::other)?;
        write_atomically(&path, &bytes, 0o600)?;
        directory::give(&path, owner)
    }
}

fn inode(path: &Path) -> io::Result<Inode> {
    Ok(Inode {
        number: fs::metadata(path)?.ino(),
        volume: rustix::fs::statvfs(path)?.f_fsid,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    // I-12
    #[test]
    fn a_copy_is_somebody_elses_on_another_volume_too() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(directory::ours(root.path())).unwrap();
        let backup = "bkp_00000000000000000000000000000007".parse().unwrap();
        let places = Places::default();
        let marker = Marker::new(7, backup, root.path(), &places).unwrap();
        let meta = fs::metadata(root.path()).unwrap();
        let write = |marker: &Marker| {
            let owner = (meta.uid(), meta.gid());
            marker.write(root.path(), owner).unwrap();
        };
        write(&marker);
        assert_eq!(Marker::of(root.path()), Some(marker.clone()));
        for (number, volume) in [(1, 0), (0, 1)] {
            let mut copied = marker.clone();
            copied.inode.number ^= number;
            copied.inode.volume ^= volume;
            write(&copied);
            assert_eq!(Marker::of(root.path()), None);
        }
    }
}
