//! An agent has begun to work on its job.

use holdfast_types::{Generation, JobId, JobState};
use serde::{Deserialize, Serialize};

use super::ReplicatedCommand;
use super::advance_job::{changed, started};
use crate::context::{ApplyContext, Stop};

/// Since v0.1. A repeat changes nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StartJob {
    /// The job.
    pub job: JobId,
    /// The generation it works under.
    pub generation: Generation,
}

impl ReplicatedCommand for StartJob {
    type Outcome = ();
    const NAME: &'static str = "start_job";

    fn target(&self) -> String {
        format!("jobs/{}", self.job)
    }

    async fn apply(self, cx: &mut ApplyContext<'_>) -> Result<(), Stop> {
        let job = cx.held_job(self.job, self.generation).await?;
        if job.state.0 == JobState::Leased {
            let job = started(cx, job).await?;
            changed(cx, job).await?;
        }
        Ok(())
    }
}
