//! Records that a repository was seen to hold nothing any more of what was deleted.
//! The rows stay: what is deleted never comes back (I-06).

use holdfast_types::{BackupId, BackupState, Lineage, LsnRange, Name};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::ReplicatedCommand;
use super::begin_deletion::DeletableWal;
use super::condemn_wal::coverage;
use crate::column::{Count, Moment, Position, Text};
use crate::context::{ApplyContext, Stop};
use crate::entity::word::Deletion;
use crate::entity::{backup_repositories, backups, condemned, condemned_wal};
use crate::lookup::Lookup;
use crate::{expiry, row, schema, wal};
use sea_orm::EntityTrait;

/// Since level 15. What is not being deleted stays as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EndDeletion {
    /// Where.
    pub repository: Name,
    /// Of which cluster.
    pub cluster: Name,
    /// Of which lineage.
    pub lineage: Lineage,
    /// Backups, and what attempts left.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub backups: Vec<BackupId>,
    /// WAL.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub wal: Vec<DeletableWal>,
}

impl ReplicatedCommand for EndDeletion {
    /// How many backups and ranges of WAL are deleted now that were not.
    type Outcome = u64;
    const NAME: &'static str = "end_deletion";

    fn target(&self) -> String {
        format!("repositories/{}", self.repository)
    }

    fn audit_detail(&self) -> Value {
        json!({"cluster": self.cluster, "backups": self.backups, "wal": self.wal})
    }

    fn level(&self) -> u32 {
        schema::EXPIRY
    }

    async fn apply(self, cx: &mut ApplyContext<'_>) -> Result<u64, Stop> {
        let mut ended = 0;
        for backup in self.backups {
            let row = expiry::row_of(cx, backup, &self.repository).await?;
            let Some(row) = row.filter(|row| row.state.0 == Deletion::Deleting) else {
                continue;
            };
            cx.put(condemned::Model {
                state: Text(Deletion::Deleted),
                deleted_at: Some(Moment(cx.now())),
                ..row
            })
            .await?;
            end_backup(cx, backup, &self.repository).await?;
            ended += 1;
        }
        let place = wal::Place {
            cluster: self.cluster,
            repository: self.repository,
            lineage: self.lineage,
        };
        for timeline in self.wal {
            ended += end_wal(cx, &place, timeline).await?;
        }
        Ok(ended)
    }
}

async fn end_backup(
    cx: &mut ApplyContext<'_>,
    backup: BackupId,
    repository: &Name,
) -> Result<(), Stop> {
    let key = (Text(backup), Text(repository.clone()));
    let place = backup_repositories::Entity::find_by_id(key);
    let condemned = |state: BackupState| state == BackupState::Condemned;
    if let Some(place) = place.only(cx.tx()).await?
        && condemned(place.state.0)
    {
        let state = Text(BackupState::Deleted);
        cx.put(backup_repositories::Model { state, ..place })
            .await?;
    }
    let found = row::read::<backups::Entity>(cx.tx(), Text(backup)).await?;
    // What an attempt left whose backup failed stays a failed backup.
    if let Some(found) = found.filter(|found| condemned(found.state.0))
        && expiry::is_whole_deleted(cx, backup).await?
    {
        cx.put(backups::Model {
            state: Text(BackupState::Deleted),
            revision: cx.revision().into(),
            ..found
        })
        .await?;
        cx.changed("backups", backup);
    }
    Ok(())
}

/// Ranges that are deleted become one with those beside them, so that their number
/// does not grow with every day.
async fn end_wal(
    cx: &ApplyContext<'_>,
    place: &wal::Place,
    DeletableWal { timeline, ranges }: DeletableWal,
) -> Result<u64, Stop> {
    let wanted = coverage(&ranges);
    let rows = expiry::condemned_wal(cx.tx(), place, timeline, None).await?;
    let ends = |row: &condemned_wal::Model| {
        let range = LsnRange::new(row.from_lsn.0, row.to_lsn.0);
        row.state.0 == Deletion::Deleting && range.is_some_and(|range| wanted.covers(range))
    };
    if !rows.iter().any(ends) {
        return Ok(0);
    }
    let mut deleted = Vec::new();
    let mut ended = 0;
    for row in rows {
        let Some(range) = LsnRange::new(row.from_lsn.0, row.to_lsn.0) else {
            continue;
        };
        match row.state.0 {
            Deletion::Deleting if wanted.covers(range) => ended += 1,
            Deletion::Deleted => {}
            Deletion::Deleting | Deletion::Condemned => continue,
        }
        let key = (
            row.cluster.clone(),
            row.repository.clone(),
            row.lineage,
            row.timeline,
            row.from_lsn,
        );
        condemned_wal::Entity::delete_by_id(key)
            .exec(cx.tx())
            .await?;
        deleted.push((range, row));
    }
    let whole: Vec<LsnRange> = deleted.iter().map(|(range, _)| *range).collect();
    for joined in coverage(&whole).ranges() {
        let within = |(range, _): &&(LsnRange, condemned_wal::Model)| {
            joined.from_lsn <= range.from_lsn && range.to_lsn <= joined.to_lsn
        };
        let last = deleted.iter().filter(within).map(|(_, row)| row);
        let Some(newest) = last.max_by_key(|row| row.condemned_at) else {
            continue;
        };
        cx.insert(condemned_wal::Model {
            timeline: Count::from(timeline),
            from_lsn: Position(joined.from_lsn),
            to_lsn: Position(joined.to_lsn),
            state: Text(Deletion::Deleted),
            ..newest.clone()
        })
        .await?;
    }
    Ok(ended)
}
