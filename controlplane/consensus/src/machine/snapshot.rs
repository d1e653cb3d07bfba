//! Snapshots: a copy of the state at one log position, as one file.
//!
//! A snapshot is built beside the running state (`VACUUM INTO` on a
//! connection of its own), fsynced, hashed, and only then named by the file
//! `SNAPSHOT`, so that what is named is whole. What it holds, up to which
//! entry and with which membership, is read from the file itself: the running
//! state is further by then.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Gate, Machine, Snapshot, database};
use crate::directory;
use crate::fault::{Fault, FaultKind};
use crate::held;
use crate::raft::{LogId, SnapshotMeta};

const POINTER: &str = "SNAPSHOT";
const BUILDING: &str = "snapshot-building.db";
const FORMAT: u32 = 1;
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// The contents of the file `SNAPSHOT`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Pointer {
    format: u32,
    file: String,
    bytes: u64,
    blake3: String,
}

/// A whole snapshot file. It is held open, so that it can be read to its end
/// although a newer one takes its place meanwhile.
#[derive(Debug, Clone)]
pub(crate) struct SnapshotFile {
    pub(crate) path: PathBuf,
    pub(crate) bytes: u64,
    pub(crate) hash: blake3::Hash,
    file: Arc<File>,
}

impl SnapshotFile {
    /// The file at `path`, whatever it holds.
    pub(crate) fn of(path: PathBuf) -> io::Result<Self> {
        let mut file = File::open(&path)?;
        let mut hasher = blake3::Hasher::new();
        let mut buffer = vec![0; 1 << 20];
        let mut bytes = 0;
        loop {
            let count = file.read(&mut buffer)?;
            let Some(read) = buffer.get(..count).filter(|read| !read.is_empty()) else {
                break;
            };
            hasher.update(read);
            bytes += read.len() as u64;
        }
        Ok(Self {
            path,
            bytes,
            hash: hasher.finalize(),
            file: Arc::new(file),
        })
    }

    /// Up to `bytes_max` bytes from `offset`; empty at the end.
    pub(crate) fn read_at(&self, offset: u64, bytes_max: usize) -> io::Result<Vec<u8>> {
        let mut buffer = vec![0; bytes_max];
        let mut filled = 0;
        while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match self.file.read_at(rest, offset + filled as u64)? {
                0 => break,
                count => filled += count,
            }
        }
        buffer.truncate(filled);
        Ok(buffer)
    }

    /// A durable copy at `path`, checked against the hash on the way.
    pub(super) fn copy_to(&self, path: &Path) -> io::Result<bool> {
        let mut target = File::create(path)?;
        let mut hasher = blake3::Hasher::new();
        let mut offset = 0;
        loop {
            let chunk = self.read_at(offset, 1 << 20)?;
            if chunk.is_empty() {
                break;
            }
            hasher.update(&chunk);
            io::Write::write_all(&mut target, &chunk)?;
            offset += chunk.len() as u64;
        }
        target.sync_all()?;
        Ok(offset == self.bytes && hasher.finalize() == self.hash)
    }
}

/// The newest snapshot of this node.
#[derive(Debug, Clone)]
pub(super) struct Stored {
    pub(super) meta: SnapshotMeta,
    pub(super) file: SnapshotFile,
}

impl Stored {
    pub(super) fn snapshot(&self) -> Snapshot {
        Snapshot {
            meta: self.meta.clone(),
            snapshot: self.file.clone(),
        }
    }
}

/// What the snapshot file at `path` holds.
pub(super) async fn read_meta(path: &Path) -> Result<SnapshotMeta, Fault> {
    let conn = database::open_immutable(path).await.map_err(|error| {
        let what = "the snapshot cannot be opened";
        Fault::new(FaultKind::SnapshotDamaged, path, what).caused_by(error)
    })?;
    let read = database::applied(&conn, path).await;
    if let Err(error) = conn.close().await {
        tracing::warn!(path = %path.display(), "failed to close a snapshot: {error}");
    }
    let (last_log_id, last_membership) = read.map_err(|error| {
        let what = "the snapshot does not say what it holds";
        Fault::new(FaultKind::SnapshotDamaged, path, what).caused_by(error)
    })?;
    Ok(SnapshotMeta {
        last_log_id,
        last_membership,
    })
}

