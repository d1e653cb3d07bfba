//! Bringing the catalog to what the repository holds.

use std::collections::BTreeMap;

use holdfast_consensus::{ProposeContext, StateView};
use holdfast_repo::{Backup, Codec, LineageRepository};
use holdfast_state::command::{BackupCommit, Finding, LoseBackup, RecordBackup, TimelineWal};
use holdfast_state::query::{self, BackupFilter, BackupView, FindingKind, PageRequest};
use holdfast_types::{BackupId, BackupKind, CommittedBackup, Failure, JobId, Lineage, Name};

use super::compare::{Compared, MISSING, missing};
use super::inventory::Inventory;
use crate::app::App;
use crate::app::error::Result;

/// What the catalog knows of a repository's backups.
pub(super) async fn known(
    view: &StateView,
    repository: &Name,
) -> Result<BTreeMap<BackupId, BackupView>> {
    let filter = BackupFilter {
        repository: Some(repository.clone()),
        ..BackupFilter::default()
    };
    let mut page = PageRequest::longest();
    let mut known = BTreeMap::new();
    loop {
        let found = query::backups(view.connection(), &filter, &page).await?;
        known.extend(found.items.into_iter().map(|row| (row.id, row)));
        match found.next_cursor {
            None => return Ok(known),
            cursor => page.cursor = cursor,
        }
    }
}

/// Settles what can be; answers how many backups were taken in, and in what
/// the two still differ.
pub(super) async fn settle(
    app: &App,
    repository: &Name,
    compared: Compared,
    there: Inventory,
) -> Result<(u64, Vec<Finding>)> {
    let mut findings = compared.shown;
    for (backup, cluster) in compared.missing {
        let finding = missing(backup, &cluster);
        let reason = Failure::permanent(
            MISSING,
            format!("no commit mark of {backup} that can be read is in \"{repository}\" any more"),
            "find out who deleted it; nothing is restored from it until its mark is there again",
        );
        let command = LoseBackup {
            backup,
            repository: repository.clone(),
            reason,
        };
        tracing::error!(%backup, repository = %repository, "a backup is missing");
        app.propose_as(ProposeContext::internal(), command).await?;
        findings.push(finding);
    }
    let mut wal: BTreeMap<(Name, Lineage), Vec<TimelineWal>> = BTreeMap::new();
    let mut adopted = 0;
    for id in compared.unknown {
        let Some(backup) = there.backups.get(&id) else {
            continue;
        };
        let key = (backup.cluster.clone(), backup.lineage);
        if let (None, Some(lineage)) = (wal.get(&key), there.lineages.get(&key)) {
            match timelines(lineage).await {
                Ok(found) => drop(wal.insert(key.clone(), found)),
                Err(error) => {
                    findings.push(unknown(backup, &error.to_string()));
                    continue;
                }
            }
        }
        let commit = BackupCommit {
            backup: committed(backup, repository),
            wal: wal.get(&key).cloned().unwrap_or_default(),
        };
        let context = ProposeContext::internal();
        match app.node.propose(context, RecordBackup { commit }).await? {
            Ok(_) => adopted += 1,
            // No such cluster, or no WAL: shown, not invented.
            Err(refusal) => findings.push(unknown(backup, &refusal.to_string())),
        }
    }
    Ok((adopted, findings))
}

fn unknown(backup: &Backup, why: &str) -> Finding {
    let (lineage, finished) = (backup.lineage, backup.finished_at);
    Finding {
        kind: FindingKind::Unknown,
        subject: format!("backups/{}", backup.id),
        cluster: Some(backup.cluster.clone()),
        detail: format!("a backup of lineage {lineage}, complete at {finished}: {why}"),
    }
}

/// All WAL of a lineage, from the names of its objects.
async fn timelines(lineage: &LineageRepository) -> holdfast_repo::Result<Vec<TimelineWal>> {
    let wal = lineage.wal(Codec::DEFAULT);
    let mut timelines = Vec::new();
    for timeline in wal.timelines().await? {
        let ranges = wal.list(timeline).await?.coverage().ranges().to_vec();
        timelines.push(TimelineWal {
            timeline,
            ranges,
            gaps: Vec::new(),
        });
    }
    Ok(timelines)
}

/// The facts of a mark as the catalog keeps them. The run of a backup is its
/// job; one that is not stands for a job of its own.
fn committed(backup: &Backup, repository: &Name) -> CommittedBackup {
    let job = backup.run.to_string().parse();
    CommittedBackup {
        id: backup.id,
        job: job.unwrap_or(JobId::from_uuid(backup.id.uuid())),
        cluster: backup.cluster.clone(),
        repository: repository.clone(),
        kind: match backup.kind {
            holdfast_repo::BackupKind::Full => BackupKind::Full,
            holdfast_repo::BackupKind::Incremental => BackupKind::Incremental,
            holdfast_repo::BackupKind::Logical => BackupKind::Logical,
        },
        parent: backup.parent,
        lineage: backup.lineage,
        timeline: backup.timeline,
        start_lsn: backup.start_lsn,
        stop_lsn: backup.stop_lsn,
        started_at: backup.started_at,
        finished_at: backup.finished_at,
        database_bytes: backup.database_bytes,
        added_bytes: backup.added_bytes,
        server_version: backup.postgres_version,
    }
}
