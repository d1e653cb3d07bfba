//! What becomes of each due time: the same decision whether it is taken in
//! time or after days of silence.
//!
//! Every due time gets exactly one (I-03). None of them depends on a run that
//! is not over yet: what to do about that is `Overlap::decide`, asked for each
//! run in the order of the due times, when it is dispatched.

use std::collections::VecDeque;
use std::fmt;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::timetable::{Due, Placement, Start, Timetable};
use crate::Span;
use crate::resource::CatchUp;

/// A run is on time when it is decided on this long after it could start: a
/// change of leader or a restart is not downtime.
pub const ON_TIME: Span = Span::from_secs(5 * 60);

/// How many due times are decided on one by one; older ones are counted.
pub const DUE_TIMES_MAX: usize = 10_000;

/// What becomes of a due time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "schema", schema(as = RunDecision))]
pub struct Decision {
    /// When it was due.
    pub due: Due,
    /// What becomes of it.
    pub outcome: Outcome,
}

/// What becomes of a due time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "outcome")]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "schema", schema(as = RunOutcome))]
pub enum Outcome {
    /// It runs.
    Run {
        /// When it may start; that may be in the past.
        start: Start,
        /// It makes up for a time at which nobody could serve it.
        late: bool,
    },
    /// It can no longer run.
    Missed {
        /// Why.
        reason: MissedReason,
    },
    /// It could run and is not meant to.
    Skipped {
        /// Why.
        reason: SkipReason,
    },
    /// Another run does its work.
    Coalesced {
        /// When that one was due.
        into: Timestamp,
    },
}

/// Why a run was missed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "why")]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub enum MissedReason {
    /// A blackout outlasts its window.
    Blackout {
        /// The end of the blackout.
        until: Timestamp,
        /// Its latest start.
        latest: Timestamp,
    },
    /// Its latest start was over before it could be served.
    WindowPassed {
        /// Its latest start.
        latest: Timestamp,
    },
}

/// Why a run was skipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "why")]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub enum SkipReason {
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
}

impl fmt::Display for MissedReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Blackout { until, latest } => write!(
                f,
                "a blackout lasts until {until}, and its latest start was {latest}"
            ),
            Self::WindowPassed { latest } => {
                write!(
                    f,
                    "nobody could start it before its window ended at {latest}"
                )
            }
        }
    }
}

impl fmt::Display for SkipReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CatchUpSkip => f.write_str(
                "nobody could start it when it was due, and the schedule says catchUp: skip",
            ),
            Self::CatchUpMax { max } => write!(
                f,
                "nobody could start it when it was due, and the schedule makes up for {max} at most"
            ),
            Self::Overlap { earlier } => {
                write!(f, "the run that was due at {earlier} was not over")
            }
        }
    }
}

/// Due times that were missed, counted and not told one by one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct MissedRange {
    /// The first of them.
    pub from: Timestamp,
    /// The last of them.
    pub to: Timestamp,
    /// How many they are.
    pub count: u64,
}

/// Decisions on every due time of a stretch.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CatchUpPlan {
    /// Those before the last [`DUE_TIMES_MAX`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missed: Option<MissedRange>,
    /// The others, in order.
    pub decisions: Vec<Decision>,
}

impl Timetable {
    /// Decides on everything that came due after `after`, the end of what was
    /// decided before, and not after `now`.
    ///
    /// Whatever is decided to run in one stretch is also decided to run when
    /// the stretch is cut in parts (`catchUp: latest` and `all`).
    pub fn catch_up(&self, after: Timestamp, now: Timestamp) -> CatchUpPlan {
        let mut missed: Option<MissedRange> = None;
        let mut recent = VecDeque::new();
        for due in self.due_between(after, now) {
            recent.push_back(due);
            if recent.len() > DUE_TIMES_MAX
                && let Some(Due { at, .. }) = recent.pop_front()
            {
                let range = missed.get_or_insert(MissedRange {
                    from: at,
                    to: at,
                    count: 0,
                });
                range.to = at;
                range.count += 1;
            }
        }
        // From the latest on: it is the one that runs where only one does.
        let mut chosen = Chosen::default();
        let mut decisions: Vec<Decision> = recent
            .into_iter()
            .rev()
            .map(|due| Decision {
                due,
                outcome: self.decide(due.at, now, &mut chosen),
            })
            .collect();
        decisions.reverse();
        CatchUpPlan { missed, decisions }
    }

    fn decide(&self, due: Timestamp, now: Timestamp, chosen: &mut Chosen) -> Outcome {
        let start = match self.placement(due) {
            Placement::Starts(start) => start,
            Placement::Missed { reason } => return Outcome::Missed { reason },
        };
        if let Some(latest) = start.latest
            && start.is_over(now)
        {
            let reason = MissedReason::WindowPassed { latest };
            return Outcome::Missed { reason };
        }
        let patience = SignedDuration::try_from(ON_TIME.get()).unwrap_or(SignedDuration::ZERO);
        let late = now.duration_since(start.not_before) > patience;
        let max = self.timing.catch_up_max;
        match (self.timing.catch_up, chosen.latest) {
            (CatchUp::Skip, _) if late => Outcome::Skipped {
                reason: SkipReason::CatchUpSkip,
            },
            (CatchUp::All, _) if chosen.count >= max => Outcome::Skipped {
                reason: SkipReason::CatchUpMax { max },
            },
            (CatchUp::Skip | CatchUp::Latest, Some(into)) => Outcome::Coalesced { into },
            (CatchUp::Skip | CatchUp::Latest, None) | (CatchUp::All, _) => {
                chosen.latest.get_or_insert(due);
                chosen.count += 1;
                Outcome::Run { start, late }
            }
        }
    }
}

#[derive(Default)]
struct Chosen {
    latest: Option<Timestamp>,
    count: u32,
}

#[cfg(test)]
mod tests;
