//! Decides that a node is reached elsewhere from now on. The Raft group keeps
//! the addresses; what counts here is the audit row (I-11), which is there
//! before the group is changed.

use sea_orm::EntityTrait;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::ReplicatedCommand;
use crate::context::{ApplyContext, Stop};
use crate::entity::nodes;
use crate::entity::word::NodeState;
use crate::lookup::Lookup;
use crate::{Noun, Refusal, schema};

/// Since level 9.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MoveNode {
    /// Its id.
    pub node: u64,
    /// Where nodes reach it, as `host:port`.
    pub raft: String,
    /// Where agents and automation do.
    pub grpc: String,
    /// Where people do.
    pub rest: String,
}

impl ReplicatedCommand for MoveNode {
    type Outcome = ();
    const NAME: &'static str = "move_node";

    fn target(&self) -> String {
        format!("nodes/{}", self.node)
    }

    fn audit_detail(&self) -> Value {
        json!({"raft": self.raft, "grpc": self.grpc, "rest": self.rest})
    }

    fn level(&self) -> u32 {
        schema::MOVES
    }

    async fn apply(self, cx: &mut ApplyContext<'_>) -> Result<(), Stop> {
        let found = nodes::Entity::find_by_id(self.node.cast_signed())
            .only(cx.tx())
            .await?;
        let member = found.filter(|node| node.state.0 == NodeState::Member);
        let node = member.ok_or_else(|| Refusal::not_found(Noun::Node, self.node))?;
        cx.changed("nodes", node.name);
        Ok(())
    }
}
