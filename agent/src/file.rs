//! Files that must be whole or absent, whatever happens while they are written.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use rustix::fs::{Gid, Uid};

/// Writes `path` with `mode`, replacing what was there: after a crash it holds
/// the old bytes or the new ones. Written by root, it belongs to the owner of
/// its directory, since that is who the agent runs as.
pub fn write_atomically(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let directory = parent(path)?;
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    let mut temporary = name.to_owned();
    temporary.push(".new");
    let temporary = directory.join(temporary);
    let written = (|| {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(mode);
        let mut file = options.open(&temporary)?;
        // A file left by an earlier crash keeps its old mode otherwise.
        file.set_permissions(Permissions::from_mode(mode))?;
        give_to_owner_of(directory, &file)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&temporary, path)
    })();
    if written.is_err() {
        // Best effort: the error that matters is the first one.
        let _ = fs::remove_file(&temporary);
    }
    written?;
    sync_directory(directory)
}

/// Makes a directory and those above it that are missing, with `mode`, so that their
/// names outlive a power cut: syncing what is in a directory does not cover the name
/// of the directory itself.
pub fn create_directories(path: &Path, mode: u32) -> io::Result<()> {
    let missing = path.ancestors().take_while(|one| {
        let named = !one.as_os_str().is_empty();
        named && !one.is_dir()
    });
    let missing: Vec<&Path> = missing.collect();
    for directory in missing.into_iter().rev() {
        match fs::DirBuilder::new().mode(mode).create(directory) {
            // Somebody else made it meanwhile; its name may not be durable yet.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            made => made?,
        }
        sync_directory(parent(directory)?)?;
    }
    Ok(())
}

/// Removes `path`; one that is not there is as good as removed.
pub fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Makes the directory's entries durable.
pub fn sync_directory(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

fn give_to_owner_of(directory: &Path, file: &File) -> io::Result<()> {
    if !rustix::process::geteuid().is_root() {
        return Ok(());
    }
    let owner = fs::metadata(directory)?;
    let (uid, gid) = (Uid::from_raw(owner.uid()), Gid::from_raw(owner.gid()));
    Ok(rustix::fs::fchown(file, Some(uid), Some(gid))?)
}

fn parent(path: &Path) -> io::Result<&Path> {
    match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Ok(Path::new(".")),
        Some(parent) => Ok(parent),
        None => Err(io::ErrorKind::InvalidInput.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directories_are_made_with_those_above_them() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("a/b/c");
        create_directories(&path, 0o711).unwrap();
        create_directories(&path, 0o711).unwrap();
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert!(mode & 0o700 == 0o700 && path.is_dir());
        fs::write(root.path().join("file"), "").unwrap();
        assert!(create_directories(&root.path().join("file/below"), 0o700).is_err());
    }

    #[test]
    fn the_new_bytes_come_with_their_mode_and_nothing_else_is_left() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("secret");
        fs::write(directory.path().join("secret.new"), "left by a crash").unwrap();
        fs::write(&path, "old").unwrap();
        write_atomically(&path, b"new", 0o600).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
        remove(&path).unwrap();
        remove(&path).unwrap();
    }
}
