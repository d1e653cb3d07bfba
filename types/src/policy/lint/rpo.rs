//! The RPO against how WAL is received, and how often backups are taken.

use jiff::Timestamp;

use super::{Findings, LintCode, Measured, Severity};
use crate::policy::rhythm::{Which, longest_gap};
use crate::policy::words::about;
use crate::resource::{Policy, WalMode};
use crate::{BackupKind, Span};

/// What storing a slice takes beside the time it waited (docs/performance.md).
const STORE: f64 = 1.0;
/// Above this part of the RPO a cluster is AT_RISK.
const AT_RISK: f64 = 0.8;
const RPO: &str = "spec.objectives.rpo";

pub(super) fn check(policy: &Policy, measured: &Measured, now: Timestamp, found: &mut Findings) {
    if policy.schedules.is_empty() {
        let message = "no schedule takes a backup: without one there is nothing to restore, and \
                       WAL alone restores nothing";
        let hint = "add a schedule, such as {name: daily, kind: incremental, every: 24h}";
        let severity = if policy.receives_wal() {
            Severity::Warning
        } else {
            Severity::Infeasible
        };
        let severity = if policy.rpo().is_none() {
            Severity::Warning
        } else {
            severity
        };
        found.add(
            (LintCode::NothingScheduled, severity),
            "spec.schedules",
            message,
            hint,
        );
    }
    let dumps_only = !policy.schedules.is_empty()
        && policy
            .schedules
            .iter()
            .all(|one| one.kind == BackupKind::Logical);
    if policy.receives_wal() && dumps_only {
        let message = "WAL is received, and only dumps are scheduled: a dump restores to no point \
                       in WAL, so that without a full backup taken by hand the WAL is of no use";
        let hint = "add a schedule of kind full or incremental, or say wal: {mode: none}";
        let code = (LintCode::WalWithoutBase, Severity::Warning);
        found.add(code, "spec.schedules", message, hint);
    }
    let Some(rpo) = policy.rpo() else { return };
    match policy.wal_mode() {
        WalMode::Streaming | WalMode::Both => streamed(policy, rpo, found),
        WalMode::Archive => archived(rpo, found),
        WalMode::None => by_backups(policy, measured, (rpo, now), found),
    }
}

fn streamed(policy: &Policy, rpo: Span, found: &mut Findings) {
    let flush = policy.flush_every();
    let worst = flush.as_secs_f64() + STORE;
    if rpo <= flush {
        let message = format!(
            "received WAL waits up to {flush} before it is stored, and that is not shorter than \
             the RPO of {rpo}"
        );
        let hint = format!("set wal.flushEvery to {} or less", half(rpo));
        found.add(
            (LintCode::RpoBelowFlush, Severity::Infeasible),
            RPO,
            message,
            hint,
        );
    } else if worst > rpo.as_secs_f64() * AT_RISK {
        let message = format!(
            "received WAL waits up to {flush} and takes about a second to store: in ordinary work \
             that is above 80 % of the RPO of {rpo}, so that the clusters are AT_RISK or VIOLATED"
        );
        let hint = format!("set wal.flushEvery to {} or less", half(rpo));
        found.add(
            (LintCode::RpoNearFlush, Severity::Warning),
            RPO,
            message,
            hint,
        );
    }
}

/// Half of it, as one writes a period.
fn half(rpo: Span) -> Span {
    let half = rpo.millis() / 2;
    let whole = if half >= 2_000 {
        half / 1_000 * 1_000
    } else {
        half
    };
    Span::from_millis(whole.max(100))
}

fn archived(rpo: Span, found: &mut Findings) {
    let message = format!(
        "archived WAL is as old as the last switch of a segment, so that the RPO of {rpo} depends \
         on PostgreSQL's archive_timeout"
    );
    let hint = format!(
        "set archive_timeout to {} or less on every instance (`holdfast-agent doctor` says whether \
         it is set), or receive WAL with wal.mode: both",
        half(rpo)
    );
    // PostgreSQL advises against switching every few seconds: each is 16 MiB.
    let severity = if rpo < Span::from_secs(60) {
        Severity::Infeasible
    } else {
        Severity::Note
    };
    found.add((LintCode::RpoNeedsSwitch, severity), RPO, message, hint);
}

fn by_backups(
    policy: &Policy,
    measured: &Measured,
    (rpo, now): (Span, Timestamp),
    found: &mut Findings,
) {
    let Some(gap) = longest_gap(policy, Which::Any, now) else {
        return;
    };
    let slowest = measured.slowest_backup();
    let took = slowest.map_or(0.0, |(_, seconds)| seconds);
    let and_takes = match slowest {
        Some((cluster, seconds)) => format!(", and one of {cluster} took {}", about(seconds)),
        None => String::new(),
    };
    let message = format!(
        "no WAL is received, so that what may be lost is as old as the newest backup; backups \
         begin up to {} apart{and_takes}, and the RPO is {rpo}",
        about(gap)
    );
    let hint = "take backups more often, or receive WAL with wal.mode: streaming";
    if gap + took > rpo.as_secs_f64() {
        let code = (LintCode::RpoBelowSchedule, Severity::Infeasible);
        found.add(code, RPO, message, hint);
    } else if gap + took > rpo.as_secs_f64() * AT_RISK {
        let code = (LintCode::RpoNearSchedule, Severity::Warning);
        found.add(code, RPO, message, hint);
    }
}
