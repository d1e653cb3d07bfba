//! Asks for the end of a job: at once while it waits, else by its agent.

use holdfast_types::{AgentId, JobId, JobState};
use sea_orm::EntityTrait;
use serde::{Deserialize, Serialize};

use super::ReplicatedCommand;
use super::advance_job::changed;
use crate::Effect;
use crate::column::{Flag, Moment, Text};
use crate::context::{ApplyContext, Stop};
use crate::entity::word::AssignmentKind;
use crate::entity::{assignments, jobs};
use crate::lookup::Lookup;

/// Since v0.1. Asking twice is fine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequestCancel {
    /// The job.
    pub job: JobId,
}

impl ReplicatedCommand for RequestCancel {
    /// Where the job is now: `cancelled`, or what it still is until its agent
    /// has stopped.
    type Outcome = JobState;
    const NAME: &'static str = "request_cancel";

    fn target(&self) -> String {
        format!("jobs/{}", self.job)
    }

    async fn apply(self, cx: &mut ApplyContext<'_>) -> Result<JobState, Stop> {
        let job = cx.open_job(self.job).await?;
        cancel(cx, job).await
    }
}

/// Ends a job that has not ended: at once while it waits, else by its agent.
pub(super) async fn cancel(cx: &mut ApplyContext<'_>, job: jobs::Model) -> Result<JobState, Stop> {
    let state = job.state.0;
    if state == JobState::Queued {
        changed(
            cx,
            jobs::Model {
                state: Text(JobState::Cancelled),
                finished_at: Some(Moment(cx.now())),
                cancel_requested: Flag(true),
                ..job
            },
        )
        .await?;
        return Ok(JobState::Cancelled);
    }
    if !job.cancel_requested.0 {
        if let Some(agent) = holder(cx, &job).await? {
            cx.effect(Effect::AgentChanged(agent));
        }
        changed(
            cx,
            jobs::Model {
                cancel_requested: Flag(true),
                ..job
            },
        )
        .await?;
    }
    Ok(state)
}

async fn holder(cx: &ApplyContext<'_>, job: &jobs::Model) -> Result<Option<AgentId>, Stop> {
    let key = (Text(AssignmentKind::Job), job.id.0.to_string());
    let assignment = assignments::Entity::find_by_id(key).only(cx.tx()).await?;
    Ok(assignment.map(|assignment| assignment.agent.0))
}
