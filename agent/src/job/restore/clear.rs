//! Making room for a restore over what is there (`--delta`): the control file
//! goes first, so that nothing that is half of one and half of the other ever
//! starts; then everything that the backup does not have. What is left is
//! written over where it differs.
//!
//! Links are never followed: what they lead to is somebody else's, unless the
//! plan names it as a place of this cluster.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use holdfast_pg::control_file;
use holdfast_repo::Entry;
use holdfast_types::Failure;

use super::directory;
use super::durable;
use super::marker;
use super::occupied;
use super::places::{Places, WAL};
use super::prepare::cannot_write;

/// Where the control file waits until it is certain that nobody runs.
const ASIDE: &str = "pg_control.before";
/// What file systems keep in their topmost directory.
const LOST_AND_FOUND: &str = "lost+found";

/// Takes the control file away, durably: from here on the directory does not
/// start before it is whole. Whoever began to start it meanwhile is noticed, and
/// nothing has changed then.
pub(super) fn withdraw(dir: &Path, owner: (u32, u32)) -> Result<(), Failure> {
    let ours = directory::ours(dir);
    let (placed, aside) = (dir.join(control_file::PATH), ours.join(ASIDE));
    let failed = |error: &io::Error| cannot_write(&placed, error);
    let moved = make_ours(&ours, owner).and_then(|()| move_durably(&placed, &aside));
    moved.map_err(|error| failed(&error))?;
    // PostgreSQL makes its postmaster.pid before it reads the control file.
    if let Err(failure) = occupied::check_idle(dir) {
        move_durably(&aside, &placed).map_err(|error| failed(&error))?;
        return Err(failure);
    }
    empty(&ours).map_err(|error| cannot_write(&ours, &error))
}

fn make_ours(ours: &Path, owner: (u32, u32)) -> io::Result<()> {
    match fs::DirBuilder::new().mode(0o700).create(ours) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        made => made.and_then(|()| directory::give(ours, owner)),
    }
}

/// One that is not there need not be moved.
fn move_durably(from: &Path, to: &Path) -> io::Result<()> {
    match fs::rename(from, to) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        moved => moved?,
    }
    let parents = [from.parent(), to.parent()];
    parents.into_iter().flatten().try_for_each(durable::sync)
}

/// Removes what is in our own directory, but for what says whose it is.
fn empty(ours: &Path) -> io::Result<()> {
    for entry in fs::read_dir(ours)? {
        let entry = entry?;
        if entry.file_name() != OsStr::new(marker::NAME) {
            remove(&entry.path())?;
        }
    }
    Ok(())
}

/// Removes a file, a link or a whole directory. Links in it are not followed.
fn remove(path: &Path) -> io::Result<()> {
    if fs::symlink_metadata(path)?.is_dir() {
        return fs::remove_dir_all(path);
    }
    fs::remove_file(path)
}

/// The names in a backup, as hashes: a million take 16 MiB. Should two names
/// share one, too much is left, and `pg_verifybackup` says so.
#[derive(Debug, Default)]
pub(super) struct Expected(HashSet<u64>);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Kind {
    Directory,
    File,
    Link,
}

impl Expected {
    /// Notes what the backup has there. What is written anew at any rate is not
    /// expected.
    pub(super) fn note(&mut self, entry: &Entry, places: &Places) {
        let path = entry.path().as_path();
        let kind = match entry {
            Entry::Directory(_) if path == Path::new(WAL) && places.wal.is_some() => Kind::Link,
            Entry::Directory(_) => Kind::Directory,
            Entry::File(_) => Kind::File,
            Entry::Symlink(_) => Kind::Link,
            Entry::Generated(_) | Entry::Config(_) => return,
        };
        self.0.insert(hash(kind, path));
    }

    fn has(&self, kind: Kind, path: &Path) -> bool {
        self.0.contains(&hash(kind, path))
    }
}

fn hash(kind: Kind, path: &Path) -> u64 {
    let mut hasher = DefaultHasher::new();
    (kind, path).hash(&mut hasher);
    hasher.finish()
}

/// Removes everything that is not expected, here and in what is elsewhere, and
/// says how many names that were.
pub(super) fn prune(dir: &Path, places: &Places, expected: &Expected) -> Result<u64, Failure> {
    let tablespaces = places.tablespaces.iter().map(|place| {
        let inside = Path::new("pg_tblspc").join(place.oid.to_string());
        (place.at.clone(), inside)
    });
    let wal = places.wal.iter().map(|place| (place.clone(), WAL.into()));
    let roots = std::iter::once((dir.to_owned(), PathBuf::new()));
    let mut removed = 0;
    for (root, inside) in roots.chain(tablespaces).chain(wal) {
        let mut pending = vec![PathBuf::new()];
        while let Some(directory) = pending.pop() {
            let pruned = prune_one(&root, &inside, &directory, expected);
            let (kept, gone) =
                pruned.map_err(|error| cannot_write(&root.join(&directory), &error))?;
            pending.extend(kept);
            removed += gone;
        }
    }
    Ok(removed)
}

/// One directory: the directories in it that stay, and how many names went.
fn prune_one(
    root: &Path,
    inside: &Path,
    directory: &Path,
    expected: &Expected,
) -> io::Result<(Vec<PathBuf>, u64)> {
    let (mut kept, mut removed) = (Vec::new(), 0);
    for entry in fs::read_dir(root.join(directory))? {
        let entry = entry?;
        let name = directory.join(entry.file_name());
        let is_top = directory.as_os_str().is_empty();
        if is_top
            && [directory::OURS, LOST_AND_FOUND]
                .iter()
                .any(|own| name == Path::new(own))
        {
            continue;
        }
        let kind = match entry.file_type()? {
            kind if kind.is_dir() => Kind::Directory,
            kind if kind.is_symlink() => Kind::Link,
            _ => Kind::File,
        };
        if !expected.has(kind, &inside.join(&name)) {
            remove(&entry.path())?;
            removed += 1;
        } else if kind == Kind::Directory {
            kept.push(name);
        }
    }
    Ok((kept, removed))
}

