//! A job has ended for good.
//!
//! A backup becomes `available` here, and only with its commit mark in the
//! repository and its WAL proved to be there (I-05). A failure that may pass by
//! itself is a matter for `requeue_job`.

use holdfast_types::{BackupId, CommittedBackup, Failure, Generation, JobId, JobKind, JobState};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::ReplicatedCommand;
use super::advance_job::{changed, current_attempt};
use super::finish_drill;
use super::lease_job::release;
use super::record_wal::TimelineWal;
use crate::catalog;
use crate::column::{Json, Moment, Text};
use crate::context::{ApplyContext, Stop};
use crate::entity::word::AttemptOutcome;
use crate::entity::{job_attempts, jobs};
use crate::{Refusal, TaskName};

/// The most lines of an attempt's log that are kept, the last ones.
const LOG_LINES_MAX: usize = 200;
/// The most characters of a line that are kept.
const LOG_LINE_CHARS_MAX: usize = 1000;

/// Since v0.1.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FinishJob {
    /// The job.
    pub job: JobId,
    /// The generation it was done under.
    pub generation: Generation,
    /// How it ended.
    pub outcome: JobOutcome,
    /// The last lines it logged.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub log: Vec<String>,
}

/// How a job ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobOutcome {
    /// Done.
    Succeeded {
        /// What it gave, in the words of its kind. Holds no secret (I-10).
        result: Value,
        /// The backup it took.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        backup: Option<Box<BackupCommit>>,
    },
    /// Given up.
    Failed(Failure),
    /// Another had committed the same run first (I-03).
    Superseded {
        /// What that committed.
        winner: BackupId,
    },
    /// Ended on request.
    Cancelled,
}

/// A backup whose commit mark is in the repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BackupCommit {
    /// The backup.
    pub backup: CommittedBackup,
    /// WAL that was proved to be in the repository, beyond what was recorded.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub wal: Vec<TimelineWal>,
}

impl ReplicatedCommand for FinishJob {
    type Outcome = JobState;
    const NAME: &'static str = "finish_job";

    fn target(&self) -> String {
        format!("jobs/{}", self.job)
    }

    fn audit_detail(&self) -> Value {
        match &self.outcome {
            JobOutcome::Succeeded { result, backup } => {
                let backup = backup.as_ref().map(|commit| commit.backup.id);
                json!({"outcome": "succeeded", "result": result, "backup": backup})
            }
            JobOutcome::Failed(failure) => json!({"outcome": "failed", "failure": failure}),
            JobOutcome::Superseded { winner } => json!({"outcome": "superseded", "winner": winner}),
            JobOutcome::Cancelled => json!({"outcome": "cancelled"}),
        }
    }

    async fn apply(self, cx: &mut ApplyContext<'_>) -> Result<JobState, Stop> {
        let job = cx.held_job(self.job, self.generation).await?;
        if job.kind.0 == JobKind::Drill {
            return finish_drill::finish(cx, job, self.outcome, self.log).await;
        }
        let mut ended = job.clone();
        let mut failure = None;
        let (state, attempt) = match self.outcome {
            JobOutcome::Succeeded { result, backup } => {
                if let Some(commit) = backup {
                    let backup = commit.backup.id;
                    refuse_foreign(&job, &commit.backup)?;
                    catalog::make_available(cx, *commit, job.attempts).await?;
                    ended.backup = Some(Text(backup));
                }
                let reason = superseded_failure("another attempt of the job committed its backup");
                catalog::fail_running(cx, job.id, &reason).await?;
                ended.result = Some(Json(result));
                (JobState::Succeeded, AttemptOutcome::Succeeded)
            }
            JobOutcome::Failed(reason) => {
                catalog::fail_running(cx, job.id, &reason).await?;
                ended.failure = Some(Json(reason.clone()));
                failure = Some(reason);
                (JobState::Failed, AttemptOutcome::Failed)
            }
            JobOutcome::Superseded { winner } => {
                // I-03: the loser's job is superseded, its backup failed.
                let reason = superseded_failure(&format!("{winner} was committed first"));
                catalog::fail_running(cx, job.id, &reason).await?;
                ended.superseded_by = Some(Text(winner));
                (JobState::Superseded, AttemptOutcome::Superseded)
            }
            JobOutcome::Cancelled => {
                let reason = Failure::permanent(
                    "cancelled",
                    "the job was cancelled",
                    "run it again when it is wanted",
                );
                catalog::fail_running(cx, job.id, &reason).await?;
                (JobState::Cancelled, AttemptOutcome::Cancelled)
            }
        };
        end_attempt(cx, &job, attempt, failure, self.log).await?;
        ended.state = Text(state);
        ended.phase = None;
        ended.finished_at = Some(Moment(cx.now()));
        changed(cx, ended).await?;
        cx.activate(TaskName::Dispatch);
        Ok(state)
    }
}

fn superseded_failure(message: &str) -> Failure {
    let hint = "nothing is to be done: the run has its backup";
    Failure::permanent("superseded", message, hint)
}

/// Refuses a backup of something else than the job was to back up.
fn refuse_foreign(job: &jobs::Model, backup: &CommittedBackup) -> Result<(), Refusal> {
    let same = backup.job == job.id.0
        && backup.cluster == job.cluster.0
        && backup.repository == job.repository.0;
    if same {
        return Ok(());
    }
    let message = "the backup is not of the job's cluster and repository";
    Err(Refusal::invalid("outcome.succeeded.backup", message))
}

/// Ends the attempt in whose hands the job is.
pub(super) async fn end_attempt(
    cx: &mut ApplyContext<'_>,
    job: &jobs::Model,
    outcome: AttemptOutcome,
    failure: Option<Failure>,
    log: Vec<String>,
) -> Result<(), Stop> {
    let attempt = current_attempt(cx, job).await?;
    release(cx, job).await?;
    cx.put(job_attempts::Model {
        finished_at: Some(Moment(cx.now())),
        outcome: Some(Text(outcome)),
        failure: failure.map(Json),
        log: Json(tail(log)),
        ..attempt
    })
    .await?;
    Ok(())
}

/// The end of a log, bounded: an agent cannot fill the replicated state.
pub(super) fn tail(mut log: Vec<String>) -> Vec<String> {
    log.drain(..log.len().saturating_sub(LOG_LINES_MAX));
    let cut = |line: String| match line.char_indices().nth(LOG_LINE_CHARS_MAX) {
        Some((end, _)) => line[..end].to_owned(),
        None => line,
    };
    log.into_iter().map(cut).collect()
}
