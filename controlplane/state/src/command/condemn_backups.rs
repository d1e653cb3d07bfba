//! Decides that backups are deleted: the only licence to delete one (I-06), given
//! by a quorum (I-04). Holds and pins are asked here, where nothing comes between
//! asking and deciding.

use std::collections::BTreeSet;

use holdfast_types::{BackupId, BackupState, Revision};
use jiff::Timestamp;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::ReplicatedCommand;
use super::consent::{demand, for_backups};
use crate::column::{Moment, Text};
use crate::context::{ApplyContext, AuditItem, Stop};
use crate::entity::word::{CondemnCause, Deletion};
use crate::entity::{backup_repositories, backups, condemned};
use crate::{Refusal, TaskName, expiry, facts, row, schema};

/// Since level 15.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CondemnBackups {
    /// Which, in order.
    pub backups: Vec<Condemn>,
    /// Who decides.
    pub by: CondemnedBy,
    /// How long nothing of them is deleted.
    pub grace_millis: u64,
}

/// One backup to condemn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Condemn {
    /// The backup.
    pub backup: BackupId,
    /// Why.
    pub reason: String,
}

/// Who decides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CondemnedBy {
    /// The leader, by a policy. Each is judged by itself.
    Retention(Basis),
    /// A person. All or none.
    Hand,
}

/// What a plan rests on: it holds only while that does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Basis {
    /// How far the state was applied that it was made from: no policy and no
    /// cluster has changed since.
    pub revision: Revision,
    /// What it keeps: all of it is available still.
    pub kept: Vec<BackupId>,
}

/// What came of one backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It is condemned; nothing of it is deleted before then.
    Condemned(Timestamp),
    /// It is not, for this reason.
    Refused(Refusal),
}

impl Basis {
    /// Refuses what was planned on something else than there is.
    pub(super) async fn check(&self, cx: &ApplyContext<'_>) -> Result<(), Stop> {
        let changed = "SELECT 1 FROM resources WHERE kind IN ('Policy', 'Cluster') \
                       AND revision > ?";
        let revision = crate::column::Count::from(self.revision);
        if cx.exists(changed, [revision.into()]).await? {
            let what = "a policy or a cluster".to_owned();
            return Err(Refusal::PlanStale { what }.into());
        }
        for backup in &self.kept {
            let found = row::read::<backups::Entity>(cx.tx(), Text(*backup)).await?;
            if found.is_none_or(|found| found.state.0 != BackupState::Available) {
                let what = format!("{backup}, which is kept,");
                return Err(Refusal::PlanStale { what }.into());
            }
        }
        Ok(())
    }
}

impl ReplicatedCommand for CondemnBackups {
    /// What came of each, in order.
    type Outcome = Vec<Verdict>;
    const NAME: &'static str = "condemn_backups";

    fn target(&self) -> String {
        match self.backups.as_slice() {
            [only] => format!("backups/{}", only.backup),
            _ => "backups".to_owned(),
        }
    }

    fn audit_detail(&self) -> Value {
        json!({"backups": self.backups})
    }

    fn level(&self) -> u32 {
        schema::EXPIRY
    }

    async fn apply(self, cx: &mut ApplyContext<'_>) -> Result<Vec<Verdict>, Stop> {
        expiry::refuse_blind(cx).await?;
        let after = expiry::delete_after(cx, self.grace_millis)?;
        let cause = match &self.by {
            CondemnedBy::Retention(basis) => {
                basis.check(cx).await?;
                CondemnCause::Retention
            }
            CondemnedBy::Hand => {
                // Before anything is written.
                for one in &self.backups {
                    expiry::condemnable(cx, one.backup).await?;
                }
                let ids: Vec<BackupId> = self.backups.iter().map(|one| one.backup).collect();
                demand(cx, &for_backups(cx, &ids).await?)?;
                CondemnCause::Hand
            }
        };
        let (mut verdicts, mut audit) = (Vec::new(), Vec::new());
        let mut clusters = BTreeSet::new();
        for Condemn { backup, reason } in self.backups {
            // The one before may have made this the last one.
            let verdict = match expiry::condemnable(cx, backup).await {
                Ok(found) => {
                    clusters.insert(found.cluster.0.clone());
                    condemn(cx, found, (cause, &reason), after).await?;
                    audit.push(AuditItem {
                        target: format!("backups/{backup}"),
                        detail: json!({"cause": cause, "reason": reason, "deleteAfter": after}),
                    });
                    Verdict::Condemned(after)
                }
                Err(Stop::Refused(refusal)) => Verdict::Refused(refusal),
                Err(failed @ Stop::Failed(_)) => return Err(failed),
            };
            verdicts.push(verdict);
        }
        for cluster in &clusters {
            facts::backups(cx, cluster).await?;
        }
        if !audit.is_empty() {
            cx.audit_instead(audit); // I-11
            cx.activate(TaskName::Expiry);
            cx.activate(TaskName::Exposure);
        }
        Ok(verdicts)
    }
}

async fn condemn(
    cx: &mut ApplyContext<'_>,
    backup: backups::Model,
    (cause, reason): (CondemnCause, &str),
    after: Timestamp,
) -> Result<(), Stop> {
    let places = backup_repositories::Entity::find()
        .filter(backup_repositories::Column::Backup.eq(backup.id))
        .order_by_asc(backup_repositories::Column::Repository)
        .all(cx.tx())
        .await?;
    let state = Text(BackupState::Condemned);
    for place in places {
        cx.put(condemned::Model {
            backup: backup.id,
            repository: place.repository.clone(),
            cluster: backup.cluster.clone(),
            lineage: backup.lineage.ok_or_else(|| {
                crate::StateError::corrupt(format!("{} is of no lineage", backup.id.0))
            })?,
            cause: Text(cause),
            reason: reason.to_owned(),
            state: Text(Deletion::Condemned),
            condemned_at: Moment(cx.now()),
            delete_after: Moment(after),
            deleted_at: None,
        })
        .await?;
        cx.put(backup_repositories::Model { state, ..place })
            .await?;
    }
    cx.changed("backups", backup.id.0);
    cx.put(backups::Model {
        state,
        revision: cx.revision().into(),
        ..backup
    })
    .await?;
    Ok(())
}
