//! Bad days: kills, restarts, holes. Nothing acknowledged is lost, PostgreSQL
//! is not left in backup mode, and the next run succeeds.

use std::fs;
use std::path::{Path, PathBuf};

use holdfast_pg::testkit::{free_port, major};
use holdfast_tests::fleet::{Fleet, LONG, Restored};
use holdfast_tests::ledger::{Ledger, rows};
use holdfast_tests::store::Store;
use holdfast_tests::until::until;
use jiff::Timestamp;
use serde_json::Value;

fn ledger(fleet: &Fleet) -> Ledger {
    Ledger::start(&format!(
        "{} dbname=postgres",
        fleet.postgres.socket_conninfo()
    ))
}

/// Starts a backup and waits until its job copies files.
fn backup_under_way(fleet: &Fleet) -> String {
    let job = fleet.cli.json(["backup", "run", "orders"])["job"].clone();
    let job = job.as_str().expect("a job").to_owned();
    until("the backup to copy", LONG, || {
        let shown = fleet.cli.json(["job", "show", &job]);
        let state = shown["state"].as_str().unwrap_or_default();
        assert!(
            !["failed", "succeeded"].contains(&state),
            "too late: {shown}"
        );
        (shown["phase"] == "copy").then_some(())
    });
    job
}

/// Waits for a job to end.
fn ended(fleet: &Fleet, job: &str) -> Value {
    until("the job to end", LONG, || {
        let shown = fleet.cli.json(["job", "show", job]);
        let state = shown["state"].as_str().unwrap_or_default();
        ["succeeded", "failed", "cancelled", "superseded"]
            .contains(&state)
            .then_some(shown)
    })
}

/// PostgreSQL has no backup open: a session in backup mode names itself.
fn assert_no_backup_mode(fleet: &Fleet) {
    until("PostgreSQL to leave backup mode", LONG, || {
        let query = "SELECT count(*) FROM pg_stat_activity \
                     WHERE usename = 'holdfast' AND query ILIKE '%backup_start%'";
        (fleet.postgres.psql(query) == "0").then_some(())
    });
}

/// A backup, then a restore of everything the ledger was told.
fn assert_all_is_there(fleet: &Fleet, ledger: Ledger) {
    ledger.advance(20);
    let entries = ledger.stop();
    fleet.wait_frontier(Timestamp::now());
    fleet.backup();
    let restored = fleet.restore("latest", "after");
    let found = rows(&restored.connection());
    let last = entries.last().expect("commits").id;
    let expected: Vec<i64> = (1..=last).collect();
    assert_eq!(found, expected, "acknowledged rows are missing");
    let gaps = fleet.exposure()["repositories"][0]["gaps"].clone();
    assert_eq!(gaps, Value::Array(Vec::new()), "WAL was lost");
    restored.check_pages();
}

/// Enough data that a backup can be caught in the middle.
fn fill(fleet: &Fleet) {
    fleet.postgres.pgbench(&["-i", "-q", "-s", "30"]);
}

#[test]
fn the_agent_is_killed_in_the_middle() {
    let mut fleet = Fleet::start(&major(15), Store::directory);
    fill(&fleet);
    let ledger = ledger(&fleet);
    fleet.backup();
    let job = backup_under_way(&fleet);
    fleet.agent.kill();
    assert_no_backup_mode(&fleet);
    ledger.advance(50);
    fleet.agent.restart();
    fleet.agent.wait_ready();
    // Another attempt of the same run, under a new generation.
    let shown = ended(&fleet, &job);
    assert_eq!(shown["state"], "succeeded", "{shown}");
    assert_eq!(
        shown["attempts"].as_array().map(Vec::len),
        Some(2),
        "{shown}"
    );
    assert_all_is_there(&fleet, ledger);
}

#[test]
fn the_control_plane_is_killed_in_the_middle() {
    let mut fleet = Fleet::start(&major(15), Store::directory);
    fill(&fleet);
    let ledger = ledger(&fleet);
    let job = backup_under_way(&fleet);
    fleet.control_plane.kill();
    // The agent goes on: WAL is received, the backup is finished (I-08).
    ledger.advance(100);
    fleet.control_plane.restart();
    let shown = ended(&fleet, &job);
    assert_eq!(shown["state"], "succeeded", "{shown}");
    assert_eq!(
        shown["attempts"].as_array().map(Vec::len),
        Some(1),
        "{shown}"
    );
    assert_all_is_there(&fleet, ledger);
}

