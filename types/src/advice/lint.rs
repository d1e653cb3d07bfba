//! What of a policy cannot be kept, or is likely not meant.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::contract::Beyond;
use super::interval::longest_between;
use crate::backup::as_word;
use crate::resource::{Policy, WalMode};
use crate::schedule::{Placement, Timetable};
use crate::{BackupKind, ByteSize, Name, Span};

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub enum Severity {
    /// Worth a thought.
    Hint,
    /// Likely not meant.
    Warning,
    /// The promise cannot be kept.
    Error,
}

as_word!(Severity {
    Hint = "hint",
    Warning = "warning",
    Error = "error",
});

/// Something about a policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "schema", schema(as = PolicyLint))]
pub struct Lint {
    /// Which.
    pub code: String,
    /// How bad it is.
    pub severity: Severity,
    /// Path of the field it is about.
    pub field: String,
    /// What is so.
    pub message: String,
    /// What to do.
    pub hint: String,
}

/// What was measured of the clusters that a policy is for, the worst of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Measured {
    /// How large they are.
    pub database: Option<ByteSize>,
    /// Bytes a second of a restore, and of replaying WAL.
    pub restore_per_second: Option<ByteSize>,
    /// Bytes of WAL a day.
    pub wal_per_day: Option<ByteSize>,
}

const PHYSICAL: [BackupKind; 2] = [BackupKind::Full, BackupKind::Incremental];
const ALL: [BackupKind; 3] = [
    BackupKind::Full,
    BackupKind::Incremental,
    BackupKind::Logical,
];
const DAY: u128 = 86_400;

/// What is to be said of a policy, the worst first.
pub fn lint(policy: &Policy, beyond: &Beyond, measured: &Measured, now: Timestamp) -> Vec<Lint> {
    let mut found = Vec::new();
    found.extend(rpo(policy, now));
    found.extend(backups(policy, now));
    found.extend(rto(policy, beyond, measured, now));
    found.extend(copies(policy));
    found.extend(kept_wal(policy));
    for (index, schedule) in policy.schedules.iter().enumerate() {
        let field = format!("spec.schedules[{index}]");
        let Ok(timetable) = Timetable::new(&any_cluster(), schedule) else {
            continue;
        };
        let next = timetable.next_runs(now, 50);
        let missed = |placement| matches!(placement, Placement::Missed { .. });
        if !next.is_empty() && next.iter().all(|run| missed(run.placement)) {
            let message = "every run is missed: a blackout outlasts its window".to_owned();
            let hint = "make the window longer, or the blackout shorter";
            found.push(of("never_starts", Severity::Error, &field, message, hint));
        }
        if schedule.cron.is_some() && schedule.jitter.is_none() {
            let message = "every cluster of the policy begins at the same minute".to_owned();
            let hint = "add a jitter, such as 10m, where there are many";
            found.push(of("no_jitter", Severity::Hint, &field, message, hint));
        }
    }
    found.sort_by_key(|lint| std::cmp::Reverse(lint.severity));
    found
}

fn of(code: &str, severity: Severity, field: &str, message: String, hint: &str) -> Lint {
    Lint {
        code: code.to_owned(),
        severity,
        field: field.to_owned(),
        message,
        hint: hint.to_owned(),
    }
}

fn rpo(policy: &Policy, now: Timestamp) -> Option<Lint> {
    let field = "spec.objectives.rpo";
    let Some(rpo) = policy.rpo() else {
        let message = "without an RPO nothing is judged".to_owned();
        let hint = "say how much may be lost";
        return Some(of("no_rpo", Severity::Warning, field, message, hint));
    };
    let flush = policy.flush_every();
    match policy.wal_mode() {
        WalMode::Streaming | WalMode::Both if rpo <= flush => {
            let message = format!("received WAL may wait {flush}, so {rpo} cannot be kept");
            let hint = "flush at least twice as often";
            Some(of("rpo_below_flush", Severity::Error, field, message, hint))
        }
        WalMode::Streaming | WalMode::Both if rpo.get() < flush.get() * 2 => {
            let message = format!("with a flush every {flush}, one that is late breaks {rpo}");
            let hint = "flush at least twice as often";
            Some(of("rpo_tight", Severity::Warning, field, message, hint))
        }
        WalMode::Streaming | WalMode::Both => None,
        WalMode::Archive => {
            let half = whole_seconds(rpo.get() / 2);
            let message = "what is archived is as old as the last segment that filled".to_owned();
            let hint =
                format!("set archive_timeout to {half} or less on every instance, or stream");
            Some(of(
                "rpo_needs_archive_timeout",
                Severity::Hint,
                field,
                message,
                &hint,
            ))
        }
        WalMode::None => {
            let between = longest_between(policy, &ALL, now)?;
            let longest = whole_seconds(between);
            (between >= rpo.get()).then(|| {
                let message = format!("backups are up to {longest} apart, so {rpo} cannot be kept");
                let hint = "take backups more often, or receive WAL";
                of("rpo_below_backups", Severity::Error, field, message, hint)
            })
        }
    }
}

