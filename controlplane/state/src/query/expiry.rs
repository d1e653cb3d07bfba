//! Holds, and what is to be deleted or was.

use std::collections::BTreeMap;

use holdfast_types::{BackupId, Lineage, LsnRange, Name, Timeline};
use jiff::Timestamp;
use sea_orm::{ColumnTrait, DatabaseConnection, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use serde::Serialize;

use crate::apply::Head;
use crate::column::{Moment, Text, timeline};
use crate::entity::word::{CondemnCause, Deletion};
use crate::entity::{condemned as rows, condemned_wal as wal_rows, holds, pins};
use crate::pins::PinHolder;
use crate::{StateError, expiry, schema};

/// How many backups are looked up at once: SQLite bounds the values of a statement.
const AT_ONCE: usize = 500;

/// A hold of a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HoldView {
    /// Why.
    pub reason: String,
    /// Until when; without an end, until it is released.
    pub until: Option<Timestamp>,
    /// Who placed it.
    pub by: String,
    /// When.
    pub placed_at: Timestamp,
}

impl HoldView {
    /// Whether it is in force.
    pub fn holds(&self, now: Timestamp) -> bool {
        self.until.is_none_or(|until| until > now)
    }
}

/// That something is to be deleted, or was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CondemnedView {
    /// The backup, or what it would have been.
    pub backup: BackupId,
    /// Where.
    pub repository: Name,
    /// Of which cluster.
    pub cluster: Name,
    /// Of which lineage.
    pub lineage: Lineage,
    /// Why it was condemned: what kind of reason.
    pub cause: CondemnCause,
    /// And which.
    pub reason: String,
    /// How far that is.
    pub state: Deletion,
    /// When it was condemned.
    pub condemned_at: Timestamp,
    /// Before then nothing of it is deleted.
    pub delete_after: Timestamp,
    /// When nothing of it was left.
    pub deleted_at: Option<Timestamp>,
}

/// WAL that is to be deleted, or was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CondemnedWalView {
    /// Whose.
    pub cluster: Name,
    /// Where.
    pub repository: Name,
    /// Of which lineage.
    pub lineage: Lineage,
    /// Of which timeline.
    pub timeline: Timeline,
    /// From where to where.
    pub range: LsnRange,
    /// How far that is.
    pub state: Deletion,
    /// Before then nothing of it is deleted.
    pub delete_after: Timestamp,
}

/// A pin of a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PinView {
    /// Who may build on it.
    pub holder: PinHolder,
    /// Until when.
    pub until: Timestamp,
}

async fn is_known(conn: &DatabaseConnection) -> Result<bool, StateError> {
    Ok(schema::version(conn).await? >= schema::EXPIRY)
}

/// The time of the last entry, which later ones never go behind: what is due by it
/// is due, also while a clock that ran ahead is back.
pub async fn log_time(conn: &DatabaseConnection) -> Result<Timestamp, StateError> {
    Ok(Head::read(conn).await?.time)
}

/// Until when nothing is condemned because the state was restored, and pins that
/// were given since are not known; `None` when it never was.
pub async fn expiry_suspended_until(
    conn: &DatabaseConnection,
) -> Result<Option<Timestamp>, StateError> {
    expiry::suspended_until(conn).await
}

/// The holds of these backups, whether or not in force.
pub async fn holds_of(
    conn: &DatabaseConnection,
    backups: &[BackupId],
) -> Result<BTreeMap<BackupId, HoldView>, StateError> {
    let mut found = BTreeMap::new();
    if !is_known(conn).await? {
        return Ok(found);
    }
    for some in backups.chunks(AT_ONCE) {
        let ids = some.iter().map(|id| Text(*id));
        let select = holds::Entity::find().filter(holds::Column::Backup.is_in(ids));
        for row in select.all(conn).await? {
            let hold = HoldView {
                reason: row.reason,
                until: row.until.map(|until| until.0),
                by: row.placed_by,
                placed_at: row.placed_at.0,
            };
            found.insert(row.backup.0, hold);
        }
    }
    Ok(found)
}

/// What is condemned of these backups, by backup and repository.
pub async fn condemned_of(
    conn: &DatabaseConnection,
    backups: &[BackupId],
) -> Result<BTreeMap<BackupId, Vec<CondemnedView>>, StateError> {
    let mut found: BTreeMap<BackupId, Vec<CondemnedView>> = BTreeMap::new();
    if !is_known(conn).await? {
        return Ok(found);
    }
    for some in backups.chunks(AT_ONCE) {
        let ids = some.iter().map(|id| Text(*id));
        let select = rows::Entity::find()
            .filter(rows::Column::Backup.is_in(ids))
            .order_by_asc(rows::Column::Repository);
        for row in select.all(conn).await? {
            found.entry(row.backup.0).or_default().push(condemned(row));
        }
    }
    Ok(found)
}

