//! `repo list`.

use std::process::ExitCode;

use holdfast_repo::{Backup, LineageRepository};
use serde_json::{Value, json};

use super::ListArgs;
use super::open::failed;
use super::output::{print_items, print_table, size};
use crate::command_error::CommandError;

/// Lists the backups of every cluster, from their marks: what is listed is
/// available (I-05).
pub(super) async fn run(args: &ListArgs) -> Result<ExitCode, CommandError> {
    let repository = args.place.open().await?;
    let lineages = repository
        .all_lineages()
        .await
        .map_err(|error| failed(&error))?;
    let wanted = |lineage: &LineageRepository| {
        args.cluster
            .as_ref()
            .is_none_or(|cluster| cluster == lineage.cluster())
    };
    let mut backups = Vec::new();
    for lineage in lineages.into_iter().filter(wanted) {
        let held = lineage
            .list_backups()
            .await
            .map_err(|error| failed(&error))?;
        for mark in held.unreadable {
            eprintln!("warning: {} cannot be read: {}", mark.object, mark.error);
        }
        backups.extend(held.available);
    }
    backups.sort_by_key(|backup| (backup.cluster.clone(), backup.finished_at, backup.id));
    if args.place.is_json() {
        print_items(&backups.iter().map(item).collect::<Vec<_>>())?;
    } else {
        let head = [
            "CLUSTER", "BACKUP", "KIND", "FINISHED", "TIMELINE", "STOP LSN", "SIZE", "ADDED",
        ];
        let mut rows = vec![head.map(str::to_owned).to_vec()];
        rows.extend(backups.iter().map(row));
        print_table(&rows)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn item(backup: &Backup) -> Value {
    json!({
        "id": backup.id,
        "cluster": backup.cluster,
        "lineage": backup.lineage,
        "kind": backup.kind.to_string(),
        "parent": backup.parent,
        "state": "available",
        "timeline": backup.timeline,
        "startLsn": backup.start_lsn,
        "stopLsn": backup.stop_lsn,
        "startedAt": backup.started_at,
        "finishedAt": backup.finished_at,
        "databaseBytes": backup.database_bytes,
        "addedBytes": backup.added_bytes,
        "serverVersion": backup.postgres_version,
    })
}

fn row(backup: &Backup) -> Vec<String> {
    vec![
        backup.cluster.to_string(),
        backup.id.to_string(),
        backup.kind.to_string(),
        backup
            .finished_at
            .strftime("%Y-%m-%dT%H:%M:%SZ")
            .to_string(),
        backup.timeline.to_string(),
        backup.stop_lsn.to_string(),
        size(backup.database_bytes),
        size(backup.added_bytes),
    ]
}
