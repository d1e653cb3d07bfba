//! The control plane's own nodes.

use holdfast_types::NodeTokenId;
use jiff::Timestamp;
use sea_orm::{DatabaseConnection, EntityTrait, QueryOrder};

use crate::column::Text;
pub use crate::entity::word::NodeState;
use crate::entity::{node_tokens, nodes};
use crate::lookup::Lookup;
use crate::{StateError, schema};

/// A node, as the state knows it. Where it is reached and how far it is, the
/// Raft group knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeView {
    /// Its id.
    pub id: u64,
    /// Its name.
    pub name: String,
    /// Where it is in its life.
    pub state: NodeState,
    /// Since when.
    pub since: Timestamp,
    /// When it was let in.
    pub joined_at: Timestamp,
}

impl From<nodes::Model> for NodeView {
    fn from(row: nodes::Model) -> Self {
        Self {
            id: row.id.cast_unsigned(),
            name: row.name,
            state: row.state.0,
            since: row.since.0,
            joined_at: row.joined_at.0,
        }
    }
}

/// Every node that ever was, by id; none below feature level 2.
pub async fn nodes(conn: &DatabaseConnection) -> Result<Vec<NodeView>, StateError> {
    if schema::version(conn).await? < 2 {
        return Ok(Vec::new());
    }
    let rows = nodes::Entity::find()
        .order_by_asc(nodes::Column::Id)
        .all(conn)
        .await?;
    Ok(rows.into_iter().map(NodeView::from).collect())
}

/// Whether a node token of this id was made and not pruned yet.
pub async fn node_token_exists(
    conn: &DatabaseConnection,
    token: NodeTokenId,
) -> Result<bool, StateError> {
    let found = node_tokens::Entity::find_by_id(Text(token));
    Ok(found.only(conn).await?.is_some())
}
