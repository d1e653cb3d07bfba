//! A node's own directory: who may use it, and how its files become durable.
//!
//! ```text
//! lock              held while a process uses the directory; names its pid
//! log.db            the Raft log (crate::log)
//! CURRENT           the name of the state database in use (crate::machine)
//! state-<n>.db      the state database
//! SNAPSHOT          name, length and BLAKE3 of the newest snapshot
//! snapshot-….db     that snapshot
//! incoming-….db     a snapshot being received
//! ```

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::error::OpenError;

/// The lock on a directory. It ends with the process, however that ends.
#[derive(Debug)]
pub(crate) struct DirectoryLock {
    file: File,
}

impl DirectoryLock {
    /// Takes the lock, or says who holds it.
    pub(crate) fn take(dir: &Path) -> Result<Self, OpenError> {
        let path = dir.join("lock");
        let failed = |source| OpenError::io("lock", &path, source);
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                // The pid only makes the message better.
                let _ = file.read_to_string(&mut holder);
                return Err(OpenError::Locked {
                    dir: dir.to_owned(),
                    holder: holder.trim().parse().ok(),
                });
            }
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        file.set_len(0).map_err(failed)?;
        file.rewind().map_err(failed)?;
        writeln!(file, "{}", std::process::id()).map_err(failed)?;
        Ok(Self { file })
    }

    /// Gives the directory back while handles to the lock still exist.
    pub(crate) fn release(&self) {
        // Unlocking cannot fail in a way that matters: the lock goes with the file.
        let _ = self.file.unlock();
    }
}

/// Makes `dir` for its owner alone, with its parents, durably.
pub(crate) fn create(dir: &Path) -> io::Result<()> {
    let missing = dir
        .ancestors()
        .take_while(|one| !one.as_os_str().is_empty() && !one.is_dir())
        .count();
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)?;
    // Syncing what is in a directory does not cover the name of the directory.
    let above = dir.ancestors().skip(1).take(missing.max(1));
    above.into_iter().try_for_each(|above| {
        let above = match above.as_os_str().is_empty() {
            true => Path::new("."),
            false => above,
        };
        sync_directory(above)
    })
}

/// Makes the names in `dir` durable.
pub(crate) fn sync_directory(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

/// Makes what a SQLite database holds durable before anybody counts on it.
///
/// A program that died between a write and its `fsync` left the write in the
/// kernel's memory, where the next program reads it; and after an `fsync` that
/// failed, Linux keeps what it could not write, calls it clean, and lets the
/// next `fsync` succeed. Either way a log would be taken for durable that is not,
/// and what is acknowledged behind the hole would go with it in a power cut
/// (I-01). So the write-ahead log is written once more, byte for byte, and synced.
pub(crate) fn settle_database(path: &Path) -> io::Result<()> {
    let mut name = path.as_os_str().to_owned();
    name.push("-wal");
    let file = match OpenOptions::new().read(true).write(true).open(name) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    let mut buffer = vec![0; 1 << 20];
    let mut offset = 0;
    loop {
        let length = file.read_at(&mut buffer, offset)?;
        if length == 0 {
            break;
        }
        file.write_all_at(&buffer[..length], offset)?;
        offset += length as u64;
    }
    file.sync_all()?;
    path.parent().map_or(Ok(()), sync_directory)
}

/// Replaces `dir/name` as a whole: after a crash it holds the old or the new
/// contents, never a mixture.
pub(crate) fn replace_file(dir: &Path, name: &str, contents: &[u8]) -> io::Result<()> {
    let temporary = dir.join(format!("{name}.tmp"));
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&temporary)?;
    file.write_all(contents)?;
    file.sync_all()?;
    fs::rename(&temporary, dir.join(name))?;
    sync_directory(dir)
}

/// The files in `dir` besides the lock.
pub(crate) fn contents(dir: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(dir)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if name != "lock" {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

/// Whether a node makes files of this name.
pub(crate) fn is_ours(name: &str) -> bool {
    let prefixes = [
        "log.db",
        "CURRENT",
        "SNAPSHOT",
        "state-",
        "snapshot-",
        "incoming-",
    ];
    prefixes.iter().any(|prefix| name.starts_with(prefix))
}

/// Deletes a SQLite database with its side files; one that is absent is fine.
pub(crate) fn remove_database(path: &Path) -> io::Result<()> {
    for suffix in ["", "-wal", "-shm", "-journal"] {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        match fs::remove_file(PathBuf::from(name)) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_opener_is_refused_by_name_of_the_first() {
        let dir = tempfile::tempdir().unwrap();
        let first = DirectoryLock::take(dir.path()).unwrap();
        let OpenError::Locked { holder, .. } = DirectoryLock::take(dir.path()).unwrap_err() else {
            panic!("the second opener was not refused for the lock");
        };
        assert_eq!(holder, Some(std::process::id()));
        first.release();
        DirectoryLock::take(dir.path()).unwrap();
    }

    #[test]
    fn a_database_is_settled_byte_for_byte() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log.db");
        settle_database(&path).unwrap();
        let bytes: Vec<u8> = (0..3_000_000_u32).flat_map(u32::to_le_bytes).collect();
        fs::write(dir.path().join("log.db-wal"), &bytes).unwrap();
        settle_database(&path).unwrap();
        assert_eq!(fs::read(dir.path().join("log.db-wal")).unwrap(), bytes);
    }

    #[test]
    fn a_file_is_replaced_as_a_whole() {
        let dir = tempfile::tempdir().unwrap();
        replace_file(dir.path(), "CURRENT", b"state-1.db").unwrap();
        replace_file(dir.path(), "CURRENT", b"s").unwrap();
        assert_eq!(fs::read(dir.path().join("CURRENT")).unwrap(), b"s");
        assert_eq!(contents(dir.path()).unwrap(), ["CURRENT"]);
    }
}
