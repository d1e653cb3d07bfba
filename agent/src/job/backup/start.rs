//! Phase start: PostgreSQL enters backup mode, the repository an attempt.

use holdfast_pg::sql::{BackupSession, BackupStart};
use holdfast_proto::{BackupStarted, BackupWork};
use holdfast_repo::{BackupWriter, Codec, FanOut, WriteOptions};
use holdfast_types::resource::{self, Checkpoint};
use holdfast_types::{Failure, JobPhase, Lsn};
use jiff::Timestamp;

use super::parent::Against;
use super::prepare::Ready;
use super::{Stopped, beside, source};
use crate::host::Host;
use crate::job::JobContext;

/// The most threads that copy; more would wait for the disk.
const MOST_THREADS: usize = 16;
/// Memory for packs that are being filled or uploaded, however many threads
/// fill them.
const PACK_MEMORY: usize = 144 << 20;
const PACK_BYTES: std::ops::RangeInclusive<usize> = (8 << 20)..=(32 << 20);

/// A backup that PostgreSQL and the repository know of.
pub(super) struct Started {
    pub(super) session: BackupSession,
    pub(super) writer: BackupWriter,
    pub(super) started_at: Timestamp,
}

pub(super) async fn run(
    work: &BackupWork,
    cx: &JobContext,
    host: &Host,
    prepared: &Ready,
) -> Result<Started, Stopped> {
    cx.enter(JobPhase::Start);
    let writer = open_writer(work, prepared, host).await?;
    let started_at = Timestamp::now();
    let label = format!("holdfast {}", work.backup);
    let start = BackupStart {
        label: &label,
        fast: work.checkpoint != Some(Checkpoint::Spread),
    };
    if !start.fast {
        cx.log("waiting for a spread checkpoint, as the backup was asked for");
    }
    let begin = || BackupSession::start(&prepared.info, start);
    let session = source::begin(cx, prepared, begin).await?;
    if session.in_recovery() != prepared.facts.in_recovery {
        return Err(Stopped::Failed(Failure::transient(
            "role_changed",
            format!(
                "the server of cluster {} has changed its role between primary and standby",
                work.cluster
            ),
            "nothing to do: the next attempt goes to the instance that is right then",
        )));
    }
    tell(work, cx, prepared, (session.start_lsn(), started_at));
    Ok(Started {
        session,
        writer,
        started_at,
    })
}

/// Begins the attempt in the repository, before PostgreSQL is asked: what that
/// refuses, it need not checkpoint for.
pub(super) async fn open_writer(
    work: &BackupWork,
    prepared: &Ready,
    host: &Host,
) -> Result<BackupWriter, Stopped> {
    let options = write_options(work);
    let writer = match &prepared.against {
        Against::Parent(parent, _) => {
            let parent = parent.clone();
            let begun = prepared
                .lineage
                .begin_incremental(work.backup, parent, options);
            begun.await?
        }
        Against::Nothing | Against::Instead(_) => {
            prepared.lineage.begin_backup(work.backup, options).await?
        }
    };
    beside::begin(work, host, &prepared.lineage, &writer);
    Ok(writer)
}

/// Tells that PostgreSQL is in backup mode.
pub(super) fn tell(
    work: &BackupWork,
    cx: &JobContext,
    prepared: &Ready,
    (start_lsn, started_at): (Lsn, Timestamp),
) {
    cx.backup_started(BackupStarted {
        backup: work.backup,
        kind: prepared.against.kind(),
        parent: prepared.against.parent(),
        lineage: prepared.lineage.lineage(),
        timeline: prepared.facts.timeline,
        start_lsn,
        started_at,
    });
}

/// Threads that copy: one per core.
pub(in crate::job) fn threads() -> usize {
    std::thread::available_parallelism()
        .map_or(2, usize::from)
        .min(MOST_THREADS)
}

/// One pack per thread and upload, what copies hold, and one in between, within the
/// bound.
pub(in crate::job) fn write_options(work: &BackupWork) -> WriteOptions {
    let uploads = WriteOptions::default().uploads;
    let held = uploads + work.copies.len() * FanOut::PACKS;
    let pack = PACK_MEMORY / (threads() + held + 1);
    let pack = pack.clamp(*PACK_BYTES.start(), *PACK_BYTES.end());
    let pack_bytes = u32::try_from(pack).unwrap_or(u32::MAX);
    WriteOptions {
        codec: codec(work.compression),
        pack_bytes,
        uploads,
    }
}

/// The repository's codec for a policy's compression.
pub(super) fn codec(compression: resource::Compression) -> Codec {
    match compression.codec {
        resource::Codec::Zstd => Codec::Zstd {
            level: compression.level(),
        },
        resource::Codec::Lz4 => Codec::Lz4,
        resource::Codec::None => Codec::None,
    }
}
