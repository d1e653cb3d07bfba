//! Puts the result of an attempt into quarantine that was taken back before it
//! was reported: of a lost agent, of a paused one, of one that was on its own
//! while the run was in other hands (I-14).
//!
//! It changes no job that has ended or is in other hands. The repository is the
//! truth all the same: a backup whose commit mark and WAL are there is
//! `available` (I-05), its run *ran*, and a job that only waits for its next
//! attempt has succeeded, for no other attempt could commit (I-03).

use holdfast_types::schedule::{RunReason, RunState};
use holdfast_types::{AgentId, AssignmentId, BackupId, Failure, Generation, JobState};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::ReplicatedCommand;
use super::advance_job::changed;
use super::finish_job::{JobOutcome, tail};
use super::record_offline_runs::note;
use crate::catalog;
use crate::column::{Flag, Json, Moment, Text};
use crate::context::{ApplyContext, Stop};
use crate::entity::word::AttemptOutcome;
use crate::entity::{agents, jobs, late_results, leases as rows, runs};
use crate::leases;
use crate::lookup::Lookup;
use crate::{Noun, Refusal, StateError};

/// Since level 4. A repeat changes nothing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordLateResult {
    /// Who reports it.
    pub agent: AgentId,
    /// Of which assignment.
    pub assignment: AssignmentId,
    /// Under which generation.
    pub generation: Generation,
    /// What it claims.
    pub outcome: JobOutcome,
    /// The last lines it logged.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub log: Vec<String>,
}

impl ReplicatedCommand for RecordLateResult {
    /// Whether a backup is in the catalog by it.
    type Outcome = bool;
    const NAME: &'static str = "record_late_result";

    fn target(&self) -> String {
        format!("assignments/{}", self.assignment)
    }

    fn audit_detail(&self) -> Value {
        let (outcome, _, backup) = claimed(&self.outcome);
        json!({"generation": self.generation, "outcome": outcome, "backup": backup})
    }

    fn level(&self) -> u32 {
        leases::LEVEL
    }

    async fn apply(self, cx: &mut ApplyContext<'_>) -> Result<bool, Stop> {
        let agent = cx.live_agent(self.agent).await?;
        let lease = leases::lease(cx.tx(), self.assignment, self.generation).await?;
        let mine = |lease: &rows::Model| lease.agent == agent.id && lease.taken_back.0;
        let Some(lease) = lease.filter(mine) else {
            return Err(Refusal::not_found(Noun::Assignment, self.assignment).into());
        };
        let key = (lease.assignment, lease.generation);
        let known = late_results::Entity::find_by_id(key).only(cx.tx()).await?;
        if let Some(known) = known {
            return Ok(known.backup_recorded.0);
        }
        let job = jobs::Entity::find_by_id(lease.job).only(cx.tx()).await?;
        let (outcome, failure, backup) = claimed(&self.outcome);
        let mut refused = refusal_of(job.as_ref());
        let mut recorded = false;
        if let JobOutcome::Succeeded {
            result,
            backup: Some(commit),
        } = self.outcome
        {
            match take(cx, &lease, *commit).await {
                Ok(id) => {
                    recorded = true;
                    settle_run(cx, &agent, &lease).await?;
                    settle_job(cx, job, id, result).await?;
                }
                Err(Stop::Refused(why)) => {
                    refused = Failure::permanent(why.code(), why.to_string(), why.hint());
                }
                Err(failed) => return Err(failed),
            }
        }
        cx.insert(late_results::Model {
            assignment: lease.assignment,
            generation: lease.generation,
            job: lease.job,
            agent: lease.agent_name,
            attempt: lease.attempt,
            outcome: Text(outcome),
            failure: failure.map(Json),
            backup: backup.map(Text),
            backup_recorded: Flag(recorded),
            refused: Json(refused),
            log: Json(tail(self.log)),
            at: Moment(cx.now()),
        })
        .await?;
        cx.changed("jobs", lease.job.0);
        Ok(recorded)
    }
}

/// What a result says, short.
fn claimed(outcome: &JobOutcome) -> (AttemptOutcome, Option<Failure>, Option<BackupId>) {
    match outcome {
        JobOutcome::Succeeded { backup, .. } => {
            let backup = backup.as_ref().map(|commit| commit.backup.id);
            (AttemptOutcome::Succeeded, None, backup)
        }
        JobOutcome::Failed(failure) => (AttemptOutcome::Failed, Some(failure.clone()), None),
        JobOutcome::Superseded { winner } => (AttemptOutcome::Superseded, None, Some(*winner)),
        JobOutcome::Cancelled => (AttemptOutcome::Cancelled, None, None),
    }
}

fn refusal_of(job: Option<&jobs::Model>) -> Failure {
    let message = match job {
        Some(job) if job.state.0.is_terminal() => {
            format!(
                "the job had ended before the result came: it is {}",
                job.state.0
            )
        }
        Some(job) => format!(
            "the job had been taken back before the result came: it is at generation {}",
            job.generation.0
        ),
        None => "the job is not known".to_owned(),
    };
    let hint = "nothing is to be done: a backup that is in the repository is in the catalog";
    Failure::permanent("stale_generation", message, hint)
}

/// The backup becomes available, if it is of the job and provably there.
async fn take(
    cx: &mut ApplyContext<'_>,
    lease: &rows::Model,
    commit: super::BackupCommit,
) -> Result<BackupId, Stop> {
    let id = commit.backup.id;
    if commit.backup.job != lease.job.0 {
        let message = "the backup is not of the job's cluster and repository";
        return Err(Refusal::invalid("outcome.succeeded.backup", message).into());
    }
    catalog::make_available(cx, commit, lease.attempt).await?;
    Ok(id)
}

/// A run whose backup exists has run, whatever was decided on it.
async fn settle_run(
    cx: &mut ApplyContext<'_>,
    agent: &agents::Model,
    lease: &rows::Model,
) -> Result<(), StateError> {
    let found = runs::Entity::find()
        .filter(runs::Column::Job.eq(lease.job))
        .filter(runs::Column::State.ne(Text(RunState::Ran)))
        .only(cx.tx())
        .await?;
    let Some(row) = found else {
        return Ok(());
    };
    let before: (RunState, Option<Json<RunReason>>) = (row.state.0, row.reason.clone());
    let id = row.id.0.clone();
    cx.put(runs::Model {
        state: Text(RunState::Ran),
        reason: None,
        decided_at: Moment(cx.now()),
        revision: cx.revision().into(),
        ..row
    })
    .await?;
    note(cx, agent, &id, Some(before)).await?;
    cx.changed("runs", id);
    Ok(())
}

/// A job that waits for its next attempt has what it was to get.
async fn settle_job(
    cx: &mut ApplyContext<'_>,
    job: Option<jobs::Model>,
    backup: BackupId,
    result: Value,
) -> Result<(), Stop> {
    let Some(job) = job.filter(|job| job.state.0 == JobState::Queued) else {
        return Ok(());
    };
    changed(
        cx,
        jobs::Model {
            state: Text(JobState::Succeeded),
            finished_at: Some(Moment(cx.now())),
            backup: Some(Text(backup)),
            result: Some(Json(result)),
            not_before: None,
            ..job
        },
    )
    .await
}
