//! Where a restore is to end.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{BackupId, Lsn};

/// The point to restore to, as the contract spells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RestoreTarget {
    /// Everything that is proved to be there.
    Latest,
    /// Before the first commit whose timestamp exceeds it.
    Time(Timestamp),
    /// Up to this position.
    Lsn(Lsn),
    /// Up to the commit of this transaction.
    Xid(u32),
    /// Up to this named restore point.
    Name(String),
    /// As soon as the backup is consistent.
    Immediate,
    /// As soon as this backup is consistent.
    Backup(BackupId),
}

/// Text that is not a restore target.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{text}\" is not a restore target: {problem}")]
pub struct InvalidTarget {
    /// What was given.
    pub text: String,
    /// What is wrong with it.
    pub problem: String,
}

impl FromStr for RestoreTarget {
    type Err = InvalidTarget;

    fn from_str(text: &str) -> Result<Self, InvalidTarget> {
        let invalid = |problem: String| InvalidTarget {
            text: text.to_owned(),
            problem,
        };
        match text.split_once(':') {
            None if text == "latest" => Ok(Self::Latest),
            None if text == "immediate" => Ok(Self::Immediate),
            Some(("lsn", lsn)) => lsn
                .parse()
                .map(Self::Lsn)
                .map_err(|error| invalid(error.to_string())),
            Some(("xid", xid)) => xid
                .parse()
                .map(Self::Xid)
                .map_err(|_| invalid("a transaction id is a number below 2^32".to_owned())),
            Some(("name", "")) => Err(invalid("the name is empty".to_owned())),
            Some(("name", name)) => Ok(Self::Name(name.to_owned())),
            Some(("backup", id)) => id
                .parse()
                .map(Self::Backup)
                .map_err(|error| invalid(error.to_string())),
            _ => text.parse().map(Self::Time).map_err(|_| {
                invalid(
                    "it is latest, immediate, an RFC 3339 time with its offset such as \
                     2026-02-03T02:41:07+01:00, lsn:X, xid:N, name:S or backup:ID"
                        .to_owned(),
                )
            }),
        }
    }
}

impl fmt::Display for RestoreTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Latest => f.write_str("latest"),
            Self::Time(time) => time.fmt(f),
            Self::Lsn(lsn) => write!(f, "lsn:{lsn}"),
            Self::Xid(xid) => write!(f, "xid:{xid}"),
            Self::Name(name) => write!(f, "name:{name}"),
            Self::Immediate => f.write_str("immediate"),
            Self::Backup(id) => write!(f, "backup:{id}"),
        }
    }
}

impl Serialize for RestoreTarget {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for RestoreTarget {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Pitfall 28
    #[test]
    fn reads_every_form_and_says_what_is_wrong() {
        for text in [
            "latest",
            "immediate",
            "lsn:0/3000000",
            "xid:42",
            "name:before drop",
        ] {
            assert_eq!(text.parse::<RestoreTarget>().unwrap().to_string(), text);
        }
        let time: RestoreTarget = "2026-02-03T02:41:07.5+01:00".parse().unwrap();
        assert_eq!(time.to_string(), "2026-02-03T01:41:07.5Z");
        for bad in [
            "",
            "now",
            "2026-02-03T02:41:07",
            "lsn:16",
            "xid:-1",
            "name:",
            "backup:7",
        ] {
            assert!(bad.parse::<RestoreTarget>().is_err(), "{bad}");
        }
    }
}
