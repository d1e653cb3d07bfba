//! When a snapshot of the state is due, and which are superfluous.

use std::time::Duration;

use holdfast_state::query::{StateSnapshotSettings, StateSnapshotState, StateSnapshotView};
use holdfast_types::{Name, StateSnapshotId};
use jiff::Timestamp;

/// How soon one that failed is tried again, at the latest.
const AGAIN: Duration = Duration::from_secs(60);

/// What is to be done now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Next<'a> {
    /// Nothing.
    Wait,
    /// Another one is due.
    New,
    /// The last one failed: it is tried again, under its id, so that a
    /// repository that is gone for a week leaves one row and not thousands.
    Again(&'a StateSnapshotView),
}

/// What is to be done, if the last try after a failure was so long ago.
pub(crate) fn next<'a>(
    settings: &StateSnapshotSettings,
    rows: &'a [StateSnapshotView],
    now: Timestamp,
    retried: Option<Duration>,
) -> Next<'a> {
    let here = |row: &&StateSnapshotView| row.repository == settings.repository;
    let newest = rows.iter().filter(here).max_by_key(|row| row.requested_at);
    let Some(newest) = newest else {
        return Next::New;
    };
    let waited = now.duration_since(newest.requested_at);
    // One that is from the future was made by a clock that ran ahead.
    let waited = |wait: Duration| waited.is_negative() || waited.unsigned_abs() >= wait;
    let every = settings.every.get();
    if newest.state == StateSnapshotState::Failed && newest.taken_at.is_none() {
        let wait = every.min(AGAIN);
        if waited(wait) && retried.is_none_or(|retried| retried >= wait) {
            return Next::Again(newest);
        }
        return Next::Wait;
    }
    if waited(every) { Next::New } else { Next::Wait }
}

/// When the newest that can be restored from was taken.
pub(crate) fn last_taken(rows: &[StateSnapshotView], repository: &Name) -> Option<Timestamp> {
    available(rows, repository)
        .filter_map(|row| row.taken_at)
        .max()
}

/// Those that the settings do not keep: available ones beyond the newest
/// `keep`; failed ones from before the newest available; and of those that
/// are missing, what would have gone by now. Without any available one nothing
/// is superfluous.
pub(crate) fn superfluous(
    settings: &StateSnapshotSettings,
    rows: &[StateSnapshotView],
) -> Vec<StateSnapshotId> {
    let mut kept: Vec<_> = available(rows, &settings.repository).collect();
    kept.sort_by_key(|row| std::cmp::Reverse((row.taken_at, row.id)));
    let keep = usize::try_from(settings.keep).unwrap_or(usize::MAX).max(1);
    let Some(newest) = kept.first().and_then(|row| row.taken_at) else {
        return Vec::new();
    };
    let oldest = kept.get(keep - 1).and_then(|row| row.taken_at);
    let old = kept.iter().skip(keep).map(|row| row.id);
    let failed = rows.iter().filter(|row| {
        row.repository == settings.repository
            && row.state == StateSnapshotState::Failed
            && match row.taken_at {
                None => row.requested_at < newest,
                Some(taken) => oldest.is_some_and(|oldest| taken < oldest),
            }
    });
    old.chain(failed.map(|row| row.id)).collect()
}

fn available<'a>(
    rows: &'a [StateSnapshotView],
    repository: &'a Name,
) -> impl Iterator<Item = &'a StateSnapshotView> {
    rows.iter()
        .filter(move |row| row.repository == *repository)
        .filter(|row| row.state == StateSnapshotState::Available)
}

#[cfg(test)]
mod tests {
    use holdfast_types::Span;
    use uuid::Uuid;

    use super::*;
    use StateSnapshotState::{Available, Failed};

    fn at(minute: i64) -> Timestamp {
        Timestamp::from_second(1_785_000_000 + minute * 60).unwrap()
    }

    fn row(minute: i64, repository: &str, state: StateSnapshotState) -> StateSnapshotView {
        let number = u128::try_from(minute).unwrap();
        StateSnapshotView {
            id: StateSnapshotId::from_uuid(Uuid::from_u128(number)),
            repository: repository.parse().unwrap(),
            state,
            requested_at: at(minute),
            index: None,
            taken_at: (state == Available).then(|| at(minute)),
            stored_bytes: None,
            node: None,
            failure: None,
        }
    }

    fn settings(keep: u32) -> StateSnapshotSettings {
        StateSnapshotSettings {
            repository: "eu".parse().unwrap(),
            every: Span::from_secs(15 * 60),
            keep,
        }
    }

    #[test]
    fn one_is_due_when_the_last_is_old_and_a_failed_one_is_tried_again() {
        let settings = settings(2);
        let next = |rows: &[StateSnapshotView], minute, retried: Option<u64>| {
            let retried = retried.map(Duration::from_secs);
            match next(&settings, rows, at(minute), retried) {
                Next::Wait => None,
                Next::New => Some(None),
                Next::Again(row) => Some(Some(row.requested_at)),
            }
        };
        let new = Some(None);
        assert_eq!(next(&[], 0, None), new);
        assert_eq!(next(&[row(1, "us", Available)], 2, None), new);
        let rows = [row(0, "eu", Available)];
        assert_eq!(next(&rows, 14, None), None);
        assert_eq!(next(&rows, 15, None), new);
        let rows = [row(0, "eu", Available), row(15, "eu", Failed)];
        assert_eq!(next(&rows, 15, None), None);
        assert_eq!(next(&rows, 16, None), Some(Some(at(15))));
        assert_eq!(next(&rows, 99, Some(59)), None);
        assert_eq!(next(&rows, 99, Some(60)), Some(Some(at(15))));
        assert_eq!(next(&[row(99, "eu", Available)], 0, None), new);
    }

    #[test]
    fn the_newest_available_ones_are_kept_whatever_failed_since() {
        let rows = [
            row(1, "eu", Available),
            row(2, "eu", Failed),
            row(3, "eu", Available),
            row(4, "eu", Available),
            row(5, "eu", Failed),
            row(0, "us", Available),
        ];
        let ids = |minutes: &[i64]| -> Vec<StateSnapshotId> {
            minutes
                .iter()
                .map(|minute| row(*minute, "eu", Failed).id)
                .collect()
        };
        assert_eq!(superfluous(&settings(2), &rows), ids(&[1, 2]));
        assert_eq!(superfluous(&settings(9), &rows), ids(&[2]));
        // One that went missing is shown as long as it would have been kept.
        let missing = |minute| StateSnapshotView {
            taken_at: Some(at(minute)),
            ..row(minute, "eu", Failed)
        };
        let rows = [
            missing(1),
            row(2, "eu", Available),
            missing(3),
            row(4, "eu", Available),
        ];
        assert_eq!(superfluous(&settings(2), &rows), ids(&[1]));
        let only_failed = [row(1, "eu", Failed), row(2, "eu", Failed)];
        assert_eq!(superfluous(&settings(1), &only_failed), []);
        assert_eq!(last_taken(&rows, &settings(1).repository), Some(at(4)));
    }
}
