//! Every due run once, no job lost, doubled or failed, and with the faults gone
//! everything due completes.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use holdfast_types::schedule::RunId;
use jiff::Timestamp;
use serde_json::Value as Json;

use super::runs::{served_alone, wrong_alone, wrong_backups, wrong_jobs, wrong_runs};
use crate::world::World;

/// How long what is due may take once nothing is wrong.
const DEADLINE: Duration = Duration::from_secs(180);
/// So many schedules there are.
pub(super) const SCHEDULES: usize = 2;
/// The states in which a job stays.
const FINAL: [&str; 4] = ["succeeded", "failed", "cancelled", "superseded"];

/// What there was to do.
#[derive(Debug, Clone, Default)]
pub struct Work {
    /// Due times on record, by what became of them.
    pub runs: BTreeMap<String, u64>,
    /// Jobs by their state.
    pub jobs: BTreeMap<String, u64>,
    /// Backups by their state.
    pub backups: BTreeMap<String, u64>,
    /// Due times that an agent served on its own.
    pub alone: u64,
    /// From the end of the faults until everything due was done.
    pub done_after: Duration,
}

/// Waits until everything that was due is done, and checks what became of it;
/// `alone` is what began while there was no node. What was found wrong, a line
/// each.
pub fn work(world: &World, since: Timestamp, alone: &BTreeSet<RunId>) -> (Work, Vec<String>) {
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
    let lists = ["runs", "jobs", "backups"].map(|list| world.list(list));
    let [Ok(runs), Ok(jobs), Ok(backups)] = lists else {
        wrong.push(format!("not everything can be listed: {lists:?}"));
        return (Work::default(), wrong);
    };
    wrong.extend(wrong_runs(&runs, since, now));
    wrong.extend(wrong_jobs(&runs, &jobs));
    wrong.extend(wrong_alone(&runs, alone));
    wrong.extend(wrong_backups(&jobs, &backups));
    let mut summary = Work {
        done_after,
        alone: served_alone(&runs),
        ..Work::default()
    };
    for run in &runs {
        let count = run["count"].as_u64().unwrap_or(1);
        *summary.runs.entry(text(run, "state")).or_default() += count;
    }
    for backup in &backups {
        *summary.backups.entry(text(backup, "state")).or_default() += 1;
    }
    for job in &jobs {
        *summary.jobs.entry(text(job, "state")).or_default() += 1;
    }
    (summary, wrong)
}

pub(super) fn text(value: &Json, name: &str) -> String {
    value[name].as_str().unwrap_or_default().to_owned()
}

pub(super) fn time(value: &Json, name: &str) -> Option<Timestamp> {
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
    found.extend(super::expiry::waiting(&world.list("backups")?));
    let frontier = world.frontier();
    if frontier.is_none_or(|frontier| frontier < now) {
        found.push(format!("the frontier is at {frontier:?}"));
    }
    Ok(found)
}
