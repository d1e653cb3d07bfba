//! How much of what is there a delta may use again: the lengths of files of the
//! same names. What of them is the same only their bytes tell, so this is the
//! most that it can be.

use std::fs;
use std::path::PathBuf;

use holdfast_repo::{BackupReader, Entry};
use holdfast_types::{Failure, RestoreRequest};
use tokio::runtime::Handle;

use super::occupied::is_occupied;
use super::places::Places;
use crate::failure::of_repository;
use crate::job::backup::thread_died;

/// The most bytes that need not be written; `None` where nothing is there, or
/// nothing may be written over.
pub(super) async fn estimate(
    asked: &RestoreRequest,
    places: &Places,
    reader: &BackupReader,
) -> Result<Option<u64>, Failure> {
    let dir = PathBuf::from(&asked.dir);
    if !asked.delta || !is_occupied(&dir) {
        return Ok(None);
    }
    let (mut entries, places, runtime) = (reader.entries(), places.clone(), Handle::current());
    let looked = tokio::task::spawn_blocking(move || {
        let mut bytes = 0;
        while let Some(entry) = runtime.block_on(entries.next())? {
            let Entry::File(file) = entry else { continue };
            let path = places.locate(&dir, file.path.as_path());
            // Only what would be written over: a plain file.
            let there = fs::symlink_metadata(path)
                .ok()
                .filter(fs::Metadata::is_file);
            bytes += there.map_or(0, |there| there.len().min(file.size));
        }
        Ok::<u64, holdfast_repo::Error>(bytes)
    });
    let looked = looked.await.map_err(|error| thread_died(&error))?;
    looked.map(Some).map_err(|error| of_repository(&error))
}
