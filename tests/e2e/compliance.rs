//! What a cluster was exposed to, against what really happened: the ledger knows which
//! commits were acknowledged when, and the repository what was stored when.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use holdfast_pg::testkit::major;
use holdfast_tests::fleet::{Fleet, LONG};
use holdfast_tests::ledger::{Entry, Ledger};
use holdfast_tests::store::Store;
use holdfast_tests::until::until;
use holdfast_types::Lsn;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

fn time(value: &Value) -> Timestamp {
    let text = value
        .as_str()
        .unwrap_or_else(|| panic!("{value} is no time"));
    text.parse().unwrap()
}

fn after(time: Timestamp, seconds: i64) -> Timestamp {
    time + SignedDuration::from_secs(seconds)
}

/// Two instants that must be the same but for how long a report takes.
fn agree(what: &str, told: Timestamp, really: Timestamp) {
    let apart = told.duration_since(really).as_secs_f64();
    assert!(
        apart.abs() <= 2.0,
        "{what}: {told} is {apart} s from {really}"
    );
}

pub(crate) fn promise(fleet: &Fleet, rpo: &str) {
    let yaml = fleet.cluster_yaml();
    fleet
        .cli
        .apply(&yaml.replace("rpo: 30s", &format!("rpo: {rpo}")));
}

pub(crate) fn is(fleet: &Fleet, status: &str) -> Value {
    until(status, LONG, || {
        let exposure = fleet.exposure();
        (exposure["status"] == status).then_some(exposure)
    })
}

fn shown(fleet: &Fleet, from: Timestamp) -> Value {
    let from = from.to_string();
    fleet
        .cli
        .json(["compliance", "show", "orders", "--from", &from])
}

fn list(value: &Value) -> &[Value] {
    value
        .as_array()
        .unwrap_or_else(|| panic!("{value} is no list"))
}

fn ledger(fleet: &Fleet) -> Ledger {
    let connection = format!("{} dbname=postgres", fleet.postgres.socket_conninfo());
    // Little, so that what waits is stored at once.
    Ledger::start_with(&connection, std::time::Duration::from_millis(20))
}

/// Takes what is in a repository away: a file is where its folder was.
pub(crate) struct Cut {
    clusters: PathBuf,
    away: PathBuf,
}

impl Cut {
    pub(crate) fn of(folder: &Path) -> Self {
        let cut = Self {
            clusters: folder.join("clusters"),
            away: folder.join("away"),
        };
        fs::rename(&cut.clusters, &cut.away).unwrap();
        fs::write(&cut.clusters, "in the way").unwrap();
        cut
    }

    pub(crate) fn heal(self) {
        fs::remove_file(&self.clusters).unwrap();
        fs::rename(&self.away, &self.clusters).unwrap();
    }
}

/// When the first file was written below a folder since a moment.
fn first_written(folder: &Path, since: SystemTime) -> Option<SystemTime> {
    let mut first: Option<SystemTime> = None;
    for entry in fs::read_dir(folder).ok()?.flatten() {
        let meta = entry.metadata().ok()?;
        let found = match meta.is_dir() {
            true => first_written(&entry.path(), since),
            false => meta.modified().ok().filter(|at| *at >= since),
        };
        first = match (first, found) {
            (Some(first), Some(found)) => Some(first.min(found)),
            (first, found) => first.or(found),
        };
    }
    first
}

fn last_received(entries: &[Entry], lsn: Lsn) -> Entry {
    let received = entries.iter().filter(|entry| entry.after <= lsn);
    *received.max_by_key(|entry| entry.after).unwrap()
}

fn idle_is_compliant(fleet: &Fleet) {
    // Nothing is written: the last segment is not full, and is as new as can be.
    let idle_from = Timestamp::now();
    let before = fleet
        .postgres
        .psql("SELECT pg_walfile_name(pg_current_wal_insert_lsn())");
    until("the cluster to be idle for a while", LONG, || {
        let period = shown(fleet, idle_from);
        (period["eligibleSeconds"].as_f64()? > 14.0).then_some(())
    });
    let idle = shown(fleet, idle_from);
    assert_eq!(idle["compliance"], 1.0, "{idle}");
    assert_eq!(idle["violations"], json!([]), "{idle}");
    let now = fleet
        .postgres
        .psql("SELECT pg_walfile_name(pg_current_wal_insert_lsn())");
    assert_eq!(before, now, "no segment was switched to say so");
}

