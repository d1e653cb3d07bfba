//! Pins: who may build on which backup, and until when it is kept for that
//! (I-06).
//!
//! A pin belongs to one attempt at an incremental, or to the standing orders of
//! a cluster, which its agent follows on its own. It is never shortened and
//! never taken back: an agent that was cut off still counts on it. Whoever
//! condemns backups asks for pins first.

use std::fmt;
use std::str::FromStr;

use holdfast_types::{AssignmentId, Name};
use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

/// The longest that a backup can be pinned for at a time. What nobody refers to
/// and is younger than this is no orphan.
pub const PIN_MOST: SignedDuration = SignedDuration::from_hours(30 * 24);

/// Who may build on a backup.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PinHolder {
    /// An attempt at a job.
    Assignment(AssignmentId),
    /// Whoever follows the standing orders of a cluster.
    Cluster(Name),
}

/// Text that names no holder of a pin.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is neither an assignment nor clusters/<name>")]
pub struct InvalidHolder(pub String);

const CLUSTERS: &str = "clusters/";

impl fmt::Display for PinHolder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Assignment(id) => id.fmt(f),
            Self::Cluster(name) => write!(f, "{CLUSTERS}{name}"),
        }
    }
}

impl FromStr for PinHolder {
    type Err = InvalidHolder;

    fn from_str(text: &str) -> Result<Self, InvalidHolder> {
        let invalid = || InvalidHolder(text.to_owned());
        match text.strip_prefix(CLUSTERS) {
            Some(name) => name.parse().map(Self::Cluster).map_err(|_| invalid()),
            None => text.parse().map(Self::Assignment).map_err(|_| invalid()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holders_read_as_they_print() {
        for text in ["asg_00000000000000000000000000000001", "clusters/orders"] {
            assert_eq!(text.parse::<PinHolder>().unwrap().to_string(), text);
        }
        for text in ["", "clusters/", "clusters/No", "jobs/1", "job_1"] {
            assert!(text.parse::<PinHolder>().is_err(), "{text}");
        }
    }
}
