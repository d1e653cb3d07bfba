//! Bringing the catalog to what the repository holds.

use std::collections::BTreeMap;

use futures_util::stream::{self, StreamExt, TryStreamExt};
use holdfast_consensus::{Node, ProposeContext, StateView};
use holdfast_repo::{Backup, Codec};
use holdfast_state::command::{
    BackupCommit, Finding, FoundWal, LoseBackup, RecordBackup, RecordFoundWal, TimelineWal,
};
use holdfast_state::query::{self, BackupFilter, BackupView, FindingKind, PageRequest};
use holdfast_types::{BackupId, CommittedBackup, Coverage, Failure, JobId, Name};

use super::compare::{Compared, MISSING, missing};
use super::inventory::{Inventory, LineageKey, wal_of};
use super::wal::{self, Differences, KnownWal};
use crate::app::error::{AppError, Result};

/// How many backups are taken in at a time.
const ADOPTIONS: usize = 32;

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

/// What the catalog knows of a repository's WAL.
pub(super) async fn known_wal(view: &StateView, repository: &Name) -> Result<KnownWal> {
    let mut known = KnownWal::new();
    for cluster in query::clusters_with_wal(view.connection(), repository).await? {
        let wal = query::wal_of_cluster(view.connection(), &cluster).await?;
        for timeline in wal.into_iter().filter(|wal| wal.repository == *repository) {
            let key = (cluster.clone(), timeline.lineage);
            let lineage = known.entry(key).or_default();
            lineage.insert(timeline.timeline, timeline);
        }
    }
    Ok(known)
}

/// Settles what can be; answers how many backups were taken in, and in what
/// the two still differ.
pub(super) async fn settle(
    node: &Node,
    repository: &Name,
    (compared, wal): (Compared, BTreeMap<LineageKey, Differences>),
    mut there: Inventory,
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
        node.propose(ProposeContext::internal(), command).await??;
        findings.push(finding);
    }
    findings.extend(settle_wal(node, repository, wal, &there).await?);
    let (adopted, refused) = adopt(node, repository, compared.unknown, &mut there).await?;
    findings.extend(refused);
    Ok((adopted, findings))
}

/// Takes in what proves itself; several at a time, for a lost catalog may have
/// been a large one.
async fn adopt(
    node: &Node,
    repository: &Name,
    unknown_here: Vec<BackupId>,
    there: &mut Inventory,
) -> Result<(u64, Vec<Finding>)> {
    let (mut commits, mut findings) = (Vec::new(), Vec::new());
    for id in unknown_here {
        let Some(backup) = there.backups.get(&id).cloned() else {
            continue;
        };
        match wal_for(&backup, there).await {
            Ok(wal) => commits.push((backup, wal)),
            Err(error) => findings.push(unknown(&backup, &error.to_string())),
        }
    }
    let propose = |(backup, wal): (Backup, Vec<TimelineWal>)| async move {
        let commit = BackupCommit {
            backup: committed(&backup, repository),
            wal,
        };
        let command = RecordBackup { commit };
        let verdict = node.propose(ProposeContext::internal(), command).await?;
        Ok::<_, AppError>(verdict.err().map(|refusal| (backup, refusal)))
    };
    let mut proposals = stream::iter(commits).map(propose).buffered(ADOPTIONS);
    let mut adopted = 0;
    while let Some(refused) = proposals.try_next().await? {
        match refused {
            None => adopted += 1,
            // No such cluster, or no WAL: shown, not invented.
            Some((backup, refusal)) => findings.push(unknown(&backup, &refusal.to_string())),
        }
    }
    Ok((adopted, findings))
}

/// All WAL of a backup's lineage, listed now if that was postponed.
async fn wal_for(
    backup: &Backup,
    there: &mut Inventory,
) -> holdfast_repo::Result<Vec<TimelineWal>> {
    let key = (backup.cluster.clone(), backup.lineage);
    if let (None, Some(lineage)) = (there.wal.get(&key), there.lineages.get(&key)) {
        let (wal, _) = wal_of(lineage).await?;
        there.wal.insert(key.clone(), wal);
    }
    let wal = there.wal.get(&key).into_iter().flatten();
    let timelines = wal.map(|(timeline, coverage)| TimelineWal {
        timeline: *timeline,
        ranges: coverage.ranges().to_vec(),
        gaps: Vec::new(),
    });
    Ok(timelines.collect())
}

/// Brings the catalog's WAL to what is there: one command for a lineage in
/// which something differs.
async fn settle_wal(
    node: &Node,
    repository: &Name,
    differences: BTreeMap<LineageKey, Differences>,
    there: &Inventory,
) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for (key, mut differences) in differences {
        confirm(&key, &mut differences, there).await?;
        let changed = differences.iter().filter(|(_, difference)| {
            !difference.unknown.is_empty() || !difference.missing.is_empty()
        });
        let changed = changed.map(|(timeline, difference)| FoundWal {
            timeline: *timeline,
            found: difference.unknown.clone(),
            lost: difference.missing.clone(),
        });
        let command = RecordFoundWal {
            cluster: key.0.clone(),
            repository: repository.clone(),
            lineage: key.1,
            timelines: changed.collect(),
        };
        let refused = if command.timelines.is_empty() {
            None
        } else {
            let proposed = node.propose(ProposeContext::internal(), command).await?;
            proposed.err()
        };
        for (timeline, difference) in differences {
            let lost: Coverage = [difference.missing, difference.still_missing]
                .into_iter()
                .flatten()
                .collect();
            if !lost.ranges().is_empty() {
                let (cluster, lineage) = &key;
                tracing::error!(
                    %cluster, %lineage, wal.timeline = %timeline, repository = %repository,
                    "WAL is missing"
                );
                findings.push(wal::missing(&key, timeline, lost.ranges()));
            }
            if let (Some(refusal), false) = (&refused, difference.unknown.is_empty()) {
                let why = refusal.to_string();
                findings.push(wal::unknown(&key, timeline, &difference.unknown, &why));
            }
        }
    }
    Ok(findings)
}

/// Looks a second time for what was missing: WAL counts no longer only if two
/// listings do not name it.
async fn confirm(key: &LineageKey, differences: &mut Differences, there: &Inventory) -> Result<()> {
    let Some(lineage) = there.lineages.get(key) else {
        return Ok(());
    };
    let repository = lineage.wal(Codec::DEFAULT);
    for (timeline, difference) in differences {
        let Some(first) = difference.missing.first() else {
            continue;
        };
        let listed = repository.list_from(*timeline, first.from_lsn).await;
        let listed = listed.map_err(AppError::internal)?;
        difference.missing = wal::beyond(&difference.missing, &listed.coverage());
    }
    Ok(())
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

/// The facts of a mark as the catalog keeps them. The run of a backup is its
/// job; one that is not stands for a job of its own.
fn committed(backup: &Backup, repository: &Name) -> CommittedBackup {
    let job = backup.run.to_string().parse();
    CommittedBackup {
        id: backup.id,
        job: job.unwrap_or(JobId::from_uuid(backup.id.uuid())),
        cluster: backup.cluster.clone(),
        repository: repository.clone(),
        kind: backup.kind.into(),
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
