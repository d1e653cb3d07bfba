//! What a report says, whatever it is written as.
//!
//! Nothing in it depends on when or by whom it was made: the same fleet and period,
//! as known at the same moment, give the same bytes.

use holdfast_types::{Compliance, Name, RpoScope};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::number::{Level, Percent, Seconds};
use crate::record::{Acknowledgement, Approval, Deletion, Drill, Exemption, Restore};
use crate::totals::Totals;

/// The version of the body's form.
pub const VERSION: u32 = 2;

/// What the report is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Subject {
    /// Whether a fleet kept what its policies promise.
    #[default]
    Compliance,
}

/// A report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Report {
    /// What it is about.
    pub report: Subject,
    /// The version of its form.
    pub version: u32,
    /// The fleet.
    pub fleet: Name,
    /// The first moment of the period.
    pub from: Timestamp,
    /// The moment after its last.
    pub to: Timestamp,
    /// It says what was known then: what became known later is not in it.
    pub as_known_at: Timestamp,
    /// The fleet in numbers.
    pub totals: Totals,
    /// Its clusters, by name.
    pub clusters: Vec<Cluster>,
    /// Exemptions that were in force in the period.
    pub exemptions: Vec<Exemption>,
    /// Drills that ended in it.
    pub drills: Vec<Drill>,
    /// Restores that ended in it.
    pub restores: Vec<Restore>,
    /// What was condemned or deleted in it.
    pub deletions: Vec<Deletion>,
    /// Requests for the consent of others that were open in it.
    pub approvals: Vec<Approval>,
    /// Alarms that somebody took on in it. Since version 2.
    #[serde(default)]
    pub acknowledgements: Vec<Acknowledgement>,
}

/// One cluster in the period.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Cluster {
    /// Its name.
    pub cluster: Name,
    /// What was promised at the end of the period; absent when nothing was.
    pub promise: Option<Promise>,
    /// Its state at the end of the period; absent without an RPO, and when it was
    /// not declared then.
    pub status: Option<Compliance>,
    /// How well the RPO was kept.
    pub kept: Kept,
    /// For how long it was in which state.
    pub states: Vec<StateTime>,
    /// How high its exposure was; absent when nothing was promised.
    pub exposure: Option<Exposures>,
    /// Violations that lie in the period, whole.
    pub violations: Vec<Violation>,
    /// The course of its exposure.
    pub curve: Option<Curve>,
    /// The times that could be restored at the end of the period, by repository.
    pub recovery: Vec<Recovery>,
    /// What drills proved by the end of the period.
    pub proof: Proof,
    /// The named controls at the end of the period.
    pub controls: Vec<Control>,
    /// Its backups, by kind.
    pub backups: Vec<Backups>,
    /// Backups that failed.
    pub failed_backups: Vec<FailedBackup>,
}

/// What was promised.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Promise {
    /// The policy.
    pub policy: Name,
    /// How much may be lost.
    pub rpo_seconds: Option<Seconds>,
    /// Of which loss that is said.
    pub rpo_scope: RpoScope,
    /// How long a restore may take.
    pub rto_seconds: Option<Seconds>,
    /// How far back any point can be restored.
    pub window_seconds: Option<Seconds>,
}

/// How well an RPO was kept, as lengths that add up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Kept {
    /// For how long there was an RPO.
    pub measured_seconds: Seconds,
    /// How much of that was excused.
    pub exempt_seconds: Seconds,
    /// For how long exposure was above the RPO, excused or not.
    pub violated_seconds: Seconds,
    /// How much of that was excused.
    pub violated_exempt_seconds: Seconds,
    /// The part of the measured time that was not violated, exemptions ignored.
    pub compliance_percent: Option<Percent>,
    /// The same of the time that was not excused.
    pub compliance_excused_percent: Option<Percent>,
}

impl Kept {
    /// With its percentages.
    pub fn new(
        measured: Seconds,
        exempt: Seconds,
        violated: Seconds,
        violated_exempt: Seconds,
    ) -> Self {
        let (unexcused, left) = (violated.less(violated_exempt), measured.less(exempt));
        Self {
            measured_seconds: measured,
            exempt_seconds: exempt,
            violated_seconds: violated,
            violated_exempt_seconds: violated_exempt,
            compliance_percent: Percent::kept(violated, measured),
            compliance_excused_percent: Percent::kept(unexcused, left),
        }
    }

