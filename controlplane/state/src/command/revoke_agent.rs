//! Revokes an agent: its certificate is worth nothing from now on.
//!
//! Its standing duties are withdrawn here. Its jobs are taken back by the
//! leader, which knows whether they can be tried again.

use holdfast_types::{AgentId, Name};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder};
use serde::{Deserialize, Serialize};

use super::ReplicatedCommand;
use super::withdraw_duty::withdraw;
use crate::column::{Moment, Text};
use crate::context::{ApplyContext, Stop};
use crate::entity::word::{AssignmentKind, AssignmentState};
use crate::entity::{agents, assignments};
use crate::{Effect, TaskName};

/// Since v0.1.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RevokeAgent {
    /// The agent.
    pub name: Name,
}

impl ReplicatedCommand for RevokeAgent {
    type Outcome = AgentId;
    const NAME: &'static str = "revoke_agent";

    fn target(&self) -> String {
        format!("agents/{}", self.name)
    }

    async fn apply(self, cx: &mut ApplyContext<'_>) -> Result<AgentId, Stop> {
        let agent = cx.live_agent_named(&self.name).await?;
        let id = agent.id;
        let duties = assignments::Entity::find()
            .filter(assignments::Column::Agent.eq(id))
            .filter(assignments::Column::State.eq(Text(AssignmentState::Active)))
            .filter(assignments::Column::Kind.eq(Text(AssignmentKind::Wal)))
            .order_by_asc(assignments::Column::Subject)
            .all(cx.tx())
            .await?;
        cx.put(agents::Model {
            revoked_at: Some(Moment(cx.now())),
            revision: cx.revision().into(),
            ..agent
        })
        .await?;
        for duty in duties {
            withdraw(cx, duty).await?;
        }
        cx.effect(Effect::AgentChanged(id.0));
        cx.changed("agents", self.name);
        cx.activate(TaskName::Dispatch);
        cx.activate(TaskName::Duties);
        Ok(id.0)
    }
}
