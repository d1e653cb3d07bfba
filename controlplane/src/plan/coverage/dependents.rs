//! What a backup carries: the backups that build on it, and the times that nothing else
//! leads to.

use std::collections::{BTreeMap, BTreeSet};

use holdfast_types::{BackupId, Lsn, Timeline};
use jiff::Timestamp;

use super::{Held, Stretch, stretches};

/// Times that could not be restored any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Lost {
    pub(crate) timeline: Timeline,
    pub(crate) from: Timestamp,
    pub(crate) to: Timestamp,
    /// Where that begins, where it is known.
    pub(crate) from_lsn: Option<Lsn>,
    pub(crate) to_lsn: Option<Lsn>,
}

/// The backups that build on this one, directly or by others, in the order of `parents`.
pub(crate) fn dependents_of(
    backup: BackupId,
    parents: &BTreeMap<BackupId, Option<BackupId>>,
) -> Vec<BackupId> {
    let mut found: BTreeSet<BackupId> = BTreeSet::from([backup]);
    loop {
        let more: Vec<BackupId> = parents
            .iter()
            .filter(|(id, parent)| {
                !found.contains(*id) && parent.is_some_and(|parent| found.contains(&parent))
            })
            .map(|(id, _)| *id)
            .collect();
        if more.is_empty() {
            break;
        }
        found.extend(more);
    }
    found.remove(&backup);
    found.into_iter().collect()
}

/// The times that could be restored with these backups, and not without them.
pub(crate) fn lost_without(held: &Held, gone: &BTreeSet<BackupId>) -> Vec<Lost> {
    let before = stretches(held);
    let mut rest = held.clone();
    rest.backups.retain(|base| !gone.contains(&base.id));
    let after = stretches(&rest);
    let mut lost = Vec::new();
    for stretch in &before {
        without(stretch, &after, &mut lost);
    }
    lost
}

/// What of a stretch no other covers.
fn without(stretch: &Stretch, left: &[Stretch], lost: &mut Vec<Lost>) {
    let overlaps = |one: &&Stretch| one.from <= stretch.to && one.to >= stretch.from;
    let mut at = stretch.from;
    let mut at_lsn = Some(stretch.from_lsn);
    // Whether `at` itself can be restored by what is left.
    let mut covered = false;
    for one in left.iter().filter(overlaps) {
        if one.from > at {
            lost.push(Lost {
                timeline: stretch.timeline,
                from: at,
                to: one.from,
                from_lsn: at_lsn,
                to_lsn: Some(one.from_lsn),
            });
        }
        if one.to >= at {
            (at, at_lsn, covered) = (one.to, Some(one.to_lsn), true);
        }
    }
    if at < stretch.to || (at == stretch.to && !covered) {
        lost.push(Lost {
            timeline: stretch.timeline,
            from: at,
            to: stretch.to,
            from_lsn: at_lsn,
            to_lsn: Some(stretch.to_lsn),
        });
    }
}
