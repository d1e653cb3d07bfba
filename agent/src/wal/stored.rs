//! What the repository held when the duty began.

use std::collections::{BTreeMap, BTreeSet};

use holdfast_repo::WalRepository;
use holdfast_types::{Coverage, Lsn, LsnRange, SegmentSize, Timeline, TimelineHistory, WalSegment};

use super::Position;

/// The WAL of a lineage, from a listing.
#[derive(Debug, Default)]
pub(super) struct Stored {
    /// Coverage by timeline; none is empty.
    pub(super) timelines: BTreeMap<Timeline, Coverage>,
    /// Segments that are there in full and in slices.
    pub(super) superfluous: Vec<WalSegment>,
}

impl Stored {
    /// Lists a lineage.
    pub(super) async fn load(
        wal: &WalRepository,
        size: SegmentSize,
    ) -> Result<Self, holdfast_repo::Error> {
        let mut stored = Self::default();
        for timeline in wal.timelines().await? {
            let listed = wal.list(timeline).await?;
            let coverage = listed.coverage();
            if coverage.ranges().is_empty() {
                continue;
            }
            let in_segment = |lsn| WalSegment::containing(timeline, lsn, size);
            let sliced: BTreeSet<u64> = listed
                .slices
                .iter()
                .map(|slice| in_segment(slice.from_lsn).number())
                .collect();
            let start = |number| Lsn::new(number * size.bytes());
            let sliced = sliced.into_iter().map(|number| in_segment(start(number)));
            let full = |segment: &WalSegment| {
                let range = LsnRange::new(segment.start(), segment.end());
                range.is_some_and(|range| listed.segments.covers(range))
            };
            stored.superfluous.extend(sliced.filter(full));
            stored.timelines.insert(timeline, coverage);
        }
        Ok(stored)
    }

    /// Where the newest timeline's WAL ends: receiving goes on in the segment
    /// that holds this position. Slices that do not continue the beginning of
    /// their segment do not count.
    pub(super) fn tip(&self, size: SegmentSize) -> Option<Position> {
        let (timeline, coverage) = self.timelines.last_key_value()?;
        let last = coverage.ranges().last()?;
        let segment = size.start_of(Lsn::new(last.to_lsn.get() - 1));
        Some(Position {
            timeline: *timeline,
            lsn: coverage.contiguous_end(segment),
        })
    }

    /// What is missing between the first and the last WAL of each timeline,
    /// and before a switch of timeline that is past.
    pub(super) fn holes(&self, history: &TimelineHistory) -> Vec<(Timeline, LsnRange)> {
        let newest = self.timelines.keys().next_back().copied();
        let mut holes = Vec::new();
        for (timeline, coverage) in &self.timelines {
            let (Some(first), Some(last)) = (coverage.ranges().first(), coverage.ranges().last())
            else {
                continue;
            };
            // The end of the newest timeline is not a hole: it goes on there.
            let end = match history.switchpoint_of(*timeline) {
                Some(switch) if newest != Some(*timeline) => last.to_lsn.max(switch),
                _ => last.to_lsn,
            };
            let whole = LsnRange {
                from_lsn: first.from_lsn,
                to_lsn: end,
            };
            holes.extend(coverage.gaps(whole).into_iter().map(|gap| (*timeline, gap)));
        }
        holes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: u64 = 1 << 20;

    fn stored(timelines: &[(u32, &[(u64, u64)])]) -> Stored {
        let timelines = timelines.iter().map(|(number, ranges)| {
            let range = |(from, to): &(u64, u64)| LsnRange::new(Lsn::new(*from), Lsn::new(*to));
            let coverage = ranges.iter().filter_map(range).collect();
            (Timeline::new(*number).unwrap(), coverage)
        });
        Stored {
            timelines: timelines.collect(),
            superfluous: Vec::new(),
        }
    }

    fn tip(ranges: &[(u64, u64)]) -> u64 {
        let size = SegmentSize::new(SIZE).unwrap();
        stored(&[(1, ranges)]).tip(size).unwrap().lsn.get()
    }

    #[test]
    fn receiving_goes_on_behind_the_last_contiguous_byte() {
        assert_eq!(tip(&[(SIZE, 3 * SIZE)]), 3 * SIZE);
        assert_eq!(tip(&[(SIZE, 3 * SIZE + 10)]), 3 * SIZE + 10);
        // A slice without its beginning is no place to go on from.
        assert_eq!(
            tip(&[(SIZE, 3 * SIZE + 10), (3 * SIZE + 20, 3 * SIZE + 30)]),
            3 * SIZE + 10
        );
        assert_eq!(
            tip(&[(SIZE, 2 * SIZE), (3 * SIZE + 20, 3 * SIZE + 30)]),
            3 * SIZE
        );
        assert!(stored(&[]).tip(SegmentSize::DEFAULT).is_none());
    }

    // Pitfall 19
    #[test]
    fn holes_are_inside_timelines_and_before_switches() {
        let two = Timeline::new(2).unwrap();
        let history = TimelineHistory::parse(two, "1\t0/500000\tpromoted\n").unwrap();
        let stored = stored(&[
            (1, &[(SIZE, 2 * SIZE), (3 * SIZE, 4 * SIZE)]),
            (2, &[(5 * SIZE, 6 * SIZE)]),
        ]);
        let holes = stored.holes(&history);
        let expected = [(1, 2 * SIZE, 3 * SIZE), (1, 4 * SIZE, 5 * SIZE)];
        let found: Vec<_> = holes
            .iter()
            .map(|(timeline, gap)| (timeline.get(), gap.from_lsn.get(), gap.to_lsn.get()))
            .collect();
        assert_eq!(found, expected);
    }
}
