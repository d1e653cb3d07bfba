//! Drills through the whole system: what is proven, what is not, and that nothing is
//! left of one whose agent was killed.

use std::path::{Path, PathBuf};

use holdfast_pg::testkit::major;
use holdfast_tests::fleet::{Fleet, LONG};
use holdfast_tests::store::Store;
use holdfast_tests::until::until;
use jiff::Timestamp;
use serde_json::{Value, json};

/// A fleet with rows, a backup, and a frontier behind both.
fn rehearsed(number: u32) -> Fleet {
    let fleet = Fleet::start(&major(number), Store::directory);
    fleet.postgres.psql(
        "CREATE TABLE orders AS SELECT i AS id, now() AS created_at FROM generate_series(1, 10000) i",
    );
    fleet.backup();
    fleet
        .postgres
        .psql("INSERT INTO orders VALUES (10001, now())");
    fleet.wait_frontier(Timestamp::now());
    fleet
}

fn checks(fleet: &Fleet, name: &str, yaml: &str) -> String {
    let path = fleet.scratch.path().join(name);
    std::fs::write(&path, yaml).unwrap();
    path.display().to_string()
}

/// A drill that was waited for: its exit code, and what the job says.
fn drill(fleet: &Fleet, more: &[&str]) -> (i32, Value) {
    let run = [
        "drill",
        "run",
        "orders",
        "--agent",
        "db1",
        "--wait",
        "--timeout",
        "3m",
    ];
    let ran = fleet.cli.run(run.iter().chain(more).chain(&["-o", "json"]));
    let body = serde_json::from_str(&ran.stdout).unwrap_or_else(|_| panic!("{}", ran.stderr));
    (ran.code, body)
}

fn proof(fleet: &Fleet) -> Value {
    fleet.exposure()["proof"].clone()
}

fn left(data: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(data.join("drills")).into_iter().flatten();
    entries.map(|entry| entry.unwrap().path()).collect()
}

#[test]
fn a_drill_proves_rto_and_rpo_and_a_corrupted_repository_fails_the_next() {
    let fleet = rehearsed(18);
    assert_eq!(proof(&fleet)["because"], "no_drill");
    let file = checks(
        &fleet,
        "checks.yaml",
        "- {sql: select count(*) from orders, expect: '= 10001'}\n\
         - {sql: select max(created_at) from orders, expect: within 10m of target}\n\
         - {amcheck: true}\n\
         - {rowCounts: drift <= 5%}\n",
    );
    let (code, done) = drill(&fleet, &["--checks", &file]);
    assert_eq!((code, &done["state"]), (0, &json!("succeeded")), "{done}");
    let job = done["job"].as_str().unwrap();
    let shown = fleet.cli.json(["drill", "show", job]);
    assert_eq!(shown["verdict"], "passed", "{shown}");
    assert_eq!(shown["checks"].as_array().unwrap().len(), 5);
    let rto = shown["achievedRtoSeconds"].as_f64().unwrap();
    let phases = shown["phases"].as_array().unwrap();
    let took: u64 = phases
        .iter()
        .map(|one| one["milliseconds"].as_u64().unwrap())
        .sum();
    assert!(rto > 0.0 && rto <= took as f64 / 1000.0 + 60.0, "{shown}");
    let rpo = shown["achievedRpoSeconds"].as_f64().unwrap();
    assert!((0.0..60.0).contains(&rpo), "{shown}");
    let proven = proof(&fleet);
    assert_eq!(proven["proven"], true, "{proven}");
    assert_eq!(proven["achievedRtoSeconds"], shown["achievedRtoSeconds"]);
    assert_eq!(left(fleet.agent.data()), Vec::<PathBuf>::new());

    // A check that fails: the restore worked, and the drill has failed.
    let file = checks(&fleet, "wrong.yaml", "- {sql: select 1, expect: '= 2'}\n");
    let (code, done) = drill(&fleet, &["--checks", &file]);
    assert_eq!((code, &done["state"]), (1, &json!("failed")), "{done}");
    assert_eq!(done["error"]["code"], "drill_check_failed");
    assert_eq!(proof(&fleet)["because"], "drill_failed");
    let (code, done) = drill(&fleet, &["--at", "random"]);
    assert_eq!((code, &done["state"]), (0, &json!("succeeded")), "{done}");

    // A chunk that was damaged where it lies.
    for pack in packs(fleet.store.folder()) {
        let mut bytes = std::fs::read(&pack).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 0xff;
        std::fs::write(&pack, bytes).unwrap();
    }
    let (code, done) = drill(&fleet, &[]);
    assert_eq!((code, &done["state"]), (1, &json!("failed")), "{done}");
    assert_eq!(done["error"]["code"], "repository_damaged", "{done}");
    let not_proven = proof(&fleet);
    assert_eq!(not_proven["because"], "drill_failed", "{not_proven}");
    let list = fleet.cli.json(["drill", "list", "--cluster", "orders"]);
    let verdicts: Vec<&Value> = list["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["verdict"])
        .collect();
    assert_eq!(verdicts, ["failed", "passed", "failed", "passed"]);
    let ran = fleet
        .cli
        .run(["drill", "show", done["job"].as_str().unwrap()]);
    assert_eq!(ran.code, 1, "{}", ran.stdout);
    assert_eq!(left(fleet.agent.data()), Vec::<PathBuf>::new());
}

fn packs(below: &Path) -> Vec<PathBuf> {
    let (mut packs, mut pending) = (Vec::new(), vec![below.to_owned()]);
    while let Some(directory) = pending.pop() {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                pending.push(path);
            } else if path.components().any(|part| part.as_os_str() == "packs") {
                packs.push(path);
            }
        }
    }
    packs
}

