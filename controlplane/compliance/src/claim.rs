//! Claims of a frontier, and stretches: claims that followed each other quickly,
//! kept as one.

use std::time::Duration;

use holdfast_types::{Lineage, Lsn, Span, blind_after};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use crate::span::between;
use crate::spread::Spread;

/// "Every commit acknowledged by `time` is in the repository", said at `at`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Claim {
    /// When it was so.
    pub at: Timestamp,
    /// Up to when nothing is missing; not after `at`.
    pub time: Timestamp,
    /// The lineage of its position.
    pub lineage: Lineage,
    /// The position up to which WAL is there.
    pub lsn: Lsn,
}

/// How high an exposure may rise between two claims of one stretch: half the RPO,
/// so that no crossing is lost in it, and no longer than until we are blind.
pub fn tolerance(rpo: Option<Span>, flush_every: Span) -> Duration {
    let blind = blind_after(flush_every);
    rpo.map_or(blind, |rpo| blind.min(rpo.get() / 2))
}

/// Claims of one repository, each of which came before the exposure had risen
/// above a tolerance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stretch {
    /// The first claim.
    pub first: Claim,
    /// The last one.
    pub last: Claim,
    /// The highest exposure from the first claim to the last.
    pub peak: Duration,
    /// For how long the exposure was how high.
    #[serde(default, skip_serializing_if = "Spread::is_empty")]
    pub spread: Spread,
}

impl Stretch {
    /// A stretch of one claim.
    pub fn begin(claim: Claim) -> Self {
        Self {
            first: claim,
            last: claim,
            peak: Duration::ZERO,
            spread: Spread::default(),
        }
    }

    /// Takes a claim in, unless it must begin another stretch: the exposure had
    /// risen above the tolerance, it is of another lineage, another day (UTC), or
    /// further back. Says whether it did.
    pub fn extend(&mut self, claim: Claim, tolerance: Duration) -> bool {
        let risen = between(self.last.time, claim.at);
        let follows = claim.at >= self.last.at
            && claim.time >= self.last.time
            && claim.lsn >= self.last.lsn
            && claim.lineage == self.last.lineage;
        if !follows || risen > tolerance || day(claim.at) != day(self.first.at) {
            return false;
        }
        let from = between(self.last.time, self.last.at);
        self.spread.add_rising(from, risen);
        self.peak = self.peak.max(risen);
        self.last = claim;
        true
    }

    /// Whether time passed between its first claim and its last.
    pub fn lasts(&self) -> bool {
        self.first.at < self.last.at
    }
}

fn day(at: Timestamp) -> jiff::civil::Date {
    TimeZone::UTC.to_datetime(at).date()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(at: i64, time: i64, lsn: u64) -> Claim {
        Claim {
            at: Timestamp::from_second(at).unwrap(),
            time: Timestamp::from_second(time).unwrap(),
            lineage: Lineage {
                system_identifier: 7,
                incarnation: 1,
            },
            lsn: Lsn::new(lsn),
        }
    }

    #[test]
    fn quick_claims_are_one_stretch_and_a_silence_begins_another() {
        let tolerance = Duration::from_secs(10);
        let mut stretch = Stretch::begin(claim(100, 99, 10));
        assert!(!stretch.lasts());
        assert!(stretch.extend(claim(105, 104, 20), tolerance));
        assert!(stretch.extend(claim(114, 113, 20), tolerance));
        assert_eq!(stretch.peak, Duration::from_secs(10));
        assert_eq!(stretch.spread.total(), 14_000_000);
        assert!(!stretch.extend(claim(124, 123, 30), tolerance));
        assert_eq!(stretch.last, claim(114, 113, 20));
    }

    #[test]
    fn what_does_not_follow_begins_another() {
        let tolerance = Duration::from_secs(10);
        let began = Stretch::begin(claim(100, 99, 10));
        let refused = |claim| !began.clone().extend(claim, tolerance);
        assert!(refused(claim(101, 98, 20)));
        assert!(refused(claim(101, 100, 9)));
        assert!(refused(claim(99, 99, 10)));
        let mut other = claim(101, 100, 20);
        other.lineage.incarnation = 2;
        assert!(refused(other));
        let midnight = 86_400;
        let mut evening = Stretch::begin(claim(midnight - 2, midnight - 3, 10));
        assert!(!evening.extend(claim(midnight, midnight - 1, 20), tolerance));
    }

    #[test]
    fn a_tolerance_hides_no_crossing_of_the_rpo() {
        let seconds = Span::from_secs;
        assert_eq!(tolerance(None, seconds(5)), Duration::from_secs(15));
        assert_eq!(
            tolerance(Some(seconds(10)), seconds(1)),
            Duration::from_secs(5)
        );
        assert_eq!(
            tolerance(Some(seconds(600)), seconds(60)),
            Duration::from_secs(122)
        );
    }
}
