//! What an agent reports of its jobs.

use holdfast_types::{
    AssignmentId, BackupId, BackupKind, CommittedBackup, Failure, Generation, JobPhase, Lineage,
    Lsn, RepositoryId, Timeline,
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::access::non_empty;
use crate::invalid::{Invalid, from_json, from_micros, parse, some, to_json};
use crate::wal::{id_text, timeline};
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
    /// In this phase PostgreSQL has entered backup mode.
    BackupStarted {
        /// The phase.
        phase: JobPhase,
        /// What is being taken.
        backup: BackupStarted,
    },
    /// It ended.
    Finished {
        /// How.
        outcome: Box<JobOutcome>,
        /// The last lines of its log.
        log: Vec<String>,
    },
}

/// A backup that is being taken, once PostgreSQL has said where its recovery
/// will begin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BackupStarted {
    /// The backup.
    pub backup: BackupId,
    /// What it will hold.
    pub kind: BackupKind,
    /// The backup it builds on.
    pub parent: Option<BackupId>,
    /// Its lineage.
    pub lineage: Lineage,
    /// The timeline it is taken on.
    pub timeline: Timeline,
    /// Where its recovery will begin.
    pub start_lsn: Lsn,
    /// When it began.
    pub started_at: Timestamp,
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
    pub backup: Option<Box<CommittedBackup>>,
    /// The WAL that the backup needs, proved to be there (I-05).
    pub wal: Option<LineageWal>,
    /// The repository that was opened, which holds the backup.
    pub repository: Option<RepositoryId>,
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
                backup: None,
            }),
            JobEvent::BackupStarted { phase, backup } => Event::Phase(v1::JobPhaseReached {
                phase: phase.to_string(),
                backup: Some(backup.into()),
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

impl From<&BackupStarted> for v1::BackupStarted {
    fn from(started: &BackupStarted) -> Self {
        let parent = started.parent.map(|parent| parent.to_string());
        Self {
            backup_id: started.backup.to_string(),
            kind: started.kind.to_string(),
            parent_backup_id: parent.unwrap_or_default(),
            lineage: started.lineage.to_string(),
            timeline: started.timeline.get(),
            start_lsn: started.start_lsn.get(),
            started_at_us: started.started_at.as_microsecond(),
        }
    }
}

impl TryFrom<v1::BackupStarted> for BackupStarted {
    type Error = Invalid;

    fn try_from(started: v1::BackupStarted) -> Result<Self, Invalid> {
        let parent = non_empty(started.parent_backup_id);
        Ok(Self {
            backup: parse("backup.backup_id", &started.backup_id)?,
            kind: parse("backup.kind", &started.kind)?,
            parent: parent
                .map(|parent| parse("backup.parent_backup_id", &parent))
                .transpose()?,
            lineage: parse("backup.lineage", &started.lineage)?,
            timeline: timeline(started.timeline)?,
            start_lsn: Lsn::new(started.start_lsn),
            started_at: from_micros("backup.started_at_us", started.started_at_us)?,
        })
    }
}

impl From<&JobOutcome> for v1::job_finished::Outcome {
    fn from(outcome: &JobOutcome) -> Self {
        match outcome {
            JobOutcome::Succeeded(success) => Self::Succeeded(v1::JobSucceeded {
                result_json: to_json(&success.result),
                backup_json: success.backup.as_ref().map(to_json).unwrap_or_default(),
                wal: success.wal.as_ref().map(Into::into),
                repository_id: id_text(success.repository),
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
            Event::Phase(reached) => {
                let phase = parse("phase", &reached.phase)?;
                match reached.backup {
                    None => JobEvent::Phase(phase),
                    Some(backup) => JobEvent::BackupStarted {
                        phase,
                        backup: backup.try_into()?,
                    },
                }
            }
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
                    repository: non_empty(success.repository_id)
                        .map(|id| parse("repository_id", &id))
                        .transpose()?,
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
    use prost::Message;

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
                repository: Some("rep_00000000000000000000000000000003".parse().unwrap()),
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

    fn started() -> BackupStarted {
        BackupStarted {
            backup: "bkp_00000000000000000000000000000002".parse().unwrap(),
            kind: BackupKind::Full,
            parent: None,
            lineage: "7301234567890123456-1".parse().unwrap(),
            timeline: Timeline::FIRST,
            start_lsn: Lsn::new(0x100),
            started_at: "2026-02-03T02:41:08.000007Z".parse().unwrap(),
        }
    }

    #[test]
    fn a_phase_is_the_same_bytes_as_ever_and_the_start_of_a_backup_only_adds_to_it() {
        let phase = report(JobEvent::Phase(JobPhase::Start));
        let mut bytes = b"\x08\x07\x12\x24asg_00000000000000000000000000000001\x18\x02".to_vec();
        let old = [&bytes[..], b"\x2a\x07\x0a\x05start"].concat();
        assert_eq!(v1::JobReport::from(&phase).encode_to_vec(), old);
        let read = |bytes: &[u8]| JobReport::try_from(v1::JobReport::decode(bytes).unwrap());
        assert_eq!(read(&old).unwrap(), phase);

        let new = report(JobEvent::BackupStarted {
            phase: JobPhase::Start,
            backup: started(),
        });
        bytes.extend(b"\x2a\x5a\x0a\x05start\x12\x51");
        bytes.extend(b"\x0a\x24bkp_00000000000000000000000000000002\x12\x04full");
        bytes.extend(b"\x22\x157301234567890123456-1\x28\x01\x30\x80\x02");
        bytes.extend(b"\x38\x87\xb2\x96\xf9\xa5\xbc\x92\x03");
        let encoded = v1::JobReport::from(&new).encode_to_vec();
        assert_eq!(encoded, bytes, "{}", encoded.escape_ascii());
        assert_eq!(read(&bytes).unwrap(), new);
    }

    #[test]
    fn a_journal_of_an_older_agent_is_understood() {
        let old: JobEvent = serde_json::from_str(r#"{"phase":"start"}"#).unwrap();
        assert_eq!(old, JobEvent::Phase(JobPhase::Start));
        let old = r#"{"finished":{"outcome":{"succeeded":{"result":1,"backup":null,"wal":null}},"log":[]}}"#;
        let JobEvent::Finished { outcome, .. } = serde_json::from_str(old).unwrap() else {
            panic!("{old}")
        };
        assert!(matches!(*outcome, JobOutcome::Succeeded(success) if success.repository.is_none()));
        let new = JobEvent::BackupStarted {
            phase: JobPhase::Start,
            backup: started(),
        };
        let text = serde_json::to_string(&new).unwrap();
        assert_eq!(serde_json::from_str::<JobEvent>(&text).unwrap(), new);
    }

    #[test]
    fn a_broken_report_names_its_field() {
        let mut broken = v1::JobReport::from(&report(JobEvent::Started));
        broken.assignment_id = JobId::PREFIX.to_owned();
        assert_eq!(
            JobReport::try_from(broken).unwrap_err().field,
            "assignment_id"
        );
        let mut lost = v1::BackupStarted::from(&started());
        lost.lineage.clear();
        assert_eq!(
            BackupStarted::try_from(lost).unwrap_err().field,
            "backup.lineage"
        );
        let mut empty = v1::JobReport::from(&report(JobEvent::Started));
        empty.event = None;
        assert_eq!(JobReport::try_from(empty).unwrap_err().field, "event");
    }
}
