//! Notes of files that are durable in the repository before PostgreSQL asked
//! for them.
//!
//! A note is written after the store has answered and names the very file that
//! was read: a file that was written since, or put in its place, has another
//! change time, and the note counts for nothing. So a note that is lost or torn
//! costs one more put, and none can vouch for bytes that are not stored.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use holdfast_repo::LineageRepository;
use holdfast_types::RepositoryId;
use serde::{Deserialize, Serialize};

use super::PushName;

/// What tells a file from every other, and from itself at another time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct FileIdentity {
    device: u64,
    inode: u64,
    size: u64,
    modified_ns: i128,
    changed_ns: i128,
}

impl FileIdentity {
    pub(super) fn of(file: &Metadata) -> Self {
        let nanoseconds =
            |seconds: i64, rest: i64| i128::from(seconds) * 1_000_000_000 + i128::from(rest);
        Self {
            device: file.dev(),
            inode: file.ino(),
            size: file.size(),
            modified_ns: nanoseconds(file.mtime(), file.mtime_nsec()),
            changed_ns: nanoseconds(file.ctime(), file.ctime_nsec()),
        }
    }
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Note {
    repository: RepositoryId,
    file: FileIdentity,
}

/// The notes for one lineage.
#[derive(Debug, Clone)]
pub(super) struct Notes {
    directory: PathBuf,
    repository: RepositoryId,
}

impl Notes {
    /// The notes below `spool`. Nothing is made before there is one to write.
    pub(super) fn new(spool: &Path, lineage: &LineageRepository) -> Self {
        let (cluster, of) = (lineage.cluster(), lineage.lineage());
        Self {
            directory: spool.join("push").join(format!("{cluster}-{of}")),
            repository: lineage.repository().id(),
        }
    }

    /// Whether `file`, as it is now, is known to be in the repository.
    pub(super) fn vouches(&self, name: &PushName, file: FileIdentity) -> bool {
        let text = fs::read(self.path(name)).ok();
        let note = text.and_then(|text| serde_json::from_slice::<Note>(&text).ok());
        note == Some(self.note(file))
    }

    /// Notes that `file` is in the repository: call this only when it is. Not
    /// synced, for a lost note does no harm; renamed, so that none is torn
    /// while the machine runs.
    pub(super) fn write(&self, name: &PushName, file: FileIdentity) -> io::Result<()> {
        fs::create_dir_all(&self.directory)?;
        let text = serde_json::to_vec(&self.note(file)).map_err(io::Error::other)?;
        let temporary = self
            .directory
            .join(format!("{name}.{}.new", std::process::id()));
        fs::write(&temporary, text)?;
        fs::rename(&temporary, self.path(name))
    }

    /// PostgreSQL knows by now.
    pub(super) fn remove(&self, name: &PushName) {
        // One that stays is found out by its file, which will be another.
        let _ = fs::remove_file(self.path(name));
    }

    /// Removes notes of files that are gone.
    pub(super) fn sweep(&self, pg_wal: &Path) {
        let Ok(entries) = fs::read_dir(&self.directory) else {
            return;
        };
        for entry in entries.flatten() {
            let gone = !pg_wal.join(entry.file_name()).exists();
            if gone {
                let _ = fs::remove_file(entry.path());
            }
        }
    }

    fn note(&self, file: FileIdentity) -> Note {
        Note {
            repository: self.repository,
            file,
        }
    }

    fn path(&self, name: &PushName) -> PathBuf {
        self.directory.join(name.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn notes(directory: &Path) -> Notes {
        Notes {
            directory: directory.join("notes"),
            repository: RepositoryId::from_uuid(uuid::Uuid::from_u128(1)),
        }
    }

    #[test]
    fn a_note_vouches_for_one_file_as_it_was_and_no_other() {
        let root = tempfile::tempdir().unwrap();
        let notes = notes(root.path());
        let name: PushName = "000000010000000000000003".parse().unwrap();
        let path = root.path().join(name.to_string());
        let identity = || FileIdentity::of(&fs::metadata(&path).unwrap());
        fs::write(&path, "one").unwrap();
        let file = identity();
        assert!(!notes.vouches(&name, file));
        notes.write(&name, file).unwrap();
        assert!(notes.vouches(&name, file));
        // The same name and size in a file that was put in its place.
        fs::rename(&path, root.path().join("other")).unwrap();
        fs::write(&path, "two").unwrap();
        assert!(!notes.vouches(&name, identity()));
        // Another repository knows nothing of it.
        let elsewhere = Notes {
            repository: RepositoryId::from_uuid(uuid::Uuid::from_u128(2)),
            ..notes.clone()
        };
        assert!(!elsewhere.vouches(&name, file));
        // Torn by a power cut.
        fs::write(notes.path(&name), "{\"repository\":").unwrap();
        assert!(!notes.vouches(&name, file));
        notes.write(&name, identity()).unwrap();
        notes.sweep(root.path());
        assert!(notes.vouches(&name, identity()));
        fs::remove_file(&path).unwrap();
        notes.sweep(root.path());
        assert_eq!(fs::read_dir(&notes.directory).unwrap().count(), 0);
    }
}
