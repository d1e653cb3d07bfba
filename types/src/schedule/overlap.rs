//! What a run does while an earlier one of its schedule is not over.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::catch_up::SkipReason;
use crate::resource::Overlap;

/// The earlier runs of a schedule that are not over. That a job is lost, its
/// lease over or its agent gone, is for leases and the idle timeout to settle:
/// they end it, so nothing here can wait for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unfinished {
    /// When the one was due that has begun.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub running: Option<Timestamp>,
    /// When the one was due that has not begun.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting: Option<Timestamp>,
}

/// What a run does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "action")]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub enum OverlapAction {
    /// It goes ahead.
    Start,
    /// It waits until the one that is running is over.
    Queue {
        /// When that one was due.
        behind: Timestamp,
    },
    /// It is skipped.
    Skip {
        /// Why.
        reason: SkipReason,
    },
    /// It is coalesced into the one that waits.
    Coalesce {
        /// When that one was due.
        into: Timestamp,
    },
    /// It takes the place of the earlier ones.
    Replace {
        /// When the one was due that is cancelled.
        cancel: Option<Timestamp>,
        /// When the one was due that is coalesced into this one.
        supersede: Option<Timestamp>,
    },
}

impl Overlap {
    /// What a run does that came due while `unfinished` were not over.
    ///
    /// Runs that one [`catch_up`](super::Timetable::catch_up) decided on are no
    /// overlap of each other: with `catchUp: all` they run one after another.
    pub fn decide(self, unfinished: Unfinished) -> OverlapAction {
        let Unfinished { running, waiting } = unfinished;
        let Some(earlier) = running.or(waiting) else {
            return OverlapAction::Start;
        };
        match (self, waiting) {
            (Self::Skip, _) => OverlapAction::Skip {
                reason: SkipReason::Overlap { earlier },
            },
            (Self::QueueOne, Some(into)) => OverlapAction::Coalesce { into },
            (Self::QueueOne, None) => OverlapAction::Queue { behind: earlier },
            (Self::CancelRunning, supersede) => OverlapAction::Replace {
                cancel: running,
                supersede,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_policy_meets_each_state() {
        let at = |hour: i64| Timestamp::from_second(hour * 3_600).unwrap();
        let state = |running: Option<i64>, waiting: Option<i64>| Unfinished {
            running: running.map(at),
            waiting: waiting.map(at),
        };
        for policy in [Overlap::Skip, Overlap::QueueOne, Overlap::CancelRunning] {
            assert_eq!(policy.decide(state(None, None)), OverlapAction::Start);
        }
        let skip = |hour| OverlapAction::Skip {
            reason: SkipReason::Overlap { earlier: at(hour) },
        };
        let replace = |cancel: Option<i64>, supersede: Option<i64>| OverlapAction::Replace {
            cancel: cancel.map(at),
            supersede: supersede.map(at),
        };
        let coalesce = OverlapAction::Coalesce { into: at(2) };
        let behind = OverlapAction::Queue { behind: at(1) };
        let cases = [
            (
                state(Some(1), None),
                skip(1),
                behind,
                replace(Some(1), None),
            ),
            (
                state(None, Some(2)),
                skip(2),
                coalesce,
                replace(None, Some(2)),
            ),
            (
                state(Some(1), Some(2)),
                skip(1),
                coalesce,
                replace(Some(1), Some(2)),
            ),
        ];
        for (state, skip, queue, cancel) in cases {
            assert_eq!(Overlap::Skip.decide(state), skip);
            assert_eq!(Overlap::QueueOne.decide(state), queue);
            assert_eq!(Overlap::CancelRunning.decide(state), cancel);
        }
    }
}
