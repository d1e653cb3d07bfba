//! Phase verify: the manifest is completed, everything is made durable, the
//! control file takes its place, and `pg_verifybackup` has the last word.
//!
//! The copy has read every file back and compared its checksum already, which
//! is what takes `pg_verifybackup` most of its time on one core. So it leaves
//! that out here, and looks at all else: the manifest and its own checksum,
//! that every file is there with its length and no other is, and the WAL.

use std::fs::{self, File};
use std::future::Future;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use holdfast_pg::binaries::RunAs;
use holdfast_pg::control_file;
use holdfast_repo::failpoint;
use holdfast_types::Failure;
use jiff::Timestamp;

use super::backup_manifest::{self, ManifestFile, ManifestWal, ManifestWriter};
use super::copy::{CONFIGURATION, Copied, growing_manifest, waiting_control_file};
use super::prepare::{Ready, cannot_write};
use super::{Stopped, command, directory, durable, watch};
use crate::job::JobContext;
use crate::job::backup::thread_died;
use crate::wal::FetchConfig;

/// How often it is seen how far the verification is.
const LOOK: Duration = Duration::from_secs(1);

pub(super) async fn run(cx: &JobContext, ready: &Ready, copied: Copied) -> Result<(), Stopped> {
    let wal = ManifestWal {
        timeline: ready.backup.timeline,
        start_lsn: ready.backup.start_lsn,
        stop_lsn: ready.backup.stop_lsn,
    };
    let (dir, owner) = (ready.dir.clone(), ready.owner);
    let elsewhere: Vec<PathBuf> = ready
        .places
        .directories()
        .map(|(_, place)| place.to_owned())
        .collect();
    let done = tokio::task::spawn_blocking(move || {
        complete(&dir, owner, copied.manifest, wal)
            .and_then(|()| {
                elsewhere
                    .iter()
                    .try_for_each(|place| durable::sync_tree(place))
            })
            .and_then(|()| durable::sync_tree(&dir))
            .inspect(|()| failpoint!("restore::verify::synced"))
            // Every other file is on stable storage now.
            .and_then(|()| place_control_file(&dir))
            .inspect(|()| failpoint!("restore::verify::placed"))
            .map_err(|error| cannot_write(&dir, &error))
    });
    let began = Instant::now();
    done.await.map_err(|error| thread_died(&error))??;
    cx.log(format!(
        "everything is on stable storage after {:.1} s",
        began.elapsed().as_secs_f64()
    ));
    verify(cx, ready).await?;
    cx.log("pg_verifybackup finds nothing wrong");
    Ok(())
}

/// Begins to make durable what is there. Errors are those of writing it: they are
/// reported once, perhaps here.
pub(super) fn begin_sync(ready: &Ready) -> impl Future<Output = Result<(), Failure>> + use<> {
    let dir = ready.dir.clone();
    let syncing = tokio::task::spawn_blocking(move || {
        durable::sync_file_system(&dir).map_err(|error| cannot_write(&dir, &error))
    });
    async move { syncing.await.map_err(|error| thread_died(&error))? }
}

/// Describes what was written since the copy, and ends the manifest.
fn complete(
    dir: &Path,
    owner: (u32, u32),
    mut manifest: ManifestWriter<BufWriter<File>>,
    wal: ManifestWal,
) -> io::Result<()> {
    for name in CONFIGURATION {
        describe(&mut manifest, dir, Path::new(name))?;
    }
    forget_checkpoint(dir, &mut manifest)?;
    // Ours are there when somebody verifies the directory before its start.
    let growing = growing_manifest(dir);
    for entry in fs::read_dir(directory::ours(dir))? {
        let path = entry?.path();
        if path != growing && path != waiting_control_file(dir) {
            let relative = path.strip_prefix(dir).map_err(io::Error::other)?;
            describe(&mut manifest, dir, relative)?;
        }
    }
    let mut out = manifest.finish(wal)?;
    out.flush()?;
    let path = dir.join(backup_manifest::NAME);
    fs::rename(&growing, &path)?;
    directory::give(&path, owner)
}

fn describe(
    manifest: &mut ManifestWriter<BufWriter<File>>,
    dir: &Path,
    path: &Path,
) -> io::Result<()> {
    let bytes = fs::read(dir.join(path))?;
    let (size, crc32c) = (bytes.len() as u64, crc32c::crc32c(&bytes));
    manifest.add(ManifestFile {
        path,
        size,
        modified_at: Timestamp::now(),
        crc32c,
    })
}

/// A copy recovers from where its label says and nowhere else: whoever starts it without
/// the label is refused by PostgreSQL (I-12).
fn forget_checkpoint(dir: &Path, manifest: &mut ManifestWriter<BufWriter<File>>) -> io::Result<()> {
    let waiting = waiting_control_file(dir);
    let bytes = control_file::without_checkpoint(&fs::read(&waiting)?);
    let bytes = bytes.map_err(io::Error::other)?;
    fs::write(&waiting, &bytes)?;
    manifest.add(ManifestFile {
        path: Path::new(control_file::PATH),
        size: bytes.len() as u64,
        modified_at: Timestamp::now(),
        crc32c: crc32c::crc32c(&bytes),
    })
}

/// From here on the directory can be started.
fn place_control_file(dir: &Path) -> io::Result<()> {
    move_durably(&waiting_control_file(dir), &dir.join(control_file::PATH))
}

/// Takes the control file away, so that the directory cannot be started, and
/// the key of the repository with it. Fine when there is none.
pub(super) fn withdraw_control_file(dir: &Path) -> io::Result<()> {
    let placed = dir.join(control_file::PATH);
    if placed.exists() {
        move_durably(&placed, &waiting_control_file(dir))?;
    }
    crate::file::remove(&FetchConfig::path_in(dir))
}

fn move_durably(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to)?;
    for path in [from, to] {
        if let Some(directory) = path.parent() {
            durable::sync(directory)?;
        }
    }
    Ok(())
}

/// It says nothing while it reads all that was written, and what it has read
/// is its progress.
async fn verify(cx: &JobContext, ready: &Ready) -> Result<(), Failure> {
    let user = RunAs::owner_of(&ready.dir).map_err(|error| directory::of_programs(&error))?;
    let mut program = ready.programs.command("pg_verifybackup", user);
    let dir: &PathBuf = &ready.dir;
    program.args(["--quiet", "--skip-checksums"]).arg(dir);
    program.kill_on_drop(true);
    program.stdout(Stdio::piped()).stderr(Stdio::piped());
    let cannot_run = |error: &io::Error| command::cannot_run("pg_verifybackup", error);
    let child = program.spawn().map_err(|error| cannot_run(&error))?;
    let (process, mut read) = (child.id(), 0);
    let ended = child.wait_with_output();
    tokio::pin!(ended);
    let output = loop {
        tokio::select! {
            output = &mut ended => break output.map_err(|error| cannot_run(&error))?,
            () = tokio::time::sleep(LOOK) => {
                let now = process.and_then(watch::bytes_read).unwrap_or(read).max(read);
                cx.add_bytes(now - read);
                read = now;
            }
        }
    };
    if output.status.success() {
        return Ok(());
    }
    Err(Failure::permanent(
        "restore_verification_failed",
        format!(
            "pg_verifybackup refuses {}: {}",
            dir.display(),
            command::said(&output)
        ),
        "the volume may be failing, or the repository: `holdfast-agent repo verify` tells; then \
         restore into another directory",
    ))
}
