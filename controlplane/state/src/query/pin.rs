//! Pins, and what an incremental may be made against.

use holdfast_types::{BackupId, BackupKind, BackupState, JobId, Lineage, Name};
use jiff::Timestamp;
use sea_orm::{ColumnTrait, DatabaseConnection, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use serde::Serialize;

use crate::column::Text;
use crate::entity::{backups, pins};
use crate::lookup::Lookup;
use crate::pins::PinHolder;
use crate::{StateError, schema};

/// A backup that may be built on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ParentView {
    /// The backup.
    pub backup: BackupId,
    /// The job that took it.
    pub job: JobId,
    /// The repository it is in.
    pub repository: Name,
    /// Until when it is kept for whoever asked; `None` when it is not pinned.
    pub until: Option<Timestamp>,
}

/// What a holder pinned last, if that is available still; none below feature
/// level 10.
pub async fn pinned_parent(
    conn: &DatabaseConnection,
    holder: &PinHolder,
) -> Result<Option<ParentView>, StateError> {
    if schema::version(conn).await? < schema::PINS {
        return Ok(None);
    }
    let found = pins::Entity::find()
        .filter(pins::Column::Holder.eq(holder.to_string()))
        .order_by_desc(pins::Column::Revision)
        .limit(1)
        .all(conn)
        .await?;
    let Some(pin) = found.into_iter().next() else {
        return Ok(None);
    };
    let backup = backups::Entity::find_by_id(pin.backup).only(conn).await?;
    let available = backup.filter(|backup| backup.state.0 == BackupState::Available);
    Ok(available.map(|backup| ParentView {
        backup: backup.id.0,
        job: backup.job.0,
        repository: backup.repository.0,
        until: Some(pin.until.0),
    }))
}

/// Until when a backup is kept because somebody may build on it; none below
/// feature level 10.
pub async fn pinned_until(
    conn: &DatabaseConnection,
    backup: BackupId,
) -> Result<Option<Timestamp>, StateError> {
    if schema::version(conn).await? < schema::PINS {
        return Ok(None);
    }
    let found = pins::Entity::find()
        .filter(pins::Column::Backup.eq(Text(backup)))
        .order_by_desc(pins::Column::Until)
        .limit(1)
        .all(conn)
        .await?;
    Ok(found.into_iter().next().map(|pin| pin.until.0))
}

/// The available backup that an incremental of a cluster is made against: of
/// its files, in this repository, and of this lineage where that is known; the
/// one that began last.
pub async fn newest_parent(
    conn: &DatabaseConnection,
    cluster: &Name,
    repository: &Name,
    lineage: Option<Lineage>,
) -> Result<Option<ParentView>, StateError> {
    use backups::{Column, Entity};
    let mut select = Entity::find()
        .filter(Column::Cluster.eq(cluster.as_str()))
        .filter(Column::State.eq(Text(BackupState::Available)))
        .filter(Column::Repository.eq(repository.as_str()))
        .filter(Column::Kind.ne(Text(BackupKind::Logical)));
    if let Some(lineage) = lineage {
        select = select.filter(Column::Lineage.eq(Text(lineage)));
    }
    let found = select
        .order_by_desc(Column::StartedAt)
        .order_by_desc(Column::Id)
        .limit(1)
        .all(conn)
        .await?;
    Ok(found.into_iter().next().map(|backup| ParentView {
        backup: backup.id.0,
        job: backup.job.0,
        repository: backup.repository.0,
        until: None,
    }))
}
