//! A job has entered another phase.

use holdfast_types::{Generation, JobId, JobKind, JobPhase, JobState};
use sea_orm::{ConnectionTrait, Statement};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::ReplicatedCommand;
use crate::column::{Count, Moment, Text};
use crate::context::{ApplyContext, Stop};
use crate::entity::{job_attempts, job_phases, jobs};
use crate::{StateError, TaskName, row, schedules};

/// Since v0.1. A repeat changes nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdvanceJob {
    /// The job.
    pub job: JobId,
    /// The generation it works under.
    pub generation: Generation,
    /// What it does now.
    pub phase: JobPhase,
}

impl ReplicatedCommand for AdvanceJob {
    type Outcome = ();
    const NAME: &'static str = "advance_job";

    fn target(&self) -> String {
        format!("jobs/{}", self.job)
    }

    fn audit_detail(&self) -> Value {
        json!({"phase": self.phase})
    }

    async fn apply(self, cx: &mut ApplyContext<'_>) -> Result<(), Stop> {
        let mut job = cx.held_job(self.job, self.generation).await?;
        if job.phase == Some(Text(self.phase)) {
            return Ok(());
        }
        if job.state.0 == JobState::Leased {
            // The report of its start was lost, or is this one.
            job = started(cx, job).await?;
        }
        // They are numbered from 0 without a hole: the last one tells how many
        // there are, however many there are. (No LIMIT: see `Lookup`.)
        let sql = "SELECT max(position) AS last FROM job_phases WHERE job = ? AND attempt = ?";
        let of_attempt = [job.id.into(), job.attempts.into()];
        let statement =
            Statement::from_sql_and_values(cx.tx().get_database_backend(), sql, of_attempt);
        let row = cx.tx().query_one_raw(statement).await?;
        let last: Option<Count> = match row {
            Some(row) => row.try_get_by("last")?,
            None => None,
        };
        let position = last.map_or(0, |last| last.0 + 1);
        cx.insert(job_phases::Model {
            job: job.id,
            attempt: job.attempts,
            position: Count(position),
            phase: Text(self.phase),
            started_at: Moment(cx.now()),
        })
        .await?;
        let state = match self.phase {
            JobPhase::Commit => JobState::Committing,
            JobPhase::Prepare
            | JobPhase::Start
            | JobPhase::Copy
            | JobPhase::Stop
            | JobPhase::Wal
            | JobPhase::Verify
            | JobPhase::Replay
            | JobPhase::Promote
            | JobPhase::Check => JobState::Running,
        };
        job.state = Text(state);
        job.phase = Some(Text(self.phase));
        changed(cx, job).await
    }
}

/// The job as it is once its agent has begun.
pub(super) async fn started(
    cx: &ApplyContext<'_>,
    mut job: jobs::Model,
) -> Result<jobs::Model, StateError> {
    let now = Some(Moment(cx.now()));
    let attempt = current_attempt(cx, &job).await?;
    cx.put(job_attempts::Model {
        started_at: now,
        ..attempt
    })
    .await?;
    job.state = Text(JobState::Running);
    job.started_at = job.started_at.or(now);
    Ok(job)
}

pub(super) async fn current_attempt(
    cx: &ApplyContext<'_>,
    job: &jobs::Model,
) -> Result<job_attempts::Model, StateError> {
    let found = row::read::<job_attempts::Entity>(cx.tx(), (job.id, job.attempts));
    let missing = || StateError::corrupt(format!("{} lacks its attempt", job.id.0));
    found.await?.ok_or_else(missing)
}

/// Writes a job that has changed, and says so.
pub(super) async fn changed(cx: &mut ApplyContext<'_>, job: jobs::Model) -> Result<(), Stop> {
    let (id, state) = (job.id.0, job.state.0);
    if job.kind.0 == JobKind::Restore {
        cx.activate(TaskName::Restores);
    }
    cx.put(jobs::Model {
        updated_at: Moment(cx.now()),
        revision: cx.revision().into(),
        ..job
    })
    .await?;
    cx.changed("jobs", id);
    schedules::job_ended(cx, id, state).await?;
    Ok(())
}
