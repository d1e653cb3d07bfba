//! Holds a backup: it is not condemned, whatever its policy says.

use holdfast_types::{BackupId, BackupState, Revision};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::ReplicatedCommand;
use super::consent::{demand, for_backups};
use crate::column::{Moment, Text};
use crate::context::{ApplyContext, Stop};
use crate::entity::{backups, holds};
use crate::{Noun, Refusal, expiry, row, schema};

/// A reason is read by people, not a file.
const REASON_MAX: usize = 500;

/// Since level 15. Holding again replaces reason and end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HoldBackup {
    /// The backup.
    pub backup: BackupId,
    /// Why.
    pub reason: String,
    /// Until when; until it is released when it is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

impl ReplicatedCommand for HoldBackup {
    type Outcome = Revision;
    const NAME: &'static str = "hold_backup";

    fn target(&self) -> String {
        format!("backups/{}", self.backup)
    }

    fn audit_detail(&self) -> Value {
        json!({"reason": self.reason, "until": self.until})
    }

    fn level(&self) -> u32 {
        schema::EXPIRY
    }

    async fn apply(self, cx: &mut ApplyContext<'_>) -> Result<Revision, Stop> {
        let backup = self.backup;
        let found = row::read::<backups::Entity>(cx.tx(), Text(backup)).await?;
        let found = found.ok_or_else(|| Refusal::not_found(Noun::Backup, backup))?;
        match found.state.0 {
            BackupState::Available => {}
            // What is condemned never comes back (I-06).
            BackupState::Condemned | BackupState::Deleted => {
                return Err(Refusal::BackupCondemned { backup }.into());
            }
            state @ (BackupState::Running | BackupState::Failed) => {
                return Err(Refusal::BackupState { backup, state }.into());
            }
        }
        let reason = self.reason.trim();
        if reason.is_empty() || reason.chars().count() > REASON_MAX {
            let message = format!("say in 1 to {REASON_MAX} characters why it is held");
            return Err(Refusal::invalid("reason", message).into());
        }
        if self.until.is_some_and(|until| until <= cx.now()) {
            let message = "a hold ends at a time to come, or when it is released";
            return Err(Refusal::invalid("until", message).into());
        }
        // A hold that is replaced by a shorter one is ended in part.
        if let Some(before) = expiry::hold(cx, backup).await? {
            let ends = |until: Option<Timestamp>| until.unwrap_or(Timestamp::MAX);
            if ends(self.until) < ends(before.until.map(|until| until.0)) {
                demand(cx, &for_backups(cx, &[backup]).await?)?;
            }
        }
        let by = cx.principal().map(ToString::to_string);
        cx.put(holds::Model {
            backup: Text(backup),
            reason: reason.to_owned(),
            until: self.until.map(Moment),
            placed_by: by.unwrap_or_default(),
            placed_at: Moment(cx.now()),
            revision: cx.revision().into(),
        })
        .await?;
        cx.changed("backups", backup);
        Ok(cx.revision())
    }
}
