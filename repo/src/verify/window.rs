//! What can be restored: from each backup on, as far as WAL goes without a
//! hole, along every timeline that descends from it.

use std::collections::{BTreeMap, BTreeSet};

use holdfast_types::{Coverage, Lsn, LsnRange, Timeline, TimelineHistory};
use jiff::Timestamp;

use super::Lost;
use super::wal::{Held, WalView};
use crate::backup::Backup;

/// The positions on each timeline that can be restored to.
pub(super) type Restorable = BTreeMap<Timeline, Coverage>;

pub(super) struct Windows<'a> {
    view: &'a WalView,
    backups: &'a [&'a Backup],
    histories: BTreeMap<Timeline, TimelineHistory>,
    gaps: BTreeSet<(Timeline, LsnRange)>,
}

impl<'a> Windows<'a> {
    pub(super) fn new(view: &'a WalView, backups: &'a [&'a Backup]) -> Self {
        let timelines = view
            .listed
            .keys()
            .copied()
            .chain(backups.iter().map(|backup| backup.timeline));
        let history = |timeline| {
            let known = view.histories.get(&timeline).cloned();
            (
                timeline,
                known.unwrap_or_else(|| TimelineHistory::root(timeline)),
            )
        };
        let histories: BTreeMap<_, _> = timelines.map(history).collect();
        let mut windows = Self {
            view,
            backups,
            histories,
            gaps: BTreeSet::new(),
        };
        windows.gaps = windows.find_gaps();
        windows
    }

    /// The holes in the WAL that some backup would need to be restored to what
    /// comes after it.
    pub(super) fn gaps(&self) -> impl Iterator<Item = &(Timeline, LsnRange)> {
        self.gaps.iter()
    }

    fn find_gaps(&self) -> BTreeSet<(Timeline, LsnRange)> {
        let mut gaps = BTreeSet::new();
        for history in self.histories.values() {
            let path = self.path(&self.view.listed, history);
            let starts = self
                .backups
                .iter()
                .filter(|backup| descends(history, backup));
            let first = starts
                .clone()
                .map(|backup| self.segment_start(backup))
                .min();
            // A backup that the WAL does not reach is a hole as well.
            let last = path.ranges().last().map(|range| range.to_lsn);
            let last = last
                .into_iter()
                .chain(starts.map(|backup| backup.stop_lsn))
                .max();
            if let (Some(first), Some(last)) = (first, last)
                && let Some(needed) = LsnRange::new(first, last)
            {
                let found = path.gaps(needed).into_iter();
                for gap in found {
                    let timeline = history.timeline_at(gap.from_lsn);
                    let not_expired = self.not_expired(timeline, gap);
                    gaps.extend(not_expired.into_iter().map(|gap| (timeline, gap)));
                }
            }
        }
        gaps
    }

    /// What of a hole was not left by expiry. WAL that a backup itself needs is
    /// missing, whatever a marker says.
    fn not_expired(&self, timeline: Timeline, gap: LsnRange) -> Vec<LsnRange> {
        let Some(expired) = self.view.expired.get(&timeline) else {
            return vec![gap];
        };
        let of_backups = self.backups.iter().filter_map(|backup| {
            let from = self.segment_start(backup).max(gap.from_lsn);
            LsnRange::new(from, backup.stop_lsn.min(gap.to_lsn))
        });
        let missing: Coverage = expired.gaps(gap).into_iter().chain(of_backups).collect();
        missing.ranges().to_vec()
    }

    /// The WAL there would be if nothing were missing or damaged.
    pub(super) fn filled(&self) -> Held {
        let mut filled = self.view.listed.clone();
        for (timeline, gap) in &self.gaps {
            filled.entry(*timeline).or_default().insert(*gap);
        }
        filled
    }

    /// The WAL on the way to a timeline. The segment in which a timeline begins
    /// holds a copy of what its ancestor wrote there, so it counts from the
    /// segment's start.
    fn path(&self, held: &Held, history: &TimelineHistory) -> Coverage {
        let mut path = Coverage::default();
        let mut begin = Lsn::new(0);
        let ends = history
            .ancestors
            .iter()
            .map(|switch| (switch.timeline, switch.switchpoint));
        for (timeline, end) in ends.chain([(history.timeline, Lsn::new(u64::MAX))]) {
            let first = self.view.segment_size.start_of(begin);
            for range in held.get(&timeline).map_or(&[][..], Coverage::ranges) {
                let clipped = LsnRange::new(range.from_lsn.max(first), range.to_lsn.min(end));
                if let Some(clipped) = clipped {
                    path.insert(clipped);
                }
            }
            begin = end;
        }
        path
    }

    fn segment_start(&self, backup: &Backup) -> Lsn {
        self.view.segment_size.start_of(backup.start_lsn)
    }

    pub(super) fn restorable(&self, held: &Held, backups: &[&Backup]) -> Restorable {
        let mut restorable = Restorable::new();
        for (timeline, history) in &self.histories {
            let path = self.path(held, history);
            let begin = history
                .ancestors
                .last()
                .map_or(Lsn::new(0), |switch| switch.switchpoint);
            for backup in backups.iter().filter(|backup| descends(history, backup)) {
                let end = path.contiguous_end(self.segment_start(backup));
                let first = backup.stop_lsn.max(begin);
                // The stop itself is a point, even with no WAL after it.
                let point = first.checked_add(1).filter(|_| first == backup.stop_lsn);
                if end >= backup.stop_lsn
                    && let Some(range) =
                        LsnRange::new(first, point.map_or(end, |point| end.max(point)))
                {
                    restorable.entry(*timeline).or_default().insert(range);
                }
            }
        }
        restorable
    }

    /// What of `intended` is not in `actual`.
    pub(super) fn lost(&self, intended: &Restorable, actual: &Restorable) -> Vec<Lost> {
        let nothing = Coverage::default();
        let mut lost = Vec::new();
        for (timeline, wanted) in intended {
            let held = actual.get(timeline).unwrap_or(&nothing);
            for gap in wanted.ranges().iter().flat_map(|range| held.gaps(*range)) {
                let (from, to) = self.times_around(*timeline, gap);
                lost.push(Lost {
                    from,
                    to,
                    timeline: *timeline,
                    from_lsn: gap.from_lsn,
                    to_lsn: gap.to_lsn,
                });
            }
        }
        lost
    }

    /// Whether a hole at `(timeline, lsn)` is on the way to something lost.
    pub(super) fn concerns(&self, lost: &Lost, timeline: Timeline, lsn: Lsn) -> bool {
        let on_the_way = self
            .histories
            .get(&lost.timeline)
            .is_some_and(|to| to.contains(timeline, lsn));
        on_the_way && lost.to_lsn > lsn
    }

    /// The nearest known times: those of backups, and those at which the store
    /// got the WAL.
    fn times_around(
        &self,
        timeline: Timeline,
        gap: LsnRange,
    ) -> (Option<Timestamp>, Option<Timestamp>) {
        let Some(history) = self.histories.get(&timeline) else {
            return (None, None);
        };
        let mut from: Option<(Lsn, Timestamp)> = None;
        let mut to: Option<(Lsn, Timestamp)> = None;
        let mut consider = |lsn: Lsn, time: Timestamp| {
            if lsn <= gap.from_lsn && from.is_none_or(|best| best < (lsn, time)) {
                from = Some((lsn, time));
            }
            if lsn >= gap.to_lsn && to.is_none_or(|best| best > (lsn, time)) {
                to = Some((lsn, time));
            }
        };
        for backup in self
            .backups
            .iter()
            .filter(|backup| descends(history, backup))
        {
            consider(backup.start_lsn, backup.started_at);
            consider(backup.stop_lsn, backup.finished_at);
        }
        for (on, times) in &self.view.times {
            for (lsn, time) in times.iter().filter(|(lsn, _)| history.contains(*on, *lsn)) {
                consider(*lsn, *time);
            }
        }
        (from.map(|(_, time)| time), to.map(|(_, time)| time))
    }
}

/// Whether a backup is on the way to a timeline.
fn descends(history: &TimelineHistory, backup: &Backup) -> bool {
    history.contains(backup.timeline, backup.stop_lsn)
}
