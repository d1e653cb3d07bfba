//! Lets a node in with a one-time token, and gives it its id.
//!
//! The id is the next one that was never given: a vote that a node has
//! forgotten with its disk must not be given twice.

use holdfast_types::{Name, NodeTokenId};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::ReplicatedCommand;
use crate::column::{Moment, Text};
use crate::context::{ApplyContext, Stop};
use crate::entity::word::NodeState;
use crate::entity::{node_tokens, nodes};
use crate::lookup::Lookup;
use crate::{Digest, Noun, Refusal, TaskName};

/// Since level 2.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdmitNode {
    /// The token it came with.
    pub token: NodeTokenId,
    /// The hash of the secret it showed.
    pub hash: Digest,
    /// The name it wants; `node-<id>` when it wants none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Name>,
}

/// A node that was let in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Admitted {
    /// Its id.
    pub node: u64,
    /// Its name.
    pub name: String,
}

impl ReplicatedCommand for AdmitNode {
    type Outcome = Admitted;
    const NAME: &'static str = "admit_node";

    fn target(&self) -> String {
        match &self.name {
            Some(name) => format!("nodes/{name}"),
            None => "nodes".to_owned(),
        }
    }

    fn audit_detail(&self) -> Value {
        json!({"token": self.token})
    }

    fn level(&self) -> u32 {
        2
    }

    async fn apply(self, cx: &mut ApplyContext<'_>) -> Result<Admitted, Stop> {
        let token = usable_token(cx, self.token, self.hash).await?;
        let newest = nodes::Entity::find()
            .order_by_desc(nodes::Column::Id)
            .all(cx.tx())
            .await?;
        let id = newest.first().map_or(1, |node| node.id) + 1;
        let name = self
            .name
            .map_or_else(|| format!("node-{id}"), |name| name.to_string());
        let namesake = nodes::Entity::find()
            .filter(nodes::Column::Name.eq(&name))
            .filter(nodes::Column::State.ne(Text(NodeState::Removed)))
            .only(cx.tx())
            .await?;
        if namesake.is_some() {
            return Err(Refusal::already_exists(Noun::Node, name).into());
        }
        cx.put(node_tokens::Model {
            used_at: Some(Moment(cx.now())),
            used_by: Some(id),
            ..token
        })
        .await?;
        cx.insert(nodes::Model {
            id,
            name: name.clone(),
            state: Text(NodeState::Joining),
            since: Moment(cx.now()),
            joined_at: Moment(cx.now()),
            revision: cx.revision().into(),
        })
        .await?;
        cx.changed("nodes", &name);
        cx.activate(TaskName::Members);
        let node = id.cast_unsigned();
        Ok(Admitted { node, name })
    }
}

async fn usable_token(
    cx: &ApplyContext<'_>,
    token: NodeTokenId,
    hash: Digest,
) -> Result<node_tokens::Model, Stop> {
    let found = node_tokens::Entity::find_by_id(Text(token));
    // A wrong secret answers as an unknown token does: it tells nothing.
    let token = found.only(cx.tx()).await?;
    let token = token
        .filter(|token| token.hash.0 == hash)
        .ok_or(Refusal::TokenUnknown)?;
    if token.used_at.is_some() {
        return Err(Refusal::TokenUsed.into());
    }
    if token.expires_at.0 <= cx.now() {
        return Err(Refusal::TokenExpired.into());
    }
    Ok(token)
}
