//! What an agent reports of its jobs.

use holdfast_types::{AssignmentId, BackupId, CommittedBackup, Failure, Generation, JobPhase};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::access::non_empty;
use crate::invalid::{Invalid, from_json, parse, some, to_json};
use crate::{LineageWal, v1};

/// A job that an agent works on at this moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Held {
    /// The assignment.
    pub assignment: AssignmentId,
    /// Under which generation.
    pub generation: Generation,
}

/// A transition of a job, kept in the agent's journal until it is answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct JobReport {
    /// Its place in the journal.
    pub sequence: u64,
    /// The assignment.
    pub assignment: AssignmentId,
    /// Under which generation.
    pub generation: Generation,
    /// What happened.
    pub event: JobEvent,
}

/// What happened to a job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum JobEvent {
    /// The agent began.
    Started,
    /// It entered a phase.
    Phase(JobPhase),
    /// It ended.
    Finished {
        /// How.
        outcome: Box<JobOutcome>,
        /// The last lines of its log.
        log: Vec<String>,
    },
}

/// How a job ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum JobOutcome {
    /// Done.
    Succeeded(JobSuccess),
    /// Not done, and why.
    Failed(Failure),
    /// Another attempt of the same run committed first (I-03).
    Superseded(BackupId),
    /// Ended on request.
    Cancelled,
    /// The agent ended in the middle; another attempt may be made.
    Interrupted(Failure),
}

/// The result of a job that succeeded.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct JobSuccess {
    /// What a person is shown.
    pub result: Value,
    /// The backup it committed.
    pub backup: Option<CommittedBackup>,
    /// The WAL that the backup needs, proved to be there (I-05).
    pub wal: Option<LineageWal>,
}

/// How far a job is. Shown, never replicated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobProgress {
    /// The assignment.
    pub assignment: AssignmentId,
    /// Under which generation.
    pub generation: Generation,
    /// What it is doing.
    pub phase: JobPhase,
    /// Bytes done in this phase.
    pub bytes_done: u64,
    /// Bytes there are to do; 0 when not known.
    pub bytes_total: u64,
    /// Log lines since the last progress.
    pub log: Vec<String>,
}

impl From<Held> for v1::HeldJob {
    fn from(held: Held) -> Self {
        Self {
            assignment_id: held.assignment.to_string(),
            generation: held.generation.0,
        }
    }
}

impl TryFrom<v1::HeldJob> for Held {
    type Error = Invalid;

    fn try_from(held: v1::HeldJob) -> Result<Self, Invalid> {
        let assignment = parse("held.assignment_id", &held.assignment_id)?;
        Ok(Self {
            assignment,
            generation: Generation(held.generation),
        })
    }
}

impl From<&JobReport> for v1::JobReport {
    fn from(report: &JobReport) -> Self {
        use v1::job_report::Event;
        let event = match &report.event {
            JobEvent::Started => Event::Started(v1::JobStarted {}),
            JobEvent::Phase(phase) => Event::Phase(v1::JobPhaseReached {
                phase: phase.to_string(),
            }),
            JobEvent::Finished { outcome, log } => Event::Finished(v1::JobFinished {
                log: log.clone(),
                outcome: Some((&**outcome).into()),
            }),
        };
        Self {
            sequence: report.sequence,
            assignment_id: report.assignment.to_string(),
            generation: report.generation.0,
            event: Some(event),
        }
    }
}

impl From<&JobOutcome> for v1::job_finished::Outcome {
    fn from(outcome: &JobOutcome) -> Self {
        match outcome {
            JobOutcome::Succeeded(success) => Self::Succeeded(v1::JobSucceeded {
                result_json: to_json(&success.result),
                backup_json: success.backup.as_ref().map(to_json).unwrap_or_default(),
                wal: success.wal.as_ref().map(Into::into),
            }),
            JobOutcome::Failed(failure) => Self::FailedJson(to_json(failure)),
            JobOutcome::Superseded(winner) => Self::Superseded(v1::JobSuperseded {
                winner_backup_id: winner.to_string(),
            }),
            JobOutcome::Cancelled => Self::Cancelled(v1::JobCancelled {}),
            JobOutcome::Interrupted(failure) => Self::InterruptedJson(to_json(failure)),
        }
    }
}

