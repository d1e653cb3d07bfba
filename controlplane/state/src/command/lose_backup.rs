//! A backup counts no longer whose commit mark is not in its repository any
//! more (I-05): nothing is restored from it and no exposure rests on it (I-13).
//! Its row stays, and if the mark is found again it is available again. One that is
//! in another repository too stays available there.

use holdfast_types::{BackupId, BackupState, Failure, Name};
use sea_orm::EntityTrait;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::ReplicatedCommand;
use crate::column::{Json, Text};
use crate::context::{ApplyContext, Stop};
use crate::entity::{backup_repositories, backups};
use crate::lookup::Lookup;
use crate::state_snapshots::LEVEL;
use crate::{Noun, Refusal, StateError, TaskName, facts, schema};

/// Since level 5. What is not available stays as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoseBackup {
    /// The backup.
    pub backup: BackupId,
    /// Where it should be.
    pub repository: Name,
    /// What was found.
    pub reason: Failure,
}

impl ReplicatedCommand for LoseBackup {
    /// Whether it was available.
    type Outcome = bool;
    const NAME: &'static str = "lose_backup";

    fn target(&self) -> String {
        format!("backups/{}", self.backup)
    }

    fn audit_detail(&self) -> Value {
        json!({"repository": self.repository, "reason": self.reason})
    }

    fn level(&self) -> u32 {
        LEVEL
    }

    async fn apply(self, cx: &mut ApplyContext<'_>) -> Result<bool, Stop> {
        let id = Text(self.backup);
        let row = backups::Entity::find_by_id(id).only(cx.tx()).await?;
        let row = row.ok_or_else(|| Refusal::not_found(Noun::Backup, self.backup))?;
        if row.state.0 != BackupState::Available {
            return Ok(false);
        }
        if cx.has_level(schema::COPIES).await? && self.is_elsewhere(cx).await? {
            // It is restored from where it still is.
            let key = (id, Text(self.repository));
            let place = backup_repositories::Entity::delete_by_id(key);
            let gone = place.exec(cx.tx()).await?.rows_affected > 0;
            if gone {
                facts::backups(cx, &row.cluster.0).await?;
                cx.changed("backups", self.backup);
                cx.activate(TaskName::Exposure);
                cx.activate(TaskName::Copies);
            }
            return Ok(gone);
        }
        let failed = Text(BackupState::Failed);
        let key = (id, Text(self.repository.clone()));
        let place = backup_repositories::Entity::find_by_id(key);
        let place = place.only(cx.tx()).await?;
        // The last copy of one that its own repository has lost fails as well.
        let copies = cx.has_level(schema::COPIES).await?;
        if row.repository.0 != self.repository && !(copies && place.is_some()) {
            return Ok(false);
        }
        if let Some(place) = place {
            let state = failed;
            cx.put(backup_repositories::Model { state, ..place })
                .await?;
        }
        let cluster = row.cluster.0.clone();
        cx.put(backups::Model {
            state: failed,
            failure: Some(Json(self.reason)),
            revision: cx.revision().into(),
            ..row
        })
        .await?;
        facts::backups(cx, &cluster).await?;
        cx.changed("backups", self.backup);
        cx.activate(TaskName::Exposure);
        Ok(true)
    }
}

impl LoseBackup {
    async fn is_elsewhere(&self, cx: &ApplyContext<'_>) -> Result<bool, StateError> {
        let sql = "SELECT 1 FROM backup_repositories WHERE backup = ? AND repository <> ? \
                   AND state = 'available'";
        let here = Text(self.repository.clone());
        cx.exists(sql, [Text(self.backup).into(), here.into()])
            .await
    }
}
