//! Snapshots of this state: what every command that touches one shares.
//!
//! Nothing here is called below feature level 5, where its table begins.

use holdfast_types::{Name, Span};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder};
use serde::{Deserialize, Serialize};

use crate::column::Text;
use crate::entity::state_snapshots::{Column, Entity, Model};
use crate::entity::word::StateSnapshotState;
use crate::{StateError, meta};

/// The feature level from which on there are snapshots of the state.
pub(crate) const LEVEL: u32 = 5;

const SETTINGS: &str = "state_snapshots";

/// Where and how often the state is kept safe.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Settings {
    /// Into which repository.
    pub repository: Name,
    /// How often.
    pub every: Span,
    /// How many are kept.
    pub keep: u32,
}

/// Where and how often the state is kept safe; `None` when it is not.
pub(crate) async fn settings(conn: &impl ConnectionTrait) -> Result<Option<Settings>, StateError> {
    let Some(bytes) = meta::read(conn, SETTINGS).await? else {
        return Ok(None);
    };
    serde_json::from_slice(&bytes)
        .map_err(|_| StateError::corrupt("how its snapshots are taken is unreadable"))
}

pub(crate) async fn write_settings(
    conn: &impl ConnectionTrait,
    settings: Option<&Settings>,
) -> Result<(), StateError> {
    let bytes = serde_json::to_vec(&settings).expect("settings are JSON with text keys");
    meta::write(conn, SETTINGS, &bytes).await
}

/// The newest snapshot of a repository that can be restored from.
pub(crate) async fn newest(
    conn: &impl ConnectionTrait,
    repository: &Text<Name>,
) -> Result<Option<Model>, StateError> {
    let available = Entity::find()
        .filter(Column::Repository.eq(repository.clone()))
        .filter(Column::State.eq(Text(StateSnapshotState::Available)))
        .order_by_asc(Column::TakenAt)
        .order_by_asc(Column::Id)
        .all(conn)
        .await?;
    Ok(available.into_iter().next_back())
}
