//! The rules by which a backup row changes its state.

use holdfast_types::{
    BackupId, BackupKind, BackupState, CommittedBackup, Coverage, Failure, JobId, LsnRange,
    Revision, Timeline,
};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder};

use crate::column::{Count, Json, Moment, Position, Text};
use crate::command::{BackupCommit, TimelineWal};
use crate::context::{ApplyContext, Stop};
use crate::entity::{backup_repositories, backups};
use crate::lookup::Lookup;
use crate::{Noun, Refusal, StateError, TaskName, expiry, facts, schema, wal};

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
                let revision = known.revision.into();
                take_in_copy(cx, &commit).await?;
                return Ok(revision);
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
    facts::holes(cx, &place).await?;
    facts::backups(cx, &place.cluster).await?;
    cx.changed("backups", changed);
    cx.activate(TaskName::Exposure);
    cx.activate(TaskName::Copies);
    Ok(cx.revision())
}

/// The same backup in another repository is a copy of it.
async fn take_in_copy(cx: &mut ApplyContext<'_>, commit: &BackupCommit) -> Result<(), Stop> {
    if !cx.has_level(schema::COPIES).await? {
        return Ok(());
    }
    let backup = &commit.backup;
    let place = wal::Place {
        cluster: backup.cluster.clone(),
        repository: backup.repository.clone(),
        lineage: backup.lineage,
    };
    if place_of(cx, &place, backup.id).await?.is_some() {
        return Ok(());
    }
    refuse_copy(cx, &place, backup.id, &commit.wal).await?;
    for timeline in &commit.wal {
        wal::record(cx, &place, timeline).await?;
    }
    facts::holes(cx, &place).await?;
    place_copy(cx, &place, backup.id).await
}

async fn place_of(
    cx: &ApplyContext<'_>,
    place: &wal::Place,
    backup: BackupId,
) -> Result<Option<backup_repositories::Model>, StateError> {
    let key = (Text(backup), Text(place.repository.clone()));
    let found = backup_repositories::Entity::find_by_id(key);
    Ok(found.only(cx.tx()).await?)
}

/// Refuses what cannot be a copy: of no backup that is available, or without the
/// WAL that it needs (I-05). `carried` is what was found there.
pub(crate) async fn refuse_copy(
    cx: &ApplyContext<'_>,
    place: &wal::Place,
    backup: BackupId,
    carried: &[TimelineWal],
) -> Result<(), Stop> {
    let found = backups::Entity::find_by_id(Text(backup));
    let found = found.only(cx.tx()).await?;
    let found = found.ok_or_else(|| Refusal::not_found(Noun::Backup, backup))?;
    let lineage = found.lineage.map(|lineage| lineage.0);
    if found.cluster.0 != place.cluster || lineage != Some(place.lineage) {
        let message = "it is of another cluster or lineage";
        return Err(Refusal::invalid("backups", message).into());
    }
    match found.state.0 {
        // What is left of it there was condemned: it would be deleted with that.
        BackupState::Available
            if expiry::row_of(cx, backup, &place.repository)
                .await?
                .is_some() =>
        {
            return Err(Refusal::BackupCondemned { backup }.into());
        }
        BackupState::Available => {}
        // It was condemned while it was copied, and goes as it does elsewhere.
        BackupState::Condemned | BackupState::Deleted => return Ok(()),
        state @ (BackupState::Running | BackupState::Failed) => {
            return Err(Refusal::BackupState { backup, state }.into());
        }
    }
    if found.kind.0 == BackupKind::Logical {
        return Ok(());
    }
    let (start, stop, timeline) = (found.start_lsn, found.stop_lsn, found.timeline);
    let (Some(start), Some(stop), Some(timeline)) = (start, stop, timeline) else {
        return Err(StateError::corrupt(format!("{backup} is available and nowhere")).into());
    };
    let timeline = crate::column::timeline(timeline)?;
    let Some(needed) = LsnRange::new(start.0, stop.0) else {
        return Ok(());
    };
    let coverage = held_with(cx, place, timeline, carried).await?;
    if coverage.covers(needed) {
        return Ok(());
    }
    Err(Refusal::WalMissing {
        cluster: place.cluster.clone(),
        repository: place.repository.clone(),
        gaps: coverage.gaps(needed),
    }
    .into())
}

/// Notes that a backup is in a copy, after [`refuse_copy`] had nothing against it.
pub(crate) async fn place_copy(
    cx: &mut ApplyContext<'_>,
    place: &wal::Place,
    backup: BackupId,
) -> Result<(), Stop> {
    let known = place_of(cx, place, backup).await?;
    if known.is_some_and(|known| known.state.0 != BackupState::Failed) {
        return Ok(());
    }
    let found = backups::Entity::find_by_id(Text(backup));
    let Some(found) = found.only(cx.tx()).await? else {
        return Ok(());
    };
    let state = match found.state.0 {
        BackupState::Condemned | BackupState::Deleted => {
            expiry::condemn_copy(cx, place, backup).await?;
            BackupState::Condemned
        }
        _ => BackupState::Available,
    };
    cx.put(backup_repositories::Model {
        backup: Text(backup),
        repository: Text(place.repository.clone()),
        kind: found.kind,
        state: Text(state),
        started_at: found.started_at,
        recorded_at: Moment(cx.now()),
    })
    .await?;
    facts::backups(cx, &place.cluster).await?;
    cx.changed("backups", backup);
    cx.activate(TaskName::Exposure);
    // The next one.
    cx.activate(TaskName::Copies);
    Ok(())
}

/// What is recorded of a timeline, and what was found of it now.
async fn held_with(
    cx: &ApplyContext<'_>,
    place: &wal::Place,
    timeline: Timeline,
    carried: &[TimelineWal],
) -> Result<Coverage, StateError> {
    let mut coverage = wal::coverage(cx.tx(), place, timeline).await?;
    let carried = carried.iter().filter(|wal| wal.timeline == timeline);
    let gone = expiry::gone(cx, place, timeline).await?;
    for range in carried.flat_map(|wal| &wal.ranges) {
        for there in gone.gaps(*range) {
            coverage.insert(there);
        }
    }
    Ok(coverage)
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
    let coverage = held_with(cx, place, backup.timeline, &commit.wal).await?;
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
