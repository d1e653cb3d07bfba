//! A restore whose agent dies in the middle: never a success, and a record of what it
//! was (I-12).

use holdfast_pg::testkit::major;
use holdfast_tests::fleet::{Fleet, LONG};
use holdfast_tests::store::Store;
use holdfast_tests::until::until;
use jiff::Timestamp;
use serde_json::Value;

fn begin(fleet: &Fleet, dir: &str, more: &[&str]) -> String {
    let run = [
        "restore", "run", "orders", "--at", "latest", "--agent", "db1", "--dir", dir, "--start",
    ];
    let started = fleet.cli.json(run.into_iter().chain(more.iter().copied()));
    started["job"].as_str().expect("a job").to_owned()
}

fn ended(fleet: &Fleet, job: &str) -> Value {
    until("the restore to end", 2 * LONG, || {
        let shown = fleet.cli.json(["restore", "show", job]);
        let state = shown["state"].as_str().expect("a state");
        ["done", "failed", "cancelled"]
            .contains(&state)
            .then_some(shown)
    })
}

#[test]
fn an_agent_that_dies_in_a_restore_leaves_a_failure_and_its_record() {
    let mut fleet = Fleet::start(&major(18), Store::directory);
    fleet
        .postgres
        .psql("CREATE TABLE kept AS SELECT i FROM generate_series(1, 1000) i");
    fleet.backup();
    fleet.wait_frontier(Timestamp::now());
    fleet.agent.restart_armed("restore::verify::placed=kill");
    let dir = fleet.restore_dir("killed");
    let path = dir.display().to_string();
    let job = begin(&fleet, &path, &[]);
    until("the agent to be killed", LONG, || {
        fleet.agent.process().ended()
    });
    fleet.agent.restart();
    fleet.agent.wait_ready();
    let shown = ended(&fleet, &job);
    assert_eq!(shown["state"], "failed", "{shown}");
    assert_ne!(shown["error"], Value::Null, "{shown}");
    assert_eq!(shown["achievedRtoSeconds"], Value::Null, "{shown}");
    let states: Vec<&str> = shown["history"]
        .as_array()
        .expect("a history")
        .iter()
        .map(|step| step["state"].as_str().expect("a state"))
        .collect();
    assert_eq!(states.first(), Some(&"planned"));
    assert_eq!(states.last(), Some(&"failed"));
    assert!(!states.contains(&"handingOver"), "{shown}");

    // What it left is gone on with, by somebody who says so.
    let again = begin(&fleet, &path, &["--delta"]);
    let done = ended(&fleet, &again);
    assert_eq!(done["state"], "done", "{done}");
    let result = done["result"].clone();
    let programs = fleet.postgres.programs().clone();
    let restored = holdfast_tests::fleet::Restored::adopt(result, dir, programs);
    assert_eq!(restored.psql("SELECT count(*) FROM kept"), "1000");
}
