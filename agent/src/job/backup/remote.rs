//! The phases start, copy and stop of a server whose data directory the agent
//! cannot read: a `BASE_BACKUP` over the replication protocol.
//!
//! The archives are taken apart as they come, into the same entries that a
//! copy of the files would have, and nothing is kept but a few messages. So
//! everything after it, the proof of the WAL, the mark, restores, is the same.
//! Chunks that the parent has at the same place are not stored again, though
//! all of them are sent.

use std::path::{Path, PathBuf};

use holdfast_pg::backup_label::BackupLabel;
use holdfast_pg::replication::{
    BaseBackup, BaseBackupEvent, BaseBackupRequest, BaseBackupStart, Client, StreamedTablespace,
};
use holdfast_pg::sql::{Replay, StoppedBackup};
use holdfast_proto::BackupWork;
use holdfast_repo::{BackupWriter, DirectoryEntry, Entry, EntryPath, LinkTarget, SymlinkEntry};
use holdfast_types::resource::Checkpoint;
use holdfast_types::{Failure, JobPhase, Lsn, Timeline};
use jiff::Timestamp;
use tokio::sync::mpsc;

use super::copy::{self, Copied, entry_path, thread_died};
use super::parent::Against;
use super::prepare::Ready;
use super::start;
use super::stop::{self, Began, Ended};
use super::tablespaces::{self, LINKS};
use super::taker::{Taken, Taker};
use super::{Stopped, or_cancelled, source};
use crate::failure::of_repository;
use crate::host::Host;
use crate::job::JobContext;

/// Messages between the socket and the thread that takes them apart; each has
/// at most a few hundred KiB.
const AHEAD: usize = 32;

pub(super) async fn run(
    work: &BackupWork,
    cx: &JobContext,
    host: &Host,
    prepared: &Ready,
) -> Result<(Copied, Ended), Stopped> {
    cx.enter(JobPhase::Start);
    let writer = start::open_writer(work, prepared, host).await?;
    let started_at = Timestamp::now();
    let (start, stream) = or_cancelled(cx, begin(work, cx, prepared)).await?;
    start::tell(work, cx, prepared, (start.start_lsn, started_at));
    cx.enter(JobPhase::Copy);
    cx.expect_bytes(prepared.facts.database_bytes);
    let (taken, end) = copy(cx, prepared, &writer, &start, stream).await?;
    // As when a session stops it; only that here nobody knows when the server
    // did: what came last may have been on its way for long.
    let finished_at = match prepared.carried {
        Some(_) => started_at,
        None => Timestamp::now(),
    };
    cx.enter(JobPhase::Stop);
    let began = Began {
        start_lsn: start.start_lsn,
        in_recovery: prepared.facts.in_recovery,
        started_at,
    };
    let (label, mut copied) = ended(prepared, &start, taken, &end)?;
    if end.corrupt {
        copied.corrupt_pages = copied.corrupt_pages.max(1);
        cx.log(
            "WARNING: the server found damaged pages while it sent them, and names them in its \
             log. The backup holds them as they are; find out now what they held",
        );
    }
    copy::report(cx, &copied);
    let sealed = stop::seal(cx, prepared, (began, label, finished_at), writer, &copied);
    let ended = or_cancelled(cx, sealed).await?;
    Ok((copied, ended))
}

/// Asks for the stream, and refuses one that is not what was prepared.
async fn begin(
    work: &BackupWork,
    cx: &JobContext,
    prepared: &Ready,
) -> Result<(BaseBackupStart, BaseBackup), Stopped> {
    let mut client = Client::connect(&prepared.info).await?;
    client
        .require_system(prepared.facts.system_identifier)
        .await?;
    let label = format!("holdfast {}", work.backup);
    let fast = work.checkpoint != Some(Checkpoint::Spread);
    if !fast {
        cx.log("waiting for a spread checkpoint, as the backup was asked for");
    }
    let request = BaseBackupRequest {
        label: &label,
        fast,
    };
    let in_recovery = prepared.facts.in_recovery;
    let (start, stream) = match client.base_backup(request).await {
        Ok(begun) => begun,
        Err(error) => return Err(source::explained(&prepared.info, in_recovery, &error).await),
    };
    if start.timeline != prepared.facts.timeline {
        return Err(Stopped::Failed(other_timeline(prepared, start.timeline)));
    }
    refuse_unsent(prepared, &start)?;
    if in_recovery && prepared.carried.is_none() {
        source::require_wal(prepared, start.start_lsn).await?;
    }
    Ok((start, stream))
}

/// Up to PostgreSQL 15 a stream that tells where tablespaces are leaves out those
/// that were made in place, and says nothing: the backup would only look whole.
fn refuse_unsent(prepared: &Ready, start: &BaseBackupStart) -> Result<(), Failure> {
    let sent = |oid: u32| start.tablespaces.iter().any(|known| known.oid == oid);
    let unsent = tablespaces::in_place(&prepared.facts).find(|known| !sent(known.oid));
    let Some(unsent) = unsent else {
        return Ok(());
    };
    Err(Failure::permanent(
        "tablespace_not_streamed",
        format!(
            "the server does not send the tablespace \"{}\", which was made in place",
            unsent.name
        ),
        "move what is in it elsewhere and drop it (it is for PostgreSQL's own tests), or let an \
         agent on the server's host read the data directory",
    ))
}

