//! A disk that can lose its power: a FUSE file system that drops unsynced
//! writes on command, and can be full, slow, or fail an `fsync`.
//!
//! `kill -9` proves nothing about power loss: the kernel still writes what a
//! dead program left in its cache. Under this disk, only what an `fsync` covered
//! is there afterwards. Programs use it as any other mount, with shared memory
//! maps too, as SQLite wants them.

mod cut;
mod fuse;
mod image;
mod names;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use fuser::{BackgroundSession, Config, MountOption, SessionACL};

pub use cut::{Cut, Keep};
pub use names::Names;

use fuse::FaultyDisk;
use image::Image;

/// How long a mount may stay busy after its users were killed.
const BUSY_MAX: Duration = Duration::from_secs(20);

/// What is wrong with a disk for now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Trouble {
    /// There is room for this many bytes more.
    pub room: Option<u64>,
    /// Each `fsync` takes this much longer.
    pub slow_sync: Duration,
    /// Each write takes this much longer.
    pub slow_write: Duration,
    /// Every `fsync` fails.
    pub failing_sync: bool,
}

/// What was done on a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Use {
    /// Writes.
    pub writes: u64,
    /// Calls of `fsync` and `fdatasync`, also of directories.
    pub syncs: u64,
    /// Calls that failed because of [`Trouble`].
    pub refused: u64,
}

#[derive(Debug)]
struct State {
    image: Image,
    trouble: Trouble,
    used: Use,
    /// What had been refused when it was mended last.
    refused_before: u64,
}

/// A mounted disk. It is unmounted when this is dropped, and its content gone.
#[derive(Debug)]
pub struct Disk {
    at: PathBuf,
    state: Arc<Mutex<State>>,
    session: Option<BackgroundSession>,
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Disk {
    /// Mounts an empty disk at `at`; its images lie in `images`, which must be
    /// elsewhere. Needs root.
    pub fn mount(at: &Path, images: &Path, names: Names) -> io::Result<Self> {
        std::fs::create_dir_all(at)?;
        let state = State {
            image: Image::new(images, names)?,
            trouble: Trouble::default(),
            used: Use::default(),
            refused_before: 0,
        };
        let mut disk = Self {
            at: at.to_owned(),
            state: Arc::new(Mutex::new(state)),
            session: None,
        };
        disk.attach()?;
        Ok(disk)
    }

    /// Where it is mounted.
    pub fn path(&self) -> &Path {
        &self.at
    }

    /// Makes it behave so from now on.
    pub fn trouble(&self, trouble: Trouble) {
        let mut state = lock(&self.state);
        state.image.limit = trouble.room.map(|room| state.image.used + room);
        state.trouble = trouble;
    }

    /// Makes it behave well again. Whether a call has failed since it last was
    /// told to.
    pub fn mend(&self) -> bool {
        self.trouble(Trouble::default());
        let mut state = lock(&self.state);
        let refused = state.used.refused;
        std::mem::replace(&mut state.refused_before, refused) < refused
    }

    /// What was done on it so far.
    pub fn used(&self) -> Use {
        lock(&self.state).used
    }

    /// Cuts the power: what no `fsync` covered is gone. Whoever used the disk
    /// must have been killed before.
    pub fn power_cut(&mut self, keep: &mut Keep) -> io::Result<Cut> {
        // What the dead have mapped and changed is written to memory by this.
        self.detach()?;
        let cut = {
            let mut state = lock(&self.state);
            state.trouble = Trouble::default();
            state.image.limit = None;
            state.image.cut(keep)?
        };
        self.attach()?;
        Ok(cut)
    }

    fn attach(&mut self) -> io::Result<()> {
        let mut config = Config::default();
        config.mount_options = vec![
            MountOption::FSName(format!("{}{}", crate::PREFIX, std::process::id())),
            MountOption::Subtype("holdfast-faults".to_owned()),
            MountOption::DefaultPermissions,
            MountOption::NoAtime,
        ];
        config.acl = SessionACL::All;
        let files = FaultyDisk::new(Arc::clone(&self.state));
        self.session = Some(fuser::spawn_mount(files, &self.at, &config)?);
        Ok(())
    }

    fn detach(&mut self) -> io::Result<()> {
        let Some(session) = self.session.take() else {
            return Ok(());
        };
        let started = Instant::now();
        // The killed need a moment to let go of their files.
        while let Err(error) =
            rustix::mount::unmount(&self.at, rustix::mount::UnmountFlags::empty())
        {
            if error != rustix::io::Errno::BUSY || started.elapsed() > BUSY_MAX {
                self.session = Some(session);
                return Err(error.into());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        // It ends when nothing has the disk mounted. Whoever has mounts of its own
        // may have it still, without anybody seeing it here.
        while !session.guard.is_finished() {
            if started.elapsed() > BUSY_MAX {
                let message = "the disk is still mounted for another process";
                return Err(io::Error::other(message));
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        match session.join() {
            // How its reader learns that it was unmounted is a race.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => Ok(()),
            ended => ended,
        }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        if self.session.take().is_some() {
            // Even when somebody still has a file of it open.
            let lazily = rustix::mount::UnmountFlags::DETACH;
            let _ = rustix::mount::unmount(&self.at, lazily);
        }
    }
}
