//! Phase wal: the WAL that makes the copy consistent, in its `pg_wal`.
//!
//! With it the directory is a backup by itself: `pg_verifybackup` can parse
//! its WAL, and PostgreSQL becomes consistent without asking for a segment.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use holdfast_repo::Fetched;
use holdfast_types::{JobPhase, LsnRange, WalSegment};

use super::chain::wal_missing;
use super::prepare::{Ready, cannot_write};
use super::{Stopped, directory};
use crate::job::JobContext;
use crate::job::backup::thread_died;

pub(super) async fn run(cx: &JobContext, ready: &Ready) -> Result<(), Stopped> {
    cx.enter(JobPhase::Wal);
    let size = ready.chain.segment_size();
    let (start, stop) = (ready.backup.start_lsn, ready.backup.stop_lsn);
    cx.expect_bytes(ready.chain.segments(start, stop) * size.bytes());
    // Of the backup's own timeline, whatever came after it.
    let wal = ready.lineage.wal(holdfast_repo::Codec::DEFAULT);
    let mut segment = WalSegment::containing(ready.backup.timeline, start, size);
    while segment.start() < stop {
        let bytes = match wal.fetch_segment(segment).await? {
            Fetched::Full(bytes) => bytes,
            // What is not known lies behind what the copy needs.
            Fetched::Assembled { bytes, valid_to } if valid_to >= stop => bytes,
            Fetched::Assembled { .. } | Fetched::Absent => {
                let hole = LsnRange {
                    from_lsn: segment.start(),
                    to_lsn: segment.end().min(stop),
                };
                return Err(Stopped::Failed(wal_missing(hole, ready.backup.timeline)));
            }
        };
        cx.add_bytes(bytes.len() as u64);
        put(ready, segment, bytes).await?;
        segment = segment.next();
    }
    Ok(())
}

async fn put(ready: &Ready, segment: WalSegment, bytes: Bytes) -> Result<(), Stopped> {
    let path: PathBuf = ready.dir.join("pg_wal").join(segment.to_string());
    let owner = ready.owner;
    let target = path.clone();
    let written = tokio::task::spawn_blocking(move || write(&target, &bytes, owner)).await;
    let written = written.map_err(|error| thread_died(&error))?;
    written.map_err(|error| Stopped::Failed(cannot_write(&path, &error)))
}

fn write(path: &Path, bytes: &[u8], owner: (u32, u32)) -> io::Result<()> {
    let mut file: File = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(bytes)?;
    directory::give(path, owner)
}