/// The exposure rose until anything was stored again. What was stored first may not end
/// the violation yet: it may be WAL that had waited since just after the last frontier.
fn rose(violation: &Value, rpo: i64, stored: Timestamp) {
    let highest = violation["highest"]["seconds"].as_f64().unwrap();
    let frontier = after(time(&violation["startedAt"]), -rpo);
    let until_stored = stored.duration_since(frontier).as_secs_f64();
    assert!(highest >= until_stored - 0.001, "{violation}");
    let ended = time(&violation["endedAt"]);
    let until_ended = ended.duration_since(frontier).as_secs_f64();
    assert!(highest <= until_ended + 0.001, "{violation}");
}

// I-13
#[test]
fn a_violation_begins_and_ends_when_the_ledger_says_so() {
    const RPO: i64 = 8;
    let fleet = Fleet::start(&major(18), Store::directory);
    promise(&fleet, "8s");
    fleet.backup();
    is(&fleet, "COMPLIANT");

    idle_is_compliant(&fleet);

    let ledger = ledger(&fleet);
    ledger.advance(50);
    let loaded_from = Timestamp::now();
    let cut = Cut::of(fleet.store.folder());
    is(&fleet, "VIOLATED");
    let during = fleet.exposure();
    // Well above it, so that the end is not the beginning.
    until("it to be violated for a while", LONG, || {
        let found = shown(&fleet, loaded_from);
        let open = list(&found["violations"]).last()?.clone();
        (open["open"] == true && open["seconds"].as_f64()? > 6.0).then_some(())
    });
    let healing = SystemTime::now();
    cut.heal();
    is(&fleet, "COMPLIANT");
    ledger.advance(50);
    let entries = ledger.stop();

    let told = shown(&fleet, loaded_from);
    let found = list(&told["violations"]);
    assert_eq!(found.len(), 1, "{told}");
    let violation = &found[0];
    let (started, ended) = (time(&violation["startedAt"]), time(&violation["endedAt"]));
    // It began when the last commit that was received was an RPO ago.
    let lsn: Lsn = during["repositories"][0]["frontierLsn"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    let last = last_received(&entries, lsn);
    agree("the start", started, after(last.at, RPO));
    agree(
        "the frontier",
        time(&during["repositories"][0]["frontier"]),
        after(started, -RPO),
    );
    // It ended when WAL was in the repository again.
    let stored = first_written(&fleet.store.folder().join("clusters"), healing).unwrap();
    agree("the end", ended, stored.try_into().unwrap());
    let lasted = ended.duration_since(started).as_secs_f64();
    assert!(
        (told["violatedSeconds"].as_f64().unwrap() - lasted).abs() < 0.001,
        "{told}"
    );
    rose(violation, RPO, stored.try_into().unwrap());
    assert!(told["compliance"].as_f64().unwrap() < 1.0, "{told}");
    let listed = fleet.cli.json(["compliance", "violations", "orders"]);
    assert_eq!(listed["items"][0]["startedAt"], violation["startedAt"]);

    // What was known while it lasted stays what was known.
    let known = after(started, 3).to_string();
    let from = loaded_from.to_string();
    let then = fleet.cli.json([
        "compliance",
        "show",
        "orders",
        "--from",
        &from,
        "--as-known-at",
        &known,
    ]);
    let open = list(&then["violations"]).last().unwrap();
    assert_eq!(open["open"], true, "{then}");
    // Of claims that the log took in later no more is known than that they were made.
    agree(
        "the start as it was known",
        time(&open["startedAt"]),
        started,
    );
}

// I-13
#[test]
fn a_stopped_agent_is_unknown_and_then_violated() {
    let mut fleet = Fleet::start(&major(15), Store::directory);
    fleet.backup();
    is(&fleet, "COMPLIANT");
    let from = Timestamp::now();
    fleet.agent.kill();
    let killed = Timestamp::now();
    is(&fleet, "UNKNOWN");
    let exposure = is(&fleet, "VIOLATED");
    assert_eq!(exposure["cause"], "agent_offline", "{exposure}");
    let told = shown(&fleet, from);
    let phases: Vec<(String, Timestamp)> = list(&told["phases"])
        .iter()
        .map(|phase| {
            (
                phase["status"].as_str().unwrap().to_owned(),
                time(&phase["from"]),
            )
        })
        .collect();
    let [.., unknown, violated] = &phases[..] else {
        panic!("{told}")
    };
    assert_eq!(
        (unknown.0.as_str(), violated.0.as_str()),
        ("UNKNOWN", "VIOLATED"),
        "{told}"
    );
    // Both by the last frontier, which the agent told until it ended.
    agree("blindness", unknown.1, after(killed, 15));
    agree("the violation", violated.1, after(killed, 30));
    let apart = violated.1.duration_since(unknown.1).as_secs_f64();
    assert!((apart - 15.0).abs() < 0.001, "{told}");
    let violation = list(&told["violations"]).last().unwrap();
    assert_eq!(time(&violation["startedAt"]), violated.1);
    until("the cause to be on record", LONG, || {
        let listed = fleet
            .cli
            .json(["compliance", "violations", "orders", "--open"]);
        (listed["items"][0]["cause"] == "agent_offline").then_some(())
    });
    // Whoever comes back ends it with the first word that says more.
    fleet.agent.restart();
    is(&fleet, "COMPLIANT");
    let listed = fleet
        .cli
        .json(["compliance", "violations", "orders", "--open"]);
    assert_eq!(listed["items"], json!([]));
}

#[test]
fn a_copy_that_goes_away_violates_what_is_said_of_a_region() {
    let fleet = Fleet::start(&major(18), Store::directory);
    let folder = fleet.scratch.path().join("away");
    let scoped = fleet
        .cluster_yaml()
        .replace("rpo: 30s", "rpo: 30s, rpoScope: regionLoss");
    let scoped = format!("{scoped}  copies: [{{repository: away, within: 30s}}]\n");
    let away = |region: &str| {
        format!(
            "apiVersion: holdfast/v1
kind: Repository
metadata: {{name: away}}
spec: {{url: \"file://{}\", region: {region}}}
",
            folder.display()
        )
    };
    // In the region of the original.
    fleet.cli.apply(&away("eu-test-1"));
    let refused = fleet
        .cli
        .run_with_input(["apply", "-f", "-", "-o", "json"], &scoped);
    assert_eq!(refused.code, 4, "{}", refused.stderr);
    assert!(
        refused.stderr.contains("needs two that are known"),
        "{}",
        refused.stderr
    );
    fleet.cli.apply(&away("us-test-1"));
    fleet.cli.apply(&scoped);
    fleet.backup();
    let well = is(&fleet, "COMPLIANT");
    assert_eq!(well["rpoScope"], "regionLoss", "{well}");
    assert!(well["regionLossSeconds"].as_f64().is_some(), "{well}");
    let from = Timestamp::now();
    let cut = Cut::of(&folder);
    // What cannot reach the copy any more.
    fleet.postgres.psql("CREATE TABLE behind ()");
    let violated = is(&fleet, "VIOLATED");
    assert!(
        violated["exposureSeconds"].as_f64().unwrap() > 30.0,
        "{violated}"
    );
    let told = shown(&fleet, from);
    let outcome = |control: &str| {
        let found = list(&told["controls"])
            .iter()
            .find(|one| one["control"] == control);
        found.unwrap()["outcome"].clone()
    };
    // The cluster alone could be lost still.
    assert_eq!(outcome("PG_LATEST_RP_AGE"), "PASS", "{told}");
    assert_eq!(outcome("PG_REGION_LOSS_RPO"), "FAIL", "{told}");
    let copies = list(&told["copies"]);
    assert_eq!(
        (&copies[0]["late"], &copies[1]["late"]),
        (&Value::Null, &json!(true)),
        "{told}"
    );
    assert!(
        copies[0]["exposureSeconds"].as_f64().unwrap() < 30.0,
        "{told}"
    );
    let violation = list(&told["violations"]).last().unwrap();
    assert_eq!(violation["rpoScope"], "regionLoss");
    agree("the start", time(&violation["startedAt"]), after(from, 30));
    cut.heal();
    is(&fleet, "COMPLIANT");
}
