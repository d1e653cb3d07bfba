//! What is reported of a dump that exists.

use holdfast_proto::{BackupWork, JobSuccess};
use holdfast_repo::{Backup, LineageRepository};
use serde_json::{Value, json};

use super::copy::Dumped;
use super::prepare::Ready;
use super::verify::Listed;
use crate::job::backup::committed;

/// Of a dump that this attempt took.
pub(super) fn of_dump(
    work: &BackupWork,
    prepared: &Ready,
    dumped: &Dumped,
    listed: &Listed,
    backup: &Backup,
) -> JobSuccess {
    let mut result = result(backup);
    let databases = dumped.manifest.databases.iter().map(|database| {
        json!({
            "database": database.name,
            "snapshotAt": database.snapshot_at,
            "bytes": database.bytes,
            "objects": listed.get(&database.name).map(|contents| contents.entries),
        })
    });
    result["databases"] = Value::Array(databases.collect());
    success(work, backup, result, &prepared.lineage)
}

/// Of a dump that an earlier attempt committed, from its mark.
pub(super) fn of_committed(
    work: &BackupWork,
    backup: &Backup,
    lineage: &LineageRepository,
) -> JobSuccess {
    success(work, backup, result(backup), lineage)
}

fn result(backup: &Backup) -> Value {
    json!({
        "backup": backup.id,
        "kind": backup.kind.to_string(),
        "consistentAt": backup.finished_at,
        "format": backup.facts.get("dumpFormat"),
        "globals": backup.facts.get("dumpGlobals").is_some_and(|globals| globals == "true"),
        "databaseBytes": backup.database_bytes,
        "addedBytes": backup.added_bytes,
        "files": backup.entries,
    })
}

fn success(
    work: &BackupWork,
    backup: &Backup,
    result: Value,
    lineage: &LineageRepository,
) -> JobSuccess {
    JobSuccess {
        result,
        backup: Some(Box::new(committed(work, backup))),
        // It needs none.
        wal: None,
        repository: Some(lineage.repository().id()),
    }
}
