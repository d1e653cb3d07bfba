//! The bound on what PostgreSQL keeps for us: the database lives, what was lost
//! is on record, and protection comes back by itself.

use std::fs;

use holdfast_pg::testkit::major;
use holdfast_tests::fleet::{Fleet, LONG};
use holdfast_tests::ledger::{Ledger, rows};
use holdfast_tests::store::Store;
use holdfast_tests::until::until;
use jiff::Timestamp;
use serde_json::Value;

/// The nodes wait a minute for somebody to fill a gap.
const SOON: [(&str, &str); 1] = [("HOLDFAST_JOBS__BACKUP_AFTER_GAP", "1s")];

fn slots(fleet: &Fleet) -> String {
    fleet
        .postgres
        .psql("SELECT count(*) FROM pg_replication_slots WHERE slot_name = 'holdfast_orders'")
}

fn available(fleet: &Fleet) -> Vec<Value> {
    let list = fleet.cli.json(["backup", "list", "orders"]);
    let items = list["items"].as_array().expect("a list").iter();
    let available = items.filter(|item| item["state"] == "available");
    available.cloned().collect()
}

/// Writes WAL, removes what is kept for nobody.
fn load(fleet: &Fleet) {
    fleet.postgres.psql(
        "INSERT INTO filler SELECT string_agg(md5(random()::text), '') \
         FROM generate_series(1, 16) m, generate_series(1, 32768) r GROUP BY m, r % 500",
    );
    fleet.postgres.psql("SELECT pg_switch_wal()");
    fleet.postgres.psql("CHECKPOINT");
}

// I-05, I-13, I-15
// Pitfall 21
#[test]
fn at_the_bound_the_slot_goes_and_a_backup_is_ordered() {
    let fleet = Fleet::start_with(&major(18), Store::directory, &SOON);
    let bounded = fleet.cluster_yaml().replace(
        "flushEvery: 500ms",
        "flushEvery: 500ms, maxRetained: 64MiB, whenFull: drop",
    );
    fleet.cli.apply(&bounded);
    let shown = fleet.cli.json(["get", "policy", "gold"]);
    assert_eq!(shown["spec"]["wal"]["maxRetained"], "64MiB", "{shown}");
    fleet.backup();
    let first = available(&fleet);
    assert_eq!(first.len(), 1, "{first:?}");
    fleet.postgres.psql("CREATE TABLE filler (data text)");
    let ledger = Ledger::start(&format!(
        "{} dbname=postgres",
        fleet.postgres.socket_conninfo()
    ));
    ledger.advance(20);
    assert_eq!(slots(&fleet), "1");

    let clusters = fleet.store.folder().join("clusters");
    let away = fleet.store.folder().join("away");
    fs::rename(&clusters, &away).expect("the repository goes away");
    fs::write(&clusters, "in the way").expect("and stays away");
    until("the slot to go", LONG, || {
        load(&fleet);
        (slots(&fleet) == "0").then_some(())
    });
    // What it kept goes with it: the volume is the database's again.
    load(&fleet);
    load(&fleet);
    ledger.advance(20);
    assert_eq!(slots(&fleet), "0", "none while nothing can be stored");
    until("somebody to be told", LONG, || {
        (fleet.exposure()["cause"] == "wal_retention_bound").then_some(())
    });

    fs::remove_file(&clusters).expect("the repository");
    fs::rename(&away, &clusters).expect("comes back");
    let healed = until("another backup", LONG, || {
        let found = available(&fleet);
        (found.len() == 2).then_some(found)
    });
    let newest = healed.iter().find(|one| one["id"] != first[0]["id"]);
    assert_eq!(newest.expect("another")["kind"], "full", "{healed:?}");
    let exposure = fleet.exposure();
    let gaps = exposure["repositories"][0]["gaps"].as_array();
    assert_eq!(
        gaps.map(Vec::len),
        Some(1),
        "it stays on record: {exposure}"
    );

    ledger.advance(20);
    let entries = ledger.stop();
    fleet.wait_frontier(Timestamp::now());
    let exposure = fleet.exposure();
    assert_eq!(exposure["status"], "COMPLIANT", "{exposure}");
    let restored = fleet.restore("latest", "behind-the-gap");
    let expected: Vec<i64> = (1..=entries.last().expect("commits").id).collect();
    assert_eq!(rows(&restored.connection()), expected);
    restored.check_pages();
    // One gap, one backup.
    let jobs = fleet.cli.json(["job", "list"]);
    let backups = jobs["items"].as_array().expect("a list").iter();
    let backups = backups.filter(|job| job["kind"] == "backup");
    let reasons: Vec<_> = backups.map(|job| job["because"].as_str()).collect();
    assert_eq!(reasons, [Some("wal_gap"), None], "{jobs}");
}
