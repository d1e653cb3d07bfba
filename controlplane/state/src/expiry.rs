//! The rules of deleting (I-06): nothing kept depends on anything deleted, and
//! what is condemned never comes back.

use holdfast_types::{BackupId, BackupKind, BackupState, Coverage, LsnRange, Name, Timeline};
use jiff::{SignedDuration, Timestamp};
use sea_orm::sea_query::Query;
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder};

use crate::column::{Moment, Text};
use crate::context::{ApplyContext, Stop};
use crate::entity::word::Deletion;
use crate::entity::{backup_repositories, backups, condemned, condemned_wal, holds};
use crate::lookup::Lookup;
use crate::pins::PIN_MOST;
use crate::{Noun, Refusal, StateError, generations, row, schema, wal};

/// A grace is never longer: a slip would keep what is condemned for ever.
const GRACE_MOST: SignedDuration = SignedDuration::from_hours(24 * 366);

/// When what is condemned now may be deleted.
pub(crate) fn delete_after(cx: &ApplyContext<'_>, grace_millis: u64) -> Result<Timestamp, Refusal> {
    let grace = i64::try_from(grace_millis).map(SignedDuration::from_millis);
    let grace = grace.ok().filter(|grace| *grace <= GRACE_MOST);
    let after = grace.and_then(|grace| cx.now().checked_add(grace).ok());
    after.ok_or_else(|| Refusal::invalid("grace_millis", "a grace is a year at most"))
}

/// After the state was restored from a snapshot or made anew, pins that were given
/// since are not known: nothing is condemned until the longest of them is over
/// (ADR 15). Both choose the floor of generations as the time at which they were
/// done, in milliseconds.
pub(crate) async fn suspended_until(
    conn: &impl ConnectionTrait,
) -> Result<Option<Timestamp>, StateError> {
    let floor = generations::floor(conn).await?;
    if floor == 0 {
        return Ok(None);
    }
    let floor = i64::try_from(floor).unwrap_or(i64::MAX);
    let restored = Timestamp::from_millisecond(floor).unwrap_or(Timestamp::MAX);
    Ok(Some(
        restored.checked_add(PIN_MOST).unwrap_or(Timestamp::MAX),
    ))
}

/// Refuses while pins may be in force that are not known.
pub(crate) async fn refuse_blind(cx: &ApplyContext<'_>) -> Result<(), Stop> {
    let until = suspended_until(cx.tx()).await?;
    match until.filter(|until| cx.now() < *until) {
        Some(until) => Err(Refusal::ExpirySuspended { until }.into()),
        None => Ok(()),
    }
}

/// The backup, if it may be condemned now.
pub(crate) async fn condemnable(
    cx: &ApplyContext<'_>,
    backup: BackupId,
) -> Result<backups::Model, Stop> {
    let found = row::read::<backups::Entity>(cx.tx(), Text(backup)).await?;
    let found = found.ok_or_else(|| Refusal::not_found(Noun::Backup, backup))?;
    match found.state.0 {
        BackupState::Available => {}
        BackupState::Condemned | BackupState::Deleted => {
            return Err(Refusal::BackupCondemned { backup }.into());
        }
        state @ (BackupState::Running | BackupState::Failed) => {
            return Err(Refusal::BackupState { backup, state }.into());
        }
    }
    if let Some(hold) = hold(cx, backup).await? {
        return Err(Refusal::BackupHeld {
            backup,
            reason: hold.reason,
            until: hold.until.map(|until| until.0),
        }
        .into());
    }
    if let Some(until) = pinned_until(cx, backup).await? {
        return Err(Refusal::BackupPinned { backup, until }.into());
    }
    refuse_last(cx, &found).await?;
    Ok(found)
}

/// The hold that is in force.
pub(crate) async fn hold(
    cx: &ApplyContext<'_>,
    backup: BackupId,
) -> Result<Option<holds::Model>, StateError> {
    let hold = row::read::<holds::Entity>(cx.tx(), Text(backup)).await?;
    Ok(hold.filter(|hold| hold.until.is_none_or(|until| until.0 > cx.now())))
}

async fn pinned_until(
    cx: &ApplyContext<'_>,
    backup: BackupId,
) -> Result<Option<Timestamp>, StateError> {
    use crate::entity::pins::{Column, Entity};
    // A mark that is sent while a pin is in force may arrive when it is not: the
    // moment of its end still counts as in force, the grace covers the rest.
    let pins = Entity::find()
        .filter(Column::Backup.eq(Text(backup)))
        .filter(Column::Until.gte(Moment(cx.now())))
        .order_by_asc(Column::Until)
        .all(cx.tx())
        .await?;
    Ok(pins.last().map(|pin| pin.until.0))
}

