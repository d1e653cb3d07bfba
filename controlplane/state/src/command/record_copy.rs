//! A copy holds something: backups whose mark was put there, WAL that was shipped.
//!
//! What is in a copy is kept apart from what is in the repository that it was
//! copied from: it counts there, with a frontier of its own, and nowhere else.

use holdfast_compliance::Stretch;
use holdfast_types::resource::Kind;
use holdfast_types::{AssignmentId, BackupId, Generation, JobId, JobKind, Lineage, Name, Revision};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::ReplicatedCommand;
use super::record_wal::{
    FrontierCheckpoint, TimelineWal, advance_frontier, level_of, refuse_stranger,
};
use crate::context::{ApplyContext, Stop};
use crate::{Noun, Refusal, catalog, facts, schema, wal};

/// Since level 17. Reporting the same again changes nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordCopy {
    /// Who says so.
    pub by: CopiedBy,
    /// Of which cluster.
    pub cluster: Name,
    /// Where the copy is.
    pub repository: Name,
    /// Its lineage.
    pub lineage: Lineage,
    /// Backups whose mark is there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub backups: Vec<BackupId>,
    /// WAL that is there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub timelines: Vec<TimelineWal>,
    /// How far that is complete.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frontier: Option<FrontierCheckpoint>,
    /// How far that was complete when, since level 23; the last one goes on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stretches: Vec<Stretch>,
}

/// Who copies. Only they may report (I-04).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CopiedBy {
    /// Who holds a job.
    Job {
        /// The job.
        job: JobId,
        /// Under which generation.
        generation: Generation,
    },
    /// Who receives the cluster's WAL into another repository.
    Duty {
        /// The duty.
        assignment: AssignmentId,
        /// Under which generation.
        generation: Generation,
        /// Into which repository.
        repository: Name,
    },
}

impl ReplicatedCommand for RecordCopy {
    type Outcome = Revision;
    const NAME: &'static str = "record_copy";

    fn target(&self) -> String {
        format!("clusters/{}", self.cluster)
    }

    fn audit_detail(&self) -> Value {
        json!({"repository": self.repository, "backups": self.backups})
    }

    fn level(&self) -> u32 {
        schema::COPIES.max(level_of(&self.stretches))
    }

    async fn apply(self, cx: &mut ApplyContext<'_>) -> Result<Revision, Stop> {
        self.refuse_stranger(cx).await?;
        let repository = cx.resource(Kind::Repository, &self.repository).await?;
        if repository.is_none() {
            return Err(Refusal::not_found(Noun::Repository, self.repository).into());
        }
        for timeline in &self.timelines {
            wal::refuse_absurd_timeline(timeline)?;
        }
        if let Some(checkpoint) = &self.frontier {
            wal::refuse_absurd("frontier.lsn", checkpoint.frontier.lsn)?;
        }
        let place = wal::Place {
            cluster: self.cluster,
            repository: self.repository,
            lineage: self.lineage,
        };
        facts::refuse_absurd(&self.stretches)?;
        let looked = matches!(self.by, CopiedBy::Job { .. });
        // Everything is checked before anything is written.
        for backup in &self.backups {
            catalog::refuse_copy(cx, &place, *backup, &self.timelines).await?;
        }
        for timeline in &self.timelines {
            if looked {
                // It has listed what is there: what was lost is there again.
                wal::forget_lost(cx, &place, timeline.timeline, &timeline.ranges).await?;
            }
            let there = wal::still_there(cx, &place, timeline).await?;
            wal::record(cx, &place, &there).await?;
        }
        facts::holes(cx, &place).await?;
        facts::claims(cx, &place, self.stretches).await?;
        for backup in self.backups {
            catalog::place_copy(cx, &place, backup).await?;
        }
        if let Some(checkpoint) = self.frontier {
            advance_frontier(cx, &place, checkpoint).await?;
        }
        Ok(cx.revision())
    }
}

impl RecordCopy {
    async fn refuse_stranger(&self, cx: &ApplyContext<'_>) -> Result<(), Stop> {
        match &self.by {
            CopiedBy::Job { job, generation } => {
                let job = cx.held_job(*job, *generation).await?;
                let same = job.kind.0 == JobKind::Copy
                    && job.cluster.0 == self.cluster
                    && job.repository.0 == self.repository;
                if !same {
                    let message = "it is not what the job was to copy";
                    return Err(Refusal::invalid("by.job", message).into());
                }
            }
            CopiedBy::Duty {
                assignment,
                generation,
                repository,
            } => {
                let key = (&self.cluster, repository);
                refuse_stranger(cx, key, (*assignment, *generation)).await?;
                if *repository == self.repository || !self.backups.is_empty() {
                    let message = "a WAL duty copies WAL, and to another repository";
                    return Err(Refusal::invalid("repository", message).into());
                }
            }
        }
        Ok(())
    }
}
