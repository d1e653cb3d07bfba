//! How far apart backups are, by the schedules of a policy and by what it keeps.

use jiff::{SignedDuration, Timestamp};

use super::words::real;
use crate::resource::{Policy, Schedule};
use crate::schedule::{Placement, Timetable};
use crate::{BackupKind, Name, Span};

const DAY: f64 = 86_400.0;
/// How far ahead due times are looked at: every line with a due time a year has
/// two of them in it.
const AHEAD: SignedDuration = SignedDuration::from_hours(2 * 366 * 24);
/// How many due times of a schedule are looked at.
const DUE_MAX: usize = 1_000;

/// Which backups are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Which {
    /// All.
    Any,
    /// Those that hold the files of a server.
    Physical,
}

impl Which {
    fn takes(self, schedule: &Schedule) -> bool {
        self == Self::Any || schedule.kind != BackupKind::Logical
    }
}

/// The longest time between the starts of two successive backups, in seconds,
/// whatever the cluster is called; `None` when no schedule takes any.
///
/// Lines of cron share one calendar, so their times are looked at together. A
/// period counts from another instant for each cluster, so it counts alone.
pub(super) fn longest_gap(policy: &Policy, which: Which, now: Timestamp) -> Option<f64> {
    let schedules = || policy.schedules.iter().filter(|one| which.takes(one));
    let lines: Vec<&Schedule> = schedules().filter(|one| one.cron.is_some()).collect();
    let periods = schedules().filter_map(|one| Some(real(one.every?.millis()) / 1_000.0));
    let alone = lines.iter().filter_map(|line| gap_of(&[line], now));
    let together = gap_of(&lines, now);
    let shortest = periods
        .chain(alone)
        .chain(together)
        .min_by(f64::total_cmp)?;
    let jitter = schedules().filter_map(|one| one.jitter).max();
    Some(shortest + jitter.map_or(0.0, Span::as_secs_f64))
}

/// The longest time between two starts of these, taken together.
fn gap_of(lines: &[&Schedule], now: Timestamp) -> Option<f64> {
    let cluster: Name = "any".parse().expect("it is a name");
    let mut until = now.checked_add(AHEAD).unwrap_or(Timestamp::MAX);
    let mut starts = Vec::new();
    for line in lines {
        let mut alone = (*line).clone();
        alone.jitter = None;
        let timetable = Timetable::new(&cluster, &alone).ok()?;
        let due = timetable.next_runs(now, DUE_MAX);
        if due.len() == DUE_MAX {
            // Beyond, this one is not known.
            until = until.min(due.last()?.due.at);
        }
        starts.extend(due.into_iter().filter_map(|run| match run.placement {
            Placement::Starts(start) => Some(start.not_before),
            Placement::Missed { .. } => None,
        }));
    }
    starts.retain(|start| *start <= until);
    starts.sort_unstable();
    let apart = starts.windows(2).map(|two| two[1].duration_since(two[0]));
    apart.max().map(|gap| gap.as_secs_f64())
}

