//! The checks of what is on record find what must not be.

use std::collections::BTreeSet;

use holdfast_faults::check::{wrong_alone, wrong_backups, wrong_jobs, wrong_runs};
use holdfast_types::schedule::RunId;
use jiff::Timestamp;
use serde_json::{Value as Json, json};

const SINCE: &str = "2026-07-25T02:00:10Z";
const NOW: &str = "2026-07-25T02:03:20Z";

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn id(schedule: &str, minute: u8) -> String {
    format!("orders.{schedule}.2026-07-25T02_0{minute}_00Z")
}

/// The run of one schedule in one minute, served by the agent alone or not.
fn ran(schedule: &str, minute: u8, by: Option<&str>) -> Json {
    json!({
        "id": id(schedule, minute), "schedule": schedule, "state": "ran", "count": 1,
        "due": format!("2026-07-25T02:0{minute}:00Z"),
        "job": format!("job-{schedule}-{minute}"), "offlineAgent": by,
    })
}

/// Two schedules over three minutes, all as it should be.
fn runs() -> Vec<Json> {
    let minutes = (1..=3).flat_map(|minute| ["a", "b"].map(|schedule| (schedule, minute)));
    minutes
        .map(|(schedule, minute)| ran(schedule, minute, (minute == 2).then_some("agent-1")))
        .collect()
}

fn jobs(runs: &[Json]) -> Vec<Json> {
    let job = |run: &Json| {
        json!({
            "id": run["job"], "run": run["id"], "cluster": "orders", "state": "succeeded",
        })
    };
    runs.iter().map(job).collect()
}

fn backups(jobs: &[Json]) -> Vec<Json> {
    let backup = |job: &Json| json!({"job": job["id"], "state": "available"});
    jobs.iter().map(backup).collect()
}

#[test]
fn a_due_time_that_is_missing_or_twice_on_record_is_found() {
    let wrong = |runs: &[Json]| wrong_runs(runs, time(SINCE), time(NOW)).len();
    let right = runs();
    assert_eq!(wrong(&right), 0);
    let mut missing = right.clone();
    missing.remove(2);
    assert_eq!(wrong(&missing), 1);
    let twice: Vec<Json> = right.iter().chain([&right[2]]).cloned().collect();
    assert_eq!(wrong(&twice), 1);
    // The first and the last ones have no neighbour that would show it.
    assert_eq!(wrong(&right[2..]), 2);
    assert_eq!(wrong(&right[..2]), 2);
}

#[test]
fn a_job_that_is_lost_or_shared_or_failed_is_found() {
    let (runs, right) = (runs(), jobs(&runs()));
    assert!(wrong_jobs(&runs, &right).is_empty());
    assert_eq!(wrong_jobs(&runs, &right[1..]).len(), 1);
    let mut shared = runs.clone();
    shared[1]["job"] = shared[0]["job"].clone();
    assert_eq!(wrong_jobs(&shared, &right).len(), 1);
    let mut failed = right.clone();
    failed[0]["state"] = json!("failed");
    assert_eq!(wrong_jobs(&runs, &failed).len(), 1);
    let mut two = right.clone();
    two[0]["run"] = two[1]["run"].clone();
    assert_eq!(wrong_jobs(&runs, &two).len(), 1);
}

#[test]
fn what_began_without_a_node_and_is_not_on_record_as_that_is_found() {
    let right = runs();
    let began: RunId = id("a", 2).parse().unwrap();
    let alone = BTreeSet::from([began]);
    assert!(wrong_alone(&right, &alone).is_empty());
    let mut lost = right.clone();
    lost.retain(|run| run["id"] != id("a", 2));
    assert_eq!(wrong_alone(&lost, &alone).len(), 1);
    let mut missed = right.clone();
    missed[2]["state"] = json!("missed");
    assert_eq!(wrong_alone(&missed, &alone).len(), 1);
    let nobody: Vec<Json> = (1..=3).map(|minute| ran("a", minute, None)).collect();
    assert_eq!(wrong_alone(&nobody, &alone).len(), 1);
}

#[test]
fn a_run_with_no_backup_or_two_is_found() {
    let jobs = jobs(&runs());
    let right = backups(&jobs);
    assert!(wrong_backups(&jobs, &right).is_empty());
    assert_eq!(wrong_backups(&jobs, &right[1..]).len(), 1);
    let two: Vec<Json> = right.iter().chain([&right[0]]).cloned().collect();
    assert_eq!(wrong_backups(&jobs, &two).len(), 1);
    assert_eq!(wrong_backups(&jobs[1..], &right).len(), 1);
    let mut failed = jobs.clone();
    failed[0]["state"] = json!("failed");
    assert!(wrong_backups(&failed, &right[1..]).is_empty());
}
