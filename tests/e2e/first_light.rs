//! The thread through the whole system: protect, have an accident, restore,
//! and compare the rows with the ledger.

use holdfast_pg::testkit::major;
use holdfast_tests::fleet::Fleet;
use holdfast_tests::ledger::{Entry, Ledger, assert_rows_up_to, rows};
use holdfast_tests::scratch::Scratch;
use holdfast_tests::store::Store;
use holdfast_types::Lsn;
use jiff::Timestamp;

#[test]
fn postgresql_15_on_a_directory() {
    protect_and_restore(15, Store::directory);
}

#[test]
fn postgresql_18_on_a_directory() {
    protect_and_restore(18, Store::directory);
}

#[test]
fn postgresql_15_on_s3() {
    protect_and_restore(15, Store::s3);
}

#[test]
fn postgresql_18_on_s3() {
    protect_and_restore(18, Store::s3);
}

#[test]
fn postgresql_18_on_azure() {
    protect_and_restore(18, Store::azure);
}

fn protect_and_restore(version: u32, store: fn(&Scratch) -> Store) {
    let fleet = Fleet::start(&major(version), store);
    assert_eq!(fleet.exposure()["status"], "UNPROTECTED");
    let postgres = &fleet.postgres;
    postgres.pgbench(&["-i", "-q", "-s", "2"]);
    let ledger = Ledger::start(&format!("{} dbname=postgres", postgres.socket_conninfo()));
    ledger.advance(50);
    let backup = fleet.backup();
    // Busy while a second backup is taken too: pages change under the reader.
    postgres.pgbench(&["-c", "2", "-T", "3"]);
    fleet.backup();
    ledger.advance(50);
    let (middle_time, middle_lsn) = (Timestamp::now(), insert_position(&fleet));
    ledger.advance(50);
    let entries = ledger.stop();
    let good = Timestamp::now();
    postgres.psql("DROP TABLE ledger");
    fleet.wait_frontier(Timestamp::now());
    assert_eq!(
        fleet.exposure()["status"],
        "COMPLIANT",
        "{}",
        fleet.exposure()
    );

    before_the_accident(&fleet, &entries, good);
    at_a_position(&fleet, &entries, middle_lsn);
    at_a_time(&fleet, &entries, middle_time);
    to_latest(&fleet);
    let list = fleet.cli.json(["backup", "list", "orders"]);
    let items = list["items"].as_array().expect("a list");
    assert_eq!(items.len(), 2, "{list}");
    assert!(
        items.iter().any(|item| item["id"] == backup["backup"]),
        "{list}"
    );
    assert!(
        items.iter().all(|item| item["state"] == "available"),
        "{list}"
    );
}

fn before_the_accident(fleet: &Fleet, entries: &[Entry], good: Timestamp) {
    let restored = fleet.restore(&good.to_string(), "before");
    let expected: Vec<i64> = entries.iter().map(|entry| entry.id).collect();
    assert_eq!(rows(&restored.connection()), expected);
    assert_eq!(restored.psql("SELECT pg_is_in_recovery()"), "f");
    // A copy must never write into the original's archive.
    assert_eq!(restored.psql("SHOW archive_mode"), "off");
    let count = "SELECT count(*) FROM pgbench_accounts";
    assert_eq!(restored.psql(count), fleet.postgres.psql(count));
    restored.check_pages();
}

fn at_a_position(fleet: &Fleet, entries: &[Entry], lsn: Lsn) {
    let restored = fleet.restore(&format!("lsn:{lsn}"), "position");
    assert!(restored.reached() >= lsn, "{}", restored.result());
    assert_rows_up_to(entries, lsn, &rows(&restored.connection()));
}

fn at_a_time(fleet: &Fleet, entries: &[Entry], time: Timestamp) {
    let restored = fleet.restore(&time.to_string(), "time");
    let found = rows(&restored.connection());
    // One writer, one clock: what was acknowledged by then is there, and of
    // what came later at most the one commit that was under way.
    let acknowledged = entries.iter().filter(|entry| entry.at <= time).count();
    let difference = found.len() - acknowledged.min(found.len());
    assert!(
        found.len() >= acknowledged && difference <= 1,
        "{} of {acknowledged}",
        found.len()
    );
}

fn to_latest(fleet: &Fleet) {
    // The accident included: the table is gone, everything else is there.
    let restored = fleet.restore("latest", "latest");
    assert_eq!(restored.psql("SELECT to_regclass('ledger') IS NULL"), "t");
    let history = "SELECT count(*) FROM pgbench_history";
    assert_eq!(restored.psql(history), fleet.postgres.psql(history));
    assert_eq!(restored.result()["timeline"], 2);
    restored.check_pages();
}

fn insert_position(fleet: &Fleet) -> Lsn {
    let text = fleet.postgres.psql("SELECT pg_current_wal_insert_lsn()");
    text.parse().expect("PostgreSQL prints a position")
}
