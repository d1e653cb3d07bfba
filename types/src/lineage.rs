//! Lineages: WAL and backups that belong together.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A system identifier and an incarnation within one cluster.
///
/// `pg_upgrade` and `initdb` change the system identifier. A restored copy or
/// a clone keeps it, so it starts a new incarnation when it begins to archive:
/// its WAL has the names of the original's and other bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lineage {
    /// PostgreSQL's `Database system identifier`.
    pub system_identifier: u64,
    /// Counts from 1.
    pub incarnation: u32,
}

/// Text that is not a lineage.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is not a lineage such as 7301234567890123456-1")]
pub struct InvalidLineage(pub String);

impl fmt::Display for Lineage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.system_identifier, self.incarnation)
    }
}

impl FromStr for Lineage {
    type Err = InvalidLineage;

    fn from_str(text: &str) -> Result<Self, InvalidLineage> {
        let parse = || {
            let (identifier, incarnation) = text.split_once('-')?;
            let lineage = Self {
                system_identifier: identifier.parse().ok()?,
                incarnation: incarnation.parse().ok()?,
            };
            (lineage.to_string() == text && lineage.incarnation > 0).then_some(lineage)
        };
        parse().ok_or_else(|| InvalidLineage(text.to_owned()))
    }
}

impl Serialize for Lineage {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Lineage {
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
    fn has_one_spelling() {
        let lineage = Lineage {
            system_identifier: 7_301,
            incarnation: 2,
        };
        assert_eq!("7301-2".parse::<Lineage>().unwrap(), lineage);
        for bad in ["7301", "7301-0", "07301-2", "7301-+2", "-2", "7301-2-3"] {
            assert!(bad.parse::<Lineage>().is_err(), "{bad}");
        }
    }
}
