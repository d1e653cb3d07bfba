//! How far a kept slot may go, by what a listing shows: pure.

use std::collections::BTreeMap;

use holdfast_types::{Coverage, Lsn, SegmentSize, Timeline, TimelineHistory};

use crate::wal::stored::Stored;

/// Whether a server on `timeline` has what the history says up to `lsn`.
pub(super) fn is_on(history: &TimelineHistory, timeline: Timeline, lsn: Lsn) -> bool {
    // One that was promoted just now is ahead of what is stored.
    timeline > history.timeline || history.contains(timeline, lsn)
}

/// How far the slot may go: to the start of the segment in which what is stored
/// without a gap from `kept_from` on ends. That segment's writer may have been
/// killed before it was durable; what lies before it was followed by another
/// put.
pub(super) fn advance_to(
    history: &TimelineHistory,
    stored: &Stored,
    kept_from: Lsn,
    size: SegmentSize,
) -> Lsn {
    let nothing = Coverage::default();
    let mut at = begin(history, &stored.timelines, kept_from);
    loop {
        let timeline = history.timeline_at(at);
        let coverage = stored.timelines.get(&timeline).unwrap_or(&nothing);
        let end = coverage.contiguous_end(at);
        match history.switchpoint_of(timeline) {
            Some(switch) if end >= switch => at = switch,
            _ => {
                let last = Lsn::new(end.get().saturating_sub(1));
                return size.start_of(last).max(kept_from);
            }
        }
    }
}

/// Where to look from: what was kept before the lineage began is nobody's.
fn begin(
    history: &TimelineHistory,
    timelines: &BTreeMap<Timeline, Coverage>,
    kept_from: Lsn,
) -> Lsn {
    let timeline = history.timeline_at(kept_from);
    let ranges = timelines
        .range(..=timeline)
        .flat_map(|(_, coverage)| coverage.ranges());
    let before = ranges.clone().any(|range| range.from_lsn <= kept_from);
    if before {
        return kept_from;
    }
    let first = ranges.map(|range| range.from_lsn).min();
    first.unwrap_or(kept_from).max(kept_from)
}

#[cfg(test)]
mod tests {
    use holdfast_types::LsnRange;

    use super::*;

    const SIZE: u64 = 1 << 20;

    fn size() -> SegmentSize {
        SegmentSize::new(SIZE).unwrap()
    }

    fn timeline(number: u32) -> Timeline {
        Timeline::new(number).unwrap()
    }

    fn stored(timelines: &[(u32, &[(u64, u64)])]) -> Stored {
        let timelines = timelines.iter().map(|(number, ranges)| {
            let range = |(from, to): &(u64, u64)| LsnRange::new(Lsn::new(*from), Lsn::new(*to));
            (timeline(*number), ranges.iter().filter_map(range).collect())
        });
        Stored {
            timelines: timelines.collect(),
            superfluous: Vec::new(),
        }
    }

    fn one() -> TimelineHistory {
        TimelineHistory::root(timeline(1))
    }

    /// Timeline 2 since half of segment 5.
    fn two() -> TimelineHistory {
        TimelineHistory::parse(timeline(2), "1\t0/580000\tx\n").unwrap()
    }

    fn advanced(history: &TimelineHistory, stored: &Stored, kept_from: u64) -> u64 {
        advance_to(history, stored, Lsn::new(kept_from), size()).get()
    }

    // I-07
    #[test]
    fn a_slot_stays_behind_what_is_stored() {
        let held = stored(&[(1, &[(SIZE, 4 * SIZE + 10)])]);
        assert_eq!(advanced(&one(), &held, SIZE), 4 * SIZE);
        // The last segment may not be durable, though it is whole.
        let held = stored(&[(1, &[(SIZE, 4 * SIZE)])]);
        assert_eq!(advanced(&one(), &held, SIZE), 3 * SIZE);
        // Nothing goes back, and a hole is not passed.
        assert_eq!(advanced(&one(), &held, 3 * SIZE + 5), 3 * SIZE + 5);
        let hole = stored(&[(1, &[(SIZE, 2 * SIZE), (3 * SIZE, 6 * SIZE)])]);
        assert_eq!(advanced(&one(), &hole, SIZE), SIZE);
        assert_eq!(advanced(&one(), &hole, 2 * SIZE), 2 * SIZE);
    }

    #[test]
    fn it_follows_a_switch_and_what_is_missing_before_it_holds_it_up() {
        let half = 5 * SIZE + SIZE / 2;
        let whole = stored(&[(1, &[(SIZE, half)]), (2, &[(5 * SIZE, 8 * SIZE + 1)])]);
        assert_eq!(advanced(&two(), &whole, SIZE), 8 * SIZE);
        let torn = stored(&[(1, &[(SIZE, half - 1)]), (2, &[(5 * SIZE, 8 * SIZE + 1)])]);
        assert_eq!(advanced(&two(), &torn, SIZE), 5 * SIZE);
    }

    #[test]
    fn what_was_kept_before_the_lineage_began_is_let_go() {
        let held = stored(&[(1, &[(3 * SIZE, 6 * SIZE)])]);
        assert_eq!(advanced(&one(), &held, SIZE), 5 * SIZE);
        assert_eq!(advanced(&one(), &stored(&[]), SIZE), SIZE);
    }

    #[test]
    fn a_server_that_was_left_behind_confirms_nothing() {
        let half = 5 * SIZE + SIZE / 2;
        assert!(is_on(&two(), timeline(1), Lsn::new(half)));
        assert!(!is_on(&two(), timeline(1), Lsn::new(half + 1)));
        assert!(is_on(&two(), timeline(2), Lsn::new(9 * SIZE)));
        assert!(is_on(&one(), timeline(2), Lsn::new(9 * SIZE)));
    }
}
