//! Whether a policy can keep what it promises.
//!
//! Nothing here refuses a document: what is wrong in itself is refused when it is
//! read. These are promises that the rest of the policy, or what was measured,
//! speaks against, each with what would help.

mod copies;
mod rpo;
mod rto;
mod schedules;
mod window;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Measured;
use crate::backup::as_word;
use crate::resource::Policy;

/// How sure it is that a promise is not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub enum Severity {
    /// It cannot be kept.
    Infeasible,
    /// It may not be kept.
    Warning,
    /// Something to know.
    Note,
}

as_word!(Severity {
    Infeasible = "infeasible",
    Warning = "warning",
    Note = "note",
});

macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $variant:ident = $word:literal),* $(,)?) => {
        /// What was found. Stable; `docs/how-to/policies.md` explains each.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        #[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
        pub enum LintCode {
            $($(#[doc = $doc])+ $variant,)*
        }

        impl LintCode {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant),*];
        }

        as_word!(LintCode { $($variant = $word),* });
    };
}

codes! {
    /// WAL waits longer than the RPO before it is stored.
    RpoBelowFlush = "rpo_below_flush",
    /// In ordinary work the exposure passes four fifths of the RPO.
    RpoNearFlush = "rpo_near_flush",
    /// Archived WAL is as old as the last segment switch.
    RpoNeedsSwitch = "rpo_needs_switch",
    /// Backups are further apart than the RPO.
    RpoBelowSchedule = "rpo_below_schedule",
    /// Backups are nearly as far apart as the RPO.
    RpoNearSchedule = "rpo_near_schedule",
    /// No schedule takes a backup.
    NothingScheduled = "nothing_scheduled",
    /// WAL is received, and only dumps are scheduled.
    WalWithoutBase = "wal_without_base",
    /// A window of points in time needs WAL.
    WindowNeedsWal = "window_needs_wal",
    /// Much of the window is far from any kept backup.
    WindowBeyondKeep = "window_beyond_keep",
    /// Nothing expires.
    NothingExpires = "nothing_expires",
    /// No restore was measured.
    RtoNotMeasured = "rto_not_measured",
    /// Restores take longer than the RTO.
    RtoBelowRestore = "rto_below_restore",
    /// Restores take nearly as long as the RTO.
    RtoNearRestore = "rto_near_restore",
    /// A copy is in the region of the original.
    CopyInSameRegion = "copy_in_same_region",
    /// A copy cannot be as near as it is to be.
    CopyBelowFlush = "copy_below_flush",
    /// Nobody says how far a copy may lag behind.
    CopyWithoutLimit = "copy_without_limit",
    /// Runs of a schedule are always missed.
    ScheduleNeverRuns = "schedule_never_runs",
    /// A backup takes longer than the time to the next one.
    BackupOutlastsPeriod = "backup_outlasts_period",
    /// Limits let fewer backups start than are due.
    LimitTooTight = "limit_too_tight",
    /// The volume may fill up.
    VolumeMayFill = "volume_may_fill",
}

/// A promise that something speaks against.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "schema", schema(as = PolicyLint))]
pub struct Lint {
    /// What was found.
    pub code: LintCode,
    /// How sure that is.
    pub severity: Severity,
    /// The path of the field, as in refusals.
    #[cfg_attr(feature = "schema", schema(example = "spec.objectives.rpo"))]
    pub field: String,
    /// What speaks against it, with the numbers.
    pub message: String,
    /// What would help.
    pub hint: String,
}

/// Everything that speaks against what a policy promises, the surest first.
/// `now` only decides from when on the calendar of schedules is looked at.
pub fn lint(policy: &Policy, measured: &Measured, now: Timestamp) -> Vec<Lint> {
    let mut found = Findings::default();
    rpo::check(policy, measured, now, &mut found);
    window::check(policy, now, &mut found);
    rto::check(policy, measured, now, &mut found);
    copies::check(policy, measured, &mut found);
    schedules::check(policy, measured, now, &mut found);
    let mut found = found.0;
    found.sort_by(|one, other| {
        let key = |lint: &Lint| (lint.severity, lint.code);
        key(one).cmp(&key(other)).then(one.field.cmp(&other.field))
    });
    found
}

#[derive(Default)]
struct Findings(Vec<Lint>);

impl Findings {
    fn add(
        &mut self,
        (code, severity): (LintCode, Severity),
        field: impl Into<String>,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) {
        self.0.push(Lint {
            code,
            severity,
            field: field.into(),
            message: message.into(),
            hint: hint.into(),
        });
    }
}

#[cfg(test)]
mod tests;
