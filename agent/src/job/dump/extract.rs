//! A dump as plain files, which are exactly what PostgreSQL's tools wrote.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::Path;

use holdfast_repo::{
    Backup, BackupKind, BackupReader, DUMP_MANIFEST, DumpManifest, EXTENT_BYTES, Entry,
    ExtentReader, LineageRepository, Piece,
};
use holdfast_types::Failure;
use tokio::runtime::Handle;

use crate::failure::of_repository;
use crate::job::JobContext;
use crate::job::backup::{Stopped, thread_died};

/// Opens a dump and reads what it holds.
pub(crate) async fn manifest_of(
    lineage: &LineageRepository,
    backup: Backup,
) -> Result<(BackupReader, DumpManifest), Failure> {
    if backup.kind != BackupKind::Logical {
        return Err(Failure::permanent(
            "not_a_dump",
            format!("{} is a {} backup and no dump", backup.id, backup.kind),
            "restore it into a directory, or name a backup of kind logical",
        ));
    }
    let id = backup.id;
    let failed = |error: holdfast_repo::Error| of_repository(&error);
    let reader = lineage.open_backup(backup).await.map_err(failed)?;
    let mut entries = reader.entries();
    while let Some(entry) = entries.next().await.map_err(failed)? {
        if let Entry::Generated(generated) = &entry
            && generated.path.as_path() == Path::new(DUMP_MANIFEST)
        {
            let manifest = DumpManifest::decode(&generated.bytes).map_err(failed)?;
            return Ok((reader, manifest));
        }
    }
    Err(Failure::permanent(
        "dump_unreadable",
        format!("the dump {id} has no {DUMP_MANIFEST}"),
        "verify the repository; another dump may be whole",
    ))
}

/// Writes the entries that `wanted` accepts below `dir`, which is there. Every
/// byte is authenticated before it is written; what is there already is never
/// written over (I-12). Returns how many bytes there are.
pub(crate) async fn extract_all(
    reader: &BackupReader,
    dir: &Path,
    wanted: impl Fn(&Path) -> bool + Send + 'static,
    cx: &JobContext,
) -> Result<u64, Stopped> {
    let (mut entries, mut extents) = (reader.entries(), reader.extent_reader());
    let (dir, cx, runtime) = (dir.to_owned(), cx.clone(), Handle::current());
    let written = tokio::task::spawn_blocking(move || {
        let (mut bytes, mut parents) = (0, BTreeSet::from([dir.clone()]));
        loop {
            if cx.cancel().is_cancelled() {
                return Err(Stopped::Cancelled);
            }
            let Some(entry) = runtime.block_on(entries.next())? else {
                break;
            };
            if wanted(entry.path().as_path()) {
                bytes += write(&entry, &mut extents, &dir, &cx)?;
                let path = dir.join(entry.path().as_path());
                parents.extend(path.parent().map(Path::to_owned));
            }
        }
        // Pitfall 27: names are durable by their directory.
        for parent in parents {
            let synced = File::open(&parent).and_then(|parent| parent.sync_all());
            synced.map_err(|error| cannot_write(&parent, &error))?;
        }
        Ok(bytes)
    });
    written.await.map_err(|error| thread_died(&error))?
}

fn cannot_write(path: &Path, error: &std::io::Error) -> Failure {
    Failure::transient(
        "restore_io_failed",
        format!("{} cannot be written: {error}", path.display()),
        "check the volume and its free space, then try again into an empty directory",
    )
}

fn write(
    entry: &Entry,
    extents: &mut ExtentReader,
    dir: &Path,
    cx: &JobContext,
) -> Result<u64, Stopped> {
    let path = dir.join(entry.path().as_path());
    let failed = |error: &std::io::Error| cannot_write(&path, error);
    if let Some(parent) = path.parent() {
        let made = fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(parent);
        made.map_err(|error| failed(&error))?;
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    let mut file = options.open(&path).map_err(|error| failed(&error))?;
    match entry {
        Entry::Generated(generated) => {
            let written = file.write_all(&generated.bytes);
            written.map_err(|error| failed(&error))?;
        }
        Entry::File(_) => {
            for (index, extent) in (0..).zip(entry.extents()) {
                let start = index * EXTENT_BYTES;
                let read = extents.read_extent(extent, |offset, piece| {
                    if cx.cancel().is_cancelled() {
                        return Err(std::io::Error::other("the job was cancelled"));
                    }
                    let Piece::Data(data) = piece else {
                        return Ok(());
                    };
                    cx.add_bytes(data.len() as u64);
                    file.write_all_at(data, start + offset)
                });
                read.map_err(|error| match error {
                    holdfast_repo::Error::Local(error) => failed(&error),
                    error => of_repository(&error),
                })?;
            }
            file.set_len(entry.size()).map_err(|error| failed(&error))?;
        }
        Entry::Directory(_) | Entry::Symlink(_) | Entry::Config(_) => {
            return Err(Stopped::Failed(Failure::permanent(
                "dump_unreadable",
                format!(
                    "the dump holds {}, which is no file of a dump",
                    entry.path()
                ),
                "use a version of Holdfast that knows it",
            )));
        }
    }
    file.sync_all().map_err(|error| failed(&error))?;
    Ok(entry.size())
}
