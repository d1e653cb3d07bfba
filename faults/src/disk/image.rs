//! What is on a disk, and what a power cut would leave of it.
//!
//! The model is POSIX taken by its word, which every Linux file system keeps:
//!
//! - a write is volatile until `fsync` or `fdatasync` of its file;
//! - a name made, changed or removed is volatile until `fsync` of its directory
//!   ([`Names::Strict`]), or until any `fsync` at all, as in ext4's journal
//!   ([`Names::Journal`]);
//! - owners and modes last from the start: nothing here depends on them;
//! - after an `fsync` that failed, what was to be written is clean in memory
//!   and will never be on the disk, and the next `fsync` succeeds: Linux's way.
//!
//! Every file has two images in a folder of the host: `now`, which programs
//! read, and `safe`, which a cut leaves. Only what lies between them is kept in
//! memory.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use fuser::{Errno, FileType};

use super::names::{NameChange, Names};

/// The number of the root directory.
pub(super) const ROOT: u64 = 1;
/// So much of one file waits in memory; what is beyond is written back first,
/// as a kernel does under pressure.
const PENDING_MAX: usize = 64 << 20;

/// A change of a file that no `fsync` has covered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Change {
    Write { offset: u64, data: Vec<u8> },
    Resize(u64),
}

/// A file, directory or symbolic link.
#[derive(Debug)]
pub(super) struct Inode {
    pub(super) kind: FileType,
    pub(super) mode: u16,
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) changed: SystemTime,
    pub(super) size: u64,
    pub(super) links: u32,
    pub(super) safe_links: u32,
    pub(super) open: u32,
    /// Of a directory, as programs see it.
    pub(super) names: BTreeMap<OsString, u64>,
    /// Of a directory, as a cut leaves it.
    pub(super) safe_names: BTreeMap<OsString, u64>,
    pub(super) target: PathBuf,
    pub(super) pending: Vec<Change>,
}

impl Inode {
    pub(super) fn new(kind: FileType, mode: u16, uid: u32, gid: u32) -> Self {
        Self {
            kind,
            mode,
            uid,
            gid,
            changed: SystemTime::now(),
            size: 0,
            links: 0,
            safe_links: 0,
            open: 0,
            names: BTreeMap::new(),
            safe_names: BTreeMap::new(),
            target: PathBuf::new(),
            pending: Vec::new(),
        }
    }

    fn pending_bytes(&self) -> usize {
        let bytes = |change: &Change| match change {
            Change::Write { data, .. } => data.len(),
            Change::Resize(_) => 0,
        };
        self.pending.iter().map(bytes).sum()
    }
}

/// A disk's content.
#[derive(Debug)]
pub(super) struct Image {
    folder: PathBuf,
    pub(super) inodes: BTreeMap<u64, Inode>,
    next: u64,
    pub(super) names: Names,
    /// Changes of names that no `fsync` has covered, in order.
    pub(super) journal: Vec<NameChange>,
    /// The sum of all sizes.
    pub(super) used: u64,
    /// The volume is full at this many bytes.
    pub(super) limit: Option<u64>,
}

type Outcome<T> = Result<T, Errno>;

pub(super) fn errno(error: &io::Error) -> Errno {
    error
        .raw_os_error()
        .map_or(Errno::EIO, |_| Errno::from(io::Error::from(error.kind())))
}

impl Image {
    /// An empty disk whose images lie in `folder`.
    pub(super) fn new(folder: &Path, names: Names) -> io::Result<Self> {
        for part in ["now", "safe"] {
            fs::create_dir_all(folder.join(part))?;
        }
        let mut root = Inode::new(FileType::Directory, 0o755, 0, 0);
        (root.links, root.safe_links) = (2, 2);
        Ok(Self {
            folder: folder.to_owned(),
            inodes: BTreeMap::from([(ROOT, root)]),
            next: ROOT + 1,
            names,
            journal: Vec::new(),
            used: 0,
            limit: None,
        })
    }

    pub(super) fn now(&self, ino: u64) -> PathBuf {
        self.folder.join("now").join(ino.to_string())
    }

    pub(super) fn safe(&self, ino: u64) -> PathBuf {
        self.folder.join("safe").join(ino.to_string())
    }

    pub(super) fn inode(&self, ino: u64) -> Outcome<&Inode> {
        self.inodes.get(&ino).ok_or(Errno::ENOENT)
    }

    pub(super) fn inode_mut(&mut self, ino: u64) -> Outcome<&mut Inode> {
        self.inodes.get_mut(&ino).ok_or(Errno::ENOENT)
    }

    /// What is called `name` in a directory.
    pub(super) fn find(&self, parent: u64, name: &OsStr) -> Outcome<u64> {
        let names = &self.inode(parent)?.names;
        names.get(name).copied().ok_or(Errno::ENOENT)
    }

