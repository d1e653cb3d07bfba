//! How much WAL PostgreSQL may keep for Holdfast, and what happens at that
//! bound (I-15).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::InvalidDocument;
use crate::ByteSize;
use crate::backup::as_word;

/// The least that a bound in bytes may be: four segments of the usual size.
/// With less, a slot would be dropped in the course of ordinary work.
const LEAST_BYTES: u64 = 64 << 20;
/// The most of a volume: a slot is dropped at a checkpoint of the watcher, and
/// PostgreSQL needs room until then.
const MOST_PERCENT: u8 = 90;

/// How much WAL PostgreSQL may keep for a cluster's slot: `20%` of the volume
/// that holds it, or a size such as `50GiB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MaxRetained {
    /// So much of the volume under `pg_wal`.
    Percent(u8),
    /// So many bytes.
    Bytes(ByteSize),
}

impl Default for MaxRetained {
    fn default() -> Self {
        Self::Percent(20)
    }
}

/// Text that is not a bound.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is neither a part of the volume such as 20% nor a size such as 50GiB")]
pub struct InvalidMaxRetained(String);

impl MaxRetained {
    /// The bound in bytes; `None` when it is a part of a volume whose size
    /// nobody knows.
    pub fn of_volume(self, total_bytes: Option<u64>) -> Option<u64> {
        match self {
            Self::Bytes(bytes) => Some(bytes.get()),
            Self::Percent(percent) => {
                let part = u128::from(total_bytes?) * u128::from(percent) / 100;
                u64::try_from(part).ok()
            }
        }
    }

    /// Refuses what no database could live with.
    pub(super) fn check(self) -> Result<(), InvalidDocument> {
        let field = "spec.wal.maxRetained";
        match self {
            Self::Percent(percent) if !(1..=MOST_PERCENT).contains(&percent) => {
                let message = format!("a part of the volume is 1% to {MOST_PERCENT}%");
                Err(InvalidDocument::new(field, message))
            }
            Self::Bytes(bytes) if bytes.get() < LEAST_BYTES => {
                let least = ByteSize::new(LEAST_BYTES);
                let message = format!("less than {least} would be passed in ordinary work");
                Err(InvalidDocument::new(field, message))
            }
            Self::Percent(_) | Self::Bytes(_) => Ok(()),
        }
    }
}

impl FromStr for MaxRetained {
    type Err = InvalidMaxRetained;

    fn from_str(text: &str) -> Result<Self, InvalidMaxRetained> {
        let invalid = || InvalidMaxRetained(text.to_owned());
        match text.strip_suffix('%') {
            Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                digits.parse().map(Self::Percent).map_err(|_| invalid())
            }
            Some(_) => Err(invalid()),
            None => text.parse().map(Self::Bytes).map_err(|_| invalid()),
        }
    }
}

impl fmt::Display for MaxRetained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Percent(percent) => write!(f, "{percent}%"),
            Self::Bytes(bytes) => bytes.fmt(f),
        }
    }
}

impl Serialize for MaxRetained {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for MaxRetained {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

/// What happens when PostgreSQL has kept as much as it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub enum WhenFull {
    /// The slot is dropped: the database lives, the gap is recorded and a
    /// backup is ordered.
    #[default]
    Drop,
    /// The slot stays and an alarm is raised: no WAL is given up, and the
    /// volume may fill up until the database stops.
    Stall,
}

as_word!(WhenFull { Drop = "drop", Stall = "stall" });

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_parts_and_sizes_and_nothing_else() {
        for text in ["1%", "20%", "90%", "64MiB", "50GiB"] {
            let bound: MaxRetained = text.parse().unwrap();
            assert_eq!(bound.to_string(), text);
            bound.check().unwrap();
        }
        for text in ["", "%", "20", "-1%", "+5%", "2.5%", "20 %", "300%", "20GB"] {
            assert!(text.parse::<MaxRetained>().is_err(), "{text}");
        }
        for text in ["0%", "91%", "63MiB", "0B"] {
            let bound: MaxRetained = text.parse().unwrap();
            assert!(bound.check().is_err(), "{text}");
        }
    }

    #[test]
    fn a_part_needs_a_volume_and_a_size_does_not() {
        let fifth = MaxRetained::default();
        assert_eq!(fifth.of_volume(Some(1_000)), Some(200));
        assert_eq!(fifth.of_volume(None), None);
        assert_eq!(fifth.of_volume(Some(u64::MAX)), Some(u64::MAX / 5));
        let size = MaxRetained::Bytes(ByteSize::new(5));
        assert_eq!(size.of_volume(None), Some(5));
    }
}
