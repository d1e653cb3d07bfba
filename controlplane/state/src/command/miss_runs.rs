//! Gives up runs whose window has passed before an agent could begin.

use holdfast_types::schedule::{RunReason, RunState};
use holdfast_types::{Failure, JobId, JobState};
use sea_orm::EntityTrait;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::ReplicatedCommand;
use super::advance_job::changed;
use crate::column::{Json, Moment, Text};
use crate::context::{ApplyContext, Stop};
use crate::entity::jobs;
use crate::lookup::Lookup;
use crate::schedules::{self, queued, settle};

/// Since level 3. What has passed is decided by the entry's time; a run that
/// has begun or is over meanwhile is left alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MissRuns {
    /// Their jobs.
    pub jobs: Vec<JobId>,
}

impl ReplicatedCommand for MissRuns {
    /// How many were given up.
    type Outcome = u64;
    const NAME: &'static str = "miss_runs";

    fn target(&self) -> String {
        "schedules".to_owned()
    }

    fn audit_detail(&self) -> Value {
        json!({"jobs": self.jobs})
    }

    fn level(&self) -> u32 {
        schedules::LEVEL
    }

    async fn apply(self, cx: &mut ApplyContext<'_>) -> Result<u64, Stop> {
        let mut missed = 0;
        for id in self.jobs {
            let job = jobs::Entity::find_by_id(Text(id)).only(cx.tx()).await?;
            let waits = |job: &jobs::Model| job.state.0 == JobState::Queued && job.attempts.0 == 0;
            let (Some(job), Some(queue)) = (job.filter(waits), queued(cx.tx(), id).await?) else {
                continue;
            };
            let Some(latest) = queue.latest.filter(|latest| latest.0 < cx.now()) else {
                continue;
            };
            let reason = RunReason::WindowPassed { latest: latest.0 };
            settle(cx, &queue.run.0, RunState::Missed, Some(reason)).await?;
            let failure = Failure::permanent(
                "run_missed",
                format!("the run {} was missed: {reason}", queue.run.0),
                "see what it waited for; a longer window or higher limits leave it more room",
            );
            changed(
                cx,
                jobs::Model {
                    state: Text(JobState::Failed),
                    finished_at: Some(Moment(cx.now())),
                    failure: Some(Json(failure)),
                    ..job
                },
            )
            .await?;
            missed += 1;
        }
        Ok(missed)
    }
}
