//! Records what the Raft group has made of a node: a voter, or none of its own
//! any more.

use sea_orm::EntityTrait;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::ReplicatedCommand;
use crate::column::{Moment, Text};
use crate::context::{ApplyContext, Stop};
use crate::entity::nodes;
use crate::entity::word::NodeState;
use crate::lookup::Lookup;
use crate::{Noun, Refusal};

/// Since level 2.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordNode {
    /// Its id.
    pub node: u64,
    /// Whether it votes; otherwise it has left.
    pub votes: bool,
}

impl ReplicatedCommand for RecordNode {
    /// Whether that was news.
    type Outcome = bool;
    const NAME: &'static str = "record_node";

    fn target(&self) -> String {
        format!("nodes/{}", self.node)
    }

    fn audit_detail(&self) -> Value {
        json!({"votes": self.votes})
    }

    fn level(&self) -> u32 {
        2
    }

    async fn apply(self, cx: &mut ApplyContext<'_>) -> Result<bool, Stop> {
        let node = nodes::Entity::find_by_id(self.node.cast_signed())
            .only(cx.tx())
            .await?
            .ok_or_else(|| Refusal::not_found(Noun::Node, self.node))?;
        let next = match (node.state.0, self.votes) {
            (NodeState::Joining, true) => NodeState::Member,
            (NodeState::Removing, false) => NodeState::Removed,
            _ => return Ok(false),
        };
        let name = node.name.clone();
        cx.put(nodes::Model {
            state: Text(next),
            since: Moment(cx.now()),
            revision: cx.revision().into(),
            ..node
        })
        .await?;
        cx.changed("nodes", name);
        Ok(true)
    }
}
