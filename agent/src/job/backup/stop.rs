//! Phase stop: PostgreSQL ends backup mode and says what the copy needs.

use holdfast_pg::sql::StoppedBackup;
use holdfast_repo::{BackupWriter, Entry, FinishedBackup, GeneratedEntry};
use holdfast_types::{Failure, JobPhase, Lsn};
use jiff::Timestamp;
use std::path::Path;

use super::copy::{Copied, entry_path};
use super::prepare::Ready;
use super::start::Started;
use super::tablespaces::Tablespace;
use super::{Stopped, source};
use crate::job::JobContext;

/// A backup whose bytes are durable and that lacks its proof and its mark.
pub(super) struct Ended {
    pub(super) finished: FinishedBackup,
    pub(super) label: StoppedBackup,
    pub(super) started_at: Timestamp,
    pub(super) finished_at: Timestamp,
    pub(super) corrupt_pages: u64,
    pub(super) tablespaces: Vec<Tablespace>,
}

pub(super) async fn run(
    cx: &JobContext,
    prepared: &Ready,
    started: Started,
    copied: &Copied,
) -> Result<Ended, Stopped> {
    cx.enter(JobPhase::Stop);
    let Started {
        session,
        writer,
        started_at,
    } = started;
    let start_lsn = session.start_lsn();
    let in_recovery = session.in_recovery();
    let asked_at = Timestamp::now();
    let label = match session.stop().await {
        Ok(label) => label,
        Err(error) => return Err(source::explained(&prepared.info, in_recovery, &error).await),
    };
    // Every commit before the stop position got its time before now. Where no
    // WAL follows, it counts until when nothing is missing: what was committed
    // after we asked may lie behind the stop position.
    let finished_at = match prepared.carried {
        Some(_) => asked_at,
        None => Timestamp::now(),
    };
    let began = Began {
        start_lsn,
        in_recovery,
        started_at,
    };
    seal(cx, prepared, (began, label, finished_at), writer, copied).await
}

/// What was so when PostgreSQL entered backup mode.
pub(super) struct Began {
    pub(super) start_lsn: Lsn,
    pub(super) in_recovery: bool,
    pub(super) started_at: Timestamp,
}

/// Checks what PostgreSQL said at the end against what it said at the start,
/// and makes the bytes durable.
pub(super) async fn seal(
    cx: &JobContext,
    prepared: &Ready,
    (began, label, finished_at): (Began, StoppedBackup, Timestamp),
    writer: BackupWriter,
    copied: &Copied,
) -> Result<Ended, Stopped> {
    let Began {
        start_lsn,
        in_recovery,
        started_at,
    } = began;
    cx.log(format!("consistent at {}", label.stop_lsn));
    if label.label.start_lsn != start_lsn
        || label.label.start_timeline != prepared.facts.timeline
        || label.label.from_standby != in_recovery
    {
        return Err(Stopped::Failed(Failure::transient(
            "backup_label_unexpected",
            format!(
                "the backup began at {start_lsn} on timeline {}, and backup_label says {} on \
                 timeline {}",
                prepared.facts.timeline, label.label.start_lsn, label.label.start_timeline
            ),
            "the server was promoted or replaced during the backup; take it again",
        )));
    }
    let ends_on = label
        .replay
        .map_or(prepared.facts.timeline, |replay| replay.timeline);
    if ends_on != prepared.facts.timeline {
        return Err(Stopped::Failed(Failure::transient(
            "timeline_changed_during_backup",
            format!(
                "the backup began on timeline {} and the standby is on timeline {ends_on} at its \
                 end; nothing was committed",
                prepared.facts.timeline
            ),
            "nothing to do: the next attempt begins on the new timeline",
        )));
    }
    add_generated(&writer, "backup_label", &label.backup_label).await?;
    if !label.tablespace_map.is_empty() {
        add_generated(&writer, "tablespace_map", &label.tablespace_map).await?;
    }
    let finished = writer.finish().await?;
    let corrupt_pages = copied.corrupt_pages;
    let tablespaces = copied.tablespaces.tablespaces(&prepared.facts.tablespaces);
    Ok(Ended {
        finished,
        label,
        started_at,
        finished_at,
        corrupt_pages,
        tablespaces,
    })
}

/// The bytes go into the backup exactly as PostgreSQL gave them.
async fn add_generated(writer: &BackupWriter, name: &str, bytes: &[u8]) -> Result<(), Stopped> {
    let path = entry_path(Path::new(name))?;
    let entry = Entry::Generated(GeneratedEntry {
        path,
        mode: 0o600,
        bytes: bytes.to_vec(),
    });
    let writer = writer.clone();
    let added = tokio::task::spawn_blocking(move || writer.add(&entry)).await;
    added.map_err(|error| super::copy::thread_died(&error))??;
    Ok(())
}
