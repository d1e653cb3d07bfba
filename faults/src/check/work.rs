//! Every due run once, no job lost, doubled or failed, and with the faults gone
//! everything due completes.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::Value as Json;

use crate::world::{CLUSTER, World};

/// How long what is due may take once nothing is wrong.
const DEADLINE: Duration = Duration::from_secs(180);
/// Every schedule of the world is due once a minute.
const PERIOD: i64 = 60;
/// So many schedules there are.
const SCHEDULES: usize = 2;
/// The states in which a job stays.
const FINAL: [&str; 4] = ["succeeded", "failed", "cancelled", "superseded"];

/// What there was to do.
#[derive(Debug, Clone, Default)]
pub struct Work {
    /// Due times on record, by what became of them.
    pub runs: BTreeMap<String, u64>,
    /// Jobs by their state.
    pub jobs: BTreeMap<String, u64>,
    /// From the end of the faults until everything due was done.
    pub done_after: Duration,
}

/// Waits until everything that was due is done, and checks what became of it.
/// What was found wrong, a line each.
pub fn work(world: &World, since: Timestamp) -> (Work, Vec<String>) {
    let started = Instant::now();
    let mut wrong = Vec::new();
    // A clock may have run ahead: what it made due is on record already.
    let now = Timestamp::now();
    let unfinished = loop {
        match unfinished(world, now) {
            Ok(found) if found.is_empty() => break Vec::new(),
            found if started.elapsed() > DEADLINE => {
                break found.unwrap_or_else(|error| vec![error]);
            }
            _ => std::thread::sleep(Duration::from_millis(500)),
        }
    };
    let done_after = started.elapsed();
    wrong.extend(
        unfinished
            .into_iter()
            .map(|what| format!("not done in time: {what}")),
    );
    let (runs, jobs) = match (world.list("runs"), world.list("jobs")) {
        (Ok(runs), Ok(jobs)) => (runs, jobs),
        (Err(error), _) | (_, Err(error)) => {
            wrong.push(format!("runs and jobs cannot be listed: {error}"));
            return (Work::default(), wrong);
        }
    };
    wrong.extend(wrong_runs(&runs, since, now));
    wrong.extend(wrong_jobs(&runs, &jobs));
    let mut summary = Work {
        done_after,
        ..Work::default()
    };
    for run in &runs {
        let count = run["count"].as_u64().unwrap_or(1);
        *summary.runs.entry(text(run, "state")).or_default() += count;
    }
    for job in &jobs {
        *summary.jobs.entry(text(job, "state")).or_default() += 1;
    }
    (summary, wrong)
}

fn text(value: &Json, name: &str) -> String {
    value[name].as_str().unwrap_or_default().to_owned()
}

fn time(value: &Json, name: &str) -> Option<Timestamp> {
    value[name].as_str()?.parse().ok()
}

/// What is not over yet of what was due by `now`.
fn unfinished(world: &World, now: Timestamp) -> Result<Vec<String>, String> {
    let early = |item: &&Json, field| time(item, field).is_some_and(|at| at <= now);
    let jobs = world.list("jobs")?;
    let jobs = jobs.iter().filter(|job| early(job, "createdAt"));
    let waiting = jobs.filter(|job| !FINAL.contains(&text(job, "state").as_str()));
    let mut found: Vec<String> = waiting
        .map(|job| {
            format!(
                "job {} is {}: {}",
                text(job, "id"),
                text(job, "state"),
                job["waitingFor"]
            )
        })
        .collect();
    let runs = world.list("runs")?;
    let schedules: BTreeSet<String> = runs.iter().map(|run| text(run, "schedule")).collect();
    if schedules.len() < SCHEDULES {
        found.push(format!("only {schedules:?} have been due"));
    }
    let runs = runs.iter().filter(|run| early(run, "due"));
    let due = runs.filter(|run| text(run, "state") == "due");
    found.extend(due.map(|run| format!("run {} is due", text(run, "id"))));
    let exposure = world.list("exposure")?;
    let frontier = exposure
        .first()
        .and_then(|item| time(&item["repositories"][0], "frontier"));
    if frontier.is_none_or(|frontier| frontier < now) {
        found.push(format!("the frontier is at {frontier:?}"));
    }
    Ok(found)
}

/// Every due time between the first and now has exactly one record (I-03).
fn wrong_runs(runs: &[Json], since: Timestamp, now: Timestamp) -> Vec<String> {
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

/// No job failed, none is two runs', and no run has two jobs or backups.
fn wrong_jobs(runs: &[Json], jobs: &[Json]) -> Vec<String> {
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
