//! The end of a drill: its job ends as the drill did, and what it showed is kept.
//!
//! A drill whose checks failed is a job that failed, with what it showed as its result:
//! whoever looks for what failed finds it, and why.

use holdfast_types::drill::{DrillEvidence, DrillVerdict};
use holdfast_types::{Failure, JobState};

use super::advance_job::{changed, current_attempt};
use super::finish_job::{JobOutcome, end_attempt};
use crate::column::{Json, Moment, Text};
use crate::context::{ApplyContext, Stop};
use crate::drills::{self, Ended};
use crate::entity::jobs;
use crate::entity::word::AttemptOutcome;
use crate::{Refusal, TaskName};

/// The most bytes of what an agent reports of a drill.
const RESULT_BYTES_MAX: usize = 1 << 20;

/// Ends a job of kind drill that is in its agent's hands.
pub(super) async fn finish(
    cx: &mut ApplyContext<'_>,
    job: jobs::Model,
    outcome: JobOutcome,
    log: Vec<String>,
) -> Result<JobState, Stop> {
    let ended = judge(outcome)?;
    let state = match ended.verdict {
        DrillVerdict::Passed => JobState::Succeeded,
        DrillVerdict::Failed => JobState::Failed,
        DrillVerdict::Cancelled => JobState::Cancelled,
    };
    let attempt = current_attempt(cx, &job).await?;
    let (result, cause) = (ended.evidence.clone(), ended.cause.clone());
    drills::record(cx, &job, &attempt, ended).await?;
    let failure = cause.filter(|_| state == JobState::Failed);
    let outcome = match state {
        JobState::Succeeded => AttemptOutcome::Succeeded,
        JobState::Cancelled => AttemptOutcome::Cancelled,
        _ => AttemptOutcome::Failed,
    };
    end_attempt(cx, &job, outcome, failure.clone(), log).await?;
    let result = result
        .map(drills::bounded)
        .map(|evidence| serde_json::to_value(evidence).expect("evidence is JSON with text keys"));
    changed(
        cx,
        jobs::Model {
            state: Text(state),
            phase: None,
            finished_at: Some(Moment(cx.now())),
            result: result.map(Json),
            failure: failure.map(Json),
            ..job
        },
    )
    .await?;
    cx.activate(TaskName::Dispatch);
    Ok(state)
}

/// How it ended, before anything is written.
fn judge(outcome: JobOutcome) -> Result<Ended, Refusal> {
    let invalid = |message: String| Refusal::invalid("outcome.succeeded.result", message);
    match outcome {
        JobOutcome::Succeeded { result, .. } => {
            if result.to_string().len() > RESULT_BYTES_MAX {
                return Err(invalid(
                    "it is larger than what is kept of a drill".to_owned(),
                ));
            }
            let evidence: DrillEvidence =
                serde_json::from_value(result).map_err(|error| invalid(error.to_string()))?;
            // I-12: a check that failed is no success, whatever else is said.
            let sound =
                evidence.checks.iter().all(|check| check.passed) && !evidence.checks.is_empty();
            match evidence.verdict {
                DrillVerdict::Passed if sound && evidence.cause.is_none() => Ok(Ended {
                    verdict: DrillVerdict::Passed,
                    cause: None,
                    evidence: Some(evidence),
                }),
                DrillVerdict::Failed => Ok(Ended {
                    verdict: DrillVerdict::Failed,
                    cause: Some(evidence.cause.clone().unwrap_or_else(checks_failed)),
                    evidence: Some(evidence),
                }),
                DrillVerdict::Passed | DrillVerdict::Cancelled => {
                    Err(invalid("its verdict is not what its checks say".to_owned()))
                }
            }
        }
        JobOutcome::Failed(cause) => Ok(Ended {
            verdict: DrillVerdict::Failed,
            cause: Some(cause),
            evidence: None,
        }),
        JobOutcome::Superseded { .. } => {
            Err(Refusal::invalid("outcome", "a drill takes nobody's place"))
        }
        JobOutcome::Cancelled => Ok(Ended {
            verdict: DrillVerdict::Cancelled,
            cause: None,
            evidence: None,
        }),
    }
}

fn checks_failed() -> Failure {
    Failure::permanent(
        "drill_check_failed",
        "a check of the drill failed",
        "look at what the check saw: `holdfast drill show`",
    )
}
