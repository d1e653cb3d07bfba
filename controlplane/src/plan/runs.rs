//! What becomes of the due times of one schedule of one cluster, as the state
//! records it.

use holdfast_state::command::{DueRun, RunDecision, RunJob};
use holdfast_types::resource::Schedule;
use holdfast_types::schedule::{
    DUE_TIMES_MAX, Fate, RunReason, RunState, Start, Timetable, Unfinished, Verdict,
};
use holdfast_types::{BackupKind, Name};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

/// The times a schedule is for, in their own words. Whatever else of it
/// changes, its due times stay.
pub(crate) fn anchor(schedule: &Schedule) -> String {
    let times = json!({
        "cron": schedule.cron,
        "timezone": schedule.timezone,
        "every": schedule.every,
    });
    times.to_string()
}

/// The schedule that had these times.
fn anchored(schedule: &Name, anchor: &str) -> Option<Schedule> {
    let mut document: Value = serde_json::from_str(anchor).ok()?;
    document["name"] = json!(schedule);
    document["kind"] = json!(BackupKind::Full);
    serde_json::from_value(document).ok()
}

/// What was due by the times of before until they changed and was not decided
/// on: it is skipped for that, and on record (I-03).
pub(crate) fn abandoned(
    cluster: &Name,
    schedule: &Name,
    anchor: &str,
    (after, until): (Timestamp, Timestamp),
) -> Vec<DueRun> {
    let before = anchored(schedule, anchor);
    let timetable = before.and_then(|before| Timetable::new(cluster, &before).ok());
    let Some(timetable) = timetable else {
        return Vec::new();
    };
    let skipped = |due: holdfast_types::schedule::Due| DueRun {
        due: due.at,
        decision: RunDecision::Not {
            state: RunState::Skipped,
            reason: RunReason::ScheduleChanged,
        },
    };
    let due = timetable.due_between(after, until);
    due.take(DUE_TIMES_MAX).map(skipped).collect()
}

/// What the job of a run is made of.
#[derive(Clone, Copy)]
pub(crate) struct Work<'a> {
    pub(crate) schedule: &'a Schedule,
    pub(crate) repository: &'a Name,
    pub(crate) spec: &'a dyn Fn(Timestamp) -> Value,
    /// Of a drill: on which agent, if one is named.
    pub(crate) drill: Option<Option<&'a Name>>,
}

/// Decides on everything that came due after `after` and not after `now`.
pub(crate) fn decide(
    timetable: &Timetable,
    work: Work<'_>,
    stretch: (Timestamp, Timestamp),
    unfinished: Unfinished,
) -> Vec<DueRun> {
    let overlap = work.schedule.overlap();
    let verdicts = timetable.decide_all(overlap, stretch, unfinished);
    let run = |Verdict { due, fate }| {
        let decision = match fate {
            Fate::Run {
                start,
                late,
                replaces,
            } => RunDecision::Run(Box::new(job(work, due, start, (late, replaces)))),
            Fate::Not { state, reason } => RunDecision::Not { state, reason },
            Fate::Missed { last, count } => RunDecision::Missed { last, count },
        };
        DueRun { due, decision }
    };
    verdicts.into_iter().map(run).collect()
}

/// The job of a run.
pub(crate) fn job(
    work: Work<'_>,
    due: Timestamp,
    start: Start,
    (late, replaces): (bool, bool),
) -> RunJob {
    let schedule = work.schedule;
    RunJob {
        repository: work.repository.clone(),
        spec: (work.spec)(due),
        attempts_max: schedule.retry_max().saturating_add(1),
        not_before: start.not_before,
        latest: start.latest,
        priority: schedule.priority(),
        idle_timeout: schedule.idle_timeout(),
        late,
        replaces,
        drill: work.drill.is_some(),
        agent: work.drill.flatten().cloned(),
    }
}

/// The whole second that `time` is in: due times and marks are whole seconds.
pub(crate) fn whole(time: Timestamp) -> Timestamp {
    let fraction = SignedDuration::from_nanos(i64::from(time.subsec_nanosecond()));
    time.checked_sub(fraction).unwrap_or(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule(fields: Value) -> Schedule {
        let mut all = json!({"name": "often", "kind": "full", "cron": "* * * * *"});
        for (field, value) in fields.as_object().unwrap() {
            all[field] = value.clone();
        }
        serde_json::from_value(all).unwrap()
    }

    fn name(text: &str) -> Name {
        text.parse().unwrap()
    }

    fn at(text: &str) -> Timestamp {
        format!("2026-02-03T{text}Z").parse().unwrap()
    }

    #[test]
    fn due_times_of_before_a_change_are_on_record() {
        let before = schedule(json!({"window": "1h", "jitter": "5s"}));
        let after = schedule(json!({"cron": "0 2 * * *", "timezone": "Europe/Vienna"}));
        assert_ne!(anchor(&before), anchor(&after));
        assert_eq!(anchor(&before), anchor(&schedule(json!({}))));
        let stretch = (at("10:00:00"), at("10:02:10"));
        let left = abandoned(&name("orders"), &after.name, &anchor(&before), stretch);
        let due: Vec<Timestamp> = left.iter().map(|run| run.due).collect();
        assert_eq!(due, [at("10:01:00"), at("10:02:00")]);
    }
}
