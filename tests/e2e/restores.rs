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

/// The host of the fleet's agent allows what this script does, under the name `told`.
fn allow_hook(fleet: &mut Fleet, script: &str) {
    let program = fleet.postgres.root().join("told");
    std::fs::write(&program, format!("#!/bin/sh\n{script}\n")).expect("a script");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&program, mode).expect("it is executable");
    fleet.agent.kill();
    let path = fleet.agent.data().join("agent.toml");
    let mut text = std::fs::read_to_string(&path).expect("agent.toml");
    text.push_str(&format!(
        "\n[hooks.told]\ncommand = [{:?}]\n",
        program.display().to_string()
    ));
    std::fs::write(&path, text).expect("agent.toml is written");
    fleet.agent.restart();
    fleet.agent.wait_ready();
}

fn checks(fleet: &Fleet, name: &str, yaml: &str) -> String {
    let path = fleet.scratch.path().join(name);
    std::fs::write(&path, yaml).expect("a file");
    path.display().to_string()
}

#[test]
fn a_restore_is_checked_and_its_host_is_told_and_one_that_fails_a_check_is_not_handed_over() {
    let mut fleet = Fleet::start(&major(18), Store::directory);
    fleet
        .postgres
        .psql("CREATE TABLE kept AS SELECT i FROM generate_series(1, 1000) i");
    fleet.backup();
    fleet.wait_frontier(Timestamp::now());
    allow_hook(&mut fleet, "echo \"$HOLDFAST_CLUSTER on $HOLDFAST_PORT\"");
    let good = "- {sql: select count(*) from kept, expect: '= 1000'}\n- {amcheck: true}\n";
    let good = checks(&fleet, "good.yaml", good);
    let path = |dir: &std::path::Path| dir.display().to_string();

    // What the host does not allow is refused by the plan, once every node knows of hooks.
    let dir = fleet.restore_dir("refused");
    let refused = until("hooks to be known", LONG, || {
        let dir = path(&dir);
        let run = [
            "restore", "run", "orders", "--at", "latest", "--agent", "db1", "--dir", &dir,
            "--start", "--hook", "other", "-o", "json",
        ];
        let ran = fleet.cli.run(run);
        let told: Value = serde_json::from_str(ran.stderr.trim()).expect("an error");
        (told["code"] != "level_too_low").then_some(told)
    });
    assert_eq!(refused["code"], "hook_not_allowed", "{refused}");
    assert!(!dir.exists());

    let dir = fleet.restore_dir("checked");
    let job = begin(&fleet, &path(&dir), &["--checks", &good, "--hook", "told"]);
    let done = ended(&fleet, &job);
    assert_eq!(done["state"], "done", "{done}");
    let port = done["result"]["port"].as_u64().expect("a port");
    let said = done["result"]["hooks"][0]["output"]
        .as_str()
        .expect("it wrote");
    assert_eq!(said.trim(), format!("orders on {port}"));
    assert_eq!(done["handedOver"][0]["step"], "hook told");
    let programs = fleet.postgres.programs().clone();
    let result = done["result"].clone();
    let restored = holdfast_tests::fleet::Restored::adopt(result, dir, programs.clone());
    assert_eq!(restored.psql("SELECT count(*) FROM kept"), "1000");
    let left = "SELECT count(*) FROM pg_roles WHERE rolname ~ '^holdfast_drill'";
    assert_eq!(restored.psql(left), "0");

    let bad = checks(
        &fleet,
        "bad.yaml",
        "- {sql: select count(*) from kept, expect: '= 7'}\n",
    );
    let dir = fleet.restore_dir("failed");
    let job = begin(&fleet, &path(&dir), &["--checks", &bad, "--hook", "told"]);
    let failed = ended(&fleet, &job);
    assert_eq!(failed["state"], "failed", "{failed}");
    assert_eq!(failed["error"]["code"], "restore_check_failed", "{failed}");
    assert_eq!(failed["handedOver"], serde_json::json!([]));
    // It is there to be looked at, by its socket.
    let result = failed["result"].clone();
    let looked_at = holdfast_tests::fleet::Restored::adopt(result, dir, programs);
    assert_eq!(looked_at.psql("SELECT count(*) FROM kept"), "1000");
}
