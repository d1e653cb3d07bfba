//! What a catalog and a repository say of the same backups: facts in, the
//! differences out.

use std::collections::BTreeMap;
use std::fmt::Display;

use holdfast_repo::Backup;
use holdfast_state::command::Finding;
use holdfast_state::query::{BackupView, FindingKind};
use holdfast_types::{BackupId, BackupState, Name};

use super::inventory::Inventory;

/// The code of a backup whose mark was not found.
pub(super) const MISSING: &str = "backup_missing";

/// In what the two differ.
#[derive(Debug, Default)]
pub(super) struct Compared {
    /// Available in the catalog, and not in the repository.
    pub(super) missing: Vec<(BackupId, Name)>,
    /// In the repository, and not available in the catalog.
    pub(super) unknown: Vec<BackupId>,
    /// What is only shown.
    pub(super) shown: Vec<Finding>,
}

/// Compares.
pub(super) fn compare(known: &BTreeMap<BackupId, BackupView>, there: &Inventory) -> Compared {
    let mut compared = Compared::default();
    for row in known.values() {
        let mark = there.backups.get(&row.id);
        match (row.state, mark) {
            (BackupState::Available, None) => {
                compared.missing.push((row.id, row.cluster.clone()));
            }
            (BackupState::Available, Some(mark)) => {
                compared.shown.extend(difference(row, mark));
            }
            // Found missing before, and still not there.
            (BackupState::Failed, None) => {
                let failure = row.failure.as_ref();
                if failure.is_some_and(|failure| failure.code == MISSING) {
                    compared.shown.push(missing(row.id, &row.cluster));
                }
            }
            (BackupState::Failed, Some(_)) => compared.unknown.push(row.id),
            // One that runs is reported by its agent; one that is condemned
            // may be deleted at this moment, and never comes back (I-06).
            (BackupState::Running | BackupState::Condemned | BackupState::Deleted, _) => {}
        }
    }
    let new = there.backups.keys().filter(|id| !known.contains_key(id));
    compared.unknown.extend(new);
    compared.shown.extend(damaged(there));
    compared
}

/// What is there and cannot be read.
pub(crate) fn damaged(there: &Inventory) -> Vec<Finding> {
    let finding = |(cluster, object, why): &(Name, String, String)| Finding {
        kind: FindingKind::Damaged,
        subject: object.clone(),
        cluster: Some(cluster.clone()),
        detail: why.clone(),
    };
    there.unreadable.iter().map(finding).collect()
}

/// That a mark is not there.
pub(super) fn missing(id: BackupId, cluster: &Name) -> Finding {
    Finding {
        kind: FindingKind::Missing,
        subject: format!("backups/{id}"),
        cluster: Some(cluster.clone()),
        detail: "the repository holds no commit mark of it that can be read".to_owned(),
    }
}

fn difference(row: &BackupView, mark: &Backup) -> Option<Finding> {
    let mut differ = Vec::new();
    let mut compare = |field: &str, ours: Option<String>, theirs: &dyn Display| {
        let theirs = theirs.to_string();
        if ours.as_ref() != Some(&theirs) {
            let ours = ours.unwrap_or_else(|| "nothing".to_owned());
            differ.push(format!(
                "{field} is {ours} in the catalog, {theirs} in the repository"
            ));
        }
    };
    let text = |value: Option<&dyn Display>| value.map(ToString::to_string);
    compare("cluster", Some(row.cluster.to_string()), &mark.cluster);
    compare("kind", Some(row.kind.to_string()), &mark.kind);
    compare("parent", Some(parent(row.parent)), &parent(mark.parent));
    compare(
        "lineage",
        text(row.lineage.as_ref().map(|it| it as _)),
        &mark.lineage,
    );
    compare(
        "timeline",
        text(row.timeline.as_ref().map(|it| it as _)),
        &mark.timeline,
    );
    compare(
        "startLsn",
        text(row.start_lsn.as_ref().map(|it| it as _)),
        &mark.start_lsn,
    );
    compare(
        "stopLsn",
        text(row.stop_lsn.as_ref().map(|it| it as _)),
        &mark.stop_lsn,
    );
    // The catalog keeps microseconds.
    let micros = |at: jiff::Timestamp| at.as_microsecond();
    compare(
        "startedAt",
        Some(micros(row.started_at).to_string()),
        &micros(mark.started_at),
    );
    compare(
        "finishedAt",
        row.finished_at.map(|at| micros(at).to_string()),
        &micros(mark.finished_at),
    );
    let bytes = row.database_bytes.map(|bytes| bytes.to_string());
    compare("databaseBytes", bytes, &mark.database_bytes);
    let bytes = row.added_bytes.map(|bytes| bytes.to_string());
    compare("addedBytes", bytes, &mark.added_bytes);
    if differ.is_empty() {
        return None;
    }
    Some(Finding {
        kind: FindingKind::Different,
        subject: format!("backups/{}", row.id),
        cluster: Some(row.cluster.clone()),
        detail: differ.join("; "),
    })
}

fn parent(parent: Option<BackupId>) -> String {
    parent.map_or_else(|| "none".to_owned(), |parent| parent.to_string())
}

