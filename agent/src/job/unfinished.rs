//! What a job would leave behind if the agent died now: a server that replays WAL, a
//! database under a name that only its job knows.
//!
//! A note of it is on disk before it is made, and goes when the job has ended, well or
//! not. A note of a process that is gone names what nobody goes on with, and whoever
//! finds it takes that away.

use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use holdfast_types::{Failure, JobId};
use serde::{Deserialize, Serialize};

use super::staging::process;
use crate::file;

/// Where notes are, below the agent's directory.
const DIRECTORY: &str = "unfinished";

/// What is left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub(super) enum Unfinished {
    /// A server in a directory that is being restored.
    Server {
        /// The directory.
        dir: PathBuf,
        /// Its `server_version_num`.
        version: u32,
    },
    /// A database that is being filled.
    Database {
        /// Of the server it is in.
        system_identifier: u64,
        /// The name it has until it is whole.
        name: String,
    },
}

/// A note on disk.
#[derive(Debug)]
#[must_use = "it stays until it is settled"]
pub(super) struct Note {
    path: PathBuf,
}

impl Note {
    /// Notes durably what `job` is about to make.
    pub(super) fn write(data_dir: &Path, job: JobId, what: &Unfinished) -> Result<Self, Failure> {
        let directory = data_dir.join(DIRECTORY).join(process());
        let path = directory.join(format!("{job}.json"));
        let written = (|| {
            let mut builder = fs::DirBuilder::new();
            builder.recursive(true).mode(0o700).create(&directory)?;
            let text = serde_json::to_vec(what).map_err(io::Error::other)?;
            file::write_atomically(&path, &text, 0o600)?;
            file::sync_directory(&data_dir.join(DIRECTORY))
        })();
        match written {
            Ok(()) => Ok(Self { path }),
            Err(error) => Err(Failure::transient(
                "directory_unusable",
                format!("{} cannot be written: {error}", path.display()),
                "check the agent's directory: its owner, its space, the kernel's log",
            )),
        }
    }

    /// It is finished, or taken away.
    pub(super) fn settle(self) {
        if let Err(error) = file::remove(&self.path) {
            // Whoever finds it finds nothing of what it names.
            tracing::warn!(%error, path = %self.path.display(), "a note cannot be removed");
        }
        if let Some(directory) = self.path.parent() {
            // Fails while there are others.
            let _ = fs::remove_dir(directory);
        }
    }
}

/// The notes of processes that are gone: the agent's directory is locked, so that none
/// but this one runs.
pub(super) fn left(data_dir: &Path) -> Vec<(Note, Unfinished)> {
    let entries = |path: &Path| fs::read_dir(path).into_iter().flatten().flatten();
    let mut found = Vec::new();
    for directory in entries(&data_dir.join(DIRECTORY)) {
        if directory.file_name() == process() {
            continue;
        }
        for entry in entries(&directory.path()) {
            let path = entry.path();
            let text = fs::read(&path).ok();
            match text.and_then(|text| serde_json::from_slice(&text).ok()) {
                Some(what) => found.push((Note { path }, what)),
                None => tracing::warn!(path = %path.display(), "a note cannot be read"),
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_of_this_process_is_nobodys_leftover() {
        let data = tempfile::tempdir().unwrap();
        let what = Unfinished::Database {
            system_identifier: 7,
            name: "holdfast_1".to_owned(),
        };
        let job = JobId::from_uuid(uuid::Uuid::from_u128(1));
        let note = Note::write(data.path(), job, &what).unwrap();
        assert!(left(data.path()).is_empty());
        // As another process sees it.
        let notes = data.path().join(DIRECTORY);
        fs::rename(notes.join(process()), notes.join("another")).unwrap();
        let found = left(data.path());
        assert_eq!(found.len(), 1);
        for (note, found) in found {
            assert_eq!(found, what);
            note.settle();
        }
        assert!(left(data.path()).is_empty());
        assert!(!notes.join("another").exists());
        note.settle();
    }
}