    /// Of all of them: each second of each cluster counts the same.
    pub fn sum<'a>(all: impl Iterator<Item = &'a Self> + Clone) -> Self {
        let sum = |part: fn(&Self) -> Seconds| all.clone().map(part).sum();
        Self::new(
            sum(|one| one.measured_seconds),
            sum(|one| one.exempt_seconds),
            sum(|one| one.violated_seconds),
            sum(|one| one.violated_exempt_seconds),
        )
    }
}

/// How long a state lasted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StateTime {
    /// The state; absent where there was no RPO to judge by.
    pub state: Option<Compliance>,
    /// How long.
    pub seconds: Seconds,
}

/// How high an exposure was: at most so much for so much of the time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Exposures {
    /// Always.
    pub highest: Level,
    /// Half of the time.
    pub p50: Level,
    /// 95 % of it.
    pub p95: Level,
    /// 99 % of it.
    pub p99: Level,
}

/// A time in which exposure was above the RPO.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Violation {
    /// Its first moment: the frontier then plus the RPO.
    pub started_at: Timestamp,
    /// When a fact lowered the exposure; absent while none did.
    pub ended_at: Option<Timestamp>,
    /// The RPO at its start.
    pub rpo_seconds: Seconds,
    /// What that was about.
    pub rpo_scope: RpoScope,
    /// Why it began: a stable code.
    pub cause: String,
    /// The highest exposure in it.
    pub highest: Level,
    /// How much of it was excused.
    pub exempt_seconds: Seconds,
}

/// The highest exposure in each of many equal parts of the period.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Curve {
    /// How long a part is; the last one may be shorter.
    pub step_seconds: Seconds,
    /// The highest exposure in each; null where nothing was promised.
    pub highest: Vec<Option<Level>>,
}

/// What could be restored from a repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Recovery {
    /// The repository.
    pub repository: Name,
    /// The earliest point; absent when there was none.
    pub earliest: Option<Timestamp>,
    /// The latest one.
    pub latest: Option<Timestamp>,
    /// Holes between them that reach into the promised window.
    pub gaps: Vec<Interval>,
}

/// A time between two moments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Interval {
    /// Its first moment.
    pub from: Timestamp,
    /// The moment after its last.
    pub to: Timestamp,
}

/// What drills proved.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Proof {
    /// When the newest drill ended.
    pub drilled_at: Option<Timestamp>,
    /// How long a restore takes, by the newest drill that passed.
    pub achieved_rto_seconds: Option<Seconds>,
    /// What that drill would have lost.
    pub achieved_rpo_seconds: Option<Seconds>,
    /// Why the restore time is not proven: a stable code; absent when it is.
    pub not_proven: Option<String>,
}

/// A control and its answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Control {
    /// Its name, such as `PG_IN_POLICY`.
    pub control: String,
    /// `PASS`, `FAIL`, `NOT_PROVEN`, `NOT_APPLICABLE` or `EXEMPT`.
    pub outcome: String,
    /// Why it is not a pass: a stable code.
    pub reason: Option<String>,
}

/// Backups of one kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Backups {
    /// `full`, `incremental` or `logical`.
    pub kind: String,
    /// How many became available in the period.
    pub available: u64,
    /// How many failed in it.
    pub failed: u64,
    /// How many were condemned, deleted or lost in it.
    pub gone: u64,
    /// When the first of them was consistent.
    pub first_at: Option<Timestamp>,
    /// When the last one was.
    pub last_at: Option<Timestamp>,
    /// The longest time between two that followed each other.
    pub longest_pause_seconds: Option<Seconds>,
}

/// A backup that failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FailedBackup {
    /// Its id.
    pub id: String,
    /// What it was to hold.
    pub kind: String,
    /// When it began.
    pub started_at: Timestamp,
    /// When it failed.
    pub failed_at: Timestamp,
    /// Why: a stable code.
    pub cause: String,
}

impl Curve {
    /// Its parts: when each begins, and how high exposure was in it at most.
    pub fn points(&self, from: Timestamp) -> impl Iterator<Item = (Timestamp, Option<Level>)> {
        let step = i64::try_from(self.step_seconds.micros()).unwrap_or(i64::MAX);
        let levels = self.highest.iter().enumerate();
        levels.map(move |(index, level)| {
            let passed = step.saturating_mul(i64::try_from(index).unwrap_or(i64::MAX));
            let passed = jiff::SignedDuration::from_micros(passed);
            (from.checked_add(passed).unwrap_or(Timestamp::MAX), *level)
        })
    }
}
