//! Which backups of a cluster can be restored from where.

use std::collections::BTreeMap;

use holdfast_compliance::{Backup, Fact};
use holdfast_types::{BackupId, BackupState, Name};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder};

use super::{Said, are_kept, in_force, write};
use crate::StateError;
use crate::column::Text;
use crate::context::ApplyContext;
use crate::entity::{backup_repositories, backups as rows};

/// Writes a fact for each backup of a cluster that can be restored from a repository
/// since now, or no more.
pub(crate) async fn backups(cx: &mut ApplyContext<'_>, cluster: &Name) -> Result<(), StateError> {
    if are_kept(cx).await? {
        settle(cx, cluster).await?;
    }
    Ok(())
}

pub(super) async fn settle(cx: &mut ApplyContext<'_>, cluster: &Name) -> Result<(), StateError> {
    let there = there(cx, cluster).await?;
    let mut known: BTreeMap<String, Fact> = BTreeMap::new();
    for row in in_force(cx, cluster, "backup/").await? {
        known.insert(row.subject, row.fact.0);
    }
    let now = cx.now();
    for (subject, fact) in &known {
        if let Fact::BackupAvailable { repository, backup } = fact
            && !there.contains_key(subject)
        {
            let gone = Fact::BackupGone {
                repository: repository.clone(),
                backup: backup.id,
            };
            write(cx, cluster, subject, now, Said::Ends(gone)).await?;
        }
    }
    for (subject, fact) in there {
        if known.get(&subject) != Some(&fact) {
            write(cx, cluster, &subject, now, Said::Holds(fact)).await?;
        }
    }
    Ok(())
}

/// What can be restored, by subject.
async fn there(
    cx: &ApplyContext<'_>,
    cluster: &Name,
) -> Result<BTreeMap<String, Fact>, StateError> {
    use backup_repositories::Column as At;
    let available = Text(BackupState::Available);
    let found = rows::Entity::find()
        .filter(rows::Column::Cluster.eq(cluster.as_str()))
        .filter(rows::Column::State.eq(available))
        .order_by_asc(rows::Column::Id)
        .all(cx.tx())
        .await?;
    let mut there = BTreeMap::new();
    for row in found {
        let Some(backup) = backup(&row) else { continue };
        let places = backup_repositories::Entity::find()
            .filter(At::Backup.eq(row.id))
            .filter(At::State.eq(available))
            .order_by_asc(At::Repository)
            .all(cx.tx())
            .await?;
        for place in places {
            let repository = place.repository.0;
            let fact = Fact::BackupAvailable {
                repository: repository.clone(),
                backup: backup.clone(),
            };
            there.insert(subject(&repository, backup.id), fact);
        }
    }
    Ok(there)
}

fn subject(repository: &Name, backup: BackupId) -> String {
    format!("backup/{repository}/{backup}")
}

fn backup(row: &rows::Model) -> Option<Backup> {
    Some(Backup {
        id: row.id.0,
        kind: row.kind.0,
        lineage: row.lineage?.0,
        start_lsn: row.start_lsn?.0,
        stop_lsn: row.stop_lsn?.0,
        consistent_at: row.finished_at?.0,
    })
}
