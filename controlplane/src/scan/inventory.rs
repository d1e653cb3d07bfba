//! What a repository holds, from its names and marks.

use std::collections::BTreeMap;

use holdfast_repo::{Backup, LineageRepository, Repository, Result};
use holdfast_types::{BackupId, Lineage, Name};

/// What a repository holds.
#[derive(Debug, Default)]
pub(super) struct Inventory {
    /// Every backup whose mark can be read.
    pub(super) backups: BTreeMap<BackupId, Backup>,
    /// Marks that cannot be read: of which cluster, which object, and why.
    pub(super) unreadable: Vec<(Name, String, String)>,
    /// The lineages, for their WAL.
    pub(super) lineages: BTreeMap<(Name, Lineage), LineageRepository>,
}

/// Looks at all of it. An error leaves nothing half known.
pub(super) async fn of(repository: &Repository) -> Result<Inventory> {
    let mut found = Inventory::default();
    for lineage in repository.all_lineages().await? {
        let listed = lineage.list_backups().await?;
        for mark in listed.unreadable {
            let why = mark.error.to_string();
            found
                .unreadable
                .push((lineage.cluster().clone(), mark.object, why));
        }
        for backup in listed.available {
            found.backups.insert(backup.id, backup);
        }
        let key = (lineage.cluster().clone(), lineage.lineage());
        found.lineages.insert(key, lineage);
    }
    Ok(found)
}