/// The snapshot that the directory names, checked byte for byte; others, and
/// what was being built, are deleted.
pub(super) async fn open_stored(dir: &Path) -> Result<Option<Stored>, Fault> {
    let pointer_path = dir.join(POINTER);
    let pointer = match fs::read(&pointer_path) {
        Ok(bytes) => Some(bytes),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(failed(&pointer_path, "cannot be read", error)),
    };
    let damaged = |path: &Path, what: String| Fault::new(FaultKind::SnapshotDamaged, path, what);
    let Some(bytes) = pointer else {
        delete_others(dir, None).map_err(|error| failed(dir, "cannot be cleaned", error))?;
        return Ok(None);
    };
    let pointer: Pointer = serde_json::from_slice(&bytes).map_err(|error| {
        let what = "the name of the snapshot is damaged".to_owned();
        damaged(&pointer_path, what).caused_by(error)
    })?;
    if pointer.format != FORMAT {
        let what = format!("the format {} of the snapshot is not known", pointer.format);
        return Err(damaged(&pointer_path, what));
    }
    let path = dir.join(&pointer.file);
    let opened = tokio::task::spawn_blocking(move || SnapshotFile::of(path)).await;
    let path = dir.join(&pointer.file);
    let file = opened
        .map_err(io::Error::other)
        .and_then(|file| file)
        .map_err(|error| {
            damaged(&path, "the snapshot cannot be read".to_owned()).caused_by(error)
        })?;
    if file.bytes != pointer.bytes || file.hash.to_hex().as_str() != pointer.blake3 {
        let what = format!(
            "the snapshot of {} bytes is not what was written: {} bytes with BLAKE3 {}",
            file.bytes, pointer.bytes, pointer.blake3
        );
        return Err(damaged(&path, what));
    }
    let meta = read_meta(&path).await?;
    delete_others(dir, Some(&pointer.file))
        .map_err(|error| failed(dir, "cannot be cleaned", error))?;
    Ok(Some(Stored { meta, file }))
}

fn failed(path: &Path, what: &str, error: io::Error) -> Fault {
    let what = format!("the snapshot {what}");
    Fault::new(FaultKind::SnapshotFailed, path, what).caused_by(error)
}

fn delete_others(dir: &Path, keep: Option<&str>) -> io::Result<()> {
    for name in directory::contents(dir)? {
        if name.starts_with("snapshot-") && keep != Some(name.as_str()) {
            directory::remove_database(&dir.join(name))?;
        }
    }
    Ok(())
}

fn file_name(last: Option<&LogId>) -> String {
    match last {
        Some(id) => format!(
            "snapshot-{}-{}-{}.db",
            id.leader_id.term, id.leader_id.node_id, id.index
        ),
        None => "snapshot-empty.db".to_owned(),
    }
}

impl Machine {
    /// Whether the volume has room for a copy of the state and what comes in
    /// meanwhile. A snapshot can wait; a full volume would stop the node.
    pub(super) fn has_room_for_snapshot(&self) -> bool {
        let database = self.inner.database.load();
        let bytes = fs::metadata(&database.path).map_or(0, |metadata| metadata.len());
        let Ok(volume) = rustix::fs::statvfs(&self.inner.dir) else {
            return true;
        };
        let free = volume.f_bavail.saturating_mul(volume.f_frsize);
        let enough = free >= bytes.saturating_mul(2);
        if !enough {
            tracing::warn!(
                state.bytes = bytes, volume.free_bytes = free, path = %self.inner.dir.display(),
                "no snapshot is taken: the volume has too little room, and the log keeps growing",
            );
        }
        enough
    }

