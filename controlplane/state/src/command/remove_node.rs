//! Decides that a node leaves. The leader then takes it out of the Raft group
//! and records that it has left.

use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use serde::{Deserialize, Serialize};

use super::ReplicatedCommand;
use crate::column::{Moment, Text};
use crate::context::{ApplyContext, Stop};
use crate::entity::nodes;
use crate::entity::word::NodeState;
use crate::lookup::Lookup;
use crate::{Noun, Refusal, TaskName};

/// Since level 2. Deciding it again is fine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RemoveNode {
    /// Its id.
    pub node: u64,
}

impl ReplicatedCommand for RemoveNode {
    type Outcome = ();
    const NAME: &'static str = "remove_node";

    fn target(&self) -> String {
        format!("nodes/{}", self.node)
    }

    fn level(&self) -> u32 {
        2
    }

    async fn apply(self, cx: &mut ApplyContext<'_>) -> Result<(), Stop> {
        let missing = || Refusal::not_found(Noun::Node, self.node);
        let node = nodes::Entity::find_by_id(self.node.cast_signed())
            .only(cx.tx())
            .await?
            .ok_or_else(missing)?;
        match node.state.0 {
            NodeState::Removed => return Err(missing().into()),
            NodeState::Removing => return Ok(()),
            NodeState::Joining | NodeState::Member => {}
        }
        let others = nodes::Entity::find()
            .filter(nodes::Column::State.eq(Text(NodeState::Member)))
            .filter(nodes::Column::Id.ne(node.id))
            .all(cx.tx())
            .await?;
        if others.is_empty() {
            return Err(Refusal::LastNode.into());
        }
        let name = node.name.clone();
        cx.put(nodes::Model {
            state: Text(NodeState::Removing),
            since: Moment(cx.now()),
            revision: cx.revision().into(),
            ..node
        })
        .await?;
        cx.changed("nodes", name);
        cx.activate(TaskName::Members);
        Ok(())
    }
}