impl TryFrom<v1::JobReport> for JobReport {
    type Error = Invalid;

    fn try_from(report: v1::JobReport) -> Result<Self, Invalid> {
        use v1::job_report::Event;
        let event = match some("event", report.event)? {
            Event::Started(_) => JobEvent::Started,
            Event::Phase(reached) => JobEvent::Phase(parse("phase", &reached.phase)?),
            Event::Finished(finished) => JobEvent::Finished {
                outcome: Box::new(some("outcome", finished.outcome)?.try_into()?),
                log: finished.log,
            },
        };
        Ok(Self {
            sequence: report.sequence,
            assignment: parse("assignment_id", &report.assignment_id)?,
            generation: Generation(report.generation),
            event,
        })
    }
}

impl TryFrom<v1::job_finished::Outcome> for JobOutcome {
    type Error = Invalid;

    fn try_from(outcome: v1::job_finished::Outcome) -> Result<Self, Invalid> {
        use v1::job_finished::Outcome;
        Ok(match outcome {
            Outcome::Succeeded(success) => {
                let backup = non_empty(success.backup_json);
                Self::Succeeded(JobSuccess {
                    result: from_json("result_json", &success.result_json)?,
                    backup: backup
                        .map(|json| from_json("backup_json", &json))
                        .transpose()?,
                    wal: success.wal.map(TryInto::try_into).transpose()?,
                })
            }
            Outcome::FailedJson(json) => Self::Failed(from_json("failed_json", &json)?),
            Outcome::Superseded(by) => {
                Self::Superseded(parse("winner_backup_id", &by.winner_backup_id)?)
            }
            Outcome::Cancelled(_) => Self::Cancelled,
            Outcome::InterruptedJson(json) => {
                Self::Interrupted(from_json("interrupted_json", &json)?)
            }
        })
    }
}

impl From<&JobProgress> for v1::JobProgress {
    fn from(progress: &JobProgress) -> Self {
        Self {
            assignment_id: progress.assignment.to_string(),
            generation: progress.generation.0,
            phase: progress.phase.to_string(),
            bytes_done: progress.bytes_done,
            bytes_total: progress.bytes_total,
            log: progress.log.clone(),
        }
    }
}

impl TryFrom<v1::JobProgress> for JobProgress {
    type Error = Invalid;

    fn try_from(progress: v1::JobProgress) -> Result<Self, Invalid> {
        Ok(Self {
            assignment: parse("assignment_id", &progress.assignment_id)?,
            generation: Generation(progress.generation),
            phase: parse("phase", &progress.phase)?,
            bytes_done: progress.bytes_done,
            bytes_total: progress.bytes_total,
            log: progress.log,
        })
    }
}

#[cfg(test)]
mod tests {
    use holdfast_types::JobId;

    use super::*;

    fn report(event: JobEvent) -> JobReport {
        let assignment: AssignmentId = "asg_00000000000000000000000000000001".parse().unwrap();
        JobReport {
            sequence: 7,
            assignment,
            generation: Generation(2),
            event,
        }
    }

    #[test]
    fn a_report_arrives_as_it_was_sent() {
        let failure = Failure::transient("interrupted", "the agent ended", "nothing to do");
        let outcomes = [
            JobOutcome::Failed(failure.clone()),
            JobOutcome::Interrupted(failure),
            JobOutcome::Cancelled,
            JobOutcome::Succeeded(JobSuccess {
                result: Value::from(1),
                backup: None,
                wal: None,
            }),
        ];
        for outcome in outcomes {
            let log = vec!["line".to_owned()];
            let sent = report(JobEvent::Finished {
                outcome: Box::new(outcome),
                log,
            });
            let received = JobReport::try_from(v1::JobReport::from(&sent)).unwrap();
            assert_eq!(received, sent);
        }
    }

    #[test]
    fn a_broken_report_names_its_field() {
        let mut broken = v1::JobReport::from(&report(JobEvent::Started));
        broken.assignment_id = JobId::PREFIX.to_owned();
        assert_eq!(
            JobReport::try_from(broken).unwrap_err().field,
            "assignment_id"
        );
        let mut empty = v1::JobReport::from(&report(JobEvent::Started));
        empty.event = None;
        assert_eq!(JobReport::try_from(empty).unwrap_err().field, "event");
    }
}
