//! Ends the hold of a backup.

use holdfast_types::BackupId;
use serde::{Deserialize, Serialize};

use super::ReplicatedCommand;
use super::consent::{demand, for_backups};
use crate::column::Text;
use crate::context::{ApplyContext, Stop};
use crate::entity::backups;
use crate::{Noun, Refusal, TaskName, expiry, row, schema};

/// Since level 15. Releasing what is not held changes nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReleaseBackup {
    /// The backup.
    pub backup: BackupId,
}

impl ReplicatedCommand for ReleaseBackup {
    /// Whether it was held.
    type Outcome = bool;
    const NAME: &'static str = "release_backup";

    fn target(&self) -> String {
        format!("backups/{}", self.backup)
    }

    fn level(&self) -> u32 {
        schema::EXPIRY
    }

    async fn apply(self, cx: &mut ApplyContext<'_>) -> Result<bool, Stop> {
        let id = Text(self.backup);
        if row::read::<backups::Entity>(cx.tx(), id).await?.is_none() {
            return Err(Refusal::not_found(Noun::Backup, self.backup).into());
        }
        if expiry::hold(cx, self.backup).await?.is_some() {
            demand(cx, &for_backups(cx, &[self.backup]).await?)?;
        }
        let sql = "DELETE FROM holds WHERE backup = ?";
        let released = cx.execute(sql, [id.into()]).await? > 0;
        if released {
            cx.changed("backups", self.backup);
            cx.activate(TaskName::Expiry);
        }
        Ok(released)
    }
}