/// Physical backups and dumps are counted apart: a dump replays no WAL, and a
/// cluster that is protected by dumps may have no other.
async fn refuse_last(cx: &ApplyContext<'_>, backup: &backups::Model) -> Result<(), Stop> {
    let logical = backup.kind.0 == BackupKind::Logical;
    if cx.has_level(schema::COPIES).await? {
        return refuse_last_anywhere(cx, backup, logical).await;
    }
    let sql = format!(
        "SELECT 1 FROM backups WHERE cluster = ? AND state = 'available' AND repository = ? \
         AND id <> ? AND kind {} 'logical'",
        if logical { "=" } else { "<>" }
    );
    let values = [
        backup.cluster.clone().into(),
        backup.repository.clone().into(),
        backup.id.into(),
    ];
    if cx.exists(&sql, values).await? {
        return Ok(());
    }
    let kind = if logical { "dump" } else { "physical backup" };
    Err(Refusal::LastBackup {
        backup: backup.id.0,
        kind: kind.to_owned(),
        cluster: backup.cluster.0.clone(),
        repository: backup.repository.0.clone(),
    }
    .into())
}

/// The same for each of the repositories that it is in: a copy that lags behind
/// would otherwise lose its last one to a newer one that is not copied yet.
async fn refuse_last_anywhere(
    cx: &ApplyContext<'_>,
    backup: &backups::Model,
    logical: bool,
) -> Result<(), Stop> {
    use backup_repositories::{Column, Entity};
    let places = Entity::find()
        .filter(Column::Backup.eq(backup.id))
        .filter(Column::State.eq(Text(BackupState::Available)))
        .order_by_asc(Column::Repository)
        .all(cx.tx())
        .await?;
    let sql = format!(
        "SELECT 1 FROM backup_repositories AS place JOIN backups ON backups.id = place.backup \
         WHERE place.repository = ? AND place.state = 'available' AND backups.cluster = ? \
         AND backups.state = 'available' AND backups.id <> ? AND backups.kind {} 'logical'",
        if logical { "=" } else { "<>" }
    );
    for place in places {
        let repository = place.repository.0.clone();
        let values = [
            place.repository.into(),
            backup.cluster.clone().into(),
            backup.id.into(),
        ];
        if !cx.exists(&sql, values).await? {
            let kind = if logical { "dump" } else { "physical backup" };
            return Err(Refusal::LastBackup {
                backup: backup.id.0,
                kind: kind.to_owned(),
                cluster: backup.cluster.0.clone(),
                repository,
            }
            .into());
        }
    }
    Ok(())
}

/// Condemns a copy of what is condemned elsewhere, or was deleted there: nobody
/// gets it back by having copied it (I-06).
pub(crate) async fn condemn_copy(
    cx: &ApplyContext<'_>,
    place: &wal::Place,
    backup: BackupId,
) -> Result<(), Stop> {
    use condemned::{Column, Entity};
    let elsewhere = Entity::find()
        .filter(Column::Backup.eq(Text(backup)))
        .order_by_asc(Column::Repository)
        .all(cx.tx())
        .await?;
    let Some(known) = elsewhere.into_iter().next() else {
        return Err(StateError::corrupt(format!("{backup} is condemned nowhere")).into());
    };
    cx.put(condemned::Model {
        repository: Text(place.repository.clone()),
        state: Text(Deletion::Condemned),
        deleted_at: None,
        ..known
    })
    .await?;
    Ok(())
}

/// Whether anything of this id was condemned: it never becomes available.
pub(crate) async fn is_condemned(
    cx: &ApplyContext<'_>,
    backup: BackupId,
) -> Result<bool, StateError> {
    if !cx.has_level(schema::EXPIRY).await? {
        return Ok(false);
    }
    let sql = "SELECT 1 FROM condemned WHERE backup = ?";
    cx.exists(sql, [Text(backup).into()]).await
}

