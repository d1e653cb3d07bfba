//! Compliance as it is shown: the numbers of a period, its phases and violations, and
//! what stood at its end.

use std::collections::BTreeMap;
use std::time::Duration;

use holdfast_compliance::{
    Control, ControlResult, CopyJudgement, Height, History, Outcome, Period, Told, Violation,
};
use holdfast_state::query::ResourceView;
use holdfast_types::{Compliance, Name, RpoScope, Span};
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

/// Which time is asked about, and what was known of it when.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked {
    pub(crate) period: Period,
    pub(crate) known: Timestamp,
    /// Whether it is asked as it is known now: then what agents said since the log's
    /// last checkpoint counts too.
    pub(crate) live: bool,
}

/// What a period of a cluster was like.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Compliance)]
pub struct ComplianceView {
    /// The cluster.
    #[schema(value_type = String)]
    pub cluster: Name,
    /// Its fleet, as it is now.
    #[schema(value_type = Option<String>)]
    pub fleet: Option<Name>,
    /// The period's first moment.
    pub from: Timestamp,
    /// The moment after its last.
    pub to: Timestamp,
    /// What was known by then counts.
    pub as_known_at: Timestamp,
    /// The verdict at its end; null when there was no RPO to judge by.
    #[schema(value_type = Option<Compliance>)]
    pub status: Option<Compliance>,
    /// Why it was not compliant at its end: a stable code.
    pub cause: Option<String>,
    /// The RPO at its end.
    pub rpo_seconds: Option<f64>,
    /// What the RPO was about.
    pub rpo_scope: RpoScope,
    /// Which part of the time with an RPO was not violated, 0 to 1, exemptions ignored;
    /// null when there was none.
    pub compliance: Option<f64>,
    /// The same without the time that was excused.
    pub compliance_excused: Option<f64>,
    /// For how long there was an RPO.
    pub eligible_seconds: f64,
    /// How much of that was excused.
    pub exempt_seconds: f64,
    /// For how long exposure was above the RPO, excused or not.
    pub violated_seconds: f64,
    /// How much of that was excused.
    pub violated_exempt_seconds: f64,
    /// Seconds in each state; `NONE` without an RPO.
    pub states: BTreeMap<String, f64>,
    /// The highest exposure.
    pub highest: ExposureHeight,
    /// The height that exposure did not exceed for half of the time; an eighth too high
    /// at most.
    pub p50: ExposureHeight,
    /// For 95 % of it.
    pub p95: ExposureHeight,
    /// For 99 % of it.
    pub p99: ExposureHeight,
    /// How many violations lie in it.
    pub violation_count: u64,
    /// How many of them were not over.
    pub open_violations: u64,
    /// How long a violation that was over lasted, on average.
    pub mean_time_to_recover_seconds: Option<f64>,
    /// The repositories at its end.
    pub copies: Vec<CopyCompliance>,
    /// The named controls at its end.
    pub controls: Vec<ControlView>,
}

/// How high an exposure was.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExposureHeight {
    /// Seconds; null when nothing was measured or it had no bound.
    pub seconds: Option<f64>,
    /// Whether there was nothing to restore from.
    pub unbounded: bool,
}

/// A cluster in one repository.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CopyCompliance {
    /// The repository.
    #[schema(value_type = String)]
    pub repository: Name,
    /// The latest time proved complete in it; null when nothing can be restored from it.
    pub frontier: Option<Timestamp>,
    /// Its exposure.
    pub exposure_seconds: Option<f64>,
    /// Whether it lags further behind than it may; null when nobody says how far.
    pub late: Option<bool>,
    /// Whether a hole cuts its newest backup from the WAL behind it.
    pub cut: bool,
    /// The earliest time that can be restored from it.
    pub window_start: Option<Timestamp>,
    /// The latest one.
    pub window_end: Option<Timestamp>,
    /// The holes between them.
    pub window_gaps: Vec<WindowGap>,
}

/// A time that cannot be restored to.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct WindowGap {
    /// Its first moment.
    pub from: Timestamp,
    /// The moment after its last.
    pub to: Timestamp,
}

/// A named control and its answer.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Control)]
pub struct ControlView {
    /// Which: `PG_…`.
    #[schema(value_type = String, example = "PG_LATEST_RP_AGE")]
    pub control: Control,
    /// `PASS, FAIL, NOT_PROVEN, NOT_APPLICABLE, EXEMPT`
    #[schema(value_type = String)]
    pub outcome: Outcome,
    /// Why it is not a pass: a stable code.
    pub reason: Option<String>,
}

/// A longest interval in which exposure was above the RPO.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Violation)]
pub struct ViolationView {
    /// The cluster.
    #[schema(value_type = String)]
    pub cluster: Name,
    /// Its fleet, as it is now.
    #[schema(value_type = Option<String>)]
    pub fleet: Option<Name>,
    /// The moment after which exposure was above the RPO: the last frontier and the RPO.
    pub started_at: Timestamp,
    /// When a fact lowered it; null while none did.
    pub ended_at: Option<Timestamp>,
    /// Whether it was not over.
    pub open: bool,
    /// How long it lasted, up to the period's end at most.
    pub seconds: f64,
    /// The RPO at its start.
    pub rpo_seconds: f64,
    /// What that was about.
    pub rpo_scope: RpoScope,
    /// Why it began: a stable code.
    pub cause: String,
    /// The highest exposure in it.
    pub highest: ExposureHeight,
    /// How much of it was excused.
    pub exempt_seconds: f64,
}

