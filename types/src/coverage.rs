//! Sets of WAL positions: what a repository holds, as ranges.
//!
//! A coverage is kept as the fewest ranges that describe it, never as a row
//! per segment, so a year of WAL without a gap is one range.

use serde::{Deserialize, Serialize};

use crate::Lsn;

/// The WAL from one position up to, and not including, another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct LsnRange {
    /// The first position.
    #[cfg_attr(feature = "schema", schema(value_type = String, example = "0/3000000"))]
    pub from_lsn: Lsn,
    /// The position after the last.
    #[cfg_attr(feature = "schema", schema(value_type = String, example = "0/4000000"))]
    pub to_lsn: Lsn,
}

impl LsnRange {
    /// From `from_lsn` to before `to_lsn`; `None` when that is empty.
    pub fn new(from_lsn: Lsn, to_lsn: Lsn) -> Option<Self> {
        (from_lsn < to_lsn).then_some(Self { from_lsn, to_lsn })
    }

    /// Its length.
    pub const fn bytes(self) -> u64 {
        self.to_lsn.bytes_since(self.from_lsn)
    }
}

/// A set of WAL positions of one timeline.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(transparent)]
pub struct Coverage(Vec<LsnRange>);

impl Coverage {
    /// Adds a range, joining those it touches.
    pub fn insert(&mut self, range: LsnRange) {
        let before = self
            .0
            .partition_point(|known| known.to_lsn < range.from_lsn);
        let after = self
            .0
            .partition_point(|known| known.from_lsn <= range.to_lsn);
        let mut joined = range;
        if let Some(touched) = self.0.get(before..after)
            && let (Some(first), Some(last)) = (touched.first(), touched.last())
        {
            joined.from_lsn = joined.from_lsn.min(first.from_lsn);
            joined.to_lsn = joined.to_lsn.max(last.to_lsn);
        }
        self.0.splice(before..after.max(before), [joined]);
    }

    /// Its ranges, ascending, none touching another.
    pub fn ranges(&self) -> &[LsnRange] {
        &self.0
    }

    /// Where the run that holds `from` ends; `from` itself when it is not held.
    pub fn contiguous_end(&self, from: Lsn) -> Lsn {
        let holding = self
            .0
            .iter()
            .find(|known| known.from_lsn <= from && from < known.to_lsn);
        holding.map_or(from, |known| known.to_lsn)
    }

    /// Whether every position of `range` is held.
    pub fn covers(&self, range: LsnRange) -> bool {
        self.contiguous_end(range.from_lsn) >= range.to_lsn
    }

    /// The holes inside `range`, ascending.
    pub fn gaps(&self, range: LsnRange) -> Vec<LsnRange> {
        let mut gaps = Vec::new();
        let mut at = range.from_lsn;
        for known in &self.0 {
            if known.to_lsn <= at {
                continue;
            }
            gaps.extend(LsnRange::new(at, known.from_lsn.min(range.to_lsn)));
            at = at.max(known.to_lsn);
            if at >= range.to_lsn {
                return gaps;
            }
        }
        gaps.extend(LsnRange::new(at, range.to_lsn));
        gaps
    }
}

impl<'de> Deserialize<'de> for Coverage {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Vec::<LsnRange>::deserialize(deserializer)?
            .into_iter()
            .collect())
    }
}

impl FromIterator<LsnRange> for Coverage {
    fn from_iter<I: IntoIterator<Item = LsnRange>>(ranges: I) -> Self {
        let mut coverage = Self::default();
        for range in ranges {
            if range.from_lsn < range.to_lsn {
                coverage.insert(range);
            }
        }
        coverage
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn range(from: u64, to: u64) -> LsnRange {
        LsnRange::new(Lsn::new(from), Lsn::new(to)).unwrap()
    }

    #[test]
    fn touching_ranges_become_one() {
        let coverage: Coverage = [range(10, 20), range(30, 40), range(20, 30)]
            .into_iter()
            .collect();
        assert_eq!(coverage.ranges(), [range(10, 40)]);
        assert_eq!(coverage.contiguous_end(Lsn::new(15)), Lsn::new(40));
        assert_eq!(coverage.contiguous_end(Lsn::new(40)), Lsn::new(40));
    }

    #[test]
    fn holes_are_named() {
        let coverage: Coverage = [range(10, 20), range(30, 40)].into_iter().collect();
        assert_eq!(
            coverage.gaps(range(5, 50)),
            [range(5, 10), range(20, 30), range(40, 50)]
        );
        assert_eq!(coverage.gaps(range(12, 18)), []);
        assert!(!coverage.covers(range(15, 31)));
    }

    proptest! {
        #[test]
        fn equals_the_set_of_its_positions(
            ranges in proptest::collection::vec((1u64..100, 1u64..20), 0..20)
        ) {
            let mut model = [false; 128];
            let mut coverage = Coverage::default();
            for (from, length) in ranges {
                coverage.insert(range(from, from + length));
                model[usize::try_from(from).unwrap()..usize::try_from(from + length).unwrap()].fill(true);
            }
            for pair in coverage.ranges().windows(2) {
                prop_assert!(pair[0].to_lsn < pair[1].from_lsn);
            }
            for at in 0u64..127 {
                let held = coverage.covers(range(at, at + 1));
                prop_assert_eq!(held, model[usize::try_from(at).unwrap()], "{}", at);
                prop_assert_eq!(coverage.gaps(range(at, at + 1)).is_empty(), held);
            }
        }
    }
}
