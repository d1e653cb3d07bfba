//! The copy that a restore reads could not be read: the same plan goes on from the next
//! one, by the same job. The generation moves on, so nothing of the attempt that ends
//! counts any more (I-04).

use holdfast_types::restoring::CopyTried;
use holdfast_types::{Failure, Generation, JobId, JobKind, JobState, Name};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::ReplicatedCommand;
use super::advance_job::changed;
use super::finish_job::end_attempt;
use crate::column::{Count, Json, Moment, Text};
use crate::context::{ApplyContext, Stop};
use crate::entity::jobs;
use crate::entity::word::AttemptOutcome;
use crate::restores::{of_job, write};
use crate::{Noun, Refusal, TaskName, schema};

/// Since the level at which restores are rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TryNextCopy {
    /// The job of the restore.
    pub job: JobId,
    /// The generation of the attempt that ends.
    pub generation: Generation,
    /// What was wrong with the copy.
    pub reason: Failure,
    /// The next one.
    pub repository: Name,
    /// What the job does with it, in the words of its kind. Holds no secret (I-10).
    pub spec: Value,
    /// The last lines the attempt logged.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub log: Vec<String>,
}

impl ReplicatedCommand for TryNextCopy {
    /// Where the job is now: `queued` or `cancelled`.
    type Outcome = JobState;
    const NAME: &'static str = "try_next_copy";

    fn target(&self) -> String {
        format!("jobs/{}", self.job)
    }

    fn level(&self) -> u32 {
        schema::RESTORES
    }

    fn audit_detail(&self) -> Value {
        json!({"reason": self.reason, "repository": self.repository})
    }

    async fn apply(self, cx: &mut ApplyContext<'_>) -> Result<JobState, Stop> {
        let job = cx.held_job(self.job, self.generation).await?;
        let restore = match job.kind.0 {
            JobKind::Restore => of_job(cx, &job).await?,
            JobKind::Backup | JobKind::Copy | JobKind::Drill => None,
        };
        let Some(mut restore) = restore else {
            return Err(Refusal::not_found(Noun::Restore, self.job).into());
        };
        // Each copy of the order is tried once, in its order: it ends.
        let copies = &restore.restore_order.0.copies;
        let place = |name: &Name| copies.iter().position(|copy| copy.repository == *name);
        let next = place(&self.repository);
        if next.is_none() || next <= place(&job.repository.0) {
            let message = "it is no copy that the order names behind the one that was tried";
            return Err(Refusal::invalid("repository", message).into());
        }
        let tried = CopyTried {
            repository: job.repository.0.clone(),
            at: cx.now(),
            failure: self.reason.clone(),
        };
        let cancelled = job.cancel_requested.0;
        let outcome = AttemptOutcome::Failed;
        end_attempt(cx, &job, outcome, Some(self.reason), self.log).await?;
        let state = if cancelled {
            JobState::Cancelled
        } else {
            JobState::Queued
        };
        restore.tried.0.push(tried);
        restore.repository = Text(self.repository.clone());
        write(cx, restore).await?;
        let finished_at = state.is_terminal().then_some(Moment(cx.now()));
        changed(
            cx,
            jobs::Model {
                state: Text(state),
                generation: Count(Generation(job.generation.0).next().0),
                phase: None,
                repository: Text(self.repository),
                spec: Json(self.spec),
                finished_at,
                ..job
            },
        )
        .await?;
        cx.activate(TaskName::Dispatch);
        Ok(state)
    }
}
