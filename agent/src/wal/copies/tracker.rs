//! How far a copy is complete.
//!
//! The original's frontier says: every commit by this time lies before this
//! position. The copy can say the same once it holds everything before the
//! position as well. Claims wait for that; the copy's frontier never goes back.

use std::collections::{BTreeMap, VecDeque};

use holdfast_proto::{CopiedWal, LineageWal, ReportedFrontier, TimelineWal};
use holdfast_types::{Coverage, Failure, Lineage, Lsn, LsnRange, Name, RepositoryId, Timeline};

/// Claims that wait at most: the early ones are proved first.
const WAITING: usize = 64;

/// The state of one copy.
#[derive(Debug, Default)]
pub(in crate::wal) struct CopyState {
    repository: Option<RepositoryId>,
    lineage: Option<Lineage>,
    timelines: BTreeMap<Timeline, Coverage>,
    waiting: VecDeque<ReportedFrontier>,
    frontier: Option<ReportedFrontier>,
    trouble: Option<Failure>,
}

impl CopyState {
    /// What a listing of the copy has found.
    pub(in crate::wal) fn listed(
        &mut self,
        (repository, lineage): (RepositoryId, Lineage),
        timelines: BTreeMap<Timeline, Coverage>,
    ) {
        self.repository = Some(repository);
        self.lineage = Some(lineage);
        self.timelines = timelines;
        self.trouble = None;
        self.settle();
    }

    /// WAL that the copy holds now.
    pub(in crate::wal) fn stored(&mut self, timeline: Timeline, range: LsnRange) {
        self.timelines.entry(timeline).or_default().insert(range);
        self.settle();
    }

    /// The original's frontier moved.
    pub(in crate::wal) fn claimed(&mut self, frontier: ReportedFrontier) {
        if self.waiting.len() == WAITING {
            self.waiting.pop_back();
        }
        self.waiting.push_back(frontier);
        self.settle();
    }

    pub(in crate::wal) fn trouble(&mut self, trouble: Failure) {
        self.trouble = Some(trouble);
    }

    fn settle(&mut self) {
        let held_to = |claim: &ReportedFrontier| -> Option<Lsn> {
            let coverage = self.timelines.get(&claim.timeline)?;
            let mut ranges = coverage.ranges().iter();
            let last = ranges.rfind(|range| range.from_lsn < claim.frontier.lsn)?;
            Some(last.to_lsn)
        };
        let proved =
            |claim: &ReportedFrontier| held_to(claim).is_some_and(|to| to >= claim.frontier.lsn);
        let Some(last) = self.waiting.iter().rposition(proved) else {
            return;
        };
        self.frontier = Some(self.waiting[last]);
        self.waiting.drain(..=last);
    }

    /// What is said of it.
    pub(in crate::wal) fn report(&self, name: &Name) -> CopiedWal {
        let timelines = self.timelines.iter();
        let timelines = timelines.map(|(timeline, coverage)| TimelineWal {
            timeline: *timeline,
            coverage: coverage.clone(),
            gaps: Vec::new(),
        });
        CopiedWal {
            name: name.clone(),
            wal: self.lineage.map(|lineage| LineageWal {
                lineage,
                timelines: timelines.collect(),
            }),
            frontier: self.frontier,
            trouble: self.trouble.clone(),
            repository: self.repository,
        }
    }
}

#[cfg(test)]
mod tests {
    use holdfast_types::Frontier;
    use jiff::Timestamp;

    use super::*;

    fn claim(timeline: u32, lsn: u64, second: i64) -> ReportedFrontier {
        ReportedFrontier {
            timeline: Timeline::new(timeline).unwrap(),
            frontier: Frontier {
                time: Timestamp::from_second(second).unwrap(),
                lsn: Lsn::new(lsn),
            },
        }
    }

    fn range(from: u64, to: u64) -> LsnRange {
        LsnRange::new(Lsn::new(from), Lsn::new(to)).unwrap()
    }

    fn second(state: &CopyState) -> Option<i64> {
        Some(state.frontier?.frontier.time.as_second())
    }

    #[test]
    fn a_copy_claims_what_it_holds_and_no_more() {
        let mut state = CopyState::default();
        state.claimed(claim(1, 100, 10));
        state.claimed(claim(1, 200, 11));
        assert_eq!(second(&state), None);
        state.stored(Timeline::FIRST, range(50, 150));
        assert_eq!(second(&state), Some(10));
        // Behind a hole nothing is proved before what fills it.
        state.stored(Timeline::FIRST, range(180, 190));
        assert_eq!(second(&state), Some(10));
        state.stored(Timeline::FIRST, range(190, 200));
        assert_eq!(second(&state), Some(11));
        state.claimed(claim(1, 200, 12));
        assert_eq!(
            second(&state),
            Some(12),
            "an idle server is complete at once"
        );
        state.claimed(claim(2, 210, 13));
        assert_eq!(second(&state), Some(12));
        state.stored(Timeline::new(2).unwrap(), range(200, 220));
        assert_eq!(second(&state), Some(13));
    }
}
