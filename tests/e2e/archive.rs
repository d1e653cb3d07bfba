//! WAL by `archive_command` through the whole system: alone, beside streaming,
//! without a control plane, and back to streaming.

use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use holdfast_pg::testkit::major;
use holdfast_tests::fleet::{Fleet, LONG};
use holdfast_tests::ledger::{Ledger, rows};
use holdfast_tests::programs::program;
use holdfast_tests::store::Store;
use holdfast_tests::until::until;
use jiff::Timestamp;
use serde_json::Value;

/// Lets the server's archiver call the agent.
fn set_up_archiver(fleet: &Fleet) {
    // The agent of these tests runs as root, its caller does not.
    let data = fleet.agent.data();
    std::fs::set_permissions(data, std::fs::Permissions::from_mode(0o711)).unwrap();
    let agent = program("holdfast-agent").display().to_string();
    let command = format!("{agent} wal-push %p --data {}", data.display());
    fleet.postgres.psql(&format!(
        "ALTER SYSTEM SET archive_mode = 'on'\n\
         ALTER SYSTEM SET archive_command = '{command}'\n\
         ALTER SYSTEM SET archive_timeout = '1s'"
    ));
    fleet.postgres.stop("fast");
    fleet.postgres.start_again();
    // Its checkpointer may have begun to sleep while the server was still starting: then
    // it heeds archive_timeout only after checkpoint_timeout, or once it is woken.
    fleet.postgres.psql("CHECKPOINT");
}

fn apply_mode(fleet: &Fleet, mode: &str) {
    let yaml = fleet.cluster_yaml();
    let wal = format!("wal: {{mode: {mode}, flushEvery: 500ms}}");
    fleet
        .cli
        .apply(&yaml.replace("wal: {flushEvery: 500ms}", &wal));
}

fn slots(fleet: &Fleet) -> String {
    fleet
        .postgres
        .psql("SELECT count(*) FROM pg_replication_slots")
}

fn wait_for_slots(fleet: &Fleet, count: &str) {
    until("the slot", LONG, || (slots(fleet) == count).then_some(()));
}

fn ledger_of(fleet: &Fleet) -> Ledger {
    Ledger::start(&format!(
        "{} dbname=postgres",
        fleet.postgres.socket_conninfo()
    ))
}

/// What the doctor of the agent's host finds.
fn findings(fleet: &Fleet) -> Vec<Value> {
    let output = Command::new(program("holdfast-agent"))
        .args(["doctor", "-o", "json", "--data"])
        .arg(fleet.agent.data())
        .output()
        .unwrap();
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    let items = found["items"].as_array().unwrap();
    let findings = items
        .iter()
        .flat_map(|one| one["findings"].as_array().unwrap());
    findings.map(|finding| finding["code"].clone()).collect()
}

// I-05, I-07, I-08, I-13.
#[test]
fn the_archiver_alone_protects_a_cluster() {
    let mut fleet = Fleet::prepare(&major(15), Store::directory);
    fleet.store.apply(&fleet.cli);
    apply_mode(&fleet, "archive");
    // What is missing is said in words that can be run.
    until("the archiver to be found missing", LONG, || {
        let found = findings(&fleet);
        found.contains(&"archive_mode_off".into()).then_some(())
    });
    until("the cause", LONG, || {
        (fleet.exposure()["cause"] == "archive_mode_off").then_some(())
    });
    set_up_archiver(&fleet);
    // A server that never wrote anything has nothing to archive.
    let ledger = ledger_of(&fleet);
    ledger.advance(10);
    fleet.wait_frontier(Timestamp::UNIX_EPOCH);
    let found = findings(&fleet);
    assert!(
        !found
            .iter()
            .any(|code| code.as_str().unwrap().starts_with("archive_")),
        "{found:?}"
    );
    assert_eq!(slots(&fleet), "0", "an archiver needs no slot");

    fleet.backup();
    ledger.advance(10);
    until("a verdict", LONG, || {
        (fleet.exposure()["status"] == "COMPLIANT").then_some(())
    });
    // The control plane goes, PostgreSQL's archiver does not care (I-08).
    fleet.control_plane.kill();
    let before = fleet
        .postgres
        .psql("SELECT archived_count FROM pg_stat_archiver");
    ledger.advance(20);
    until("WAL archived without a control plane", LONG, || {
        let archived = "SELECT archived_count FROM pg_stat_archiver";
        (fleet.postgres.psql(archived) != before).then_some(())
    });
    fleet.control_plane.restart();
    let entries = ledger.stop();
    fleet.wait_frontier(Timestamp::now());
    let exposure = fleet.exposure();
    assert_eq!(
        exposure["repositories"][0]["gaps"],
        serde_json::json!([]),
        "{exposure}"
    );
    let all: Vec<i64> = entries.iter().map(|entry| entry.id).collect();
    let restored = fleet.restore("latest", "latest");
    assert_eq!(rows(&restored.connection()), all);
    restored.check_pages();
}

// From streaming to both, to the archiver alone, and back: no gap, no slot left.
#[test]
fn a_cluster_changes_the_way_of_its_wal_without_a_gap() {
    let fleet = Fleet::prepare(&major(18), Store::directory);
    set_up_archiver(&fleet);
    fleet.protect();
    fleet.wait_frontier(Timestamp::UNIX_EPOCH);
    fleet.backup();
    let ledger = ledger_of(&fleet);
    for (mode, slot) in [("both", "1"), ("archive", "0"), ("streaming", "1")] {
        apply_mode(&fleet, mode);
        ledger.advance(20);
        wait_for_slots(&fleet, slot);
        fleet.wait_frontier(Timestamp::now());
        let exposure = fleet.exposure();
        let gaps = &exposure["repositories"][0]["gaps"];
        assert_eq!(*gaps, serde_json::json!([]), "{mode}: {exposure}");
    }
    let entries = ledger.stop();
    fleet.wait_frontier(Timestamp::now());
    let failed = "SELECT failed_count FROM pg_stat_archiver";
    let all: Vec<i64> = entries.iter().map(|entry| entry.id).collect();
    let restored = fleet.restore("latest", "latest");
    assert_eq!(
        rows(&restored.connection()),
        all,
        "{}",
        fleet.postgres.psql(failed)
    );
    restored.check_pages();
}