    pub(super) async fn build(&self) -> io::Result<Snapshot> {
        let gate = self.inner.gate.lock().await;
        if *gate == Gate::Closed {
            return Err(io::Error::other("the node is shutting down"));
        }
        let building = self.inner.dir.join(BUILDING);
        let source = self.inner.database.load_full();
        let machine = self.clone();
        let target = building.clone();
        let vacuum =
            tokio::task::spawn_blocking(move || machine.vacuum_into(&source.path, &target));
        let vacuumed = vacuum.await.map_err(io::Error::other)?;
        vacuumed.map_err(|error| {
            if error.sqlite_error_code() == Some(rusqlite::ErrorCode::OperationInterrupted) {
                // Asked for by `close`: no fault.
                return io::Error::new(io::ErrorKind::Interrupted, error);
            }
            let fault = Fault::new(
                FaultKind::SnapshotFailed,
                &building,
                "the snapshot cannot be built",
            );
            self.inner.fault.report(fault.caused_by(error)).into()
        })?;
        let meta = read_meta(&building)
            .await
            .map_err(|fault| self.inner.fault.report(fault))?;
        let stored = self.store(building, meta).await?;
        drop(gate);
        Ok(stored.snapshot())
    }

    fn vacuum_into(&self, source: &Path, target: &Path) -> rusqlite::Result<()> {
        let flags =
            rusqlite::OpenFlags::SQLITE_OPEN_READ_WRITE | rusqlite::OpenFlags::SQLITE_OPEN_NO_MUTEX;
        // VACUUM INTO refuses a file that exists.
        directory::remove_database(target)
            .map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
        let connection = rusqlite::Connection::open_with_flags(source, flags)?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        *held(&self.inner.interrupt) = Some(connection.get_interrupt_handle());
        let name = target.to_string_lossy();
        let vacuumed = connection.execute("VACUUM INTO ?1", [name.as_ref()]);
        *held(&self.inner.interrupt) = None;
        vacuumed.map(|_| ())
    }

    /// Makes the finished file at `from` the snapshot of this node. The gate
    /// must be held.
    pub(super) async fn store(&self, from: PathBuf, meta: SnapshotMeta) -> io::Result<Stored> {
        let current = held(&self.inner.snapshot).clone();
        if let Some(current) = current
            && current.meta == meta
        {
            // Two files of one name would leave `SNAPSHOT` with the wrong hash.
            if let Err(error) = fs::remove_file(&from) {
                tracing::warn!(path = %from.display(), "failed to delete a snapshot: {error}");
            }
            return Ok(current);
        }
        let dir = self.inner.dir.clone();
        let name = file_name(meta.last_log_id.as_ref());
        let named = tokio::task::spawn_blocking(move || publish(&dir, &from, &name));
        let file = named
            .await
            .map_err(io::Error::other)
            .and_then(|file| file)
            .map_err(|error| {
                let fault = failed(&self.inner.dir, "cannot be made durable", error);
                self.inner.fault.report(fault)
            })?;
        let stored = Stored { meta, file };
        *held(&self.inner.snapshot) = Some(stored.clone());
        Ok(stored)
    }
}

/// Fsyncs `from`, gives it its name, and makes `SNAPSHOT` name it: in this
/// order, each durable before the next.
fn publish(dir: &Path, from: &Path, name: &str) -> io::Result<SnapshotFile> {
    database::sync_file(from)?;
    let path = dir.join(name);
    fs::rename(from, &path)?;
    let file = SnapshotFile::of(path)?;
    let pointer = Pointer {
        format: FORMAT,
        file: name.to_owned(),
        bytes: file.bytes,
        blake3: file.hash.to_hex().to_string(),
    };
    directory::sync_directory(dir)?;
    let pointer = serde_json::to_vec(&pointer).map_err(io::Error::other)?;
    directory::replace_file(dir, POINTER, &pointer)?;
    delete_others(dir, Some(name))?;
    Ok(file)
}
