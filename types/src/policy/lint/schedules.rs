//! Schedules against blackouts, limits and how long backups take.

use jiff::Timestamp;

use super::{Findings, LintCode, Measured, Severity};
use crate::policy::rhythm::{Which, longest_gap};
use crate::policy::words::{about, real};
use crate::resource::{Policy, Schedule};
use crate::schedule::{Placement, Timetable};
use crate::{BackupKind, Name};

/// How many runs are looked at.
const RUNS: usize = 100;

pub(super) fn check(policy: &Policy, measured: &Measured, now: Timestamp, found: &mut Findings) {
    for (index, schedule) in policy.schedules.iter().enumerate() {
        let field = format!("spec.schedules[{index}]");
        never_runs(schedule, &field, now, found);
        outlasts(policy, (schedule, &field), measured, now, found);
    }
    too_tight(policy, measured, found);
}

/// A blackout that outlasts the window of every run.
fn never_runs(schedule: &Schedule, field: &str, now: Timestamp, found: &mut Findings) {
    let cluster: Name = "any".parse().expect("it is a name");
    let Ok(timetable) = Timetable::new(&cluster, schedule) else {
        return;
    };
    let runs = timetable.next_runs(now, RUNS);
    let missed = |placement: &Placement| matches!(placement, Placement::Missed { .. });
    if runs.is_empty() || !runs.iter().all(|run| missed(&run.placement)) {
        return;
    }
    let message = format!(
        "every run of {} is missed: a blackout outlasts its window",
        schedule.name
    );
    let hint = "make the window longer than the blackout, or move the due time out of it";
    let code = (LintCode::ScheduleNeverRuns, Severity::Infeasible);
    found.add(code, format!("{field}.blackouts"), message, hint);
}

/// A backup that is not over when the next one is due.
fn outlasts(
    policy: &Policy,
    (schedule, field): (&Schedule, &str),
    measured: &Measured,
    now: Timestamp,
    found: &mut Findings,
) {
    if schedule.kind != BackupKind::Full {
        // How long the newest backup took says little of other kinds.
        return;
    }
    let alone = Policy {
        schedules: vec![schedule.clone()],
        ..policy.clone()
    };
    let gap = longest_gap(&alone, Which::Any, now);
    let (Some(period), Some((cluster, seconds))) = (gap, measured.slowest_backup()) else {
        return;
    };
    if seconds < period {
        return;
    }
    let message = format!(
        "the newest backup of {cluster} took {}, and {} is due every {}",
        about(seconds),
        schedule.name,
        about(period)
    );
    let hint = "take full backups less often and incrementals in between";
    let code = (LintCode::BackupOutlastsPeriod, Severity::Warning);
    found.add(code, field, message, hint);
}

/// More backups due at once than limits let start within the window.
fn too_tight(policy: &Policy, measured: &Measured, found: &mut Findings) {
    let limits = policy.limits.clone().unwrap_or_default();
    let Some(at_once) = limits.jobs_per_repository else {
        return;
    };
    let taken: f64 = measured
        .clusters
        .iter()
        .filter_map(|one| one.backup_seconds)
        .sum();
    let needed = taken / f64::from(at_once.max(1));
    for (index, schedule) in policy.schedules.iter().enumerate() {
        let Some(window) = schedule.window else {
            continue;
        };
        let spread = schedule.jitter.map_or(0.0, crate::Span::as_secs_f64);
        // What a period starts is spread over the period by itself.
        if schedule.cron.is_none() || needed <= window.as_secs_f64().max(spread) {
            continue;
        }
        let message = format!(
            "the newest backups of {:.0} clusters took {} together; {at_once} at a time, the last \
             of them starts later than the window of {window}, and is missed",
            real(measured.clusters.len() as u64),
            about(taken)
        );
        let hint = "raise limits.jobsPerRepository, make the window longer, or use every: 24h, \
                    which spreads them over the day";
        let code = (LintCode::LimitTooTight, Severity::Warning);
        found.add(
            code,
            format!("spec.schedules[{index}].window"),
            message,
            hint,
        );
    }
}
