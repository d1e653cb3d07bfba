//! A backup is being written: the catalog shows it as `running`.

use holdfast_types::{
    BackupId, BackupKind, BackupState, Generation, JobId, Lineage, Lsn, Revision, Timeline,
};
use jiff::Timestamp;
use sea_orm::EntityTrait;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::ReplicatedCommand;
use crate::column::{Moment, Position, Text};
use crate::context::{ApplyContext, Stop};
use crate::entity::{backup_repositories, backups};
use crate::lookup::Lookup;
use crate::wal::refuse_absurd;
use crate::{Noun, Refusal};

/// Since v0.1. A repeat changes nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordBackupStarted {
    /// The job that takes it.
    pub job: JobId,
    /// The generation it works under.
    pub generation: Generation,
    /// The backup.
    pub backup: BackupId,
    /// What it will hold.
    pub kind: BackupKind,
    /// The backup it builds on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
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

impl ReplicatedCommand for RecordBackupStarted {
    type Outcome = Revision;
    const NAME: &'static str = "record_backup_started";

    fn target(&self) -> String {
        format!("backups/{}", self.backup)
    }

    fn audit_detail(&self) -> Value {
        json!({"job": self.job, "kind": self.kind})
    }

    async fn apply(self, cx: &mut ApplyContext<'_>) -> Result<Revision, Stop> {
        let job = cx.held_job(self.job, self.generation).await?;
        refuse_absurd("start_lsn", self.start_lsn)?;
        let known = backups::Entity::find_by_id(Text(self.backup));
        if let Some(known) = known.only(cx.tx()).await? {
            if known.job.0 == self.job && known.attempt == job.attempts {
                return Ok(known.revision.into());
            }
            return Err(Refusal::already_exists(Noun::Backup, self.backup).into());
        }
        cx.insert(backup_repositories::Model {
            backup: Text(self.backup),
            repository: job.repository.clone(),
            kind: Text(self.kind),
            state: Text(BackupState::Running),
            started_at: Moment(self.started_at),
            recorded_at: Moment(cx.now()),
        })
        .await?;
        cx.insert(backups::Model {
            id: Text(self.backup),
            job: job.id,
            attempt: job.attempts,
            cluster: job.cluster,
            repository: job.repository,
            kind: Text(self.kind),
            parent: self.parent.map(Text),
            state: Text(BackupState::Running),
            lineage: Some(Text(self.lineage)),
            timeline: Some(self.timeline.into()),
            start_lsn: Some(Position(self.start_lsn)),
            stop_lsn: None,
            started_at: Moment(self.started_at),
            finished_at: None,
            database_bytes: None,
            added_bytes: None,
            server_version: None,
            failure: None,
            revision: cx.revision().into(),
        })
        .await?;
        cx.changed("backups", self.backup);
        Ok(cx.revision())
    }
}
