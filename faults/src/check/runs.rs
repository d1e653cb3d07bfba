//! What is on record of due times and jobs: every due time once, no job lost,
//! doubled or failed.

use std::collections::{BTreeMap, BTreeSet};

use holdfast_types::schedule::RunId;
use jiff::Timestamp;
use serde_json::Value as Json;

use super::work::{SCHEDULES, text, time};
use crate::world::CLUSTER;

/// Every schedule of the world is due once a minute.
const PERIOD: i64 = 60;

/// Every due time between the first and now has exactly one record (I-03).
pub fn wrong_runs(runs: &[Json], since: Timestamp, now: Timestamp) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut schedules: BTreeMap<String, Vec<(Timestamp, Timestamp, u64)>> = BTreeMap::new();
    for run in runs {
        let Some(due) = time(run, "due") else {
            wrong.push(format!("a run without a due time: {run}"));
            continue;
        };
        let last = time(run, "last").unwrap_or(due);
        let count = run["count"].as_u64().unwrap_or(1);
        schedules
            .entry(text(run, "schedule"))
            .or_default()
            .push((due, last, count));
    }
    if schedules.len() != SCHEDULES {
        let count = schedules.len();
        wrong.push(format!("{count} schedules have runs, not {SCHEDULES}"));
    }
    for (schedule, mut records) in schedules {
        records.sort();
        for pair in records.windows(2) {
            let gap = pair[1].0.as_second() - pair[0].1.as_second();
            if gap != PERIOD {
                wrong.push(format!(
                    "{schedule}: {gap} s between {} and {}, which are neighbours on record",
                    pair[0].1, pair[1].0
                ));
            }
        }
        for (due, last, count) in &records {
            let times = (last.as_second() - due.as_second()) / PERIOD + 1;
            if u64::try_from(times).ok() != Some(*count) {
                wrong.push(format!(
                    "{schedule}: {count} due times from {due} to {last}"
                ));
            }
        }
        let first = records
            .first()
            .map(|(due, _, _)| due.as_second() - since.as_second());
        let last = records
            .last()
            .map(|(_, last, _)| now.as_second() - last.as_second());
        if first.is_none_or(|after| after > PERIOD) || last.is_none_or(|before| before > PERIOD) {
            wrong.push(format!(
                "{schedule}: first {first:?} s after it began, last {last:?} s ago"
            ));
        }
    }
    wrong
}

/// No job failed, none is two runs', and no run has two jobs.
pub fn wrong_jobs(runs: &[Json], jobs: &[Json]) -> Vec<String> {
    let mut wrong = Vec::new();
    let known: BTreeSet<String> = jobs.iter().map(|job| text(job, "id")).collect();
    let mut taken = BTreeSet::new();
    for run in runs.iter().filter(|run| text(run, "state") == "ran") {
        let job = text(run, "job");
        if !known.contains(&job) {
            wrong.push(format!("job {job} of run {} is lost", text(run, "id")));
        }
        if !taken.insert(job.clone()) {
            wrong.push(format!("job {job} serves two runs"));
        }
    }
    let mut served = BTreeSet::new();
    for job in jobs {
        let (id, state) = (text(job, "id"), text(job, "state"));
        if text(job, "cluster") != CLUSTER {
            wrong.push(format!("job {id} is of an unknown cluster"));
        }
        if state == "failed" || state == "cancelled" {
            wrong.push(format!("job {id} is {state}: {}", job["error"]));
        }
        let run = text(job, "run");
        if !run.is_empty() && !served.insert(run.clone()) {
            wrong.push(format!("run {run} has two jobs"));
        }
    }
    wrong
}

/// What an agent began on its own *ran*, and some of it is known to be its.
pub fn wrong_alone(runs: &[Json], alone: &BTreeSet<RunId>) -> Vec<String> {
    let states: BTreeMap<String, String> = runs
        .iter()
        .map(|run| (text(run, "id"), text(run, "state")))
        .collect();
    let mut wrong = Vec::new();
    for run in alone {
        let state = states.get(&run.to_string());
        if state.is_none_or(|state| state != "ran") {
            wrong.push(format!("run {run} began without a node and is {state:?}"));
        }
    }
    if !alone.is_empty() && served_alone(runs) == 0 {
        wrong.push(format!(
            "of {} runs that began without a node none is shown as the agent's own",
            alone.len()
        ));
    }
    wrong
}

/// How many runs an agent took on its own and reported.
pub(super) fn served_alone(runs: &[Json]) -> u64 {
    let own = |run: &&Json| text(run, "state") == "ran" && run["offlineAgent"].is_string();
    let count = runs.iter().filter(own).count();
    count.try_into().unwrap_or(u64::MAX)
}

/// Every run that was done has one backup that counts, whoever took it.
pub fn wrong_backups(jobs: &[Json], backups: &[Json]) -> Vec<String> {
    let mut available: BTreeMap<String, u64> = BTreeMap::new();
    for backup in backups {
        // What expired since counted when it was taken.
        if ["available", "condemned", "deleted"].contains(&text(backup, "state").as_str()) {
            *available.entry(text(backup, "job")).or_default() += 1;
        }
    }
    let mut wrong = Vec::new();
    for job in jobs {
        let (id, state) = (text(job, "id"), text(job, "state"));
        let count = available.remove(&id).unwrap_or_default();
        let done = state == "succeeded" || state == "superseded";
        if count > 1 || (done && count == 0) {
            wrong.push(format!("job {id} is {state} and has {count} backups"));
        }
    }
    let lost = available.into_keys();
    wrong.extend(lost.map(|job| format!("a backup is of job {job}, which is unknown")));
    wrong
}