/// Removes what cannot be written over at `path`: anything but a plain file, and
/// a file that has another name too, such as one that `pg_upgrade --link` shares
/// with another cluster.
pub(super) fn clear_way(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(meta) if meta.is_file() && meta.nlink() == 1 => Ok(()),
        Ok(_) => remove(path),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// The bytes that a directory takes on its volume and that a restore over it
/// frees or uses again. Files that have another name too stay where they are.
pub(super) fn reclaimable(dir: &Path) -> u64 {
    let mut bytes = 0;
    let mut pending = vec![dir.to_owned()];
    while let Some(directory) = pending.pop() {
        let Ok(entries) = fs::read_dir(&directory) else {
            continue;
        };
        for entry in entries.flatten() {
            match entry.metadata() {
                Ok(meta) if meta.is_dir() => pending.push(entry.path()),
                Ok(meta) if meta.is_file() && meta.nlink() == 1 => bytes += meta.blocks() * 512,
                _ => {}
            }
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn expected(names: &[(Kind, &str)]) -> Expected {
        Expected(
            names
                .iter()
                .map(|(kind, name)| hash(*kind, Path::new(name)))
                .collect(),
        )
    }

    fn write(path: &Path) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "x").unwrap();
    }

    // I-12
    #[test]
    fn what_the_backup_does_not_have_goes_and_nothing_behind_a_link() {
        let root = tempfile::tempdir().unwrap();
        let (dir, fast) = (root.path().join("data"), root.path().join("fast"));
        let outside = root.path().join("outside");
        for name in [
            "base/1/1",
            "base/1/2",
            "base/9/1",
            "pg_wal/0001",
            ".holdfast/x",
            "1",
        ] {
            write(&dir.join(name));
        }
        write(&dir.join("lost+found/1"));
        write(&outside.join("1"));
        write(&fast.join("PG_18_1/5/1"));
        write(&fast.join("PG_18_1/5/2"));
        fs::create_dir(dir.join("pg_tblspc")).unwrap();
        symlink(&fast, dir.join("pg_tblspc/16385")).unwrap();
        symlink(&outside, dir.join("pg_tblspc/16386")).unwrap();
        symlink(&outside, dir.join("base/7")).unwrap();
        let wanted = expected(&[
            (Kind::Directory, "base"),
            (Kind::Directory, "base/1"),
            (Kind::File, "base/1/1"),
            // A directory in the backup, a link here.
            (Kind::Directory, "base/7"),
            (Kind::Directory, "pg_wal"),
            (Kind::Directory, "pg_tblspc"),
            (Kind::Link, "pg_tblspc/16385"),
            (Kind::Directory, "pg_tblspc/16385/PG_18_1"),
            (Kind::Directory, "pg_tblspc/16385/PG_18_1/5"),
            (Kind::File, "pg_tblspc/16385/PG_18_1/5/1"),
        ]);
        let places = Places::at(16385, &fast);
        assert_eq!(prune(&dir, &places, &wanted).unwrap(), 7);
        let there = |name: &str| dir.join(name).symlink_metadata().is_ok();
        for name in [
            "base/1/1",
            "pg_wal",
            "lost+found/1",
            ".holdfast/x",
            "pg_tblspc/16385",
        ] {
            assert!(there(name), "{name}");
        }
        for name in [
            "base/1/2",
            "base/9",
            "base/7",
            "pg_wal/0001",
            "1",
            "pg_tblspc/16386",
        ] {
            assert!(!there(name), "{name}");
        }
        assert!(fast.join("PG_18_1/5/1").exists() && !fast.join("PG_18_1/5/2").exists());
        assert!(outside.join("1").exists());
    }

    #[test]
    fn a_file_with_two_names_is_not_written_over() {
        let root = tempfile::tempdir().unwrap();
        let (one, other) = (root.path().join("one"), root.path().join("other"));
        fs::write(&one, "x").unwrap();
        clear_way(&one).unwrap();
        assert!(one.exists());
        fs::hard_link(&one, &other).unwrap();
        clear_way(&one).unwrap();
        assert!(!one.exists() && other.exists());
        symlink(&other, &one).unwrap();
        clear_way(&one).unwrap();
        assert!(one.symlink_metadata().is_err() && other.exists());
        clear_way(&one).unwrap();
    }

    // Pitfall 4
    #[test]
    fn the_control_file_goes_first_and_comes_back_when_somebody_runs() {
        let root = tempfile::tempdir().unwrap();
        let meta = fs::metadata(root.path()).unwrap();
        let owner = (meta.uid(), meta.gid());
        let control = root.path().join(control_file::PATH);
        write(&control);
        fs::write(root.path().join("postmaster.pid"), "1\n").unwrap();
        let refused = withdraw(root.path(), owner).unwrap_err();
        assert_eq!(refused.code, "dir_in_use");
        assert!(control.exists());
        fs::remove_file(root.path().join("postmaster.pid")).unwrap();
        write(&directory::ours(root.path()).join("server.log"));
        write(&directory::ours(root.path()).join(marker::NAME));
        withdraw(root.path(), owner).unwrap();
        assert!(!control.exists());
        let left: Vec<_> = fs::read_dir(directory::ours(root.path()))
            .unwrap()
            .collect();
        assert_eq!(left.len(), 1, "{left:?}");
        withdraw(root.path(), owner).unwrap();
    }
}