#[cfg(test)]
mod tests {
    use holdfast_types::{BackupKind, Failure, JobId, Lsn, Revision, Timeline};
    use jiff::Timestamp;
    use serde_json::json;
    use uuid::Uuid;

    use super::*;

    fn id(number: u128) -> BackupId {
        BackupId::from_uuid(Uuid::from_u128(number))
    }

    fn at(nanosecond: i64) -> Timestamp {
        let second = Timestamp::from_second(1_785_000_000).unwrap();
        second + jiff::SignedDuration::from_nanos(nanosecond)
    }

    fn row(number: u128, state: BackupState) -> BackupView {
        BackupView {
            id: id(number),
            cluster: "orders".parse().unwrap(),
            kind: BackupKind::Full,
            parent: None,
            state,
            job: JobId::from_uuid(Uuid::from_u128(number)),
            lineage: Some("7-1".parse().unwrap()),
            timeline: Timeline::new(1),
            start_lsn: Some(Lsn::new(100)),
            stop_lsn: Some(Lsn::new(200)),
            started_at: at(0),
            finished_at: Some(at(1_000)),
            database_bytes: Some(10),
            added_bytes: Some(5),
            server_version: Some(150_020),
            failure: None,
            repositories: Vec::new(),
            revision: Revision(1),
        }
    }

    fn mark(number: u128) -> Backup {
        serde_json::from_value(json!({
            "format": 1, "id": id(number), "run": format!("run-{number}"), "kind": "full",
            "parent": null, "cluster": "orders", "lineage": "7-1", "systemIdentifier": "7",
            "postgresVersion": 150_020, "timeline": 1, "startLsn": Lsn::new(100),
            "stopLsn": Lsn::new(200), "startedAt": at(0), "finishedAt": at(1_234),
            "databaseBytes": 10, "addedBytes": 5, "entries": 1,
            "dataKey": "key_00000000000000000000000000000001", "sections": [],
        }))
        .unwrap()
    }

    fn compared(rows: Vec<BackupView>, marks: Vec<Backup>) -> Compared {
        let known = rows.into_iter().map(|row| (row.id, row)).collect();
        let there = Inventory {
            backups: marks.into_iter().map(|mark| (mark.id, mark)).collect(),
            ..Inventory::default()
        };
        compare(&known, &there)
    }

    #[test]
    fn what_agrees_to_the_microsecond_is_no_finding() {
        let compared = compared(vec![row(1, BackupState::Available)], vec![mark(1)]);
        assert!(compared.missing.is_empty() && compared.unknown.is_empty());
        assert_eq!(compared.shown, []);
    }

    /// I-05, I-06: only what is available can be missing, what runs is its
    /// agent's, and what is condemned never comes back.
    #[test]
    fn each_state_is_judged_by_itself() {
        use BackupState::{Available, Condemned, Deleted, Failed, Running};
        let rows = || {
            let states = [Available, Running, Failed, Condemned, Deleted];
            (1..)
                .zip(states)
                .map(|(number, state)| row(number, state))
                .collect::<Vec<_>>()
        };
        let none = compared(rows(), Vec::new());
        assert_eq!(none.missing, [(id(1), "orders".parse().unwrap())]);
        assert!(none.unknown.is_empty() && none.shown.is_empty());
        let all = compared(rows(), (1..=6).map(mark).collect());
        assert_eq!(all.missing, []);
        assert_eq!(all.unknown, [id(3), id(6)]);
        let mut lost = row(3, Failed);
        lost.failure = Some(Failure::permanent(MISSING, "", ""));
        let still = compared(vec![lost], Vec::new());
        assert_eq!(still.shown, [missing(id(3), &"orders".parse().unwrap())]);
    }

    /// What an incremental builds on is part of what its mark says.
    #[test]
    fn an_incremental_agrees_with_its_mark() {
        let mut theirs = mark(2);
        theirs.kind = holdfast_repo::BackupKind::Incremental;
        theirs.parent = Some(id(1));
        let mut ours = row(2, BackupState::Available);
        ours.kind = BackupKind::Incremental;
        ours.parent = Some(id(1));
        let same = compared(vec![ours.clone()], vec![theirs.clone()]);
        assert_eq!(same.shown, []);
        ours.parent = Some(id(3));
        let other = compared(vec![ours], vec![theirs]);
        let [finding] = other.shown.as_slice() else {
            panic!("one finding, not {:?}", other.shown);
        };
        assert!(finding.detail.starts_with("parent is bkp_"), "{finding:?}");
    }

    #[test]
    fn a_difference_names_both_sides() {
        let mut ours = row(1, BackupState::Available);
        ours.stop_lsn = Some(Lsn::new(300));
        ours.parent = Some(id(9));
        let compared = compared(vec![ours], vec![mark(1)]);
        let [finding] = compared.shown.as_slice() else {
            panic!("one finding, not {:?}", compared.shown);
        };
        assert_eq!(finding.kind, FindingKind::Different);
        for said in [
            "stopLsn is 0/12C",
            "0/C8",
            "parent is bkp_",
            "none in the repository",
        ] {
            assert!(finding.detail.contains(said), "{said}: {}", finding.detail);
        }
    }
}
