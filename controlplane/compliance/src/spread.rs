//! For how long an exposure was how high, in few numbers.
//!
//! Buckets are an eighth of a power of two wide, so a bucket's upper edge is at
//! most an eighth above what is in it. Spreads are added up: a year is the sum of
//! its days.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::span::micros;

/// Microseconds spent in each bucket of exposure, ascending by bucket.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Spread(Vec<(u16, u64)>);

/// The bucket of what has no bound: there is nothing to restore from.
const UNBOUNDED: u16 = u16::MAX;

/// The bucket of an exposure in thousandths of a second.
fn bucket(millis: u64) -> u16 {
    let leading = 63 - (millis | 1).leading_zeros();
    if leading < 3 {
        return u16::try_from(millis).unwrap_or(0);
    }
    let eighth = (millis >> (leading - 3)) & 7;
    u16::try_from(u64::from(leading - 2) * 8 + eighth).unwrap_or(UNBOUNDED - 1)
}

/// Where a bucket ends, in thousandths of a second.
fn edge(bucket: u16) -> u64 {
    let next = u64::from(bucket) + 1;
    if next <= 8 {
        return next;
    }
    let (power, eighth) = (next / 8 + 2, next % 8);
    let power = u32::try_from(power).unwrap_or(u32::MAX);
    8u64.checked_add(eighth)
        .and_then(|eighths| eighths.checked_mul(1u64.checked_shl(power - 3)?))
        .unwrap_or(u64::MAX)
}

impl Spread {
    /// Nothing was measured.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn put(&mut self, bucket: u16, spent: u64) {
        if spent == 0 {
            return;
        }
        match self.0.binary_search_by_key(&bucket, |(known, _)| *known) {
            Ok(at) => self.0[at].1 = self.0[at].1.saturating_add(spent),
            Err(at) => self.0.insert(at, (bucket, spent)),
        }
    }

    /// Adds time in which the exposure rose as time passed, from one height to
    /// another.
    pub fn add_rising(&mut self, from: Duration, to: Duration) {
        let (mut at, end) = (micros(from), micros(to));
        let mut bucket = bucket(at / 1000);
        // The buckets follow each other, in the spread too.
        let mut place = self.0.partition_point(|(known, _)| *known < bucket);
        while at < end {
            let until = edge(bucket).saturating_mul(1000).min(end);
            match self.0.get_mut(place) {
                Some((known, spent)) if *known == bucket => {
                    *spent = spent.saturating_add(until - at);
                }
                _ => self.0.insert(place, (bucket, until - at)),
            }
            (at, bucket, place) = (until, bucket + 1, place + 1);
        }
    }

    /// Adds time in which there was nothing to restore from.
    pub fn add_unbounded(&mut self, spent: Duration) {
        self.put(UNBOUNDED, micros(spent));
    }

    /// Adds `spent`, spread as `like` is; without a spread, all of it at `height`.
    pub fn add_like(&mut self, like: &Self, height: Duration, spent: Duration) {
        let (spent, whole) = (micros(spent), like.total());
        let Some((highest, others)) = like.0.split_last().filter(|_| whole > 0) else {
            let millis = u64::try_from(height.as_millis()).unwrap_or(u64::MAX);
            self.put(bucket(millis), spent);
            return;
        };
        let mut left = spent;
        for (bucket, part) in others {
            let share = u128::from(spent) * u128::from(*part) / u128::from(whole);
            let share = u64::try_from(share).unwrap_or(left).min(left);
            self.put(*bucket, share);
            left -= share;
        }
        self.put(highest.0, left);
    }

    /// Adds another one.
    pub fn merge(&mut self, other: &Self) {
        for (bucket, spent) in &other.0 {
            self.put(*bucket, *spent);
        }
    }

    /// How much time it is about, in microseconds.
    pub fn total(&self) -> u64 {
        let spent = self.0.iter().map(|(_, spent)| *spent);
        spent.fold(0, u64::saturating_add)
    }

    /// The height that the exposure did not exceed for this part of the time, in
    /// thousandths: `Some(None)` when it had no bound, `None` when nothing was
    /// measured. At most an eighth too high.
    pub fn quantile(&self, thousandths: u32) -> Option<Option<Duration>> {
        let total = self.total();
        let wanted = u128::from(total) * u128::from(thousandths.min(1000));
        let mut seen = 0u128;
        for (bucket, spent) in &self.0 {
            seen += u128::from(*spent);
            if seen * 1000 >= wanted {
                let bounded = *bucket != UNBOUNDED;
                return Some(bounded.then(|| Duration::from_millis(edge(*bucket))));
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn buckets_follow_each_other_without_a_gap() {
        let mut last = bucket(0);
        for exposure in 1..100_000u64 {
            let here = bucket(exposure);
            assert!(here == last || here == last + 1, "{exposure}");
            assert_eq!(here != last, edge(last) == exposure, "{exposure}");
            last = here;
        }
    }

    #[test]
    fn a_sawtooth_is_as_high_as_it_is_for_as_long() {
        let mut spread = Spread::default();
        for _ in 0..100 {
            spread.add_rising(millis(500), millis(5500));
        }
        assert_eq!(spread.total(), 500_000_000);
        let half = spread.quantile(500).unwrap().unwrap();
        assert!((millis(3000)..=millis(3375)).contains(&half), "{half:?}");
        let most = spread.quantile(1000).unwrap().unwrap();
        assert!((millis(5500)..=millis(6188)).contains(&most), "{most:?}");
        assert_eq!(Spread::default().quantile(500), None);
    }

    #[test]
    fn what_has_no_bound_is_higher_than_all() {
        let mut spread = Spread::default();
        spread.add_rising(Duration::ZERO, millis(900));
        spread.add_unbounded(millis(100));
        assert!(spread.quantile(900).unwrap().is_some());
        assert_eq!(spread.quantile(901), Some(None));
    }

    proptest! {
        #[test]
        fn a_quantile_is_never_too_low_and_at_most_an_eighth_too_high(
            rises in proptest::collection::vec((0u64..20_000, 1u64..20_000), 1..20),
            part in 1u32..=1000,
        ) {
            let mut spread = Spread::default();
            let mut every = Vec::new();
            for (from, length) in rises {
                spread.add_rising(millis(from), millis(from + length));
                every.extend(from..from + length);
            }
            every.sort_unstable();
            let rank = (every.len() as u64 * u64::from(part)).div_ceil(1000).max(1);
            let exact = every[usize::try_from(rank).unwrap() - 1] + 1;
            let found = spread.quantile(part).unwrap().unwrap();
            prop_assert!(found >= millis(exact));
            prop_assert!(found <= millis(exact + exact / 8 + 1));
            prop_assert_eq!(spread.total(), every.len() as u64 * 1000);
        }

        #[test]
        fn a_share_keeps_its_time_and_its_heights(
            rises in proptest::collection::vec((0u64..20_000, 1u64..20_000), 0..8),
            spent in 0u64..100_000,
        ) {
            let mut like = Spread::default();
            for (from, length) in rises {
                like.add_rising(millis(from), millis(from + length));
            }
            let mut spread = Spread::default();
            spread.add_like(&like, millis(40_000), millis(spent));
            prop_assert_eq!(spread.total(), spent * 1000);
            let known = |bucket: &u16| like.0.iter().any(|(known, _)| known == bucket);
            prop_assert!(like.is_empty() || spread.0.iter().all(|(bucket, _)| known(bucket)));
        }
    }
}
