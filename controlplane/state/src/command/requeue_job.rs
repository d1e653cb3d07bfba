//! Takes a job back from an agent that was lost or stopped, or whose failure
//! may pass by itself: it is queued for its next attempt, or has failed when
//! it was tried often enough.
//!
//! The generation moves on here already, so that nothing the old attempt still
//! reports can count (I-04, I-14).

use holdfast_types::drill::DrillVerdict;
use holdfast_types::{Failure, Generation, JobId, JobKind, JobState};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::ReplicatedCommand;
use super::advance_job::{changed, current_attempt};
use super::finish_job::end_attempt;
use super::revoke_agent::revoked;
use crate::catalog;
use crate::column::{Count, Json, Moment, Text};
use crate::context::{ApplyContext, Stop};
use crate::drills::{self, Ended};
use crate::entity::jobs;
use crate::entity::word::AttemptOutcome;
use crate::{StateError, TaskName, leases};

/// Since v0.1.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequeueJob {
    /// The job.
    pub job: JobId,
    /// The generation of the attempt that ends.
    pub generation: Generation,
    /// Why it ends.
    pub reason: Failure,
    /// Not to be tried again before this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<Timestamp>,
    /// The last lines the attempt logged.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub log: Vec<String>,
}

impl ReplicatedCommand for RequeueJob {
    /// Where the job is now: `queued`, `failed` or `cancelled`.
    type Outcome = JobState;
    const NAME: &'static str = "requeue_job";

    fn target(&self) -> String {
        format!("jobs/{}", self.job)
    }

    fn audit_detail(&self) -> Value {
        json!({"reason": self.reason, "notBefore": self.not_before})
    }

    async fn apply(self, cx: &mut ApplyContext<'_>) -> Result<JobState, Stop> {
        let job = cx.held_job(self.job, self.generation).await?;
        let nobody = nobody_left(cx, &job).await?;
        let exhausted = job.attempts >= job.attempts_max || nobody.is_some();
        let state = if job.cancel_requested.0 {
            JobState::Cancelled
        } else if exhausted {
            JobState::Failed
        } else {
            JobState::Queued
        };
        if cx.principal().is_none() {
            // Not its agent's word: what that still reports comes too late.
            leases::take_back(cx, &job).await?;
        }
        if job.kind.0 == JobKind::Drill && state.is_terminal() {
            let attempt = current_attempt(cx, &job).await?;
            let why = nobody.clone().unwrap_or_else(|| self.reason.clone());
            drills::record(cx, &job, &attempt, given_up(state, why)).await?;
        }
        let outcome = AttemptOutcome::Interrupted;
        end_attempt(cx, &job, outcome, Some(self.reason.clone()), self.log).await?;
        catalog::fail_running(cx, job.id, &self.reason).await?;
        let failed = state == JobState::Failed;
        let not_before = (state == JobState::Queued).then_some(self.not_before);
        changed(
            cx,
            jobs::Model {
                state: Text(state),
                generation: Count(Generation(job.generation.0).next().0),
                phase: None,
                not_before: not_before.flatten().map(Moment),
                finished_at: state.is_terminal().then_some(Moment(cx.now())),
                failure: failed.then(|| Json(nobody.unwrap_or(self.reason))),
                ..job
            },
        )
        .await?;
        cx.activate(TaskName::Dispatch);
        Ok(state)
    }
}

/// A drill that no agent brought to its end.
fn given_up(state: JobState, why: Failure) -> Ended {
    let cancelled = state == JobState::Cancelled;
    Ended {
        verdict: if cancelled {
            DrillVerdict::Cancelled
        } else {
            DrillVerdict::Failed
        },
        cause: (!cancelled).then_some(why),
        evidence: None,
    }
}

/// Why nobody can try again: the job is for one agent, and that is revoked.
async fn nobody_left(
    cx: &ApplyContext<'_>,
    job: &jobs::Model,
) -> Result<Option<Failure>, StateError> {
    let Some(wanted) = job.agent.as_ref() else {
        return Ok(None);
    };
    if !cx.has_level(leases::LEVEL).await? {
        return Ok(None);
    }
    let live = "SELECT 1 FROM agents WHERE name = ? AND revoked_at IS NULL";
    let lives = cx.exists(live, [wanted.clone().into()]).await?;
    Ok((!lives).then(|| revoked(&wanted.0)))
}
