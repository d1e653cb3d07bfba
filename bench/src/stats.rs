//! Distributions of measured times.

use std::time::Duration;

use serde::Serialize;

/// How a set of measured times is spread, in milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Spread {
    /// How many there are.
    pub count: usize,
    /// Half of them were no longer.
    pub p50_ms: f64,
    /// 99 of 100 were no longer.
    pub p99_ms: f64,
    /// The longest.
    pub max_ms: f64,
}

impl Spread {
    /// Of these times.
    pub fn of(mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        Self {
            count: times.len(),
            p50_ms: milliseconds(at(&times, 50)),
            p99_ms: milliseconds(at(&times, 99)),
            max_ms: milliseconds(times.last().copied().unwrap_or_default()),
        }
    }
}

/// The time that `percent` of the sorted `times` do not exceed.
fn at(times: &[Duration], percent: usize) -> Duration {
    let rank = (times.len() * percent).div_ceil(100).max(1) - 1;
    times.get(rank).copied().unwrap_or_default()
}

/// A time in milliseconds, to a thousandth.
pub fn milliseconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e6).round() / 1e3
}

/// The middle of an odd number of measurements; the lower middle of an even
/// one; 0 of none.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len().saturating_sub(1) / 2;
    values.get(middle).copied().unwrap_or_default()
}

/// A count as a number to calculate with.
pub fn number(count: u64) -> f64 {
    #[expect(
        clippy::cast_precision_loss,
        reason = "counts of a benchmark stay far below 2^53"
    )]
    let number = count as f64;
    number
}

/// Rounded to two digits behind the point, for people.
pub fn rounded(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_measured_values() {
        let times = (1..=100).rev().map(Duration::from_millis).collect();
        let spread = Spread::of(times);
        let expected = (100, 50.0, 99.0, 100.0);
        let Spread {
            count,
            p50_ms,
            p99_ms,
            max_ms,
        } = spread;
        assert_eq!((count, p50_ms, p99_ms, max_ms), expected);
        assert_eq!(Spread::of(Vec::new()).p99_ms, 0.0);
        assert_eq!(Spread::of(vec![Duration::from_millis(7)]).p50_ms, 7.0);
    }

    #[test]
    fn the_median_is_one_of_the_values() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(vec![4.0, 1.0]), 1.0);
        assert_eq!(median(Vec::new()), 0.0);
    }
}
