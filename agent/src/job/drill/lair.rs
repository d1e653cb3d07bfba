//! The directory of one drill: everything it makes is in it, and it goes with it.

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use holdfast_pg::binaries::RunAs;
use holdfast_types::Failure;
use uuid::Uuid;

use super::sweep;
use crate::job::JobContext;
use crate::job::staging::Volume;

/// Where they are, below the agent's directory. Short, for the path of a socket in it
/// is bounded.
pub(super) const DIRECTORY: &str = "drills";
/// So much of a name tells two of them apart.
const NAME_CHARS: usize = 12;

/// The directory of a drill.
pub(super) struct Lair {
    path: PathBuf,
    owner: Option<RunAs>,
    removed: AtomicBool,
}

impl Lair {
    /// A new one. As root, it belongs to PostgreSQL's usual user, since PostgreSQL does
    /// not run as root.
    pub(super) fn make(data_dir: &Path) -> Result<Self, Failure> {
        let all = data_dir.join(DIRECTORY);
        let name = Uuid::new_v4().simple().to_string();
        let path = all.join(&name[..NAME_CHARS]);
        let owner = RunAs::postgres();
        let make = || -> io::Result<PathBuf> {
            let mut builder = fs::DirBuilder::new();
            builder.recursive(true).mode(0o700).create(&all)?;
            if owner.is_some() {
                // That user goes through it, and sees nothing there.
                fs::set_permissions(&all, fs::Permissions::from_mode(0o711))?;
            }
            fs::DirBuilder::new().mode(0o700).create(&path)?;
            give(&path, owner)?;
            // By this name it is found in what the kernel tells of processes.
            path.canonicalize()
        };
        let path = make().map_err(|error| unusable(&path, &error))?;
        Ok(Self {
            path,
            owner,
            removed: AtomicBool::new(false),
        })
    }

    /// Where the data directory is to be.
    pub(super) fn data(&self) -> PathBuf {
        self.path.join("d")
    }

    /// A directory of its own for something that is not in the data directory.
    pub(super) fn place(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Makes such a directory.
    pub(super) fn make_place(&self, name: &str) -> Result<PathBuf, Failure> {
        let path = self.place(name);
        let made = fs::DirBuilder::new().mode(0o700).create(&path);
        made.and_then(|()| give(&path, self.owner))
            .map_err(|error| unusable(&path, &error))?;
        Ok(path)
    }

    /// Refuses what would take the last room of the volume, which may be the
    /// database's own (I-15).
    pub(super) fn check_room(&self, bytes: u64) -> Result<(), Failure> {
        let volume = Volume::of(&self.path)?;
        let needed = bytes.saturating_add(volume.reserve());
        if volume.free >= needed {
            return Ok(());
        }
        Err(Failure::permanent(
            "not_enough_space",
            format!(
                "the volume of {} has {} MiB free and the drill needs {} MiB there, what is left \
                 alone included",
                self.path.display(),
                volume.free >> 20,
                needed >> 20
            ),
            "free space on the volume of the agent's data directory, or name another agent for \
             the drill",
        ))
    }

    /// Ends what runs in it and takes it away.
    pub(super) async fn remove(self, cx: &JobContext) {
        let path = self.path.clone();
        let done = tokio::task::spawn_blocking(move || sweep::remove(&path)).await;
        match done {
            Ok(Ok(())) => self.removed.store(true, Ordering::Relaxed),
            Ok(Err(error)) => {
                // The next process of the agent tries again.
                let path = self.path.display();
                cx.log(format!("warning: {path} could not be removed: {error}"));
                tracing::warn!(%error, path = %path, "the files of a drill are left");
            }
            Err(error) => tracing::warn!(%error, "the files of a drill are left"),
        }
    }
}

impl Drop for Lair {
    /// The job was given up in the middle: nobody waits for this.
    fn drop(&mut self) {
        if self.removed.load(Ordering::Relaxed) {
            return;
        }
        let path = self.path.clone();
        std::thread::spawn(move || {
            if let Err(error) = sweep::remove(&path) {
                tracing::warn!(%error, path = %path.display(), "the files of a drill are left");
            }
        });
    }
}

fn give(path: &Path, owner: Option<RunAs>) -> io::Result<()> {
    match owner {
        Some(owner) => std::os::unix::fs::chown(path, Some(owner.uid()), Some(owner.gid())),
        None => Ok(()),
    }
}

fn unusable(path: &Path, error: &io::Error) -> Failure {
    Failure::transient(
        "directory_unusable",
        format!("{} cannot be used: {error}", path.display()),
        "check the agent's data directory: it must belong to the agent's user",
    )
}
