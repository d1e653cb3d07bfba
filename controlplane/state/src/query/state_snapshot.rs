//! Snapshots of this state.

use holdfast_types::{Failure, Name, StateSnapshotId};
use jiff::Timestamp;
use sea_orm::{DatabaseConnection, EntityTrait, QueryOrder};

use crate::column::Text;
use crate::entity::state_snapshots as rows;
pub use crate::entity::word::StateSnapshotState;
use crate::lookup::Lookup;
pub use crate::state_snapshots::Settings as StateSnapshotSettings;
use crate::state_snapshots::{LEVEL, settings};
use crate::{StateError, schema};

/// A snapshot of the state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateSnapshotView {
    /// Its id.
    pub id: StateSnapshotId,
    /// Where it is.
    pub repository: Name,
    /// What became of it.
    pub state: StateSnapshotState,
    /// When somebody or something asked for it.
    pub requested_at: Timestamp,
    /// The last log entry that is in it.
    pub index: Option<u64>,
    /// When it was taken.
    pub taken_at: Option<Timestamp>,
    /// What it takes in the repository.
    pub stored_bytes: Option<u64>,
    /// The node that took it.
    pub node: Option<String>,
    /// Why it could not be taken.
    pub failure: Option<Failure>,
}

impl From<rows::Model> for StateSnapshotView {
    fn from(row: rows::Model) -> Self {
        Self {
            id: row.id.0,
            repository: row.repository.0,
            state: row.state.0,
            requested_at: row.requested_at.0,
            index: row.log_index.map(|index| index.0),
            taken_at: row.taken_at.map(|at| at.0),
            stored_bytes: row.stored_bytes.map(|bytes| bytes.0),
            node: row.node,
            failure: row.failure.map(|failure| failure.0),
        }
    }
}

/// Every snapshot, the newest first; none below feature level 5. They are as
/// many as are kept, so they come all at once.
pub async fn state_snapshots(
    conn: &DatabaseConnection,
) -> Result<Vec<StateSnapshotView>, StateError> {
    if schema::version(conn).await? < LEVEL {
        return Ok(Vec::new());
    }
    let found = rows::Entity::find()
        .order_by_desc(rows::Column::RequestedAt)
        .order_by_desc(rows::Column::Id)
        .all(conn)
        .await?;
    Ok(found.into_iter().map(StateSnapshotView::from).collect())
}

/// One snapshot.
pub async fn state_snapshot(
    conn: &DatabaseConnection,
    id: StateSnapshotId,
) -> Result<Option<StateSnapshotView>, StateError> {
    if schema::version(conn).await? < LEVEL {
        return Ok(None);
    }
    let found = rows::Entity::find_by_id(Text(id)).only(conn).await?;
    Ok(found.map(StateSnapshotView::from))
}

/// Where and how often snapshots are taken; `None` when they are not.
pub async fn state_snapshot_settings(
    conn: &DatabaseConnection,
) -> Result<Option<StateSnapshotSettings>, StateError> {
    settings(conn).await
}

/// By what this group of nodes is told from an earlier one of the same control
/// plane; `None` for the first.
pub async fn group(conn: &DatabaseConnection) -> Result<Option<String>, StateError> {
    crate::command::group(conn).await
}
