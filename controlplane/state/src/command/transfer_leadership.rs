//! Records that somebody wants another node to lead. Raft moves the
//! leadership; what counts here is the audit row.

use sea_orm::EntityTrait;
use serde::{Deserialize, Serialize};

use super::ReplicatedCommand;
use crate::context::{ApplyContext, Stop};
use crate::entity::nodes;
use crate::entity::word::NodeState;
use crate::lookup::Lookup;
use crate::{Noun, Refusal};

/// Since level 2.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TransferLeadership {
    /// The node that is to lead.
    pub node: u64,
}

impl ReplicatedCommand for TransferLeadership {
    type Outcome = ();
    const NAME: &'static str = "transfer_leadership";

    fn target(&self) -> String {
        format!("nodes/{}", self.node)
    }

    fn level(&self) -> u32 {
        2
    }

    async fn apply(self, cx: &mut ApplyContext<'_>) -> Result<(), Stop> {
        let found = nodes::Entity::find_by_id(self.node.cast_signed())
            .only(cx.tx())
            .await?;
        if found.is_none_or(|node| node.state.0 != NodeState::Member) {
            return Err(Refusal::not_found(Noun::Node, self.node).into());
        }
        Ok(())
    }
}
