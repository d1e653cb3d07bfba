//! Files in the data directory.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

/// Makes the data directory with its parents, for its owner alone, so that it
/// is there after a power cut: syncing what lies in a directory does not make
/// its own name last. One that is there stays as it is, and gets the same: what
/// made it may not have lived to do so. (I-01)
pub(super) fn make(dir: &Path) -> io::Result<()> {
    let mut new = Vec::new();
    let mut level = std::path::absolute(dir)?;
    while !level.exists() {
        new.push(level.clone());
        let Some(parent) = level.parent() else {
            break;
        };
        level = parent.to_owned();
    }
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)?;
    let lasting = std::path::absolute(dir)?;
    new.push(lasting);
    for made in new {
        match made.parent().map(File::open) {
            Some(Ok(parent)) => parent.sync_all()?,
            // A parent that may be passed but not read was there before us.
            Some(Err(error)) if error.kind() == io::ErrorKind::PermissionDenied => {}
            Some(Err(error)) => return Err(error),
            None => {}
        }
    }
    Ok(())
}

/// Writes a file whole or not at all, and durably.
pub(super) fn write_atomically(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let new = path.with_file_name(name);
    // One that a crash left behind may have another mode.
    match std::fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(&new)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&new, path)?;
    path.parent()
        .map_or(Ok(()), |dir| File::open(dir)?.sync_all())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_directory_is_made_with_its_parents_and_may_be_there() {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("var/lib/holdfast");
        make(&data).unwrap();
        make(&data).unwrap();
        let mode = std::fs::metadata(&data).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
    }

    #[test]
    fn a_file_is_replaced_with_its_mode() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("bootstrap-admin");
        std::fs::write(dir.path().join("bootstrap-admin.new"), "left by a crash").unwrap();
        write_atomically(&path, b"one", 0o600).unwrap();
        write_atomically(&path, b"two", 0o600).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"two");
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
