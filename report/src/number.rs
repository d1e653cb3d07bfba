//! Numbers as a report says them: the same bytes wherever they are written.
//!
//! Nothing is kept as a float, so nothing depends on how a float was computed.

use std::time::Duration;

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

const MICROS: u64 = 1_000_000;

/// A length in seconds, exact to a microsecond. In JSON a number, whole where it
/// is whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Seconds(u64);

impl Seconds {
    /// From microseconds.
    pub const fn from_micros(micros: u64) -> Self {
        Self(micros)
    }

    /// From whole seconds.
    pub const fn from_secs(seconds: u64) -> Self {
        Self(seconds.saturating_mul(MICROS))
    }

    /// In microseconds.
    pub const fn micros(self) -> u64 {
        self.0
    }

    /// Whether it is no time at all.
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// How much longer it is than another; nothing when it is not.
    #[must_use]
    pub const fn less(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    /// For drawing, not for judging.
    #[expect(clippy::cast_precision_loss, reason = "microseconds of a century fit")]
    pub fn as_f64(self) -> f64 {
        self.0 as f64 / 1e6
    }
}

impl From<Duration> for Seconds {
    fn from(length: Duration) -> Self {
        Self(u64::try_from(length.as_micros()).unwrap_or(u64::MAX))
    }
}

impl std::iter::Sum for Seconds {
    fn sum<I: Iterator<Item = Self>>(parts: I) -> Self {
        Self(parts.fold(0, |sum, part| sum.saturating_add(part.0)))
    }
}

impl std::fmt::Display for Seconds {
    /// A decimal number without needless digits.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        decimal(f, self.0, MICROS, 6)
    }
}

fn decimal(
    f: &mut std::fmt::Formatter<'_>,
    value: u64,
    one: u64,
    places: usize,
) -> std::fmt::Result {
    let (whole, part) = (value / one, value % one);
    if part == 0 {
        return write!(f, "{whole}");
    }
    let part = format!("{part:0places$}");
    write!(f, "{whole}.{}", part.trim_end_matches('0'))
}

impl Serialize for Seconds {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        number(serializer, self.0, MICROS, self.as_f64())
    }
}

/// A whole number where it is one; else the shortest decimal that reads back.
fn number<S: Serializer>(
    serializer: S,
    value: u64,
    one: u64,
    float: f64,
) -> Result<S::Ok, S::Error> {
    if value.is_multiple_of(one) {
        serializer.serialize_u64(value / one)
    } else {
        serializer.serialize_f64(float)
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "checked before"
)]
fn read<'de, D: Deserializer<'de>>(deserializer: D, one: f64) -> Result<u64, D::Error> {
    let value = f64::deserialize(deserializer)? * one;
    if !(0.0..9e18).contains(&value) {
        return Err(D::Error::custom("a number that is not below nothing"));
    }
    Ok(value.round() as u64)
}

impl<'de> Deserialize<'de> for Seconds {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        read(deserializer, 1e6).map(Self)
    }
}

/// A part of a hundred, exact to a ten-thousandth of a percent and never rounded
/// up: only what is whole is 100.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Percent(u64);

const ONE_PERCENT: u64 = 10_000;

impl Percent {
    /// How much of a whole a part is; `None` of nothing.
    pub fn of(part: u64, whole: u64) -> Option<Self> {
        let all = u128::from(100 * ONE_PERCENT);
        let of = u128::from(part.min(whole)) * all;
        let of = of.checked_div(u128::from(whole))?;
        u64::try_from(of).ok().map(Self)
    }

    /// How much of a length was not lost.
    pub fn kept(lost: Seconds, whole: Seconds) -> Option<Self> {
        Self::of(whole.less(lost).micros(), whole.micros())
    }

    /// Whether it is all.
    pub const fn is_whole(self) -> bool {
        self.0 == 100 * ONE_PERCENT
    }

    #[expect(clippy::cast_precision_loss, reason = "at most a million")]
    fn as_f64(self) -> f64 {
        self.0 as f64 / 1e4
    }
}

impl std::fmt::Display for Percent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        decimal(f, self.0, ONE_PERCENT, 4)
    }
}

impl Serialize for Percent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        number(serializer, self.0, ONE_PERCENT, self.as_f64())
    }
}

impl<'de> Deserialize<'de> for Percent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        read(deserializer, 1e4).map(Self)
    }
}

/// How high an exposure was. In JSON the seconds, or `"unbounded"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// So high.
    Bounded(Seconds),
    /// There was nothing to restore from.
    Unbounded,
}

const UNBOUNDED: &str = "unbounded";

impl std::fmt::Display for Level {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Bounded(seconds) => seconds.fmt(f),
            Self::Unbounded => f.write_str(UNBOUNDED),
        }
    }
}

impl Serialize for Level {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Bounded(seconds) => seconds.serialize(serializer),
            Self::Unbounded => serializer.serialize_str(UNBOUNDED),
        }
    }
}

impl<'de> Deserialize<'de> for Level {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Said {
            Bounded(Seconds),
            Word(String),
        }
        match Said::deserialize(deserializer)? {
            Said::Bounded(seconds) => Ok(Self::Bounded(seconds)),
            Said::Word(word) if word == UNBOUNDED => Ok(Self::Unbounded),
            Said::Word(_) => Err(D::Error::custom("seconds, or \"unbounded\"")),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_percentage_is_never_rounded_up() {
        let percent = |part, whole| Percent::of(part, whole).unwrap();
        assert_eq!(percent(1, 1).to_string(), "100");
        assert_eq!(percent(999_999_999, 1_000_000_000).to_string(), "99.9999");
        assert_eq!(percent(1, 3).to_string(), "33.3333");
        assert_eq!(percent(0, 7).to_string(), "0");
        assert_eq!(Percent::of(0, 0), None);
        assert!(percent(3, 3).is_whole() && !percent(u64::MAX - 1, u64::MAX).is_whole());
    }

    #[test]
    fn levels_are_seconds_or_a_word() {
        let levels = [
            Some(Level::Bounded(Seconds::from_secs(30))),
            Some(Level::Bounded(Seconds::from_micros(1_500_000))),
            Some(Level::Unbounded),
            None,
        ];
        let text = serde_json::to_string(&levels).unwrap();
        assert_eq!(text, r#"[30,1.5,"unbounded",null]"#);
        let read: [Option<Level>; 4] = serde_json::from_str(&text).unwrap();
        assert_eq!(read, levels);
        assert!(serde_json::from_str::<Level>("\"high\"").is_err());
        assert!(serde_json::from_str::<Level>("-1").is_err());
        assert!(Level::Unbounded > Level::Bounded(Seconds::from_micros(u64::MAX)));
    }

    proptest! {
        #[test]
        fn seconds_read_back_as_they_were(micros in 0u64..4_000_000_000_000_000) {
            let seconds = Seconds::from_micros(micros);
            let text = serde_json::to_string(&seconds).unwrap();
            prop_assert_eq!(serde_json::from_str::<Seconds>(&text).unwrap(), seconds);
            prop_assert_eq!(text, seconds.to_string());
        }
    }
}