#[test]
fn postgresql_is_restarted_in_the_middle() {
    let fleet = Fleet::start(&major(15), Store::directory);
    fill(&fleet);
    let ledger = ledger(&fleet);
    let job = backup_under_way(&fleet);
    fleet.postgres.stop("immediate");
    fleet.postgres.start_again();
    let shown = ended(&fleet, &job);
    // The base of that backup is gone: it fails or is taken again, never counts.
    if shown["state"] == "succeeded" {
        assert!(
            shown["attempts"]
                .as_array()
                .is_some_and(|all| all.len() > 1),
            "{shown}"
        );
    } else {
        assert_eq!(shown["state"], "failed", "{shown}");
        let hint = shown["error"]["hint"].as_str().unwrap_or_default();
        assert!(!hint.is_empty(), "{shown}");
    }
    assert_all_is_there(&fleet, ledger);
}

#[test]
fn a_cancelled_backup_leaves_nothing_behind() {
    let fleet = Fleet::start(&major(15), Store::directory);
    fill(&fleet);
    let job = backup_under_way(&fleet);
    let running = only_backup(&fleet, "running");
    assert_eq!(running["job"], Value::from(job.as_str()), "{running}");
    assert!(running["startLsn"].is_string(), "{running}");
    assert!(running["stopLsn"].is_null(), "{running}");
    let ran = fleet.cli.run(["job", "cancel", &job]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(ended(&fleet, &job)["state"], "cancelled");
    assert_no_backup_mode(&fleet);
    assert_eq!(fleet.exposure()["status"], "UNPROTECTED");
    assert_eq!(only_backup(&fleet, "failed")["id"], running["id"]);

    // The next one is the same row from its start to its end.
    let job = backup_under_way(&fleet);
    let running = backups(&fleet, "running");
    assert_eq!(running.len(), 1, "{running:?}");
    assert_eq!(ended(&fleet, &job)["state"], "succeeded");
    let available = backups(&fleet, "available");
    assert_eq!(available.len(), 1, "{available:?}");
    assert_eq!(available[0]["id"], running[0]["id"]);
    assert_eq!(available[0]["startLsn"], running[0]["startLsn"]);
    assert!(backups(&fleet, "running").is_empty());
    let repository = fleet.cli.json(["get", "repository", "main"]);
    let id = repository["status"]["repositoryId"].as_str();
    assert!(id.is_some_and(|id| id.starts_with("rep_")), "{repository}");
}

/// The backups of `orders` in this state.
fn backups(fleet: &Fleet, state: &str) -> Vec<Value> {
    let list = fleet.cli.json(["backup", "list", "orders"]);
    let items = list["items"].as_array().expect("a list").iter();
    items
        .filter(|item| item["state"] == state)
        .cloned()
        .collect()
}

/// The one backup that there is, which is in this state.
fn only_backup(fleet: &Fleet, state: &str) -> Value {
    let list = fleet.cli.json(["backup", "list", "orders"]);
    assert_eq!(list["items"].as_array().map(Vec::len), Some(1), "{list}");
    let item = list["items"][0].clone();
    assert_eq!(item["state"], state, "{list}");
    item
}

// Pitfall 17
#[test]
fn a_hole_in_the_middle_is_never_passed_over() {
    let fleet = Fleet::start(&major(15), Store::directory);
    fleet.backup();
    let ledger = ledger(&fleet);
    for _ in 0..3 {
        ledger.advance(20);
        fleet.postgres.psql("SELECT pg_switch_wal()");
    }
    ledger.advance(20);
    drop(ledger.stop());
    fleet.wait_frontier(Timestamp::now());
    let started = not_started(&fleet, "holed");
    let hole = second_last_segment(fleet.store.folder());
    fs::remove_file(&hole).expect("remove a segment");

    // Planned again, it is refused and names the hole.
    let dir = fleet.restore_dir("refused");
    let path = dir.display().to_string();
    let run = [
        "restore", "run", "orders", "--at", "latest", "--agent", "db1", "--dir", &path,
    ];
    let error = fleet.cli.refused(4, run);
    assert_eq!(error["code"], "wal_missing", "{error}");
    assert!(!dir.exists());
    // Restored before the segment went, PostgreSQL fails rather than promotes.
    let programs = fleet.postgres.programs();
    let run_as = holdfast_pg::binaries::RunAs::owner_of(&started).expect("it has an owner");
    let mut start = programs.blocking_command("pg_ctl", run_as);
    start.args(["start", "-w", "-t", "60", "-D"]).arg(&started);
    start.arg("-l").arg(started.with_extension("log"));
    let socket = fleet.postgres.socket_dir().display();
    start.args(["-o", &format!("-p {} -k '{socket}'", free_port())]);
    let output = start.output().expect("pg_ctl can be run");
    let ended = until("PostgreSQL to give up", LONG, || {
        (!started.join("postmaster.pid").exists()).then_some(output.status)
    });
    let log = fs::read_to_string(started.with_extension("log")).unwrap_or_default();
    assert!(
        log.contains("recovery ended before configured recovery target"),
        "{ended}: {log}"
    );
    assert!(
        !log.contains("selected new timeline"),
        "it promoted short: {log}"
    );
}

/// Restores to the latest point without starting PostgreSQL.
fn not_started(fleet: &Fleet, name: &str) -> PathBuf {
    let dir = fleet.restore_dir(name);
    let path = dir.display().to_string();
    let run = [
        "restore", "run", "orders", "--at", "latest", "--agent", "db1", "--dir", &path,
    ];
    let done = fleet.cli.json(run.into_iter().chain(["--wait"]));
    assert_eq!(done["state"], "succeeded", "{done}");
    dir
}

/// The last but one full segment in the repository.
fn second_last_segment(repository: &Path) -> PathBuf {
    let mut segments = Vec::new();
    let mut folders = vec![repository.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            let name = path
                .file_name()
                .map(|name| name.to_string_lossy().into_owned());
            let segment = name.is_some_and(|name| {
                name.len() == 24 && name.bytes().all(|byte| byte.is_ascii_hexdigit())
            });
            if path.is_dir() {
                folders.push(path);
            } else if segment {
                segments.push(path);
            }
        }
    }
    segments.sort();
    segments
        .iter()
        .rev()
        .nth(1)
        .expect("several segments")
        .clone()
}

