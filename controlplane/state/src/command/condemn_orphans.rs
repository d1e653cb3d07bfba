//! Decides that what attempts left is deleted which never committed (I-06): what
//! no mark names, and which is older than any attempt may be. In a copy it may also
//! be of a backup that was deleted, and was never copied itself.

use holdfast_types::resource::Kind;
use holdfast_types::{BackupId, BackupState, Failure, Lineage, Name};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::ReplicatedCommand;
use crate::column::{Json, Moment, Text};
use crate::context::{ApplyContext, Stop};
use crate::entity::word::{CondemnCause, Deletion};
use crate::entity::{backups, condemned};
use crate::{Noun, Refusal, TaskName, expiry, row, schema};

/// The code of a backup whose mark is not there any more.
const LOST_MARK: &str = "backup_missing";

/// Since level 15. What is available, or may become so, is passed over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CondemnOrphans {
    /// Where they are.
    pub repository: Name,
    /// Of which cluster.
    pub cluster: Name,
    /// Of which lineage.
    pub lineage: Lineage,
    /// The backups that the attempts would have been.
    pub attempts: Vec<BackupId>,
    /// How long nothing of them is deleted.
    pub grace_millis: u64,
}

impl ReplicatedCommand for CondemnOrphans {
    /// Those that are condemned now and were not.
    type Outcome = Vec<BackupId>;
    const NAME: &'static str = "condemn_orphans";

    fn target(&self) -> String {
        format!("repositories/{}", self.repository)
    }

    fn audit_detail(&self) -> Value {
        json!({"cluster": self.cluster, "lineage": self.lineage, "attempts": self.attempts})
    }

    fn level(&self) -> u32 {
        schema::EXPIRY
    }

    async fn apply(self, cx: &mut ApplyContext<'_>) -> Result<Vec<BackupId>, Stop> {
        expiry::refuse_blind(cx).await?;
        let after = expiry::delete_after(cx, self.grace_millis)?;
        let declared = cx.resource(Kind::Repository, &self.repository).await?;
        if declared.is_none() {
            return Err(Refusal::not_found(Noun::Repository, self.repository).into());
        }
        let mut new = Vec::new();
        // Packs are copied for the sake of incrementals, without the backup they are of.
        let copies = cx.has_level(schema::COPIES).await?;
        for backup in self.attempts {
            let known = row::read::<backups::Entity>(cx.tx(), Text(backup)).await?;
            let over = known.as_ref().is_none_or(|backup| {
                never_available(backup) || copies && backup.state.0 == BackupState::Deleted
            });
            if !over
                || expiry::row_of(cx, backup, &self.repository)
                    .await?
                    .is_some()
            {
                continue;
            }
            cx.insert(condemned::Model {
                backup: Text(backup),
                repository: Text(self.repository.clone()),
                cluster: Text(self.cluster.clone()),
                lineage: Text(self.lineage),
                cause: Text(CondemnCause::Orphan),
                reason: "left by an attempt that never committed".to_owned(),
                state: Text(Deletion::Condemned),
                condemned_at: Moment(cx.now()),
                delete_after: Moment(after),
                deleted_at: None,
            })
            .await?;
            new.push(backup);
        }
        if !new.is_empty() {
            cx.activate(TaskName::Expiry);
        }
        Ok(new)
    }
}

/// A backup that was available and whose mark is lost is no attempt's rest: the mark
/// may be found again, and a person has to look.
fn never_available(backup: &backups::Model) -> bool {
    let lost = |failure: &Json<Failure>| failure.0.code == LOST_MARK;
    backup.state.0 == BackupState::Failed && !backup.failure.as_ref().is_some_and(lost)
}
