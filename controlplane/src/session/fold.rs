//! Folds what a duty claims of its frontier into stretches, as the log keeps them.
//!
//! Each frontier that a holder reports is a claim, made when it was heard. Claims that
//! follow each other quickly become one stretch; one that ends a longer silence, and
//! one under another promise, of another holder or behind a gap, begins another, so
//! that every crossing of an RPO stays exact.

use std::time::Duration;

use holdfast_compliance::{Claim, Promise, Stretch, tolerance};
use holdfast_proto::WalReport;
use holdfast_types::resource::WalMode;
use holdfast_types::{Generation, Span};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Between two archived segments age proves nothing, so that only the RPO bounds how
/// far apart claims of one stretch may be.
const ARCHIVED_WITHOUT_RPO: Duration = Duration::from_secs(3600);
/// While the log takes nothing, no more than the newest are kept. What is lost shows as
/// silence (I-13).
const KEPT: usize = 900;

/// What claims are folded by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Promised {
    /// Since when this is promised.
    pub(crate) since: Option<Timestamp>,
    /// How high exposure may rise inside of a stretch.
    pub(crate) tolerance: Duration,
}

impl Promised {
    /// By a promise; without one, by how long a stream may be silent.
    pub(crate) fn of(promise: Option<&(Timestamp, Promise)>) -> Self {
        let Some((since, promise)) = promise else {
            return Self {
                since: None,
                tolerance: tolerance(None, Span::from_secs(5)),
            };
        };
        let tolerance = match (promise.wal, promise.rpo) {
            (WalMode::Archive, Some(rpo)) => rpo.get() / 2,
            (WalMode::Archive, None) => ARCHIVED_WITHOUT_RPO,
            (_, rpo) => tolerance(rpo, promise.flush_every),
        };
        Self {
            since: Some(*since),
            tolerance,
        }
    }
}

/// The claims of one duty.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Fold {
    generation: Generation,
    since: Option<Timestamp>,
    open: Option<Stretch>,
    /// Which time the last claim was told of. It may have been ahead of our clock by what
    /// clocks are measured wrong: told again, it proves no more than it did.
    #[serde(default)]
    said: Option<Timestamp>,
    /// The next claim begins another.
    #[serde(default)]
    cut: bool,
    /// Those that ended and that the log does not have yet.
    #[serde(default)]
    closed: Vec<Stretch>,
}

impl Fold {
    pub(crate) fn new(generation: Generation) -> Self {
        Self {
            generation,
            since: None,
            open: None,
            said: None,
            cut: false,
            closed: Vec::new(),
        }
    }

    /// Takes a report in that was heard at a moment. `cut`: it tells of a gap or a
    /// timeline that the one before did not.
    pub(crate) fn take(
        &mut self,
        report: &WalReport,
        heard: Timestamp,
        promised: Promised,
        cut: bool,
    ) {
        let (Some(wal), Some(reported)) = (&report.wal, &report.frontier) else {
            return;
        };
        // As columns keep times.
        let heard = Timestamp::from_microsecond(heard.as_microsecond()).unwrap_or(heard);
        let claim = Claim {
            at: heard,
            time: reported.frontier.time.min(heard),
            lineage: wal.lineage,
            lsn: reported.frontier.lsn,
        };
        // Remembered until there is a claim that is news.
        self.cut |= cut;
        self.cut |= self.generation != report.generation || self.since != promised.since;
        (self.generation, self.since) = (report.generation, promised.since);
        let said = self.said.replace(reported.frontier.time);
        let Some(mut open) = self.open.take() else {
            self.cut = false;
            self.open = Some(Stretch::begin(claim));
            return;
        };
        // What is said again is no news, and neither is what is further back: it was
        // in the repository then already.
        let is_news = claim.time > open.last.time && said != Some(reported.frontier.time);
        if !is_news && claim.lineage == open.last.lineage {
            self.open = Some(open);
            return;
        }
        let cut = std::mem::take(&mut self.cut);
        if !cut && open.extend(claim, promised.tolerance) {
            self.open = Some(open);
            return;
        }
        self.closed.push(open);
        let surplus = self.closed.len().saturating_sub(KEPT);
        self.closed.drain(..surplus);
        self.open = Some(Stretch::begin(claim));
    }

