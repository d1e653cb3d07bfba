//! Records a backup whose commit mark was found in a repository though the job
//! that took it could no longer report it: it was taken back, or had ended.
//!
//! The repository is the truth and the catalog a cache of it, so what is
//! restorable there is shown here.

use holdfast_types::Revision;
use holdfast_types::resource::Kind;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::ReplicatedCommand;
use super::finish_job::BackupCommit;
use crate::column::Count;
use crate::context::{ApplyContext, Stop};
use crate::{Noun, Refusal, catalog};

/// Since v0.1. Recording what is known is fine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordBackup {
    /// What was found.
    pub commit: BackupCommit,
}

impl ReplicatedCommand for RecordBackup {
    type Outcome = Revision;
    const NAME: &'static str = "record_backup";

    fn target(&self) -> String {
        format!("backups/{}", self.commit.backup.id)
    }

    fn audit_detail(&self) -> Value {
        let backup = &self.commit.backup;
        json!({"cluster": backup.cluster, "repository": backup.repository, "job": backup.job})
    }

    async fn apply(self, cx: &mut ApplyContext<'_>) -> Result<Revision, Stop> {
        let backup = &self.commit.backup;
        let cluster = cx.resource(Kind::Cluster, &backup.cluster).await?;
        if cluster.is_none() {
            return Err(Refusal::not_found(Noun::Cluster, &backup.cluster).into());
        }
        let repository = cx.resource(Kind::Repository, &backup.repository).await?;
        if repository.is_none() {
            return Err(Refusal::not_found(Noun::Repository, &backup.repository).into());
        }
        // No attempt of a job that is known here took it.
        catalog::make_available(cx, self.commit, Count(0)).await
    }
}