fn other_timeline(prepared: &Ready, timeline: Timeline) -> Failure {
    Failure::transient(
        "timeline_changed_during_backup",
        format!(
            "the server was on timeline {} and is on timeline {timeline} now; nothing was committed",
            prepared.facts.timeline
        ),
        "nothing to do: the next attempt begins on the new timeline",
    )
}

/// Where the stream said that the copy is consistent.
struct End {
    stop_lsn: Lsn,
    timeline: Timeline,
    corrupt: bool,
}

/// Takes everything that comes. The thread that does has ended when it returns.
async fn copy(
    cx: &JobContext,
    prepared: &Ready,
    writer: &BackupWriter,
    start: &BaseBackupStart,
    mut stream: BaseBackup,
) -> Result<(Taken, End), Stopped> {
    let (events, received) = mpsc::channel(AHEAD);
    let mut taker = Taker::new(writer, received, cx);
    if let Against::Parent(parent, _) = &prepared.against {
        taker.build_on(parent.clone());
    }
    let announced = start.tablespaces.clone();
    let (writer, start_lsn) = (writer.clone(), start.start_lsn);
    let system = prepared.facts.system_identifier;
    let taking = tokio::task::spawn_blocking(move || {
        for tablespace in &announced {
            announce(&writer, tablespace)?;
        }
        taker.take_all(&announced, (system, start_lsn))
    });
    let fed = feed(cx, prepared, &mut stream, &events).await;
    drop(events);
    let taken = taking.await.map_err(|error| thread_died(&error))?;
    match (fed, taken) {
        (Ok(Some(end)), Ok(taken)) => Ok((taken, end)),
        // It ended first, and the stream was left because of that.
        (Ok(_), Err(failure)) => Err(Stopped::Failed(failure)),
        (Ok(None), Ok(_)) => Err(Stopped::Failed(Failure::permanent(
            "archive_invalid",
            "the archives ended before the server said so",
            "this is a defect in Holdfast or no PostgreSQL: please report it",
        ))),
        (Err(stopped), _) => Err(stopped),
    }
}

/// Hands over what comes until the server says that it is all. `None` when
/// nobody takes it any more.
async fn feed(
    cx: &JobContext,
    prepared: &Ready,
    stream: &mut BaseBackup,
    events: &mpsc::Sender<BaseBackupEvent>,
) -> Result<Option<End>, Stopped> {
    loop {
        let event = tokio::select! {
            biased;
            () = cx.cancel().cancelled() => return Err(Stopped::Cancelled),
            event = stream.next() => event,
        };
        let event = match event {
            Ok(event) => event,
            Err(error) => {
                let in_recovery = prepared.facts.in_recovery;
                return Err(source::explained(&prepared.info, in_recovery, &error).await);
            }
        };
        if let BaseBackupEvent::End {
            stop_lsn,
            timeline,
            corrupt,
        } = event
        {
            return Ok(Some(End {
                stop_lsn,
                timeline,
                corrupt,
            }));
        }
        if events.send(event).await.is_err() {
            return Ok(None);
        }
    }
}

/// The place of a tablespace, before its archive: a restore makes links first.
/// The archive of the data directory, which has the links, comes last.
fn announce(writer: &BackupWriter, tablespace: &StreamedTablespace) -> Result<(), Failure> {
    let add = |entry: &Entry| writer.add(entry).map_err(|error| of_repository(&error));
    let directory = |path: EntryPath| Entry::Directory(DirectoryEntry { path, mode: 0o700 });
    add(&directory(entry_path(Path::new(LINKS))?))?;
    let path = entry_path(&tablespace_path(tablespace.oid))?;
    if !tablespace.location.is_absolute() {
        return add(&directory(path));
    }
    let target = LinkTarget::new(&tablespace.location).map_err(|error| {
        Failure::permanent(
            "invalid_path",
            error.to_string(),
            "make the tablespace anew",
        )
    })?;
    add(&Entry::Symlink(SymlinkEntry { path, target }))
}

pub(super) fn tablespace_path(oid: u32) -> PathBuf {
    Path::new(LINKS).join(oid.to_string())
}

/// What a session would have said when it stopped the backup.
fn ended(
    prepared: &Ready,
    start: &BaseBackupStart,
    taken: Taken,
    end: &End,
) -> Result<(StoppedBackup, Copied), Stopped> {
    if end.timeline != start.timeline {
        return Err(Stopped::Failed(other_timeline(prepared, end.timeline)));
    }
    let Taken {
        backup_label,
        tablespace_map,
        checkpoint_at,
        copied,
    } = taken;
    let label = BackupLabel::parse(&backup_label).map_err(|error| {
        Failure::permanent(
            "archive_invalid",
            format!("the archive of the data directory: {error}"),
            "this is a defect in Holdfast or no PostgreSQL: please report it",
        )
    })?;
    let replay = prepared.facts.in_recovery.then_some(Replay {
        timeline: end.timeline,
        complete_until: Some(checkpoint_at),
    });
    let stopped = StoppedBackup {
        stop_lsn: end.stop_lsn,
        backup_label,
        tablespace_map,
        label,
        replay,
    };
    Ok((stopped, copied))
}