/// Restores without starting, then starts as a person would with `pg_ctl`.
#[test]
fn a_restored_directory_starts_by_itself() {
    let mut fleet = Fleet::start(&major(18), Store::directory);
    let ledger = ledger(&fleet);
    ledger.advance(20);
    fleet.backup();
    ledger.advance(20);
    let entries = ledger.stop();
    fleet.wait_frontier(Timestamp::now());
    let dir = not_started(&fleet, "plain");
    // Neither the control plane nor the agent is needed from here on (I-09).
    fleet.control_plane.kill();
    fleet.agent.kill();
    let socket = fleet.postgres.socket_dir().display().to_string();
    let port = free_port();
    let programs = fleet.postgres.programs().clone();
    let run_as = holdfast_pg::binaries::RunAs::owner_of(&dir).expect("it has an owner");
    let mut start = programs.blocking_command("pg_ctl", run_as);
    start
        .args(["start", "-w", "-D"])
        .arg(&dir)
        .arg("-l")
        .arg(dir.with_extension("log"));
    start.args(["-o", &format!("-p {port} -k '{socket}'")]);
    holdfast_pg::testkit::must_run(&mut start);
    let result = serde_json::json!({ "port": port, "socketDir": socket });
    let restored = Restored::adopt(result, dir, programs);
    until("PostgreSQL to promote itself", LONG, || {
        (restored.psql("SELECT pg_is_in_recovery()") == "f").then_some(())
    });
    let expected: Vec<i64> = (1..=entries.last().expect("commits").id).collect();
    assert_eq!(rows(&restored.connection()), expected);
    restored.check_pages();
}
