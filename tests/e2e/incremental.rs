//! Incrementals through the whole system: asked for and scheduled, with and
//! without a control plane, restored from any of them (I-06, I-08, I-09).

use holdfast_pg::testkit::major;
use holdfast_tests::agent::Agent;
use holdfast_tests::fleet::{Fleet, LONG};
use holdfast_tests::ledger::{Ledger, rows};
use holdfast_tests::rest;
use holdfast_tests::store::Store;
use holdfast_tests::until::until;
use jiff::{SignedDuration, Timestamp};
use rusqlite::{Connection, OpenFlags};
use serde_json::{Value, json};

/// The backups that can be restored, the newest first.
fn available(fleet: &Fleet) -> Vec<Value> {
    let all = until("the backups", LONG, || {
        rest::items(&fleet.control_plane, "backups?cluster=orders&limit=1000")
    });
    let available = |backup: &Value| backup["state"] == "available";
    all.into_iter().filter(available).collect()
}

fn number(value: &Value) -> u64 {
    value.as_u64().expect("a number")
}

#[test]
fn incrementals_build_on_each_other_and_restore_alone() {
    let fleet = Fleet::start(&major(18), Store::directory);
    let filler = "CREATE TABLE filler AS SELECT i, md5(i::text) FROM generate_series(1, 200000) i";
    fleet.postgres.psql(filler);
    let ledger = Ledger::start(&format!(
        "{} dbname=postgres",
        fleet.postgres.socket_conninfo()
    ));
    ledger.advance(10);
    // There is nothing to build on yet: a full one, and it says so.
    let run = ["backup", "run", "orders", "--kind", "incremental"];
    let wait = ["--wait", "--timeout", "2m"];
    let first = fleet.cli.json(run.into_iter().chain(wait));
    assert_eq!(first["state"], "succeeded", "{first}");
    assert_eq!(first["result"]["kind"], "full", "{first}");
    assert_eq!(
        first["result"]["fullBecause"]["code"], "no_parent",
        "{first}"
    );

    let mut chain = vec![first["backup"].clone()];
    for _ in 0..2 {
        ledger.advance(10);
        let done = fleet.incremental();
        assert_eq!(done["result"]["parent"], *chain.last().unwrap(), "{done}");
        chain.push(done["backup"].clone());
    }
    let listed = available(&fleet);
    let told: Vec<Value> = listed
        .iter()
        .rev()
        .map(|backup| json!([backup["id"], backup["kind"], backup["parent"]]))
        .collect();
    let expected = [
        json!([chain[0], "full", null]),
        json!([chain[1], "incremental", chain[0]]),
        json!([chain[2], "incremental", chain[1]]),
    ];
    assert_eq!(told, expected);
    let (newest, full) = (&listed[0], &listed[2]);
    assert!(
        number(&newest["addedBytes"]) * 4 < number(&full["addedBytes"]),
        "{newest} on {full}"
    );
    // What was built on is kept for a week.
    let parent = chain[1].as_str().unwrap();
    let shown = fleet.cli.json(["backup", "show", parent]);
    let until: Timestamp = shown["pinnedUntil"].as_str().unwrap().parse().unwrap();
    let left = until.duration_since(Timestamp::now());
    assert!(left > SignedDuration::from_hours(6 * 24), "{shown}");

    let entries = ledger.stop();
    fleet.wait_frontier(Timestamp::now());
    let all: Vec<i64> = entries.iter().map(|entry| entry.id).collect();
    let restored = fleet.restore("latest", "latest");
    assert_eq!(rows(&restored.connection()), all);
    assert_eq!(restored.psql("SELECT count(*) FROM filler"), "200000");
    restored.check_pages();
    // And from the one in the middle, as if there were no other.
    let middle = fleet.restore(&format!("backup:{parent}"), "middle");
    assert_eq!(middle.psql("SELECT count(*) FROM filler"), "200000");
    let some = rows(&middle.connection());
    assert!(some.len() >= 20 && some.len() < all.len(), "{}", some.len());
    assert_eq!(some, all[..some.len()]);
    middle.check_pages();
}

/// What the agent would build on if it were alone now.
fn standing_parent(agent: &Agent) -> Option<String> {
    let journal = agent.data().join("journal.db");
    let journal = Connection::open_with_flags(journal, OpenFlags::SQLITE_OPEN_READ_ONLY).ok()?;
    let sql = "SELECT json FROM document WHERE json LIKE '%decidedUntil%'";
    let text: String = journal.query_row(sql, [], |row| row.get(0)).ok()?;
    let kept: Value = serde_json::from_str(&text).ok()?;
    let parent = &kept["orders"][0]["parent"]["backup"];
    parent.as_str().map(str::to_owned)
}

#[test]
fn an_agent_alone_builds_on_what_was_pinned_for_it() {
    let mut fleet = Fleet::start(&major(15), Store::directory);
    fleet
        .agent
        .restart_with("control", "takeOverAfter = \"2s\"");
    fleet.backup();
    let yaml = fleet.cluster_yaml();
    let schedule = "    - {name: often, kind: incremental, every: 1m}\n";
    fleet.cli.apply(&format!("{yaml}  schedules:\n{schedule}"));
    until("a scheduled incremental", 2 * LONG, || {
        let all = available(&fleet);
        let mut kinds = all.iter().map(|backup| &backup["kind"]);
        kinds.any(|kind| kind == "incremental").then_some(())
    });
    let parent = until("the agent to know what is pinned", 2 * LONG, || {
        standing_parent(&fleet.agent)
    });
    let known = available(&fleet);
    assert!(known.iter().any(|backup| backup["id"] == parent.as_str()));

    fleet.control_plane.kill();
    let killed = Timestamp::now();
    until("a backup without a control plane", 2 * LONG, || {
        let log = fleet.agent.log();
        log.contains("a scheduled backup begins on its own")
            .then_some(())
    });
    fleet.control_plane.restart();
    let alone = until("the backup to be on record", 2 * LONG, || {
        let mut all = available(&fleet).into_iter();
        all.find(|backup| {
            let began: Timestamp = backup["startedAt"].as_str().unwrap().parse().unwrap();
            began > killed
        })
    });
    assert_eq!(alone["kind"], "incremental", "{alone}");
    let ids: Vec<&Value> = known.iter().map(|backup| &backup["id"]).collect();
    assert!(
        ids.contains(&&alone["parent"]),
        "{alone} on none of {ids:?}"
    );
    fleet.wait_frontier(Timestamp::now());
    let restored = fleet.restore(
        &format!("backup:{}", alone["id"].as_str().unwrap()),
        "alone",
    );
    restored.check_pages();
}
