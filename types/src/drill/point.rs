//! To which point a drill restores.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{InvalidTarget, RestoreTarget};

/// The point of a drill: one at random, or the target of a restore.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DrillPoint {
    /// Any point of the recovery window. Which one is decided before the drill is
    /// queued, by a number that whoever queues it brings (I-02).
    Random,
    /// As for a restore.
    At(RestoreTarget),
}

impl Default for DrillPoint {
    fn default() -> Self {
        Self::At(RestoreTarget::Latest)
    }
}

impl FromStr for DrillPoint {
    type Err = InvalidTarget;

    fn from_str(text: &str) -> Result<Self, InvalidTarget> {
        match text {
            "random" => Ok(Self::Random),
            target => target.parse().map(Self::At),
        }
    }
}

impl fmt::Display for DrillPoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Random => f.write_str("random"),
            Self::At(target) => target.fmt(f),
        }
    }
}

impl Serialize for DrillPoint {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for DrillPoint {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_is_random_or_a_target() {
        for text in ["random", "latest", "lsn:0/3000000", "2026-02-03T01:41:07Z"] {
            assert_eq!(text.parse::<DrillPoint>().unwrap().to_string(), text);
        }
        assert!("sometimes".parse::<DrillPoint>().is_err());
    }
}
