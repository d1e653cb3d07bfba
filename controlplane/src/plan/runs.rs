//! What becomes of the due times of one schedule of one cluster.
//!
//! `Timetable::catch_up` says what each due time would do alone; here the runs
//! that are not over have their say, once for the whole stretch: runs of one
//! stretch are no overlap of each other.

use std::collections::BTreeMap;

use holdfast_state::command::{DueRun, RunDecision, RunJob};
use holdfast_types::resource::Schedule;
use holdfast_types::schedule::{
    CatchUpPlan, DUE_TIMES_MAX, Outcome, OverlapAction, RunReason, RunState, Start, Timetable,
    Unfinished,
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
}

/// Decides on everything that came due after `after` and not after `now`.
pub(crate) fn decide(
    timetable: &Timetable,
    work: Work<'_>,
    (after, now): (Timestamp, Timestamp),
    unfinished: Unfinished,
) -> Vec<DueRun> {
    let CatchUpPlan { missed, decisions } = timetable.catch_up(after, now);
    // From the oldest on: the first that replaces leaves nothing to replace.
    let mut left = unfinished;
    let mut refused: BTreeMap<Timestamp, (RunState, RunReason)> = BTreeMap::new();
    let mut runs = Vec::with_capacity(decisions.len() + 1);
    for decision in decisions {
        let due = decision.due.at;
        let not = |state, reason| RunDecision::Not { state, reason };
        let decision = match decision.outcome {
            Outcome::Run { start, late } => match work.schedule.overlap().decide(left) {
                OverlapAction::Start | OverlapAction::Queue { .. } => {
                    run(work, due, start, (late, false))
                }
                OverlapAction::Replace { .. } => {
                    left = Unfinished::default();
                    run(work, due, start, (late, true))
                }
                OverlapAction::Skip { reason } => {
                    refused.insert(due, (RunState::Skipped, reason.into()));
                    not(RunState::Skipped, reason.into())
                }
                OverlapAction::Coalesce { into } => {
                    let reason = RunReason::Coalesced { into };
                    refused.insert(due, (RunState::Coalesced, reason));
                    not(RunState::Coalesced, reason)
                }
            },
            Outcome::Missed { reason } => not(RunState::Missed, reason.into()),
            Outcome::Skipped { reason } => not(RunState::Skipped, reason.into()),
            Outcome::Coalesced { into } => not(RunState::Coalesced, RunReason::Coalesced { into }),
        };
        runs.push(DueRun { due, decision });
    }
    follow_refused(&mut runs, &refused);
    if let Some(range) = missed {
        let (last, count) = (range.to, range.count);
        let first = DueRun {
            due: range.from,
            decision: RunDecision::Missed { last, count },
        };
        runs.insert(0, first);
    }
    runs
}

/// What was to be done by a run that does not run either shares its fate: no
/// record points to work that nobody does.
fn follow_refused(runs: &mut [DueRun], refused: &BTreeMap<Timestamp, (RunState, RunReason)>) {
    for run in runs {
        if let RunDecision::Not {
            state,
            reason: reason @ RunReason::Coalesced { .. },
        } = &mut run.decision
            && let RunReason::Coalesced { into } = *reason
            && let Some(fate) = refused.get(&into)
        {
            (*state, *reason) = *fate;
        }
    }
}

fn run(
    work: Work<'_>,
    due: Timestamp,
    start: Start,
    (late, replaces): (bool, bool),
) -> RunDecision {
    let schedule = work.schedule;
    RunDecision::Run(Box::new(RunJob {
        repository: work.repository.clone(),
        spec: (work.spec)(due),
        attempts_max: schedule.retry_max().saturating_add(1),
        not_before: start.not_before,
        latest: start.latest,
        priority: schedule.priority(),
        idle_timeout: schedule.idle_timeout(),
        late,
        replaces,
    }))
}

/// The whole second that `time` is in: due times and marks are whole seconds.
pub(crate) fn whole(time: Timestamp) -> Timestamp {
    let fraction = SignedDuration::from_nanos(i64::from(time.subsec_nanosecond()));
    time.checked_sub(fraction).unwrap_or(time)
}

#[cfg(test)]
mod tests {
    use holdfast_types::resource::Overlap;

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

    fn decided(schedule: &Schedule, until: &str, unfinished: Unfinished) -> Vec<String> {
        let timetable = Timetable::new(&name("orders"), schedule).unwrap();
        let (repository, spec) = (name("eu"), |_| json!({}));
        let work = Work {
            schedule,
            repository: &repository,
            spec: &spec,
        };
        let stretch = (at("10:00:00"), at(until));
        let runs = decide(&timetable, work, stretch, unfinished);
        let tell = |run: &DueRun| match &run.decision {
            RunDecision::Run(job) if job.replaces => "replaces".to_owned(),
            RunDecision::Run(_) => "runs".to_owned(),
            RunDecision::Not { state, .. } => state.to_string(),
            RunDecision::Missed { count, .. } => format!("{count} missed"),
        };
        runs.iter().map(tell).collect()
    }

    fn running() -> Unfinished {
        Unfinished {
            running: Some(at("09:59:00")),
            waiting: None,
        }
    }

    #[test]
    fn every_due_time_is_decided_and_the_latest_runs() {
        let plain = schedule(json!({}));
        let none = Unfinished::default();
        assert_eq!(decided(&plain, "10:01:00", none), ["runs"]);
        assert_eq!(
            decided(&plain, "10:03:30", none),
            ["coalesced", "coalesced", "runs"]
        );
    }

    #[test]
    fn what_a_skipped_run_was_to_do_is_skipped_with_it() {
        let plain = schedule(json!({}));
        assert_eq!(
            decided(&plain, "10:03:30", running()),
            ["skipped", "skipped", "skipped"]
        );
    }

    #[test]
    fn runs_of_one_stretch_are_no_overlap_of_each_other() {
        let all = |overlap| {
            let mut all = schedule(json!({"catchUp": "all"}));
            all.overlap = Some(overlap);
            decided(&all, "10:02:00", running())
        };
        assert_eq!(all(Overlap::QueueOne), ["runs", "runs"]);
        assert_eq!(all(Overlap::CancelRunning), ["replaces", "runs"]);
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
