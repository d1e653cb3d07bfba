//! Reading a file of `pg_wal` that PostgreSQL has finished.

use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

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

/// All of a file of at most `most` bytes, and which file that was.
pub(super) async fn whole(path: &Path, most: u64) -> Result<(Bytes, FileIdentity), Failure> {
    let of = path.to_path_buf();
    let read = tokio::task::spawn_blocking(move || read(&of, most)).await;
    read.unwrap_or_else(|error| Err(failure::unreadable(path, &std::io::Error::other(error))))
}

fn read(path: &Path, most: u64) -> Result<(Bytes, FileIdentity), Failure> {
    let unreadable = |error: std::io::Error| failure::unreadable(path, &error);
    let mut file = File::open(path).map_err(unreadable)?;
    let before = file.metadata().map_err(unreadable)?;
    if !before.is_file() || before.len() > most {
        let why = format!("it has {} bytes", before.len());
        return Err(failure::invalid(&path.display().to_string(), &why));
    }
    let length = usize::try_from(before.len()).unwrap_or_default();
    let mut bytes = Vec::with_capacity(length);
    file.by_ref()
        .take(most)
        .read_to_end(&mut bytes)
        .map_err(unreadable)?;
    let after = file.metadata().map_err(unreadable)?;
    let identity = FileIdentity::of(&after);
    if identity != FileIdentity::of(&before) || bytes.len() != length {
        return Err(failure::changed(path));
    }
    Ok((bytes.into(), identity))
}
