//! Reading a file of `pg_wal` that PostgreSQL has finished.

use std::fs::{self, File};
use std::io::Read;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use holdfast_types::Failure;

use super::failure;
use super::note::FileIdentity;

/// The identity of a file, without reading it.
pub(super) async fn identity(path: &Path) -> Result<FileIdentity, Failure> {
    let of = path.to_path_buf();
    let seen = tokio::task::spawn_blocking(move || fs::metadata(of)).await;
    match seen.unwrap_or_else(|error| Err(std::io::Error::other(error))) {
        Ok(file) => Ok(FileIdentity::of(&file)),
        Err(error) => Err(failure::unreadable(path, &error)),
    }
}

/// Memory that files were read into before: that the kernel gives and clears 16 MiB
/// anew for every segment costs as much as a third of compressing it.
#[derive(Debug, Default, Clone)]
pub(super) struct Memory(Arc<Mutex<Kept>>);

#[derive(Debug, Default)]
struct Kept {
    /// Whether what comes back is kept.
    busy: bool,
    free: Vec<Vec<u8>>,
}

/// Bytes that go back where they came from.
struct Lent {
    bytes: Vec<u8>,
    to: Memory,
}

impl Memory {
    /// Whether more files will be read soon; memory is kept only while they are.
    pub(super) fn keep(&self, busy: bool) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.busy = busy;
        if !busy {
            kept.free.clear();
        }
    }

    fn take(&self) -> Lent {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Lent {
            bytes: kept.free.pop().unwrap_or_default(),
            to: self.clone(),
        }
    }
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let bytes = std::mem::take(&mut self.bytes);
        let mut kept = self.to.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.busy {
            kept.free.push(bytes);
        }
    }
}

/// All of a file of at most `most` bytes, and which file that was.
pub(super) async fn whole(
    path: &Path,
    most: u64,
    memory: &Memory,
) -> Result<(Bytes, FileIdentity), Failure> {
    let (of, into) = (path.to_path_buf(), memory.take());
    let read = tokio::task::spawn_blocking(move || read(&of, most, into)).await;
    read.unwrap_or_else(|error| Err(failure::unreadable(path, &std::io::Error::other(error))))
}

fn read(path: &Path, most: u64, mut into: Lent) -> Result<(Bytes, FileIdentity), Failure> {
    let unreadable = |error: std::io::Error| failure::unreadable(path, &error);
    let mut file = File::open(path).map_err(unreadable)?;
    let before = file.metadata().map_err(unreadable)?;
    if !before.is_file() || before.len() > most {
        let why = format!("it has {} bytes", before.len());
        return Err(failure::invalid(&path.display().to_string(), &why));
    }
    let length = usize::try_from(before.len()).unwrap_or_default();
    if into.bytes.capacity() < length {
        // Zeros that the kernel has made already.
        into.bytes = vec![0; length];
    }
    into.bytes.resize(length, 0);
    let mut filled = 0;
    while filled < length {
        match file.read(&mut into.bytes[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(unreadable(error)),
        }
    }
    let after = file.metadata().map_err(unreadable)?;
    let identity = FileIdentity::of(&after);
    if identity != FileIdentity::of(&before) || filled != length {
        return Err(failure::changed(path));
    }
    Ok((Bytes::from_owner(into), identity))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_kept_while_files_are_read_and_never_shows_another() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("file");
        let memory = Memory::default();
        let read = |text: &str| {
            fs::write(&path, text).unwrap();
            super::read(&path, 100, memory.take()).unwrap().0
        };
        let free = || memory.0.lock().unwrap().free.len();
        memory.keep(true);
        let (first, second) = (read("a longer text"), read("short"));
        assert_eq!(
            (&first[..], &second[..]),
            (&b"a longer text"[..], &b"short"[..])
        );
        drop((first, second));
        assert_eq!(free(), 2);
        for text in ["tiny", "the longest text of all", ""] {
            assert_eq!(&read(text)[..], text.as_bytes());
        }
        let last = read("last");
        memory.keep(false);
        assert_eq!(free(), 0);
        drop(last);
        assert_eq!(free(), 0, "nothing is kept when no more is to come");
    }
}
