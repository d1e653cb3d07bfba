//! Which backups a target can start from.

use holdfast_repo::{Backup, BackupKind, LineageRepository, Repository};
use holdfast_types::{Failure, Name, RestoreTarget};

use crate::failure::of_repository;

/// A backup and where it is.
#[derive(Debug, Clone)]
pub(super) struct Candidate {
    pub(super) lineage: LineageRepository,
    pub(super) backup: Backup,
}

/// What a repository holds of a cluster.
#[derive(Debug, Default)]
pub(super) struct Held {
    /// By the time they were complete.
    pub(super) backups: Vec<Candidate>,
    pub(super) warnings: Vec<String>,
}

/// Lists the available physical backups of a cluster, of all its lineages.
pub(super) async fn list(repository: &Repository, cluster: &Name) -> Result<Held, Failure> {
    let failed = |error: holdfast_repo::Error| of_repository(&error);
    let lineages = repository.lineages(cluster).await.map_err(failed)?;
    if lineages.is_empty() {
        return Err(Failure::permanent(
            "cluster_not_in_repository",
            format!("{} holds nothing of cluster {cluster}", repository.url()),
            "check the cluster's name and the repository; `holdfast-agent repo list` shows what \
             it holds",
        ));
    }
    let mut held = Held::default();
    for lineage in lineages {
        let lineage = repository.lineage(cluster, lineage).await.map_err(failed)?;
        let backups = lineage.list_backups().await.map_err(failed)?;
        for mark in backups.unreadable {
            held.warnings
                .push(format!("{} cannot be read: {}", mark.object, mark.error));
        }
        let physical = backups
            .available
            .into_iter()
            .filter(|b| b.kind != BackupKind::Logical);
        held.backups.extend(physical.map(|backup| Candidate {
            lineage: lineage.clone(),
            backup,
        }));
    }
    held.backups
        .sort_by_key(|candidate| (candidate.backup.finished_at, candidate.backup.id));
    Ok(held)
}

/// Those that `target` can start from, the best first: the newest, since it
/// needs the least WAL.
pub(super) fn eligible(
    backups: &[Candidate],
    cluster: &Name,
    target: &RestoreTarget,
) -> Result<Vec<Candidate>, Failure> {
    let Some(newest) = backups.last() else {
        return Err(Failure::permanent(
            "no_backup",
            format!("the repository has no available backup of cluster {cluster}"),
            "take a backup first; WAL alone cannot be restored",
        ));
    };
    let fits = |candidate: &Candidate| match target {
        RestoreTarget::Time(time) => candidate.backup.finished_at <= *time,
        // A position means nothing in another lineage.
        RestoreTarget::Lsn(lsn) => {
            candidate.backup.stop_lsn <= *lsn
                && candidate.lineage.lineage() == newest.lineage.lineage()
        }
        RestoreTarget::Backup(id) => candidate.backup.id == *id,
        RestoreTarget::Immediate => candidate.backup.id == newest.backup.id,
        RestoreTarget::Latest | RestoreTarget::Xid(_) | RestoreTarget::Name(_) => true,
    };
    let found: Vec<_> = backups
        .iter()
        .rev()
        .filter(|backup| fits(backup))
        .cloned()
        .collect();
    if !found.is_empty() {
        return Ok(found);
    }
    if let RestoreTarget::Backup(id) = target {
        return Err(Failure::permanent(
            "backup_not_found",
            format!("the repository has no available backup {id} of cluster {cluster}"),
            "list the cluster's backups",
        ));
    }
    Err(before_first(backups, target))
}

/// The target lies before everything that is there.
pub(super) fn before_first(backups: &[Candidate], target: &RestoreTarget) -> Failure {
    let first = backups.first().map(|candidate| &candidate.backup);
    let (at, lsn) = match first {
        Some(backup) => (backup.finished_at.to_string(), backup.stop_lsn.to_string()),
        None => ("never".to_owned(), "none".to_owned()),
    };
    Failure::permanent(
        "target_before_first_backup",
        format!(
            "{target} lies before the first backup that is there, which was consistent at {at} \
             ({lsn})"
        ),
        format!("choose a target from {at} on"),
    )
}
