//! Exposure: who could lose how much right now.
//!
//! The definitions are those of DESIGN section 5.2: the frontier is the latest
//! time of which it is proved that no acknowledged commit before it is missing
//! from a repository; exposure is now minus the frontier. Unknown is not
//! compliant (I-13).

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::backup::as_word;
use crate::{Lsn, LsnRange, Name, Span};

/// The verdict on a cluster against its RPO.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub enum Compliance {
    /// Within its RPO.
    Compliant,
    /// Above 80 % of its RPO.
    AtRisk,
    /// Above its RPO.
    Violated,
    /// Nothing recent is known; counted as exposed.
    Unknown,
    /// No backup, or no policy.
    Unprotected,
    /// Excused by an approved exemption.
    Exempt,
}

as_word!(Compliance {
    Compliant = "COMPLIANT",
    AtRisk = "AT_RISK",
    Violated = "VIOLATED",
    Unknown = "UNKNOWN",
    Unprotected = "UNPROTECTED",
    Exempt = "EXEMPT",
});

/// Which loss an RPO is about.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub enum RpoScope {
    /// Of the cluster: the best repository counts.
    #[default]
    Any,
    /// Of the cluster and any one region: the best repository elsewhere counts.
    RegionLoss,
    /// Of the cluster and any one repository: the second best counts.
    K2,
}

as_word!(RpoScope {
    Any = "any",
    RegionLoss = "regionLoss",
    K2 = "k2",
});

/// A claim about one repository: every commit acknowledged by `time` is in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Frontier {
    /// The time of the claim, on the control plane's clock.
    pub time: Timestamp,
    /// The position up to which WAL is durable without a gap.
    #[cfg_attr(feature = "schema", schema(value_type = String))]
    pub lsn: Lsn,
}

/// Exposure of a cluster in one repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct RepositoryExposure {
    /// The repository.
    pub name: String,
    /// The latest time proved complete in it.
    pub frontier: Option<Timestamp>,
    /// The position that goes with it.
    #[cfg_attr(feature = "schema", schema(value_type = Option<String>))]
    pub frontier_lsn: Option<Lsn>,
    /// Holes in its WAL since the oldest available backup.
    pub gaps: Vec<LsnRange>,
    /// Who receives WAL into it; `None` while nobody has that duty.
    #[serde(default)]
    pub receiver: Option<ReceivedBy>,
    /// Of a copy, how it stands; not there for the policy's own repository.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub copy: Option<CopyExposure>,
}

/// How a copy stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct CopyExposure {
    /// Available backups that are in it.
    pub backups: u64,
    /// Available backups of the policy's repository that are not in it.
    pub missing: u64,
    /// How far the policy lets it lag behind, in seconds.
    pub within_seconds: Option<u64>,
    /// Whether it lags further; absent when the policy does not say.
    pub late: Option<bool>,
    /// Why WAL does not reach it: a stable code.
    pub trouble: Option<String>,
}

/// Who receives a cluster's WAL.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct ReceivedBy {
    /// The agent.
    #[cfg_attr(feature = "schema", schema(value_type = String))]
    pub agent: Name,
    /// From the instance on the host of this agent: its own, or, by a relay,
    /// another's.
    #[cfg_attr(feature = "schema", schema(value_type = String))]
    pub instance: Name,
    /// Since when it has the duty.
    pub since: Timestamp,
}

/// How old a frontier may be before we call ourselves blind: the larger of the
/// time after which an agent counts as lost (15 s) and 2 × `flush_every` + 2 s.
pub fn blind_after(flush_every: Span) -> Duration {
    let two_flushes = flush_every.get().saturating_mul(2) + Duration::from_secs(2);
    two_flushes.max(Duration::from_secs(15))
}

/// The verdict on an exposure, in the contract's order of precedence.
///
/// `exposure` is `None` before the first available backup. Without an RPO
/// there is nothing to judge and the verdict is `None` unless the cluster is
/// unprotected or unknown.
pub fn judge(
    exposure: Option<Duration>,
    rpo: Option<Span>,
    flush_every: Span,
) -> Option<Compliance> {
    let Some(exposure) = exposure else {
        return Some(Compliance::Unprotected);
    };
    if rpo.is_some_and(|rpo| exposure > rpo.get()) {
        return Some(Compliance::Violated);
    }
    if exposure > blind_after(flush_every) {
        return Some(Compliance::Unknown);
    }
    judge_age(Some(exposure), rpo)
}

/// The verdict where no WAL is received: the exposure is the age of the newest
/// backup, which is known however old it is.
pub fn judge_age(exposure: Option<Duration>, rpo: Option<Span>) -> Option<Compliance> {
    let Some(exposure) = exposure else {
        return Some(Compliance::Unprotected);
    };
    let rpo = rpo?;
    if exposure > rpo.get() {
        return Some(Compliance::Violated);
    }
    let at_risk = exposure.as_secs_f64() > rpo.as_secs_f64() * 0.8;
    Some(if at_risk {
        Compliance::AtRisk
    } else {
        Compliance::Compliant
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verdicts_follow_the_contracts_precedence() {
        let seconds = |seconds| Some(Duration::from_secs(seconds));
        let flush = Span::from_secs(5);
        let judged = |exposure, rpo| judge(exposure, Some(Span::from_secs(rpo)), flush);
        assert_eq!(judged(None, 30), Some(Compliance::Unprotected));
        assert_eq!(judged(seconds(31), 30), Some(Compliance::Violated));
        assert_eq!(judged(seconds(16), 30), Some(Compliance::Unknown));
        assert_eq!(judged(seconds(9), 10), Some(Compliance::AtRisk));
        assert_eq!(judged(seconds(8), 10), Some(Compliance::Compliant));
        assert_eq!(judge(seconds(8), None, flush), None);
        assert_eq!(judge(seconds(16), None, flush), Some(Compliance::Unknown));
        assert_eq!(blind_after(Span::from_secs(60)), Duration::from_secs(122));
        // The age of a backup is never unknown.
        let aged = |exposure, rpo| judge_age(exposure, Some(Span::from_secs(rpo)));
        assert_eq!(aged(None, 100), Some(Compliance::Unprotected));
        assert_eq!(aged(seconds(101), 100), Some(Compliance::Violated));
        assert_eq!(aged(seconds(81), 100), Some(Compliance::AtRisk));
        assert_eq!(aged(seconds(80), 100), Some(Compliance::Compliant));
        assert_eq!(judge_age(seconds(9999), None), None);
    }
}
