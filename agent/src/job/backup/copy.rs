//! Phase copy: every file of the data directory goes into the repository.
//!
//! One thread walks, one per core reads, hashes, compresses and seals pieces
//! of at most 256 MiB, the largest known piece first. Everything between them
//! is bounded. No byte is read twice but for pages that fail their checksum.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use holdfast_pg::control_file;
use holdfast_repo::{ConfigEntry, Entry, EntryPath, Extent, FileEntry};
use holdfast_types::{Failure, JobPhase};
use tokio::sync::mpsc;

use super::outside::OutsideFile;
use super::parent::Against;
use super::prepare::{Local, Ready, unreadable};
use super::start::{self, Started};
use super::tablespaces::{self, Gathered};
use super::threads::{Before, Shared, Source};
use super::unchanged::Rule;
use super::{Stopped, control, source};
use crate::failure::of_repository;
use crate::job::JobContext;
use crate::job::queue::Queue;

/// Pieces that wait for a thread.
const WAITING: usize = 4096;
/// How often the server is asked whether it still holds our backup open.
const CHECK_EVERY: Duration = Duration::from_secs(15);

/// What was copied.
#[derive(Debug, Default)]
pub(super) struct Copied {
    pub(super) files: u64,
    /// Those of them that were not read, because they are the parent's.
    pub(super) unchanged_files: u64,
    pub(super) corrupt_pages: u64,
    /// Damaged files and the blocks in them, as far as they are named.
    pub(super) corrupt_files: BTreeMap<String, Vec<u32>>,
    pub(super) tablespaces: Gathered,
}

/// Copies everything. Its threads have ended when it returns.
pub(super) async fn run(
    cx: &JobContext,
    (prepared, local): (&Ready, &Local),
    started: &Started,
) -> Result<Copied, Stopped> {
    cx.enter(JobPhase::Copy);
    cx.expect_bytes(prepared.facts.database_bytes);
    let (positions, mut asked) = mpsc::channel(1);
    let shared = Arc::new(Shared {
        queue: Queue::new(WAITING),
        writer: started.writer.clone(),
        before: before(prepared, started),
        source: Source {
            data_dir: prepared.data_dir.clone(),
            version_directory: tablespaces::version_directory(
                super::version(&prepared.facts),
                &local.control,
            ),
            start_lsn: started.session.start_lsn(),
            page_bytes: local.control.block_size,
            blocks_per_segment: local.control.blocks_per_segment,
            checksums: local.control.has_data_checksums(),
        },
        cx: cx.clone(),
        failed: Mutex::default(),
        copied: Mutex::default(),
        positions,
    });
    // If this future is dropped, the threads must not go on without it.
    let _guard = StopOnDrop(Arc::clone(&shared));
    let mut threads = spawn(&shared);
    let mut check = tokio::time::interval(CHECK_EVERY);
    let mut cancelled = false;
    loop {
        tokio::select! {
            biased;
            () = cx.cancel().cancelled(), if !cancelled => {
                cancelled = true;
                shared.stop();
            }
            joined = threads.join_next() => match joined {
                None => break,
                Some(Ok(())) => {}
                Some(Err(error)) => shared.fail(thread_died(&error)),
            },
            Some(answer) = asked.recv() => {
                let position = source::last_position(&started.session, prepared).await;
                // The thread that asked may have been stopped meanwhile.
                let _ = answer.send(position);
            }
            _ = check.tick() => {
                if let Err(failure) = source::still_the_same(&started.session).await {
                    shared.fail(failure);
                }
            }
        }
    }
    if cancelled {
        return Err(Stopped::Cancelled);
    }
    if let Some(failure) = shared
        .failed
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .take()
    {
        return Err(Stopped::Failed(failure));
    }
    copy_control_file(&shared, prepared).await?;
    copy_outside(&shared, &local.outside.files).await?;
    let copied = std::mem::take(&mut *shared.copied());
    report(cx, &copied);
    Ok(copied)
}

/// What of the parent the threads ask for.
fn before(prepared: &Ready, started: &Started) -> Option<Before> {
    match &prepared.against {
        Against::Parent(parent, _) => Some(Before {
            rule: Rule::new(
                parent.backup(),
                (prepared.facts.timeline, prepared.facts.in_recovery),
                started.started_at,
            ),
            parent: parent.clone(),
        }),
        Against::Nothing | Against::Instead(_) => None,
    }
}

fn spawn(shared: &Arc<Shared>) -> tokio::task::JoinSet<()> {
    let mut threads = tokio::task::JoinSet::new();
    let walker = Arc::clone(shared);
    threads.spawn_blocking(move || {
        if let Err(failure) = walker.walk() {
            walker.fail(failure);
        }
        walker.queue.end();
    });
    for _ in 0..start::threads() {
        let shared = Arc::clone(shared);
        threads.spawn_blocking(move || {
            if let Err(failure) = shared.work() {
                shared.fail(failure);
            }
        });
    }
    threads
}

