//! Durable directories for `file://`.
//!
//! The local client syncs an object and the directory it is linked into, and
//! directories that it created itself. Two holes remain, and both could lose
//! an object that was confirmed: a directory that another process or thread
//! created a moment ago and has not synced, and an object that a killed
//! process linked and never synced. This closes them.

use std::collections::{BTreeSet, HashSet};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

#[derive(Debug)]
pub(super) struct Directories {
    root: PathBuf,
    /// Those whose own entries are known to be on stable storage.
    durable: Mutex<HashSet<PathBuf>>,
}

impl Directories {
    pub(super) fn new(root: PathBuf) -> Arc<Self> {
        Arc::new(Self {
            root,
            durable: Mutex::default(),
        })
    }

    /// Makes the directory of an object exist durably, up to the root.
    pub(super) async fn prepare(self: &Arc<Self>, name: &str) -> io::Result<()> {
        let Some(directory) = self.root.join(name).parent().map(Path::to_path_buf) else {
            return Ok(());
        };
        if self.knows(&directory) {
            return Ok(());
        }
        let this = Arc::clone(self);
        blocking(move || this.make_durable(&directory)).await
    }

    /// Syncs an object that was found in place, and what leads to it.
    pub(super) async fn sync_existing(self: &Arc<Self>, name: &str) -> io::Result<()> {
        let this = Arc::clone(self);
        let path = self.root.join(name);
        let sync = move || {
            File::open(&path)?.sync_all()?;
            let Some(directory) = path.parent() else {
                return Ok(());
            };
            this.make_durable(directory)?;
            sync_directory(directory)
        };
        blocking(sync).await
    }

    /// Syncs the directories that objects were deleted from: a power cut brings none
    /// of them back.
    pub(super) async fn sync_deleted(self: &Arc<Self>, names: &[String]) -> io::Result<()> {
        let parent = |name: &String| self.root.join(name).parent().map(Path::to_path_buf);
        let parents: BTreeSet<PathBuf> = names.iter().filter_map(parent).collect();
        let sync = move || {
            for directory in parents {
                match sync_directory(&directory) {
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    synced => synced?,
                }
            }
            Ok(())
        };
        blocking(sync).await
    }

    fn knows(&self, directory: &Path) -> bool {
        self.durable
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .contains(directory)
    }

    fn make_durable(&self, directory: &Path) -> io::Result<()> {
        // The root is made by `create_root` alone: a repository on a volume
        // that is not mounted must not be founded anew below the mount point.
        if directory == self.root || self.knows(directory) {
            return Ok(());
        }
        let Some(parent) = directory.parent() else {
            return Ok(());
        };
        self.make_durable(parent)?;
        match std::fs::create_dir(directory) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => sync_directory(parent)?,
        }
        let mut durable = self.durable.lock().unwrap_or_else(PoisonError::into_inner);
        durable.insert(directory.to_path_buf());
        Ok(())
    }
}

/// Creates a directory and its missing parents, durably.
pub(super) fn create_root(directory: &Path) -> io::Result<()> {
    if directory.is_dir() {
        return Ok(());
    }
    let Some(parent) = directory.parent() else {
        return Ok(());
    };
    create_root(parent)?;
    match std::fs::create_dir(directory) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => sync_directory(parent),
    }
}

fn sync_directory(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

async fn blocking(work: impl FnOnce() -> io::Result<()> + Send + 'static) -> io::Result<()> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|error| Err(io::Error::other(error)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn directories_are_made_below_the_root_and_never_the_root_itself() {
        let place = tempfile::tempdir().unwrap();
        let root = place.path().join("volume/repository");
        let directories = Directories::new(root.clone());
        let unmounted = directories.prepare("a/b/object").await.unwrap_err();
        assert_eq!(unmounted.kind(), io::ErrorKind::NotFound);
        assert!(!root.exists());
        create_root(&root).unwrap();
        directories.prepare("a/b/object").await.unwrap();
        assert!(root.join("a/b").is_dir());
        std::fs::write(root.join("a/b/object"), "bytes").unwrap();
        directories.sync_existing("a/b/object").await.unwrap();
        let missing = directories.sync_existing("a/b/other").await.unwrap_err();
        assert_eq!(missing.kind(), io::ErrorKind::NotFound);
    }
}