    /// A new inode under a new name.
    pub(super) fn make(&mut self, parent: u64, name: &OsStr, inode: Inode) -> Outcome<u64> {
        if self.inode(parent)?.names.contains_key(name) {
            return Err(Errno::EEXIST);
        }
        if self.limit.is_some_and(|limit| self.used >= limit) {
            return Err(Errno::ENOSPC);
        }
        let ino = self.next;
        self.next += 1;
        if inode.kind == FileType::RegularFile {
            File::create(self.now(ino)).map_err(|error| errno(&error))?;
        }
        self.inodes.insert(ino, inode);
        self.add_name(parent, name, ino);
        Ok(ino)
    }

    pub(super) fn read(&self, ino: u64, offset: u64, size: usize) -> Outcome<Vec<u8>> {
        let mut buffer = vec![0; size];
        let file = File::open(self.now(ino)).map_err(|error| errno(&error))?;
        let mut read = 0;
        while read < size {
            let at = offset + read as u64;
            match file.read_at(&mut buffer[read..], at) {
                Ok(0) => break,
                Ok(more) => read += more,
                Err(error) => return Err(errno(&error)),
            }
        }
        buffer.truncate(read);
        Ok(buffer)
    }

    /// Writes as much as there is room for.
    pub(super) fn write(&mut self, ino: u64, offset: u64, data: &[u8]) -> Outcome<usize> {
        let size = self.inode(ino)?.size;
        let end = offset + data.len() as u64;
        let growth = end.saturating_sub(size);
        let room = self
            .limit
            .map_or(u64::MAX, |limit| limit.saturating_sub(self.used));
        let missing = usize::try_from(growth.saturating_sub(room)).unwrap_or(usize::MAX);
        let data = &data[..data.len().saturating_sub(missing)];
        if data.is_empty() && missing > 0 {
            return Err(Errno::ENOSPC);
        }
        let change = Change::Write {
            offset,
            data: data.to_vec(),
        };
        self.change(ino, change)?;
        Ok(data.len())
    }

    pub(super) fn resize(&mut self, ino: u64, size: u64) -> Outcome<()> {
        let growth = size.saturating_sub(self.inode(ino)?.size);
        if self.limit.is_some_and(|limit| self.used + growth > limit) && growth > 0 {
            return Err(Errno::ENOSPC);
        }
        self.change(ino, Change::Resize(size))
    }

    fn change(&mut self, ino: u64, change: Change) -> Outcome<()> {
        apply(&self.now(ino), &change).map_err(|error| errno(&error))?;
        let inode = self.inode_mut(ino)?;
        let before = inode.size;
        inode.size = match &change {
            Change::Write { offset, data } => before.max(offset + data.len() as u64),
            Change::Resize(size) => *size,
        };
        let after = inode.size;
        inode.changed = SystemTime::now();
        inode.pending.push(change);
        let crowded = inode.pending_bytes() > PENDING_MAX;
        self.used = self.used + after - before;
        if crowded { self.sync_data(ino) } else { Ok(()) }
    }

    /// `fsync` of a file.
    pub(super) fn sync(&mut self, ino: u64) -> Outcome<()> {
        self.sync_data(ino)?;
        if self.names == Names::Journal {
            self.commit_names(|_| true);
        }
        Ok(())
    }

    fn sync_data(&mut self, ino: u64) -> Outcome<()> {
        let pending = std::mem::take(&mut self.inode_mut(ino)?.pending);
        let safe = self.safe(ino);
        for change in &pending {
            apply(&safe, change).map_err(|error| errno(&error))?;
        }
        Ok(())
    }

    /// An `fsync` that failed: what it was about never gets to the disk.
    pub(super) fn lose(&mut self, ino: u64) -> Outcome<()> {
        self.inode_mut(ino)?.pending.clear();
        Ok(())
    }

    /// Forgets an inode that has no name, no user and no place after a cut.
    pub(super) fn reap(&mut self, ino: u64) {
        let Some(inode) = self.inodes.get(&ino) else {
            return;
        };
        let wanted = inode.links > 0 || inode.safe_links > 0 || inode.open > 0;
        if wanted || ino == ROOT || self.journal.iter().any(|change| change.is_about(ino)) {
            return;
        }
        self.used -= inode.size;
        self.inodes.remove(&ino);
        // A directory has no images.
        drop(fs::remove_file(self.now(ino)));
        drop(fs::remove_file(self.safe(ino)));
    }
}

/// Does a change to an image of a file.
pub(super) fn apply(path: &Path, change: &Change) -> io::Result<()> {
    let file = File::options()
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)?;
    match change {
        Change::Write { offset, data } => file.write_all_at(data, *offset),
        Change::Resize(size) => file.set_len(*size),
    }
}
