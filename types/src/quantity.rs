//! Durations and sizes as people write them: `30s`, `14d`, `200MiB`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Text that is not a quantity.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidQuantity {
    /// Not a duration.
    #[error("\"{0}\" is not a duration such as 500ms, 30s, 15m, 24h, 14d or 2w")]
    Duration(String),
    /// Not a size.
    #[error("\"{0}\" is not a size such as 512B, 64KiB, 200MiB or 2TiB")]
    Size(String),
    /// Not a rate.
    #[error("\"{0}\" is not a rate such as 512KiB/s or 200MiB/s")]
    Rate(String),
}

/// A span of time, written `\d+(ms|s|m|h|d|w)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Span(Duration);

const SPANS: [(&str, u64); 6] = [
    ("w", 7 * 24 * 3_600_000),
    ("d", 24 * 3_600_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];

impl Span {
    /// A span of `seconds`.
    pub const fn from_secs(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }

    /// A span of `millis` thousandths of a second.
    pub const fn from_millis(millis: u64) -> Self {
        Self(Duration::from_millis(millis))
    }

    /// It as the standard library's duration.
    pub const fn get(self) -> Duration {
        self.0
    }

    /// Its length in seconds, fractions included.
    pub fn as_secs_f64(self) -> f64 {
        self.0.as_secs_f64()
    }

    /// Its length in thousandths of a second.
    pub fn millis(self) -> u64 {
        u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX)
    }
}

impl FromStr for Span {
    type Err = InvalidQuantity;

    fn from_str(text: &str) -> Result<Self, InvalidQuantity> {
        let invalid = || InvalidQuantity::Duration(text.to_owned());
        let (count, unit) = split_count(text).ok_or_else(invalid)?;
        let (_, millis) = SPANS
            .into_iter()
            .find(|(name, _)| *name == unit)
            .ok_or_else(invalid)?;
        let total = count.checked_mul(millis).ok_or_else(invalid)?;
        Ok(Self(Duration::from_millis(total)))
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.millis();
        let fits = |(_, unit): &&(&str, u64)| millis.is_multiple_of(*unit);
        match SPANS.iter().find(fits) {
            Some((name, unit)) if millis > 0 => write!(f, "{}{name}", millis / unit),
            _ => f.write_str("0s"),
        }
    }
}

/// A number of bytes, written with B, KiB, MiB, GiB or TiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ByteSize(u64);

const SIZES: [(&str, u32); 5] = [("TiB", 40), ("GiB", 30), ("MiB", 20), ("KiB", 10), ("B", 0)];

impl ByteSize {
    /// This many bytes.
    pub const fn new(bytes: u64) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl FromStr for ByteSize {
    type Err = InvalidQuantity;

    fn from_str(text: &str) -> Result<Self, InvalidQuantity> {
        let invalid = || InvalidQuantity::Size(text.to_owned());
        let (count, unit) = split_count(text).ok_or_else(invalid)?;
        let (_, shift) = SIZES
            .into_iter()
            .find(|(name, _)| *name == unit)
            .ok_or_else(invalid)?;
        count.checked_mul(1 << shift).map(Self).ok_or_else(invalid)
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fits = |(_, shift): &&(&str, u32)| self.0.is_multiple_of(1 << shift);
        match SIZES.iter().find(fits) {
            Some((name, shift)) if self.0 > 0 => write!(f, "{}{name}", self.0 >> shift),
            _ => f.write_str("0B"),
        }
    }
}

/// A number of bytes in a second, written as a size and `/s`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ByteRate(ByteSize);

impl ByteRate {
    /// So many bytes in each second.
    pub const fn per_second(bytes: u64) -> Self {
        Self(ByteSize::new(bytes))
    }

    /// Its bytes in a second.
    pub const fn bytes_per_second(self) -> u64 {
        self.0.get()
    }
}

impl FromStr for ByteRate {
    type Err = InvalidQuantity;

    fn from_str(text: &str) -> Result<Self, InvalidQuantity> {
        let size = text.strip_suffix("/s").and_then(|size| size.parse().ok());
        size.map(Self)
            .ok_or_else(|| InvalidQuantity::Rate(text.to_owned()))
    }
}

impl fmt::Display for ByteRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/s", self.0)
    }
}

fn split_count(text: &str) -> Option<(u64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit())?;
    let (count, unit) = text.split_at(end);
    Some((count.parse().ok()?, unit))
}

macro_rules! as_text {
    ($($name:ident)*) => {$(
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }
    )*};
}

as_text!(Span ByteSize ByteRate);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_prints_the_contracts_units() {
        for text in ["500ms", "30s", "15m", "23h", "13d", "2w"] {
            assert_eq!(text.parse::<Span>().unwrap().to_string(), text);
        }
        assert_eq!("90s".parse::<Span>().unwrap(), Span::from_secs(90));
        assert_eq!("7d".parse::<Span>().unwrap().to_string(), "1w");
        for bad in [
            "",
            "5",
            "s",
            "-1s",
            "1.5h",
            "1 h",
            "1H",
            "99999999999999999999s",
        ] {
            assert!(bad.parse::<Span>().is_err(), "{bad}");
        }
        for text in ["512B", "64KiB", "200MiB", "3GiB", "2TiB"] {
            assert_eq!(text.parse::<ByteSize>().unwrap().to_string(), text);
        }
        for bad in ["", "5", "5KB", "1.5MiB", "99999999TiB"] {
            assert!(bad.parse::<ByteSize>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_rate_is_a_size_in_a_second() {
        let rate: ByteRate = "200MiB/s".parse().unwrap();
        assert_eq!(rate.bytes_per_second(), 200 << 20);
        assert_eq!(rate.to_string(), "200MiB/s");
        for bad in ["200MiB", "200MiB/m", "/s", "200/s", "200MiB/s/s", "-1MiB/s"] {
            assert!(bad.parse::<ByteRate>().is_err(), "{bad}");
        }
    }
}