/// Whether the time of anything has come.
pub async fn is_deletion_due(
    conn: &DatabaseConnection,
    now: Timestamp,
) -> Result<bool, StateError> {
    if !is_known(conn).await? {
        return Ok(false);
    }
    for state in [Deletion::Deleting, Deletion::Condemned] {
        let backups = rows::Entity::find()
            .filter(rows::Column::State.eq(Text(state)))
            .filter(rows::Column::DeleteAfter.lte(Moment(now)))
            .limit(1)
            .all(conn);
        let wal = wal_rows::Entity::find()
            .filter(wal_rows::Column::State.eq(Text(state)))
            .filter(wal_rows::Column::DeleteAfter.lte(Moment(now)))
            .limit(1)
            .all(conn);
        if !backups.await?.is_empty() || !wal.await?.is_empty() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Everything in this state whose time has come, the oldest first.
pub async fn due_deletions(
    conn: &DatabaseConnection,
    now: Timestamp,
) -> Result<Vec<CondemnedView>, StateError> {
    use rows::{Column, Entity};
    if !is_known(conn).await? {
        return Ok(Vec::new());
    }
    let mut due = Vec::new();
    for state in [Deletion::Deleting, Deletion::Condemned] {
        let found = Entity::find()
            .filter(Column::State.eq(Text(state)))
            .filter(Column::DeleteAfter.lte(Moment(now)))
            .order_by_asc(Column::DeleteAfter)
            .order_by_asc(Column::Backup)
            .all(conn)
            .await?;
        due.extend(found.into_iter().map(condemned));
    }
    Ok(due)
}

/// WAL whose time has come.
pub async fn due_wal(
    conn: &DatabaseConnection,
    now: Timestamp,
) -> Result<Vec<CondemnedWalView>, StateError> {
    use wal_rows::{Column, Entity};
    if !is_known(conn).await? {
        return Ok(Vec::new());
    }
    let mut due = Vec::new();
    for state in [Deletion::Deleting, Deletion::Condemned] {
        let found = Entity::find()
            .filter(Column::State.eq(Text(state)))
            .filter(Column::DeleteAfter.lte(Moment(now)))
            .order_by_asc(Column::DeleteAfter)
            .all(conn)
            .await?;
        for row in found {
            due.push(wal(row)?);
        }
    }
    Ok(due)
}

/// All WAL of a lineage in a repository that is condemned or was deleted.
pub async fn condemned_wal_of(
    conn: &DatabaseConnection,
    cluster: &Name,
    repository: &Name,
    lineage: Lineage,
) -> Result<Vec<CondemnedWalView>, StateError> {
    use wal_rows::{Column, Entity};
    if !is_known(conn).await? {
        return Ok(Vec::new());
    }
    let found = Entity::find()
        .filter(Column::Cluster.eq(cluster.as_str()))
        .filter(Column::Repository.eq(repository.as_str()))
        .filter(Column::Lineage.eq(Text(lineage)))
        .order_by_asc(Column::Timeline)
        .order_by_asc(Column::FromLsn)
        .all(conn)
        .await?;
    found.into_iter().map(wal).collect()
}

/// What of a lineage in a repository is condemned or was deleted.
pub async fn condemned_in(
    conn: &DatabaseConnection,
    cluster: &Name,
    repository: &Name,
    lineage: Lineage,
) -> Result<Vec<CondemnedView>, StateError> {
    use rows::{Column, Entity};
    if !is_known(conn).await? {
        return Ok(Vec::new());
    }
    let found = Entity::find()
        .filter(Column::Repository.eq(repository.as_str()))
        .filter(Column::Cluster.eq(cluster.as_str()))
        .filter(Column::Lineage.eq(Text(lineage)))
        .order_by_asc(Column::Backup)
        .all(conn)
        .await?;
    Ok(found.into_iter().map(condemned).collect())
}

/// The pins of these backups that end at `now` or later.
pub async fn pins_of(
    conn: &DatabaseConnection,
    backups: &[BackupId],
    now: Timestamp,
) -> Result<BTreeMap<BackupId, Vec<PinView>>, StateError> {
    let mut found: BTreeMap<BackupId, Vec<PinView>> = BTreeMap::new();
    if schema::version(conn).await? < schema::PINS {
        return Ok(found);
    }
    for some in backups.chunks(AT_ONCE) {
        let ids = some.iter().map(|id| Text(*id));
        let select = pins::Entity::find()
            .filter(pins::Column::Backup.is_in(ids))
            .filter(pins::Column::Until.gte(Moment(now)))
            .order_by_asc(pins::Column::Until);
        for row in select.all(conn).await? {
            let pin = PinView {
                holder: row.holder.0,
                until: row.until.0,
            };
            found.entry(row.backup.0).or_default().push(pin);
        }
    }
    Ok(found)
}

fn condemned(row: rows::Model) -> CondemnedView {
    CondemnedView {
        backup: row.backup.0,
        repository: row.repository.0,
        cluster: row.cluster.0,
        lineage: row.lineage.0,
        cause: row.cause.0,
        reason: row.reason,
        state: row.state.0,
        condemned_at: row.condemned_at.0,
        delete_after: row.delete_after.0,
        deleted_at: row.deleted_at.map(|at| at.0),
    }
}

fn wal(row: wal_rows::Model) -> Result<CondemnedWalView, StateError> {
    let range = LsnRange::new(row.from_lsn.0, row.to_lsn.0);
    let range = range.ok_or_else(|| StateError::corrupt("condemned WAL of no length"))?;
    Ok(CondemnedWalView {
        cluster: row.cluster.0,
        repository: row.repository.0,
        lineage: row.lineage.0,
        timeline: timeline(row.timeline)?,
        range,
        state: row.state.0,
        delete_after: row.delete_after.0,
    })
}