#[test]
fn an_agent_that_is_killed_leaves_nothing_of_its_drill() {
    let mut fleet = rehearsed(15);
    let file = checks(
        &fleet,
        "slow.yaml",
        "- {sql: select pg_sleep(600), expect: '= 1'}\n",
    );
    let run = [
        "drill", "run", "orders", "--agent", "db1", "--checks", &file,
    ];
    let started = fleet.cli.json(run);
    let job = started["job"].as_str().unwrap().to_owned();
    until("the drill to check", LONG, || {
        let shown = fleet.cli.json(["job", "show", &job]);
        (shown["phase"] == "check").then_some(())
    });
    fleet.agent.kill();
    let data = fleet.agent.data().to_owned();
    assert_ne!(left(&data), Vec::<PathBuf>::new(), "its server outlives it");
    fleet.agent.restart();
    // Its next process takes that away, and the job is tried again.
    let before = left(&data);
    until("what was left to go", LONG, || {
        let there = left(&data);
        (!before.iter().any(|path| there.contains(path))).then_some(())
    });
    until("another attempt", LONG, || {
        let shown = fleet.cli.json(["job", "show", &job]);
        let attempts = shown["attempts"].as_array()?.len();
        (attempts == 2 && shown["phase"] == "check").then_some(())
    });
    fleet.cli.json(["job", "cancel", &job]);
    until("the end", LONG, || {
        let shown = fleet.cli.json(["job", "show", &job]);
        (shown["state"] == "cancelled").then_some(())
    });
    assert_eq!(left(&data), Vec::<PathBuf>::new());
    let list = fleet.cli.json(["drill", "list"]);
    assert_eq!(list["items"][0]["verdict"], "cancelled", "{list}");
    assert_eq!(proof(&fleet)["because"], "no_drill");
}

#[test]
fn a_drill_plan_rehearses_by_itself() {
    let fleet = rehearsed(15);
    fleet.cli.apply(
        "apiVersion: holdfast/v1\n\
         kind: DrillPlan\n\
         metadata: {name: often}\n\
         spec:\n\
         \x20 selector: {}\n\
         \x20 every: 1m\n\
         \x20 at: random\n\
         \x20 agent: db1\n\
         \x20 checks: [{sql: \"select count(*) from orders\", expect: \"drift <= 5%\"}]\n",
    );
    let drills = || {
        let list = fleet.cli.json(["drill", "list"]);
        list["items"].as_array().unwrap().clone()
    };
    until("two drills", 2 * LONG, || {
        (drills().len() >= 2).then_some(())
    });
    for drill in drills() {
        assert_eq!(drill["verdict"], "passed", "{drill}");
        assert_eq!(drill["schedule"], "drillplan-often");
    }
    assert_eq!(proof(&fleet)["proven"], true);
}
