//! What is reported of a backup that exists.

use holdfast_proto::{BackupWork, JobSuccess, LineageWal, TimelineWal};
use holdfast_repo::{Backup, LineageRepository};
use holdfast_types::{BackupKind, CommittedBackup, RepositoryId};
use serde_json::json;

use super::Stopped;
use super::commit::fact;
use super::copy::Copied;
use super::parent::Against;
use super::prepare::Ready;

/// Of a backup that this attempt took.
pub(super) fn of_backup(
    work: &BackupWork,
    prepared: &Ready,
    copied: &Copied,
    backup: &Backup,
    (repository, wal): (RepositoryId, LineageWal),
) -> JobSuccess {
    let mut result = result(backup);
    result["files"] = json!(copied.files);
    match &prepared.against {
        Against::Nothing => {}
        Against::Parent(..) => result["unchangedFiles"] = json!(copied.unchanged_files),
        Against::Instead(why) => result["fullBecause"] = why.shown(),
    }
    if !copied.corrupt_files.is_empty() {
        result["corruptFiles"] = json!(copied.corrupt_files);
    }
    JobSuccess {
        result,
        backup: Some(Box::new(committed(work, backup))),
        wal: Some(wal),
        repository: Some(repository),
    }
}

/// Of a backup that an earlier attempt committed, from its mark.
pub(super) async fn of_committed(
    work: &BackupWork,
    backup: &Backup,
    lineage: &LineageRepository,
) -> Result<JobSuccess, Stopped> {
    // It only reads: the codec is for writing.
    let wal = lineage.wal(holdfast_repo::Codec::DEFAULT);
    let coverage = wal
        .list_from(backup.timeline, backup.start_lsn)
        .await?
        .coverage();
    let timeline = TimelineWal {
        timeline: backup.timeline,
        coverage,
        gaps: Vec::new(),
    };
    let wal = LineageWal {
        lineage: backup.lineage,
        timelines: vec![timeline],
    };
    let result = result(backup);
    Ok(JobSuccess {
        result,
        backup: Some(Box::new(committed(work, backup))),
        wal: Some(wal),
        repository: Some(lineage.repository().id()),
    })
}

fn result(backup: &Backup) -> serde_json::Value {
    let corrupt = backup
        .facts
        .get(fact::CORRUPT_PAGES)
        .and_then(|count| count.parse::<u64>().ok());
    json!({
        "backup": backup.id,
        "kind": BackupKind::from(backup.kind),
        "parent": backup.parent,
        "startLsn": backup.start_lsn,
        "stopLsn": backup.stop_lsn,
        "databaseBytes": backup.database_bytes,
        "addedBytes": backup.added_bytes,
        "files": backup.entries,
        "from": backup.facts.get(fact::FROM).map_or("primary", String::as_str),
        "corruptPages": corrupt.unwrap_or_default(),
    })
}

pub(in crate::job) fn committed(work: &BackupWork, backup: &Backup) -> CommittedBackup {
    CommittedBackup {
        id: backup.id,
        job: work.job,
        cluster: work.cluster.clone(),
        repository: work.repository.name.clone(),
        kind: backup.kind.into(),
        parent: backup.parent,
        lineage: backup.lineage,
        timeline: backup.timeline,
        start_lsn: backup.start_lsn,
        stop_lsn: backup.stop_lsn,
        started_at: backup.started_at,
        finished_at: backup.finished_at,
        database_bytes: backup.database_bytes,
        added_bytes: backup.added_bytes,
        server_version: backup.postgres_version,
    }
}
