//! A period of a cluster in numbers.

use std::time::Duration;

use holdfast_types::Compliance;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::history::History;
use crate::segment::Segment;
use crate::shape::Shape;
use crate::span::between;
use crate::spread::Spread;
use crate::violation::{Tracker, Violation};

/// A period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period {
    /// Its first moment.
    pub from: Timestamp,
    /// The moment after its last.
    pub until: Timestamp,
}

/// How high an exposure was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Height {
    /// At most so high.
    Bounded(Duration),
    /// There was nothing to restore from.
    Unbounded,
}

/// What a period was like. Results of several clusters, or periods, add up.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PeriodResult {
    /// For how long there was an RPO.
    pub eligible: Duration,
    /// How much of that was excused.
    pub exempt: Duration,
    /// For how long exposure was above the RPO, excused or not.
    pub violated: Duration,
    /// How much of that was excused.
    pub violated_exempt: Duration,
    /// For how long it was in each state; without a state there was no RPO.
    pub states: Vec<(Option<Compliance>, Duration)>,
    /// The highest exposure; `None` when nothing was promised.
    pub highest: Option<Height>,
    /// For how long the exposure was how high. What was never protected counts
    /// once its grace is over.
    pub spread: Spread,
    /// The violations that lie in it, whole: also what of them is outside.
    pub violations: Vec<Violation>,
}

/// An error budget: how much of the eligible time may be violated.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Budget {
    /// How much is allowed.
    pub allowed: Duration,
    /// How much is spent.
    pub spent: Duration,
    /// What is left of it in seconds; below nothing when it is overspent.
    pub left_seconds: f64,
}

impl History {
    /// What a period was like, as it was known at `known`.
    pub fn period(&self, period: Period, known: Timestamp) -> PeriodResult {
        let (mut result, mut tracker) = (PeriodResult::default(), Tracker::default());
        let touches = |violation: &Violation| period.touches(violation);
        let mut found = Vec::new();
        self.walk(known, period.until, |segment| {
            found.extend(tracker.push(segment).filter(touches));
            if let Some(part) = segment.clip(period.from, period.until) {
                result.add(&part);
            }
        });
        found.extend(tracker.finish(period.until).filter(touches));
        result.violations = found;
        result
    }
}

impl Period {
    /// Whether a violation lies in it, in part at least.
    pub(crate) fn touches(self, violation: &Violation) -> bool {
        let end = violation.ended_at.unwrap_or(Timestamp::MAX);
        violation.started_at < self.until && self.from < end
    }
}

impl PeriodResult {
    pub(crate) fn add(&mut self, part: &Segment) {
        let violated = part.violated_from();
        let violated = violated.map_or(Duration::ZERO, |from| between(from, part.until));
        if part.is_measured() {
            let length = between(part.from, part.until);
            self.eligible += length;
            self.violated += violated;
            if part.exempt {
                self.exempt += length;
                self.violated_exempt += violated;
            }
        }
        for phase in part.phases() {
            self.add_state(phase.status, between(phase.from, phase.until));
        }
        self.add_exposure(part);
    }

    fn add_state(&mut self, status: Option<Compliance>, spent: Duration) {
        match self.states.iter_mut().find(|(known, _)| *known == status) {
            Some((_, known)) => *known += spent,
            None => self.states.push((status, spent)),
        }
    }

    fn add_exposure(&mut self, part: &Segment) {
        let Some(force) = part.force() else { return };
        for piece in part.pieces(part.scope()) {
            let spent = between(piece.from, piece.until);
            let height = match piece.shape {
                Shape::Rising(frontier) => {
                    let (low, high) = (
                        between(frontier, piece.from),
                        between(frontier, piece.until),
                    );
                    self.spread.add_rising(low, high);
                    Height::Bounded(high)
                }
                Shape::Level(stretch) => {
                    self.spread.add_like(&stretch.spread, stretch.peak, spent);
                    Height::Bounded(stretch.peak)
                }
                Shape::Unbounded => {
                    let counts = piece.from.max(force.unprotected_from);
                    let spent = between(counts, piece.until);
                    if spent.is_zero() {
                        continue;
                    }
                    self.spread.add_unbounded(spent);
                    Height::Unbounded
                }
            };
            self.highest = self.highest.max(Some(height));
        }
    }

    /// Adds the result of another cluster, or of another period of the same one.
    pub fn merge(&mut self, other: Self) {
        self.eligible += other.eligible;
        self.exempt += other.exempt;
        self.violated += other.violated;
        self.violated_exempt += other.violated_exempt;
        for (status, spent) in other.states {
            self.add_state(status, spent);
        }
        self.highest = self.highest.max(other.highest);
        self.spread.merge(&other.spread);
        self.violations.extend(other.violations);
    }

    /// Which part of the eligible time was not violated, 0 to 1, exemptions
    /// ignored; `None` when nothing was eligible.
    pub fn compliance(&self) -> Option<f64> {
        part_kept(self.violated, self.eligible)
    }

    /// The same without the time that was excused.
    pub fn compliance_excused(&self) -> Option<f64> {
        let violated = self.violated.saturating_sub(self.violated_exempt);
        part_kept(violated, self.eligible.saturating_sub(self.exempt))
    }

    /// The height that exposure did not exceed for so many thousandths of the
    /// time; at most an eighth too high.
    pub fn quantile(&self, thousandths: u32) -> Option<Height> {
        let height = match self.spread.quantile(thousandths)? {
            Some(height) => Height::Bounded(height),
            None => Height::Unbounded,
        };
        Some(self.highest.map_or(height, |highest| height.min(highest)))
    }

    /// How long a violation that is over lasted, on average.
    pub fn mean_time_to_recover(&self) -> Option<Duration> {
        let over = self.violations.iter();
        let over = over.filter_map(|one| Some(between(one.started_at, one.ended_at?)));
        let lasted: Vec<Duration> = over.collect();
        let count = u32::try_from(lasted.len())
            .ok()
            .filter(|count| *count > 0)?;
        Some(lasted.iter().sum::<Duration>() / count)
    }

    /// The error budget when so many millionths of the eligible time shall not be
    /// violated. What is excused is neither eligible nor spent.
    pub fn budget(&self, target_millionths: u32) -> Budget {
        let eligible = self.eligible.saturating_sub(self.exempt);
        let spent = self.violated.saturating_sub(self.violated_exempt);
        let part = f64::from(1_000_000 - target_millionths.min(1_000_000)) / 1e6;
        let allowed = eligible.mul_f64(part);
        Budget {
            allowed,
            spent,
            left_seconds: allowed.as_secs_f64() - spent.as_secs_f64(),
        }
    }
}

fn part_kept(violated: Duration, eligible: Duration) -> Option<f64> {
    let eligible = (!eligible.is_zero()).then_some(eligible.as_secs_f64())?;
    Some(1.0 - violated.as_secs_f64() / eligible)
}
