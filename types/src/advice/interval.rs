//! How far apart the backups of a policy are at most.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::resource::{Policy, Schedule};
use crate::schedule::Timetable;
use crate::{BackupKind, Name};

/// How far ahead is looked: a month has its turn, and a leap year.
const AHEAD: SignedDuration = SignedDuration::from_hours(400 * 24);
/// More due times than that say nothing new.
const DUE_MAX: usize = 20_000;

/// The longest time between two due times of a policy's backups of some kinds;
/// `None` when there are not two. A schedule that cannot be read is left out.
pub fn longest_between(policy: &Policy, kinds: &[BackupKind], now: Timestamp) -> Option<Duration> {
    let wanted = |schedule: &&Schedule| kinds.contains(&schedule.kind);
    let mut due: Vec<Timestamp> = Vec::new();
    let until = now.checked_add(AHEAD).unwrap_or(Timestamp::MAX);
    let (mut shortest, mut seen_until) = (None::<Duration>, until);
    for schedule in policy.schedules.iter().filter(wanted) {
        if let Some(every) = schedule.every {
            // Where it begins differs by cluster, so between it and others nothing
            // is sure but its own rhythm.
            let every = every.get();
            shortest = Some(shortest.map_or(every, |known| known.min(every)));
            continue;
        }
        let Ok(timetable) = Timetable::new(&any_cluster(), schedule) else {
            continue;
        };
        let times: Vec<Timestamp> = timetable
            .due_between(now, until)
            .take(DUE_MAX)
            .map(|due| due.at)
            .collect();
        if times.len() == DUE_MAX {
            seen_until = times
                .last()
                .map_or(seen_until, |last| seen_until.min(*last));
        }
        due.extend(times);
    }
    due.retain(|at| *at <= seen_until);
    due.sort_unstable();
    let gaps = due.windows(2).map(|pair| match pair {
        [one, next] => next.duration_since(*one).unsigned_abs(),
        _ => Duration::ZERO,
    });
    match (gaps.max(), shortest) {
        (Some(gap), Some(every)) => Some(gap.min(every)),
        (gap, every) => gap.or(every),
    }
}

fn any_cluster() -> Name {
    "any".parse().expect("\"any\" is a name")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn hours(schedules: serde_json::Value) -> Option<u64> {
        let value = json!({"selector": {}, "repository": "eu", "schedules": schedules});
        let policy: Policy = serde_json::from_value(value).unwrap();
        let kinds = [BackupKind::Full, BackupKind::Incremental];
        let now = "2026-02-03T10:00:00Z".parse().unwrap();
        longest_between(&policy, &kinds, now).map(|longest| longest.as_secs() / 3600)
    }

    #[test]
    fn the_longest_pause_counts_and_other_kinds_do_not() {
        assert_eq!(hours(json!([])), None);
        let daily = json!({"name": "d", "kind": "full", "cron": "0 2 * * *"});
        let weekdays = json!({"name": "w", "kind": "incremental", "cron": "0 2 * * 1-5"});
        let sunday = json!({"name": "s", "kind": "full", "cron": "0 14 * * 0"});
        let dump = json!({"name": "l", "kind": "logical", "cron": "0 * * * *"});
        assert_eq!(hours(json!([daily])), Some(24));
        assert_eq!(hours(json!([weekdays])), Some(72));
        assert_eq!(hours(json!([weekdays, sunday, dump])), Some(60));
        let every = json!({"name": "e", "kind": "incremental", "every": "6h"});
        assert_eq!(hours(json!([sunday, every])), Some(6));
    }

    #[test]
    fn a_clock_that_is_put_back_makes_a_longer_night() {
        let local = json!({"name": "d", "kind": "full", "cron": "0 12 * * *",
                           "timezone": "Europe/Vienna"});
        assert_eq!(hours(json!([local])), Some(25));
    }
}
