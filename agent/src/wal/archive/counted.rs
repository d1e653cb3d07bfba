//! Up to where archived WAL is whole.
//!
//! Segments become durable out of their order, because they are stored ahead.
//! PostgreSQL asks for them in order, so what is missing before one that it
//! asked for will not come any more, and what is missing behind it may.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use holdfast_types::{Coverage, Lsn, LsnRange, SegmentSize, Timeline, TimelineHistory, WalSegment};

use super::super::Position;
use super::super::push::Pushed;
use super::super::stored::Stored;

/// What is stored, and where the claim stands.
#[derive(Debug)]
pub(super) struct Counted {
    stored: Stored,
    size: SegmentSize,
    durable: Option<Position>,
}

impl Counted {
    /// From a listing, and the segments that are still to be archived.
    pub(super) fn begin(stored: Stored, ready: &[WalSegment], size: SegmentSize) -> Self {
        let durable = stored.tip(size).map(|tip| {
            // What is behind a segment that is still to come was stored ahead.
            let awaited = ready
                .iter()
                .filter(|segment| segment.timeline() == tip.timeline)
                .map(|segment| segment.start())
                .min();
            Position {
                lsn: awaited.map_or(tip.lsn, |awaited| tip.lsn.min(awaited)),
                ..tip
            }
        });
        Self {
            stored,
            size,
            durable,
        }
    }

    /// Up to where nothing is missing that is still to come.
    pub(super) const fn durable(&self) -> Option<Position> {
        self.durable
    }

    /// What is stored up to the claim. What was stored ahead of it is not told:
    /// it would look like WAL behind a gap.
    pub(super) fn claimed(&self) -> BTreeMap<Timeline, Coverage> {
        let Some(at) = self.durable else {
            return BTreeMap::new();
        };
        let up_to = |(timeline, coverage): (&Timeline, &Coverage)| {
            let limit = match timeline.cmp(&at.timeline) {
                Ordering::Less => Lsn::new(u64::MAX),
                Ordering::Equal => at.lsn,
                Ordering::Greater => Lsn::INVALID,
            };
            let within = |range: &LsnRange| LsnRange::new(range.from_lsn, range.to_lsn.min(limit));
            (
                *timeline,
                coverage.ranges().iter().filter_map(within).collect(),
            )
        };
        self.stored.timelines.iter().map(up_to).collect()
    }

    /// The full segment that ends where the claim does.
    pub(super) fn last_whole(&self) -> Option<WalSegment> {
        let Position { timeline, lsn } = self.durable?;
        let last = Lsn::new(lsn.get().checked_sub(1)?);
        let segment = WalSegment::containing(timeline, last, self.size);
        (segment.end() == lsn).then_some(segment)
    }

    /// Something became durable.
    pub(super) fn add(&mut self, pushed: Pushed) {
        let coverage = self.stored.timelines.entry(pushed.timeline).or_default();
        coverage.insert(pushed.range);
        let position = |lsn| Position {
            timeline: pushed.timeline,
            lsn,
        };
        self.durable = match self.durable {
            // Late WAL of a timeline that is past moves no claim.
            Some(at) if pushed.timeline < at.timeline => Some(at),
            Some(at) if pushed.timeline == at.timeline => {
                let from = match pushed.asked {
                    true => at.lsn.max(pushed.range.from_lsn),
                    false => at.lsn,
                };
                Some(position(at.lsn.max(coverage.contiguous_end(from))))
            }
            _ if pushed.asked => Some(position(coverage.contiguous_end(pushed.range.from_lsn))),
            other => other,
        };
    }

    /// What is missing before the claim, and will not come any more.
    pub(super) fn holes(&self, history: &TimelineHistory) -> Vec<(Timeline, LsnRange)> {
        let Some(at) = self.durable else {
            return Vec::new();
        };
        let mut holes = self.stored.holes(history);
        holes.retain(|(timeline, gap)| {
            *timeline < at.timeline || (*timeline == at.timeline && gap.from_lsn < at.lsn)
        });
        holes
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SIZE: u64 = 1 << 20;

    fn size() -> SegmentSize {
        SegmentSize::new(SIZE).unwrap()
    }

    fn segment(number: u64) -> WalSegment {
        WalSegment::containing(Timeline::FIRST, Lsn::new(number * SIZE), size())
    }

    fn pushed(number: u64, asked: bool) -> Pushed {
        let segment = segment(number);
        Pushed {
            timeline: Timeline::FIRST,
            range: LsnRange::new(segment.start(), segment.end()).unwrap(),
            asked,
        }
    }

    fn stored(numbers: &[u64]) -> Stored {
        let mut stored = Stored::default();
        for number in numbers {
            let coverage = stored.timelines.entry(Timeline::FIRST).or_default();
            coverage.insert(pushed(*number, false).range);
        }
        stored
    }

    fn at(counted: &Counted) -> Option<u64> {
        Some(counted.durable()?.lsn.get() / SIZE)
    }

    fn holes(counted: &Counted) -> Vec<(u64, u64)> {
        let holes = counted.holes(&TimelineHistory::root(Timeline::FIRST));
        let numbers =
            |(_, gap): (Timeline, LsnRange)| (gap.from_lsn.get() / SIZE, gap.to_lsn.get() / SIZE);
        holes.into_iter().map(numbers).collect()
    }

    #[test]
    fn what_was_stored_ahead_claims_nothing_before_what_is_awaited() {
        let mut counted = Counted::begin(stored(&[3, 4, 6]), &[segment(5)], size());
        assert_eq!(at(&counted), Some(5));
        assert_eq!(holes(&counted), []);
        counted.add(pushed(5, true));
        assert_eq!(at(&counted), Some(7));
        counted.add(pushed(9, false));
        assert_eq!((at(&counted), holes(&counted)), (Some(7), vec![]));
        // PostgreSQL asks for 9: 7 and 8 will not come any more.
        counted.add(pushed(9, true));
        assert_eq!((at(&counted), holes(&counted)), (Some(10), vec![(7, 9)]));
    }

    #[test]
    fn nothing_is_claimed_before_postgresql_asked_for_something() {
        let mut counted = Counted::begin(stored(&[]), &[], size());
        counted.add(pushed(4, false));
        assert_eq!(at(&counted), None);
        counted.add(pushed(3, true));
        assert_eq!(at(&counted), Some(5));
    }

    proptest! {
        /// I-13: in whatever order segments become durable ahead, the claim
        /// never covers one that is not.
        #[test]
        fn the_claim_is_always_whole(order in Just((1u64..20).collect::<Vec<_>>()).prop_shuffle()) {
            let mut counted = Counted::begin(stored(&[]), &[], size());
            counted.add(pushed(0, true));
            let mut there = std::collections::BTreeSet::from([0]);
            for number in order {
                counted.add(pushed(number, false));
                there.insert(number);
                let whole = (0..).find(|number| !there.contains(number)).unwrap();
                prop_assert_eq!(at(&counted), Some(whole));
                // What is told never looks like a gap.
                let claimed = counted.claimed();
                prop_assert_eq!(claimed[&Timeline::FIRST].ranges().len(), 1);
                prop_assert!(holes(&counted).is_empty());
            }
        }
    }
}