    /// Whether some ended that the log does not have.
    pub(crate) fn is_due(&self) -> bool {
        !self.closed.is_empty()
    }

    /// All of them, the one that goes on last.
    pub(crate) fn stretches(&self) -> Vec<Stretch> {
        self.closed.iter().chain(&self.open).cloned().collect()
    }

    /// The log has these.
    pub(crate) fn recorded(&mut self, stretches: &[Stretch]) {
        let has = |one: &Stretch| stretches.contains(one);
        self.closed.retain(|one| !has(one));
    }
}

#[cfg(test)]
mod tests {
    use holdfast_proto::{LineageWal, ReportedFrontier};
    use holdfast_types::{AssignmentId, Frontier, Lineage, Lsn, Timeline};

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + second).unwrap()
    }

    fn report(generation: u64, frontier: i64) -> WalReport {
        WalReport {
            assignment: AssignmentId::from_uuid(uuid::Uuid::from_u128(1)),
            generation: Generation(generation),
            wal: Some(LineageWal {
                lineage: Lineage {
                    system_identifier: 7,
                    incarnation: 1,
                },
                timelines: Vec::new(),
            }),
            frontier: Some(ReportedFrontier {
                timeline: Timeline::FIRST,
                frontier: Frontier {
                    time: at(frontier),
                    lsn: Lsn::new(1000 + frontier.unsigned_abs()),
                },
            }),
            trouble: None,
            repository: None,
            copies: Vec::new(),
        }
    }

    const PROMISED: Promised = Promised {
        since: None,
        tolerance: Duration::from_secs(5),
    };

    fn ends(fold: &Fold) -> Vec<(i64, i64)> {
        let second = |at: Timestamp| at.as_second() - 1_700_000_000;
        let stretches = fold.stretches();
        let ends = stretches.iter();
        ends.map(|one| (second(one.first.at), second(one.last.at)))
            .collect()
    }

    #[test]
    fn quick_claims_are_one_stretch_and_a_silence_begins_another() {
        let mut fold = Fold::new(Generation(1));
        for heard in [2, 4, 6] {
            fold.take(&report(1, heard - 1), at(heard), PROMISED, false);
        }
        // The same again is no news.
        fold.take(&report(1, 5), at(9), PROMISED, false);
        assert_eq!((ends(&fold), fold.is_due()), (vec![(2, 6)], false));
        fold.take(&report(1, 19), at(20), PROMISED, false);
        assert_eq!((ends(&fold), fold.is_due()), (vec![(2, 6), (20, 20)], true));
        let told = fold.stretches();
        fold.take(&report(1, 21), at(22), PROMISED, false);
        fold.recorded(&told);
        assert_eq!((ends(&fold), fold.is_due()), (vec![(20, 22)], false));
    }

    #[test]
    fn a_gap_a_promise_and_a_holder_begin_another() {
        let mut fold = Fold::new(Generation(1));
        fold.take(&report(1, 1), at(2), PROMISED, false);
        fold.take(&report(1, 3), at(4), PROMISED, true);
        assert_eq!(ends(&fold), [(2, 2), (4, 4)]);
        let stricter = Promised {
            since: Some(at(5)),
            ..PROMISED
        };
        // It tells of nothing new when it notices: the next one begins another.
        fold.take(&report(1, 3), at(5), stricter, false);
        fold.take(&report(1, 5), at(6), stricter, false);
        fold.take(&report(2, 6), at(7), stricter, false);
        assert_eq!(ends(&fold), [(2, 2), (4, 4), (6, 6), (7, 7)]);
        fold.take(&report(2, 7), at(8), stricter, false);
        assert_eq!(ends(&fold).last(), Some(&(7, 8)));
    }

    #[test]
    fn nobody_knows_of_commits_that_are_to_come() {
        let mut fold = Fold::new(Generation(1));
        fold.take(&report(1, 60), at(2), PROMISED, false);
        let first = fold.stretches()[0].first;
        assert_eq!(first.time, first.at);
        // The same told later is no later for it: a violation would begin later, too.
        fold.take(&report(1, 60), at(61), PROMISED, false);
        assert_eq!(ends(&fold), [(2, 2)]);
        fold.take(&report(1, 61), at(62), PROMISED, false);
        assert_eq!(ends(&fold), [(2, 2), (62, 62)]);
    }
}