struct StopOnDrop(Arc<Shared>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.stop();
    }
}

/// The control file, after everything else: it must not know of a checkpoint
/// that the files do not have.
async fn copy_control_file(shared: &Arc<Shared>, prepared: &Ready) -> Result<(), Stopped> {
    let path = prepared.data_dir.join(control_file::PATH);
    on_thread(shared, move |shared| {
        let (control, bytes) = control::read(&path)?;
        if control.redo_lsn < shared.source.start_lsn {
            return Err(Failure::transient(
                "control_file_too_old",
                format!(
                    "{} knows no checkpoint since {}",
                    path.display(),
                    shared.source.start_lsn
                ),
                "the directory may be a snapshot, or of another server; take the backup again",
            ));
        }
        let meta = std::fs::metadata(&path).map_err(|error| unreadable(&path, &error))?;
        let relative = Path::new(control_file::PATH);
        let extents = write_bytes(shared, &bytes)?;
        let nanoseconds =
            |seconds: i64, rest: i64| seconds.saturating_mul(1_000_000_000).saturating_add(rest);
        shared.copied().files += 1;
        shared.add(&Entry::File(FileEntry {
            path: entry_path(relative)?,
            size: bytes.len() as u64,
            mode: meta.mode() & 0o7777,
            mtime_ns: nanoseconds(meta.mtime(), meta.mtime_nsec()),
            ctime_ns: nanoseconds(meta.ctime(), meta.ctime_nsec()),
            inode: meta.ino(),
            extents,
            bad_blocks: Vec::new(),
        }))
    })
    .await
}

/// Configuration that lies outside of the data directory.
async fn copy_outside(shared: &Arc<Shared>, files: &[OutsideFile]) -> Result<(), Stopped> {
    if files.is_empty() {
        return Ok(());
    }
    let files = files.to_vec();
    on_thread(shared, move |shared| {
        for file in files {
            let extents = write_bytes(shared, &file.bytes)?;
            shared.add(&Entry::Config(ConfigEntry {
                origin: entry_path(&file.path)?,
                size: file.bytes.len() as u64,
                mode: file.mode,
                mtime_ns: file.mtime_ns,
                extents,
            }))?;
        }
        Ok(())
    })
    .await
}

/// Writes what is in memory.
fn write_bytes(shared: &Shared, bytes: &[u8]) -> Result<Vec<Extent>, Failure> {
    let mut worker = shared.writer.worker();
    let mut left = bytes;
    let extent = worker.write_extent(|buffer| std::io::Read::read(&mut left, buffer));
    let extent = extent.map_err(|error| of_repository(&error))?;
    worker.finish().map_err(|error| of_repository(&error))?;
    Ok(if extent.plain_bytes() == 0 {
        Vec::new()
    } else {
        vec![extent]
    })
}

async fn on_thread(
    shared: &Arc<Shared>,
    work: impl FnOnce(&Shared) -> Result<(), Failure> + Send + 'static,
) -> Result<(), Stopped> {
    let shared = Arc::clone(shared);
    let done = tokio::task::spawn_blocking(move || work(&shared)).await;
    done.map_err(|error| thread_died(&error))?
        .map_err(Stopped::Failed)
}

pub(super) fn entry_path(path: &Path) -> Result<EntryPath, Failure> {
    EntryPath::new(path)
        .map_err(|error| Failure::permanent("invalid_path", error.to_string(), "rename the file"))
}

/// A panic in one of our threads: the process lives on, the job does not.
pub(crate) fn thread_died(error: &tokio::task::JoinError) -> Failure {
    Failure::permanent(
        "agent_defect",
        format!("a thread of the agent ended unexpectedly: {error}"),
        "this is a defect in Holdfast: please report it with the agent's log",
    )
}

pub(super) fn report(cx: &JobContext, copied: &Copied) {
    cx.log(format!("{} files copied", copied.files));
    if copied.unchanged_files > 0 {
        let unchanged = copied.unchanged_files;
        cx.log(format!(
            "{unchanged} of them not read: unchanged since the parent"
        ));
    }
    for (file, blocks) in &copied.corrupt_files {
        tracing::error!(file, ?blocks, "damaged pages in the database");
        cx.log(format!(
            "WARNING: {file} has damaged pages, blocks {blocks:?}: their checksum is wrong on \
             disk. The backup holds them as they are; find out now what they held"
        ));
    }
    if copied.corrupt_pages > 0 {
        cx.log(format!(
            "WARNING: {} damaged pages in all",
            copied.corrupt_pages
        ));
    }
}
