//! Files of a dump that must be on disk for a while: pg_dump writes a directory
//! and pg_restore seeks in an archive.
//!
//! They lie in the agent's own directory, readable by nobody else, and are
//! gone when the job has ended, however it ended: at once, or when the next
//! process of the agent looks. They never take the last room on the volume,
//! which may be the database's own (I-15).

use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use holdfast_types::Failure;
use uuid::Uuid;

use super::JobContext;

/// Where they are, below the agent's directory.
const DIRECTORY: &str = "dumps";
/// How often the volume is looked at while something grows on it.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// The room that is left alone: so much of the volume, at most this.
const RESERVE_PART: u64 = 20;
const RESERVE_MOST: u64 = 2 << 30;

/// A directory that goes when this does.
#[derive(Debug)]
pub(super) struct Staging {
    path: PathBuf,
}

/// One per process: what lies under another name was left by one that died.
pub(super) fn process() -> &'static str {
    static PROCESS: OnceLock<String> = OnceLock::new();
    PROCESS.get_or_init(|| Uuid::now_v7().simple().to_string())
}

/// Removes what processes of the agent before this one left behind. The data
/// directory is locked, so none of them runs any more; a program that one of
/// them started finds its directory gone and ends.
pub(crate) fn sweep(data_dir: &Path) {
    let Ok(entries) = fs::read_dir(data_dir.join(DIRECTORY)) else {
        return;
    };
    for entry in entries.filter_map(Result::ok) {
        if entry.file_name() == process() {
            continue;
        }
        let path = entry.path();
        match fs::remove_dir_all(&path) {
            Ok(()) => {
                tracing::info!(path = %path.display(), "files of an unfinished dump are removed")
            }
            Err(error) => {
                tracing::warn!(%error, path = %path.display(), "files of an unfinished dump are left");
            }
        }
    }
}

impl Staging {
    /// A new one, for the attempt of this name.
    pub(super) fn new(data_dir: &Path, attempt: &str) -> Result<Self, Failure> {
        sweep(data_dir);
        let path = data_dir.join(DIRECTORY).join(process()).join(attempt);
        let mut builder = fs::DirBuilder::new();
        let made = builder.recursive(true).mode(0o700).create(&path);
        made.map_err(|error| unusable(&path, &error))?;
        Ok(Self { path })
    }

    /// The directory.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Makes a directory in it.
    pub(super) fn directory(&self, name: &str) -> Result<PathBuf, Failure> {
        let path = self.path.join(name);
        let made = fs::DirBuilder::new().mode(0o700).create(&path);
        made.map_err(|error| unusable(&path, &error))?;
        Ok(path)
    }

    /// Refuses what will not fit, before anything is written.
    pub(super) fn check_room(&self, bytes: u64, what: &str) -> Result<(), Failure> {
        let volume = self.volume()?;
        let needed = bytes.saturating_add(volume.reserve());
        if volume.free >= needed {
            return Ok(());
        }
        Err(no_room(&self.path, volume.free, needed, what))
    }

    /// Watches what is written below `growing`: tells the job of it, and comes
    /// back, with the reason, when no more may be written.
    pub(super) async fn watch(&self, growing: &Path, what: &str, cx: &JobContext) -> Failure {
        let mut told = 0;
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            let written = size_of(growing);
            if written > told {
                cx.add_bytes(written - told);
                told = written;
            }
            match self.volume() {
                Ok(volume) if volume.free < volume.reserve() => {
                    return no_room(&self.path, volume.free, volume.reserve(), what);
                }
                Ok(_) => {}
                Err(failure) => return failure,
            }
        }
    }

    fn volume(&self) -> Result<Volume, Failure> {
        Volume::of(&self.path)
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.path)
            && error.kind() != io::ErrorKind::NotFound
        {
            // The next process of the agent tries again.
            tracing::warn!(%error, path = %self.path.display(), "files of a dump are left");
        }
    }
}

/// The files of a directory, as far as they can be seen.
fn size_of(directory: &Path) -> u64 {
    let entries = fs::read_dir(directory).into_iter().flatten();
    let sizes = entries.filter_map(|entry| Some(entry.ok()?.metadata().ok()?.len()));
    sizes.sum()
}

/// A volume, as it is now.
pub(super) struct Volume {
    pub(super) total: u64,
    pub(super) free: u64,
}

impl Volume {
    /// The one that a directory is on.
    pub(super) fn of(path: &Path) -> Result<Self, Failure> {
        let volume = rustix::fs::statvfs(path);
        let volume = volume.map_err(|error| unusable(path, &error.into()))?;
        Ok(Self {
            total: volume.f_blocks.saturating_mul(volume.f_frsize),
            free: volume.f_bavail.saturating_mul(volume.f_frsize),
        })
    }

    /// I-15: the database's own files may be on this volume.
    pub(super) fn reserve(&self) -> u64 {
        (self.total / RESERVE_PART).min(RESERVE_MOST)
    }
}

fn no_room(path: &Path, free: u64, needed: u64, what: &str) -> Failure {
    Failure::permanent(
        "not_enough_space",
        format!(
            "the volume of {} has {} MiB free and {what} needs {} MiB there, what is left alone \
             included",
            path.display(),
            free >> 20,
            needed >> 20
        ),
        "free space on the volume of the agent's data directory; a dump of format custom needs none",
    )
}

fn unusable(path: &Path, error: &io::Error) -> Failure {
    Failure::transient(
        "directory_unusable",
        format!("{} cannot be used: {error}", path.display()),
        "check the agent's data directory: it must belong to the agent's user",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_goes_with_the_job_and_what_died_is_swept() {
        let data = tempfile::tempdir().unwrap();
        let dead = data.path().join(DIRECTORY).join("dead/attempt");
        fs::create_dir_all(&dead).unwrap();
        let one = Staging::new(data.path(), "one").unwrap();
        let two = Staging::new(data.path(), "two").unwrap();
        assert!(!dead.exists(), "what another process left is still there");
        fs::write(one.directory("db").unwrap().join("toc.dat"), "x").unwrap();
        let path = one.path().to_owned();
        drop(one);
        assert!(!path.exists() && two.path().exists());
    }

    #[tokio::test]
    async fn what_grows_is_told_to_the_job() {
        let data = tempfile::tempdir().unwrap();
        let staging = Staging::new(data.path(), "one").unwrap();
        let growing = staging.directory("db").unwrap();
        let cx = JobContext::new(tokio_util::sync::CancellationToken::new());
        fs::write(growing.join("1.dat"), [1; 1000]).unwrap();
        let watched = staging.watch(&growing, "a dump", &cx);
        let told = async {
            while cx.bytes().0 < 1500 {
                tokio::time::sleep(LOOK_EVERY / 10).await;
                fs::write(growing.join("2.dat"), [2; 500]).unwrap();
            }
        };
        tokio::select! {
            failure = watched => panic!("{failure}"),
            () = told => assert_eq!(cx.bytes().0, 1500),
        }
    }

    #[test]
    fn room_is_left_alone() {
        let data = tempfile::tempdir().unwrap();
        let staging = Staging::new(data.path(), "one").unwrap();
        staging.check_room(1, "a dump").unwrap();
        let volume = staging.volume().unwrap();
        // All that is free is too much already.
        let failure = staging.check_room(volume.free, "a dump").unwrap_err();
        assert_eq!(failure.code, "not_enough_space");
    }
}
