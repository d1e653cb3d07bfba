//! PostgreSQL servers that agents found.

use std::collections::BTreeMap;

use holdfast_types::{AgentId, DiscoveredInstance};
use jiff::Timestamp;
use sea_orm::{ColumnTrait, DatabaseConnection, EntityTrait, QueryFilter, QueryOrder};
use serde::Serialize;

use crate::column::Text;
use crate::entity::{discovered_instances, ignored_instances};
use crate::{StateError, schema};

/// A server that an agent found.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DiscoveredView {
    /// The agent on its host.
    pub agent: AgentId,
    /// What was found.
    pub instance: DiscoveredInstance,
    /// When it was found first.
    pub first_seen: Timestamp,
    /// Who said that it needs no protection.
    pub ignored: Option<IgnoredView>,
}

/// That a server needs no protection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct IgnoredView {
    /// Why.
    pub reason: String,
    /// Who said so.
    pub by: String,
    /// When.
    pub at: Timestamp,
}

/// All that was found, by agent and directory.
pub async fn discovered(conn: &DatabaseConnection) -> Result<Vec<DiscoveredView>, StateError> {
    if schema::version(conn).await? < schema::INVENTORY {
        return Ok(Vec::new());
    }
    let ignored = ignored_instances::Entity::find().all(conn).await?;
    let mut ignored: BTreeMap<(AgentId, String), IgnoredView> = ignored
        .into_iter()
        .map(|row| {
            let view = IgnoredView {
                reason: row.reason,
                by: row.ignored_by,
                at: row.ignored_at.0,
            };
            ((row.agent.0, row.data_directory), view)
        })
        .collect();
    let found = discovered_instances::Entity::find()
        .order_by_asc(discovered_instances::Column::Agent)
        .order_by_asc(discovered_instances::Column::DataDirectory)
        .all(conn)
        .await?;
    let views = found.into_iter().map(|row| DiscoveredView {
        ignored: ignored.remove(&(row.agent.0, row.data_directory)),
        agent: row.agent.0,
        instance: row.instance.0,
        first_seen: row.first_seen.0,
    });
    Ok(views.collect())
}

/// What one agent found, as the log has it, by directory.
pub async fn discovered_by(
    conn: &DatabaseConnection,
    agent: AgentId,
) -> Result<Vec<DiscoveredInstance>, StateError> {
    let found = discovered_instances::Entity::find()
        .filter(discovered_instances::Column::Agent.eq(Text(agent)))
        .order_by_asc(discovered_instances::Column::DataDirectory)
        .all(conn)
        .await?;
    Ok(found.into_iter().map(|row| row.instance.0).collect())
}
