//! Revokes an agent: its certificate is worth nothing from now on.
//!
//! Its standing duties are withdrawn here. Its jobs are taken back by the
//! leader, which knows whether they can be tried again.

use holdfast_types::{AgentId, Failure, JobState, Name};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder};
use serde::{Deserialize, Serialize};

use super::ReplicatedCommand;
use super::advance_job::changed;
use super::withdraw_duty::withdraw;
use crate::column::{Json, Moment, Text};
use crate::context::{ApplyContext, Stop};
use crate::entity::word::{AssignmentKind, AssignmentState};
use crate::entity::{agents, assignments, discovered_instances, jobs};
use crate::{Effect, TaskName, leases, schema};

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
        if cx.has_level(leases::LEVEL).await? {
            fail_waiting(cx, &self.name).await?;
        }
        if cx.has_level(schema::INVENTORY).await? {
            // Nobody looks at that host any more: what was found there says nothing.
            discovered_instances::Entity::delete_many()
                .filter(discovered_instances::Column::Agent.eq(id))
                .exec(cx.tx())
                .await?;
        }
        cx.effect(Effect::AgentChanged(id.0));
        cx.changed("agents", self.name);
        cx.activate(TaskName::Dispatch);
        cx.activate(TaskName::Duties);
        Ok(id.0)
    }
}

/// What waits for this very agent would wait for ever.
async fn fail_waiting(cx: &mut ApplyContext<'_>, name: &Name) -> Result<(), Stop> {
    let waiting = jobs::Entity::find()
        .filter(jobs::Column::Agent.eq(name.as_str()))
        .filter(jobs::Column::State.eq(Text(JobState::Queued)))
        .order_by_asc(jobs::Column::Id)
        .all(cx.tx())
        .await?;
    for job in waiting {
        let ended = jobs::Model {
            state: Text(JobState::Failed),
            finished_at: Some(Moment(cx.now())),
            failure: Some(Json(revoked(name))),
            ..job
        };
        changed(cx, ended).await?;
    }
    Ok(())
}

/// Why a job ends that only this agent could do.
pub(super) fn revoked(name: &Name) -> Failure {
    Failure::permanent(
        "agent_revoked",
        format!("the job is for the agent \"{name}\", which has been revoked"),
        "enrol an agent there again, or name another, and ask for it once more",
    )
}