fn backups(policy: &Policy, now: Timestamp) -> Option<Lint> {
    let field = "spec.schedules";
    let kinds: &[BackupKind] = if policy.receives_wal() {
        &PHYSICAL
    } else {
        &ALL
    };
    if !policy
        .schedules
        .iter()
        .any(|schedule| kinds.contains(&schedule.kind))
    {
        let severity = if policy.receives_wal() {
            Severity::Warning
        } else {
            Severity::Error
        };
        let message = "no backup is ever taken by itself".to_owned();
        let hint = "add a schedule";
        return Some(of("no_backups", severity, field, message, hint));
    }
    let between = longest_between(policy, kinds, now)?;
    let window = policy.window()?;
    (policy.receives_wal() && between > window.get()).then(|| {
        let longest = whole_seconds(between);
        let message = format!("backups are up to {longest} apart: a restore replays that much");
        let hint = "take backups more often than the window is long";
        of("backups_far_apart", Severity::Warning, field, message, hint)
    })
}

/// How long a restore takes, by what was measured: all data, and the WAL since the
/// last backup.
fn rto(policy: &Policy, beyond: &Beyond, measured: &Measured, now: Timestamp) -> Option<Lint> {
    let (rto, rate, size) = (
        beyond.rto?,
        measured.restore_per_second?,
        measured.database?,
    );
    let rate = u128::from(rate.get().max(1));
    let between = longest_between(policy, &PHYSICAL, now).map_or(0, |longest| longest.as_secs());
    let daily = measured.wal_per_day.map_or(0, |wal| u128::from(wal.get()));
    let replay = if policy.receives_wal() {
        daily * u128::from(between) / DAY
    } else {
        0
    };
    let takes = (u128::from(size.get()) + replay) / rate;
    (takes > u128::from(rto.get().as_secs())).then(|| {
        let takes = Span::from_secs(u64::try_from(takes).unwrap_or(u64::MAX));
        let message = format!("by what was measured, a restore takes about {takes}");
        let hint = "take backups more often, restore to a faster host, or promise less";
        of(
            "rto_below_measured",
            Severity::Error,
            "spec.objectives.rto",
            message,
            hint,
        )
    })
}

fn copies(policy: &Policy) -> Vec<Lint> {
    let flush = policy.flush_every();
    let tight = policy
        .copies
        .iter()
        .enumerate()
        .filter_map(|(index, copy)| {
            let within = copy
                .within
                .filter(|within| policy.receives_wal() && *within <= flush)?;
            let field = format!("spec.copies[{index}].within");
            let message =
                format!("WAL waits {flush} before it is stored at all, longer than {within}");
            let hint = "let the copy lag behind a few flushes";
            Some(of(
                "copy_below_flush",
                Severity::Error,
                &field,
                message,
                hint,
            ))
        });
    tight.collect()
}

fn kept_wal(policy: &Policy) -> Option<Lint> {
    let keep = policy.retention.as_ref()?.keep();
    let long = keep.monthly.unwrap_or(0) > 0 || keep.yearly.unwrap_or(0) > 0;
    (long && policy.receives_wal() && policy.pitr().is_none()).then(|| {
        let message =
            "without `pitr` or `window`, WAL is kept as long as the oldest backup".to_owned();
        let hint = "say how far back any point in time shall be restorable";
        of(
            "wal_kept_long",
            Severity::Warning,
            "spec.retention.pitr",
            message,
            hint,
        )
    })
}

fn whole_seconds(length: Duration) -> Span {
    Span::from_secs(length.as_secs())
}

fn any_cluster() -> Name {
    "any".parse().expect("\"any\" is a name")
}

#[cfg(test)]
mod tests;