/// A time in one state.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = CompliancePhase)]
pub struct PhaseView {
    /// Its first moment.
    pub from: Timestamp,
    /// The moment after its last.
    pub to: Timestamp,
    /// The state; null when there was no RPO to judge by.
    #[schema(value_type = Option<Compliance>)]
    pub status: Option<Compliance>,
}

/// A period of one cluster, whole.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ClusterCompliance)]
pub struct ClusterComplianceView {
    /// In numbers.
    #[serde(flatten)]
    pub summary: ComplianceView,
    /// Its states in their order.
    pub phases: Vec<PhaseView>,
    /// The violations that lie in it, whole: also what of them is outside.
    pub violations: Vec<ViolationView>,
}

impl From<Option<Height>> for ExposureHeight {
    fn from(height: Option<Height>) -> Self {
        match height {
            None => Self::default(),
            Some(Height::Bounded(height)) => Self {
                seconds: Some(height.as_secs_f64()),
                unbounded: false,
            },
            Some(Height::Unbounded) => Self {
                seconds: None,
                unbounded: true,
            },
        }
    }
}

impl From<ControlResult> for ControlView {
    fn from(result: ControlResult) -> Self {
        Self {
            control: result.control,
            outcome: result.outcome,
            reason: result.reason,
        }
    }
}

impl From<CopyJudgement> for CopyCompliance {
    fn from(copy: CopyJudgement) -> Self {
        let gaps = copy.window.gaps(Timestamp::MIN).into_iter();
        Self {
            frontier: copy.frontier,
            exposure_seconds: copy.exposure.map(|exposure| exposure.as_secs_f64()),
            late: copy.late,
            cut: copy.cut,
            window_start: copy.window.earliest(),
            window_end: copy.window.latest(),
            window_gaps: gaps.map(|(from, to)| WindowGap { from, to }).collect(),
            repository: copy.repository,
        }
    }
}

/// What a history says of a period.
pub(crate) fn view_of(
    cluster: &ResourceView,
    history: &History,
    asked: Asked,
) -> ClusterComplianceView {
    let Asked { period, known, .. } = asked;
    let step = Duration::from_micros(u64::MAX);
    let told = history.tell(period, step, known);
    let numbers = &told.numbers;
    let place = (cluster.name(), cluster.fleet.as_ref());
    let violations = numbers.violations.iter();
    let violations = violations.map(|one| violation(place, one, period.until));
    let violations: Vec<ViolationView> = violations.collect();
    let phases = told.phases.iter().copied();
    let phases = phases.filter(|phase| phase.until > period.from);
    let phases = phases.map(|phase| PhaseView {
        from: phase.from.max(period.from),
        to: phase.until,
        status: phase.status,
    });
    ClusterComplianceView {
        summary: summary(place, (asked, &told), &violations),
        phases: phases.collect(),
        violations,
    }
}

fn summary(
    (cluster, fleet): (&Name, Option<&Name>),
    (asked, told): (Asked, &Told),
    violations: &[ViolationView],
) -> ComplianceView {
    let Asked { period, known, .. } = asked;
    let (numbers, last) = (&told.numbers, told.judged.as_ref());
    let controls = last.map_or(&[][..], |_| &told.controls);
    let seconds = |span: Duration| span.as_secs_f64();
    let mut states = BTreeMap::new();
    for (status, spent) in &numbers.states {
        let name = status.map_or("NONE", Compliance::as_str);
        *states.entry(name.to_owned()).or_default() += seconds(*spent);
    }
    ComplianceView {
        cluster: cluster.clone(),
        fleet: fleet.cloned(),
        from: period.from,
        to: period.until,
        as_known_at: known,
        status: last.and_then(|last| last.status),
        cause: last.and_then(|last| last.cause.as_ref().map(ToString::to_string)),
        rpo_seconds: last.and_then(|last| last.rpo).map(Span::as_secs_f64),
        rpo_scope: last.map_or(RpoScope::Any, |last| last.scope),
        compliance: numbers.compliance(),
        compliance_excused: numbers.compliance_excused(),
        eligible_seconds: seconds(numbers.eligible),
        exempt_seconds: seconds(numbers.exempt),
        violated_seconds: seconds(numbers.violated),
        violated_exempt_seconds: seconds(numbers.violated_exempt),
        states,
        highest: numbers.highest.into(),
        p50: numbers.quantile(500).into(),
        p95: numbers.quantile(950).into(),
        p99: numbers.quantile(990).into(),
        violation_count: violations.len() as u64,
        open_violations: violations.iter().filter(|one| one.open).count() as u64,
        mean_time_to_recover_seconds: numbers.mean_time_to_recover().map(seconds),
        copies: last
            .map_or(&[][..], |judged| &judged.copies)
            .iter()
            .cloned()
            .map(CopyCompliance::from)
            .collect(),
        controls: controls.iter().cloned().map(ControlView::from).collect(),
    }
}

fn violation(
    (cluster, fleet): (&Name, Option<&Name>),
    found: &Violation,
    until: Timestamp,
) -> ViolationView {
    let end = found.ended_at.unwrap_or(until);
    let lasted = Duration::try_from(end.duration_since(found.started_at));
    let highest = found.highest.map_or(Height::Unbounded, Height::Bounded);
    ViolationView {
        cluster: cluster.clone(),
        fleet: fleet.cloned(),
        started_at: found.started_at,
        ended_at: found.ended_at,
        open: found.ended_at.is_none(),
        seconds: lasted.unwrap_or_default().as_secs_f64(),
        rpo_seconds: found.rpo.as_secs_f64(),
        rpo_scope: found.scope,
        cause: found.cause.to_string(),
        highest: Some(highest).into(),
        exempt_seconds: found.exempt.as_secs_f64(),
    }
}
