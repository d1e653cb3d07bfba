//! What is on record of a due time.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::catch_up::{DUE_TIMES_MAX, MissedReason, SkipReason};
use crate::backup::as_word;

/// What became of a due time (I-03).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub enum RunState {
    /// Its job waits for an agent.
    Due,
    /// An agent was given its job.
    Ran,
    /// It can no longer run.
    Missed,
    /// It could have run and was not meant to.
    Skipped,
    /// Another run does its work.
    Coalesced,
}

as_word!(RunState {
    Due = "due",
    Ran = "ran",
    Missed = "missed",
    Skipped = "skipped",
    Coalesced = "coalesced",
});

/// Why a due time did not run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "why")]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub enum RunReason {
    /// A blackout outlasts its window.
    Blackout {
        /// The end of the blackout.
        until: Timestamp,
        /// Its latest start.
        latest: Timestamp,
    },
    /// It could not be started within its window.
    WindowPassed {
        /// Its latest start.
        latest: Timestamp,
    },
    /// It was due so long ago that it was counted with others.
    TooMany,
    /// It was due while nobody could serve it, and is not made up for.
    CatchUpSkip,
    /// More were due while nobody could serve them than are made up for.
    CatchUpMax {
        /// How many are.
        max: u32,
    },
    /// An earlier run of its schedule was not over.
    Overlap {
        /// When that one was due.
        earlier: Timestamp,
    },
    /// Another run does its work.
    Coalesced {
        /// When that one was due.
        into: Timestamp,
    },
    /// Its job was cancelled before an agent began.
    Cancelled,
    /// Its schedule was changed or taken away before it could be served.
    ScheduleChanged,
}

impl From<MissedReason> for RunReason {
    fn from(reason: MissedReason) -> Self {
        match reason {
            MissedReason::Blackout { until, latest } => Self::Blackout { until, latest },
            MissedReason::WindowPassed { latest } => Self::WindowPassed { latest },
        }
    }
}

impl From<SkipReason> for RunReason {
    fn from(reason: SkipReason) -> Self {
        match reason {
            SkipReason::CatchUpSkip => Self::CatchUpSkip,
            SkipReason::CatchUpMax { max } => Self::CatchUpMax { max },
            SkipReason::Overlap { earlier } => Self::Overlap { earlier },
        }
    }
}

impl fmt::Display for RunReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Blackout { until, latest } => MissedReason::Blackout { until, latest }.fmt(f),
            Self::WindowPassed { latest } => MissedReason::WindowPassed { latest }.fmt(f),
            Self::TooMany => write!(
                f,
                "more than {DUE_TIMES_MAX} were due while nobody could serve them: the older ones are counted"
            ),
            Self::CatchUpSkip => SkipReason::CatchUpSkip.fmt(f),
            Self::CatchUpMax { max } => SkipReason::CatchUpMax { max }.fmt(f),
            Self::Overlap { earlier } => SkipReason::Overlap { earlier }.fmt(f),
            Self::Coalesced { into } => write!(f, "the run that is due at {into} does its work"),
            Self::Cancelled => f.write_str("its job was cancelled before an agent began"),
            Self::ScheduleChanged => {
                f.write_str("its schedule was changed or taken away before it could be served")
            }
        }
    }
}
