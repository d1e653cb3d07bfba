//! What a cluster's drills prove now.
//!
//! Only a drill proves that a restore works and how long it takes, and only for a
//! while. Without one that passed and is young enough nothing is proven, whatever else
//! looks well.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::DrillVerdict;
use crate::backup::as_word;
use crate::{DrillId, Span};

/// A drill, as far as it proves something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProvenBy {
    /// Which.
    pub id: DrillId,
    /// When it ended.
    pub at: Timestamp,
    /// How.
    pub verdict: DrillVerdict,
    /// How long the restore took.
    pub rto: Option<Span>,
    /// What would have been lost.
    pub rpo: Option<Span>,
}

/// Why nothing is proven.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "schema", schema(as = DrillNotProven))]
pub enum NotProven {
    /// There was no drill yet.
    NoDrill,
    /// The newest drill failed.
    DrillFailed,
    /// The newest drill that passed is older than it may be.
    DrillTooOld,
}

as_word!(NotProven {
    NoDrill = "no_drill",
    DrillFailed = "drill_failed",
    DrillTooOld = "drill_too_old",
});

/// What the drills of a cluster prove.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "schema", schema(as = DrillProof))]
pub struct Proof {
    /// Whether the newest drill passed and is young enough.
    pub proven: bool,
    /// Why not.
    pub because: Option<NotProven>,
    /// The newest drill.
    #[cfg_attr(feature = "schema", schema(value_type = Option<String>))]
    pub drill: Option<DrillId>,
    /// When that ended.
    pub drilled_at: Option<Timestamp>,
    /// When the newest drill that passed ended.
    pub passed_at: Option<Timestamp>,
    /// How long a restore took in that.
    pub achieved_rto_seconds: Option<f64>,
    /// What would have been lost in that.
    pub achieved_rpo_seconds: Option<f64>,
}

/// What is proven at `now` by the newest drill, and the newest that passed. `fresh_for`
/// is for how long one counts; without it one that passed counts until one fails.
pub fn prove(
    newest: Option<ProvenBy>,
    passed: Option<ProvenBy>,
    fresh_for: Option<Span>,
    now: Timestamp,
) -> Proof {
    let because = match (newest, passed) {
        (None, _) => Some(NotProven::NoDrill),
        (Some(newest), _) if newest.verdict == DrillVerdict::Failed => Some(NotProven::DrillFailed),
        (Some(_), None) => Some(NotProven::NoDrill),
        (Some(_), Some(passed)) => {
            let old = fresh_for.is_some_and(|span| age(passed.at, now) > span.get());
            old.then_some(NotProven::DrillTooOld)
        }
    };
    Proof {
        proven: because.is_none(),
        because,
        drill: newest.map(|drill| drill.id),
        drilled_at: newest.map(|drill| drill.at),
        passed_at: passed.map(|drill| drill.at),
        achieved_rto_seconds: passed.and_then(|drill| drill.rto).map(Span::as_secs_f64),
        achieved_rpo_seconds: passed.and_then(|drill| drill.rpo).map(Span::as_secs_f64),
    }
}

fn age(at: Timestamp, now: Timestamp) -> Duration {
    let age = now.duration_since(at);
    if age.is_negative() {
        return Duration::ZERO;
    }
    age.unsigned_abs()
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn drill(second: i64, verdict: DrillVerdict) -> ProvenBy {
        ProvenBy {
            id: DrillId::from_uuid(Uuid::from_u128(7)),
            at: Timestamp::from_second(second).unwrap(),
            verdict,
            rto: Some(Span::from_secs(90)),
            rpo: Some(Span::from_secs(2)),
        }
    }

    /// I-13: what is not proven by a drill is not proven.
    #[test]
    fn only_a_young_drill_that_passed_proves() {
        let now = Timestamp::from_second(1_000).unwrap();
        let week = Some(Span::from_secs(500));
        let because = |newest, passed, fresh| prove(newest, passed, fresh, now).because;
        let passed = Some(drill(600, DrillVerdict::Passed));
        assert_eq!(because(None, None, week), Some(NotProven::NoDrill));
        assert_eq!(because(passed, passed, week), None);
        assert_eq!(because(passed, passed, None), None);
        let old = Some(drill(499, DrillVerdict::Passed));
        assert_eq!(because(old, old, week), Some(NotProven::DrillTooOld));
        let failed = Some(drill(900, DrillVerdict::Failed));
        assert_eq!(because(failed, passed, week), Some(NotProven::DrillFailed));
        // One that somebody ended says nothing: the one before it stands.
        let cancelled = Some(drill(900, DrillVerdict::Cancelled));
        assert_eq!(because(cancelled, passed, week), None);
        assert_eq!(because(cancelled, None, week), Some(NotProven::NoDrill));
        assert_eq!(because(cancelled, old, week), Some(NotProven::DrillTooOld));
        // What it took is known even when it is not proven any more.
        assert_eq!(
            prove(failed, passed, week, now).achieved_rto_seconds,
            Some(90.0)
        );
    }
}
