//! `.holdfast/restored.json`: this directory is one that Holdfast restored, with
//! these directories beside it. By it a later `--delta` knows what it may write
//! over without being forced (I-12).
//!
//! It names directories by their inodes: a copy of a restored directory, or a
//! standby that was made of it, is somebody else's.

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
    inode: u64,
    elsewhere: Vec<Elsewhere>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Elsewhere {
    path: PathBuf,
    inode: u64,
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

fn inode(path: &Path) -> io::Result<u64> {
    fs::metadata(path).map(|meta| meta.ino())
}
