//! The rules by which a backup row changes its state.

use holdfast_types::{
    BackupKind, BackupState, CommittedBackup, Failure, JobId, LsnRange, Revision,
};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder};

use crate::column::{Count, Json, Moment, Position, Text};
use crate::command::BackupCommit;
use crate::context::{ApplyContext, Stop};
use crate::entity::{backup_repositories, backups};
use crate::lookup::Lookup;
use crate::{Noun, Refusal, TaskName, expiry, wal};

/// Makes a backup `available` whose commit mark is in the repository, if its
/// WAL is there too (I-05). What is available already stays as it is; what is
/// condemned or deleted never comes back (I-06).
pub(crate) async fn make_available(
    cx: &mut ApplyContext<'_>,
    commit: BackupCommit,
    attempt: Count,
) -> Result<Revision, Stop> {
    let backup = &commit.backup;
    let id = Text(backup.id);
    let known = backups::Entity::find_by_id(id).only(cx.tx()).await?;
    if let Some(known) = &known {
        if known.job.0 != backup.job || known.cluster.0 != backup.cluster {
            return Err(Refusal::already_exists(Noun::Backup, backup.id).into());
        }
        match known.state.0 {
            BackupState::Running | BackupState::Failed => {}
            BackupState::Available | BackupState::Condemned | BackupState::Deleted => {
                return Ok(known.revision.into());
            }
        }
    }
    // I-06: what an attempt left may be gone by now.
    if expiry::is_condemned(cx, backup.id).await? {
        let backup = backup.id;
        return Err(Refusal::BackupCondemned { backup }.into());
    }
    let place = wal::Place {
        cluster: backup.cluster.clone(),
        repository: backup.repository.clone(),
        lineage: backup.lineage,
    };
    refuse_without_wal(cx, &place, &commit).await?;
    for timeline in &commit.wal {
        wal::record(cx, &place, timeline).await?;
    }
    let attempt = known.map_or(attempt, |known| known.attempt);
    cx.put(backup_repositories::Model {
        backup: id,
        repository: Text(backup.repository.clone()),
        kind: Text(backup.kind),
        state: Text(BackupState::Available),
        started_at: Moment(backup.started_at),
        recorded_at: Moment(cx.now()),
    })
    .await?;
    let changed = backup.id;
    cx.put(row(cx, commit.backup, attempt)).await?;
    cx.changed("backups", changed);
    cx.activate(TaskName::Exposure);
    Ok(cx.revision())
}

fn row(cx: &ApplyContext<'_>, backup: CommittedBackup, attempt: Count) -> backups::Model {
    backups::Model {
        id: Text(backup.id),
        job: Text(backup.job),
        attempt,
        cluster: Text(backup.cluster),
        repository: Text(backup.repository),
        kind: Text(backup.kind),
        parent: backup.parent.map(Text),
        state: Text(BackupState::Available),
        lineage: Some(Text(backup.lineage)),
        timeline: Some(backup.timeline.into()),
        start_lsn: Some(Position(backup.start_lsn)),
        stop_lsn: Some(Position(backup.stop_lsn)),
        started_at: Moment(backup.started_at),
        finished_at: Some(Moment(backup.finished_at)),
        database_bytes: Some(Count(backup.database_bytes)),
        added_bytes: Some(Count(backup.added_bytes)),
        server_version: Some(Count(u64::from(backup.server_version))),
        failure: None,
        revision: cx.revision().into(),
    }
}

/// I-05: the WAL from where recovery begins to where the backup is consistent
/// must be in the repository. A dump needs none.
async fn refuse_without_wal(
    cx: &ApplyContext<'_>,
    place: &wal::Place,
    commit: &BackupCommit,
) -> Result<(), Stop> {
    let backup = &commit.backup;
    wal::refuse_absurd("backup.stopLsn", backup.stop_lsn)?;
    for timeline in &commit.wal {
        wal::refuse_absurd_timeline(timeline)?;
    }
    if backup.kind == BackupKind::Logical {
        return Ok(());
    }
    let Some(needed) = LsnRange::new(backup.start_lsn, backup.stop_lsn) else {
        let message = "a backup stops after it starts";
        return Err(Refusal::invalid("backup.stopLsn", message).into());
    };
    let mut coverage = wal::coverage(cx.tx(), place, backup.timeline).await?;
    let carried = commit
        .wal
        .iter()
        .filter(|wal| wal.timeline == backup.timeline);
    let gone = expiry::gone(cx, place, backup.timeline).await?;
    for range in carried.flat_map(|wal| &wal.ranges) {
        for there in gone.gaps(*range) {
            coverage.insert(there);
        }
    }
    if coverage.covers(needed) {
        return Ok(());
    }
    Err(Refusal::WalMissing {
        cluster: backup.cluster.clone(),
        repository: backup.repository.clone(),
        gaps: coverage.gaps(needed),
    }
    .into())
}

/// What a job's attempts were writing will never become available by them.
pub(crate) async fn fail_running(
    cx: &mut ApplyContext<'_>,
    job: Text<JobId>,
    reason: &Failure,
) -> Result<(), Stop> {
    let running = backups::Entity::find()
        .filter(backups::Column::Job.eq(job))
        .filter(backups::Column::State.eq(Text(BackupState::Running)))
        .order_by_asc(backups::Column::Id)
        .all(cx.tx())
        .await?;
    for backup in running {
        cx.changed("backups", backup.id.0);
        let places = "UPDATE backup_repositories SET state = ? WHERE backup = ?";
        let failed = Text(BackupState::Failed);
        cx.execute(places, [failed.into(), backup.id.into()])
            .await?;
        cx.put(backups::Model {
            state: failed,
            finished_at: Some(Moment(cx.now())),
            failure: Some(Json(reason.clone())),
            revision: cx.revision().into(),
            ..backup
        })
        .await?;
    }
    Ok(())
}
