//! Names in directories, and when they are there to stay.

use std::ffi::{OsStr, OsString};

use fuser::{Errno, FileType};

use super::image::Image;

/// Which `fsync` makes a name last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Names {
    /// That of its directory alone: all that POSIX promises.
    Strict,
    /// Any: a file system with one journal, such as ext4.
    Journal,
}

/// A change of names that no `fsync` has covered. Each is done wholly or not at
/// all, a rename between directories too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum NameChange {
    Add {
        dir: u64,
        name: OsString,
        ino: u64,
    },
    Remove {
        dir: u64,
        name: OsString,
        ino: u64,
    },
    Rename {
        from: (u64, OsString),
        to: (u64, OsString),
        ino: u64,
    },
}

impl NameChange {
    pub(super) fn is_about(&self, wanted: u64) -> bool {
        match self {
            Self::Add { ino, .. } | Self::Remove { ino, .. } | Self::Rename { ino, .. } => {
                *ino == wanted
            }
        }
    }

    pub(super) fn touches(&self, wanted: u64) -> bool {
        match self {
            Self::Add { dir, .. } | Self::Remove { dir, .. } => *dir == wanted,
            Self::Rename { from, to, .. } => from.0 == wanted || to.0 == wanted,
        }
    }
}

impl Image {
    pub(super) fn add_name(&mut self, dir: u64, name: &OsStr, ino: u64) {
        let name = name.to_owned();
        if let Some(inode) = self.inodes.get_mut(&ino) {
            inode.links += 1;
        }
        if let Some(directory) = self.inodes.get_mut(&dir) {
            directory.names.insert(name.clone(), ino);
        }
        self.journal.push(NameChange::Add { dir, name, ino });
    }

    pub(super) fn remove_name(
        &mut self,
        dir: u64,
        name: &OsStr,
        directory: bool,
    ) -> Result<(), Errno> {
        let ino = self.find(dir, name)?;
        let inode = self.inode_mut(ino)?;
        match (inode.kind == FileType::Directory, directory) {
            (true, false) => return Err(Errno::EISDIR),
            (false, true) => return Err(Errno::ENOTDIR),
            (true, true) if !inode.names.is_empty() => return Err(Errno::ENOTEMPTY),
            _ => {}
        }
        inode.links -= 1;
        self.inode_mut(dir)?.names.remove(name);
        let name = name.to_owned();
        self.journal.push(NameChange::Remove { dir, name, ino });
        self.reap(ino);
        Ok(())
    }

    pub(super) fn rename(
        &mut self,
        from: (u64, &OsStr),
        to: (u64, &OsStr),
        replace: bool,
    ) -> Result<(), Errno> {
        let ino = self.find(from.0, from.1)?;
        let replaced = self.find(to.0, to.1).ok();
        if replaced == Some(ino) {
            return Ok(());
        }
        if let Some(old) = replaced {
            if !replace {
                return Err(Errno::EEXIST);
            }
            let old = self.inode_mut(old)?;
            if !old.names.is_empty() {
                return Err(Errno::ENOTEMPTY);
            }
            old.links -= 1;
        }
        self.inode_mut(from.0)?.names.remove(from.1);
        self.inode_mut(to.0)?.names.insert(to.1.to_owned(), ino);
        let from = (from.0, from.1.to_owned());
        let to = (to.0, to.1.to_owned());
        self.journal.push(NameChange::Rename { from, to, ino });
        if let Some(old) = replaced {
            self.reap(old);
        }
        Ok(())
    }

    /// `fsync` of a directory.
    pub(super) fn sync_names(&mut self, dir: u64) {
        let strict = self.names == Names::Strict;
        self.commit_names(|change| !strict || change.touches(dir));
    }

    /// Makes those changes last that are `wanted`, in their order.
    pub(super) fn commit_names(&mut self, wanted: impl Fn(&NameChange) -> bool) {
        let journal = std::mem::take(&mut self.journal);
        let (lasting, rest): (Vec<_>, Vec<_>) = journal.into_iter().partition(wanted);
        self.journal = rest;
        let mut unnamed = Vec::new();
        for change in lasting {
            match change {
                NameChange::Add { dir, name, ino } => {
                    unnamed.extend(self.put_safe(dir, name, ino));
                }
                NameChange::Remove { dir, name, .. } => unnamed.extend(self.take_safe(dir, &name)),
                NameChange::Rename { from, to, ino } => {
                    unnamed.extend(self.put_safe(to.0, to.1, ino));
                    unnamed.extend(self.take_safe(from.0, &from.1));
                }
            }
        }
        for ino in unnamed {
            self.reap(ino);
        }
    }

    /// The inode that lost this name to another.
    fn put_safe(&mut self, dir: u64, name: OsString, ino: u64) -> Option<u64> {
        let before = self.inodes.get_mut(&dir)?.safe_names.insert(name, ino);
        if let Some(inode) = self.inodes.get_mut(&ino) {
            inode.safe_links += 1;
        }
        self.unlink_safe(before)
    }

    fn take_safe(&mut self, dir: u64, name: &OsStr) -> Option<u64> {
        let before = self.inodes.get_mut(&dir)?.safe_names.remove(name);
        self.unlink_safe(before)
    }

    fn unlink_safe(&mut self, ino: Option<u64>) -> Option<u64> {
        let inode = self.inodes.get_mut(&ino?)?;
        inode.safe_links = inode.safe_links.saturating_sub(1);
        ino
    }
}