/// The most WAL that a restore to any point of the window may have to replay, as
/// the time in which it was written, in seconds; `None` where no physical backup
/// is scheduled or no WAL is received.
///
/// Within the reach of what `keep` keeps, kept backups are as far apart as its
/// finest rule says; before that there is only the one with which the window
/// begins.
pub(super) fn longest_replay(policy: &Policy, now: Timestamp) -> Option<f64> {
    if !policy.receives_wal() {
        return None;
    }
    let gap = longest_gap(policy, Which::Physical, now)?;
    let Some(retention) = &policy.retention else {
        return Some(gap);
    };
    let keep = retention.keep();
    let every = |count: Option<u32>, unit: f64| {
        let spacing = unit.max(gap);
        (spacing * f64::from(count.unwrap_or(0)), spacing)
    };
    let rules = [
        every(Some(keep.last()), gap),
        every(keep.daily, DAY),
        every(keep.weekly, 7.0 * DAY),
        every(keep.monthly, 31.0 * DAY),
        every(keep.yearly, 366.0 * DAY),
    ];
    let reach = rules.iter().map(|(reach, _)| *reach).fold(0.0, f64::max);
    let window = policy.pitr().map_or(reach, Span::as_secs_f64);
    // The finest rule that still reaches the oldest point that any reaches.
    let covered = window.min(reach);
    let coarsest = rules.iter().filter(|(reach, _)| *reach >= covered);
    let coarsest = coarsest.map(|(_, spacing)| *spacing).min_by(f64::total_cmp);
    let beyond = (window - reach).max(0.0);
    Some(coarsest.unwrap_or(gap).max(beyond))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn policy(more: Value) -> Policy {
        let mut spec = json!({"selector": {}, "repository": "eu"});
        for (name, value) in more.as_object().unwrap() {
            spec[name] = value.clone();
        }
        serde_json::from_value(spec).unwrap()
    }

    fn now() -> Timestamp {
        "2026-02-03T10:00:00Z".parse().unwrap()
    }

    fn gap(schedules: Value) -> Option<f64> {
        longest_gap(
            &policy(json!({"schedules": schedules})),
            Which::Physical,
            now(),
        )
    }

    #[test]
    fn lines_share_a_calendar_and_periods_do_not() {
        let full = json!({"name": "full", "kind": "full", "cron": "0 2 * * 0"});
        let incremental = json!({"name": "incr", "kind": "incremental", "cron": "0 2 * * 1-6"});
        let dump = json!({"name": "dump", "kind": "logical", "every": "1h"});
        let often = json!({"name": "often", "kind": "incremental", "every": "6h"});
        assert_eq!(gap(json!([full])), Some(7.0 * DAY));
        assert_eq!(gap(json!([full, incremental])), Some(DAY));
        assert_eq!(
            gap(json!([full, dump])),
            Some(7.0 * DAY),
            "a dump is no base"
        );
        assert_eq!(gap(json!([full, often])), Some(6.0 * 3_600.0));
        assert_eq!(gap(json!([dump])), None);
        let spread = json!({"name": "a", "kind": "full", "cron": "0 2 * * *", "jitter": "1h"});
        assert_eq!(gap(json!([spread])), Some(DAY + 3_600.0));
        let yearly = json!({"name": "a", "kind": "full", "cron": "0 2 1 1 *"});
        assert_eq!(gap(json!([yearly])), Some(365.0 * DAY));
        // Those that a blackout makes it miss do not count.
        let night = json!({"name": "a", "kind": "full", "cron": "0 9,21 * * *", "window": "1h",
            "blackouts": [{"from": "08:00", "to": "18:00"}]});
        assert_eq!(gap(json!([night])), Some(DAY));
    }

    #[test]
    fn what_is_kept_decides_how_much_is_replayed() {
        let daily = json!([{"name": "d", "kind": "incremental", "cron": "0 2 * * *"}]);
        let replay = |keep: Value, window: &str| {
            let policy = policy(json!({"schedules": daily, "objectives": {"window": window},
                "retention": {"keep": keep}}));
            longest_replay(&policy, now()).map(|seconds| seconds / DAY)
        };
        assert_eq!(replay(json!({"daily": 14}), "14d"), Some(1.0));
        assert_eq!(replay(json!({"daily": 7}), "14d"), Some(7.0));
        assert_eq!(
            replay(json!({}), "14d"),
            Some(12.0),
            "the last two, and the base"
        );
        assert_eq!(replay(json!({"daily": 7, "weekly": 4}), "14d"), Some(7.0));
        assert_eq!(replay(json!({"daily": 7, "weekly": 4}), "6d"), Some(1.0));
        let nothing = policy(json!({"schedules": daily}));
        assert_eq!(longest_replay(&nothing, now()), Some(DAY), "all are kept");
        let none = policy(json!({"schedules": daily, "wal": {"mode": "none"}}));
        assert_eq!(longest_replay(&none, now()), None);
    }
}
