//! The latest time proved complete.
//!
//! A sample says: everything acknowledged before this time lies before this
//! position. Once the repository holds everything before the position, the
//! time is proved. Samples wait for that; the frontier never goes back.

use std::collections::VecDeque;

use holdfast_proto::ReportedFrontier;
use holdfast_types::Frontier;
use jiff::Timestamp;

use super::Position;

/// Samples that wait at most. With a repository that is away for long the
/// early ones matter, since they are proved first, and the latest one.
const WAITING: usize = 64;

/// An insert position of the server, and when it was asked for on the control
/// plane's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sampled {
    pub(super) position: Position,
    pub(super) time: Timestamp,
}

/// Samples, what is durable, and the claim that follows.
#[derive(Debug, Default)]
pub(super) struct FrontierTracker {
    waiting: VecDeque<Sampled>,
    durable: Option<Position>,
    frontier: Option<ReportedFrontier>,
}

impl FrontierTracker {
    pub(super) const fn frontier(&self) -> Option<ReportedFrontier> {
        self.frontier
    }

    pub(super) const fn durable_to(&self) -> Option<Position> {
        self.durable
    }

    /// A new sample.
    pub(super) fn sampled(&mut self, sample: Sampled) {
        if self.waiting.len() == WAITING {
            self.waiting.pop_back();
        }
        self.waiting.push_back(sample);
        self.settle();
    }

    /// The repository now holds everything on this timeline before `position`.
    pub(super) fn durable(&mut self, position: Position) {
        self.durable = Some(position);
        self.settle();
    }

    fn settle(&mut self) {
        let Some(durable) = self.durable else { return };
        let proved = |sample: &Sampled| {
            sample.position.timeline == durable.timeline && sample.position.lsn <= durable.lsn
        };
        let Some(last) = self.waiting.iter().rposition(proved) else {
            return;
        };
        let time = self.waiting[last].time;
        self.waiting.drain(..=last);
        let is_later = self.frontier.is_none_or(|known| known.frontier.time < time);
        if is_later {
            let frontier = Frontier {
                time,
                lsn: durable.lsn,
            };
            self.frontier = Some(ReportedFrontier {
                timeline: durable.timeline,
                frontier,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use holdfast_types::{Lsn, Timeline};

    use super::*;

    fn position(timeline: u32, lsn: u64) -> Position {
        Position {
            timeline: Timeline::new(timeline).unwrap(),
            lsn: Lsn::new(lsn),
        }
    }

    fn sample(timeline: u32, lsn: u64, second: i64) -> Sampled {
        let time = Timestamp::from_second(second).unwrap();
        Sampled {
            position: position(timeline, lsn),
            time,
        }
    }

    fn second(tracker: &FrontierTracker) -> Option<i64> {
        Some(tracker.frontier()?.frontier.time.as_second())
    }

    #[test]
    fn a_time_is_claimed_only_when_its_position_is_durable() {
        let mut tracker = FrontierTracker::default();
        tracker.sampled(sample(1, 100, 10));
        assert_eq!(second(&tracker), None);
        tracker.durable(position(1, 99));
        assert_eq!(second(&tracker), None);
        tracker.sampled(sample(1, 150, 11));
        tracker.durable(position(1, 120));
        assert_eq!(second(&tracker), Some(10));
        tracker.sampled(sample(1, 120, 12));
        assert_eq!(
            second(&tracker),
            Some(12),
            "an idle server is complete at once"
        );
    }

    #[test]
    fn another_timeline_proves_nothing_and_time_never_goes_back() {
        let mut tracker = FrontierTracker::default();
        tracker.durable(position(1, 500));
        tracker.sampled(sample(2, 100, 10));
        assert_eq!(second(&tracker), None);
        tracker.durable(position(2, 100));
        assert_eq!(second(&tracker), Some(10));
        tracker.sampled(sample(2, 90, 5));
        assert_eq!(second(&tracker), Some(10));
    }

    #[test]
    fn a_long_outage_keeps_early_samples_and_the_latest() {
        let mut tracker = FrontierTracker::default();
        for turn in 0..1_000 {
            tracker.sampled(sample(1, turn, i64::try_from(turn).unwrap()));
        }
        tracker.durable(position(1, 3));
        assert_eq!(second(&tracker), Some(3));
        tracker.durable(position(1, 2_000));
        assert_eq!(second(&tracker), Some(999));
    }
}
