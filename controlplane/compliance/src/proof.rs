//! What drills prove. A restore time is measured by them and by nothing else.

use holdfast_types::Span;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::fact::Drill;
use crate::promise::Promise;
use crate::span::between;

/// Why a restore time is not proven.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NotProven {
    /// There was no drill yet.
    NoDrill,
    /// The newest drill failed.
    DrillFailed,
    /// The newest drill is older than drills may be.
    DrillTooOld,
    /// The newest drill took longer than promised, or did not measure it.
    TooSlow,
}

impl NotProven {
    /// Its code.
    pub const fn code(self) -> &'static str {
        match self {
            Self::NoDrill => "no_drill",
            Self::DrillFailed => "drill_failed",
            Self::DrillTooOld => "drill_too_old",
            Self::TooSlow => "too_slow",
        }
    }
}

/// What the newest drill proves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Proof {
    /// When the newest drill ended.
    pub drilled_at: Option<Timestamp>,
    /// Whether it passed.
    pub passed: bool,
    /// How long a restore takes, by the newest drill that passed.
    pub achieved_rto: Option<Span>,
    /// What that drill lost.
    pub achieved_rpo: Option<Span>,
    /// Up to when the newest drill that passed had replayed.
    pub verified_until: Option<Timestamp>,
    /// Why it does not prove what is promised; `None` when it does.
    pub not_proven: Option<NotProven>,
}

impl Proof {
    pub(crate) fn of(
        drills: &[(Timestamp, Drill)],
        promise: Option<&Promise>,
        now: Timestamp,
    ) -> Self {
        let newest = drills.last();
        let passed = drills.iter().rev().find(|(_, drill)| drill.passed);
        let passed = passed.map(|(_, drill)| drill);
        Self {
            drilled_at: newest.map(|(at, _)| *at),
            passed: newest.is_some_and(|(_, drill)| drill.passed),
            achieved_rto: passed.and_then(|drill| drill.rto),
            achieved_rpo: passed.and_then(|drill| drill.rpo),
            verified_until: passed.and_then(|drill| drill.reached),
            not_proven: missing(newest, promise, now),
        }
    }
}

fn missing(
    newest: Option<&(Timestamp, Drill)>,
    promise: Option<&Promise>,
    now: Timestamp,
) -> Option<NotProven> {
    let Some((at, drill)) = newest else {
        return Some(NotProven::NoDrill);
    };
    if !drill.passed {
        return Some(NotProven::DrillFailed);
    }
    let every = promise.and_then(|promise| promise.drill_every);
    if every.is_some_and(|every| between(*at, now) > every.get()) {
        return Some(NotProven::DrillTooOld);
    }
    let target = promise.and_then(|promise| promise.rto)?;
    let fits = drill.rto.is_some_and(|rto| rto <= target);
    (!fits).then_some(NotProven::TooSlow)
}