/// WAL of a timeline that is condemned, or was deleted.
pub(crate) async fn condemned_wal(
    conn: &impl ConnectionTrait,
    place: &wal::Place,
    timeline: Timeline,
    state: Option<Deletion>,
) -> Result<Vec<condemned_wal::Model>, StateError> {
    use condemned_wal::{Column, Entity};
    let mut found = Entity::find()
        .filter(Column::Cluster.eq(place.cluster.as_str()))
        .filter(Column::Repository.eq(place.repository.as_str()))
        .filter(Column::Lineage.eq(Text(place.lineage)))
        .filter(Column::Timeline.eq(crate::column::Count::from(timeline)));
    if let Some(state) = state {
        found = found.filter(Column::State.eq(Text(state)));
    }
    Ok(found.order_by_asc(Column::FromLsn).all(conn).await?)
}

/// The ranges of rows.
pub(crate) fn ranges(rows: &[condemned_wal::Model]) -> Coverage {
    let range = |row: &condemned_wal::Model| LsnRange::new(row.from_lsn.0, row.to_lsn.0);
    rows.iter().filter_map(range).collect()
}

/// WAL of a timeline that counts no more, whoever remembers having stored it.
pub(crate) async fn gone(
    cx: &ApplyContext<'_>,
    place: &wal::Place,
    timeline: Timeline,
) -> Result<Coverage, StateError> {
    if !cx.has_level(schema::EXPIRY).await? {
        return Ok(Coverage::default());
    }
    Ok(ranges(
        &condemned_wal(cx.tx(), place, timeline, None).await?,
    ))
}

/// What of `range` a backup needs that is there or is being taken, in this place.
pub(crate) async fn refuse_needed(
    cx: &ApplyContext<'_>,
    place: &wal::Place,
    range: LsnRange,
) -> Result<(), Stop> {
    use backups::{Column, Entity};
    let mut found = Entity::find().filter(Column::Cluster.eq(place.cluster.as_str()));
    found = match cx.has_level(schema::COPIES).await? {
        true => {
            let inside = Query::select()
                .column(backup_repositories::Column::Backup)
                .from(backup_repositories::Entity)
                .and_where(backup_repositories::Column::Repository.eq(place.repository.as_str()))
                .to_owned();
            found.filter(Column::Id.in_subquery(inside))
        }
        false => found.filter(Column::Repository.eq(place.repository.as_str())),
    };
    let found = found
        .filter(Column::Lineage.eq(Text(place.lineage)))
        .filter(Column::Kind.ne(Text(BackupKind::Logical)))
        .filter(Column::State.is_in([Text(BackupState::Running), Text(BackupState::Available)]))
        .order_by_asc(Column::Id)
        .all(cx.tx())
        .await?;
    for backup in found {
        let Some(start) = backup.start_lsn else {
            continue;
        };
        // One that runs needs all of it from there on.
        let stop = backup.stop_lsn.map(|stop| stop.0);
        let below = stop.is_some_and(|stop| stop <= range.from_lsn);
        if !below && start.0 < range.to_lsn {
            let backup = backup.id.0;
            return Err(Refusal::WalNeeded { range, backup }.into());
        }
    }
    Ok(())
}

/// Restores under way need the backups and the WAL of their cluster: nothing of it
/// is deleted until they have ended.
pub(crate) async fn is_restored_from(
    cx: &ApplyContext<'_>,
    cluster: &Name,
) -> Result<bool, StateError> {
    // A copy that waits may fail, and says so; one that is under way is let finish.
    let sql = "SELECT 1 FROM jobs WHERE cluster = ? AND (kind = 'restore' \
               AND state NOT IN ('succeeded', 'failed', 'cancelled', 'superseded') \
               OR kind = 'copy' AND state IN ('leased', 'running', 'committing'))";
    cx.exists(sql, [Text(cluster.clone()).into()]).await
}

/// Whether anything of a backup is in a repository still.
pub(crate) async fn is_whole_deleted(
    cx: &ApplyContext<'_>,
    backup: BackupId,
) -> Result<bool, StateError> {
    let rows = condemned::Entity::find()
        .filter(condemned::Column::Backup.eq(Text(backup)))
        .all(cx.tx())
        .await?;
    Ok(rows.iter().all(|row| row.state.0 == Deletion::Deleted))
}

/// The condemned row of a backup in a repository.
pub(crate) async fn row_of(
    cx: &ApplyContext<'_>,
    backup: BackupId,
    repository: &Name,
) -> Result<Option<condemned::Model>, StateError> {
    let key = (Text(backup), Text(repository.clone()));
    Ok(condemned::Entity::find_by_id(key).only(cx.tx()).await?)
}
