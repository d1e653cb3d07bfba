//! Policies on the command line, against a PostgreSQL whose restores are measured.

use holdfast_pg::testkit::major;
use holdfast_tests::fleet::Fleet;
use holdfast_tests::store::Store;
use serde_json::{Value, json};

fn codes(lint: &Value) -> Vec<&str> {
    let lint = lint.as_array().unwrap().iter();
    lint.map(|one| one["code"].as_str().unwrap()).collect()
}

/// The policy `gold` with other objectives.
fn gold(fleet: &Fleet, objectives: &str) -> String {
    let yaml = fleet.cluster_yaml();
    assert!(yaml.contains("objectives: {rpo: 30s}"), "{yaml}");
    yaml.replace(
        "objectives: {rpo: 30s}",
        &format!("objectives: {objectives}"),
    )
}

#[test]
fn promises_are_held_against_restores_that_were_measured() {
    let fleet = Fleet::start(&major(15), Store::directory);
    let in_force = || fleet.cli.json(["get", "cluster", "orders", "--effective"]);
    fleet.cli.apply(&gold(&fleet, "{rpo: 30s, rto: 1ms}"));
    // Nobody has restored anything yet: nothing is guessed.
    let shown = in_force();
    assert!(
        codes(&shown["lint"]).contains(&"rto_not_measured"),
        "{shown}"
    );
    fleet.backup();
    let restored = fleet.restore("latest", "once");
    let shown = in_force();
    let lint = shown["lint"].as_array().unwrap();
    let over = lint.iter().find(|one| one["code"] == "rto_below_restore");
    let over = over.unwrap_or_else(|| panic!("{shown}"));
    assert_eq!(over["severity"], "infeasible");
    let message = over["message"].as_str().unwrap();
    assert!(message.contains("orders ("), "{message}");
    restored.stop();
    // What takes less than an hour is fine.
    fleet.cli.apply(&gold(&fleet, "{rpo: 30s, rto: 1h}"));
    let shown = in_force();
    let about_rto = codes(&shown["lint"])
        .iter()
        .any(|code| code.starts_with("rto_"));
    assert!(!about_rto, "{shown}");
    let of = |field: &str| {
        let mut all = shown["fields"].as_array().unwrap().iter();
        all.find(|one| one["field"] == field).unwrap()["origin"].clone()
    };
    assert_eq!(of("wal.flushEvery"), "policy");
    assert_eq!(of("wal.mode"), "default");
    let table = fleet.cli.run(["get", "cluster", "orders", "--effective"]);
    assert!(
        table.stdout.starts_with("policy gold, revision "),
        "{}",
        table.stdout
    );
    let suggest = [
        "policy", "suggest", "--rpo", "30s", "--rto", "1h", "--size", "1GiB",
    ];
    let suggested = fleet.cli.json(suggest);
    let measured = suggested["assumptions"][0].as_str().unwrap();
    assert!(measured.ends_with("as was measured"), "{suggested}");
}

#[test]
fn a_change_is_looked_at_made_and_taken_back() {
    let fleet = Fleet::start(&major(15), Store::directory);
    let first = fleet.cli.json(["policy", "history", "gold"])["items"][0].clone();
    let stricter = gold(&fleet, "{rpo: 10s}");
    let looked = fleet
        .cli
        .run_with_input(["policy", "preview", "-"], &stricter);
    assert_eq!(looked.code, 0, "{}", looked.stderr);
    for line in [
        "policy gold, for 1 cluster: At most 10s of commits may be lost",
        "  warning nothing_scheduled at spec.schedules: ",
        "1 cluster changed in gold: orders",
        "  objectives.rpo: 30s -> 10s",
    ] {
        let found = looked
            .stdout
            .lines()
            .any(|printed| printed.starts_with(line));
        assert!(found, "{line} is not in\n{}", looked.stdout);
    }
    let dry = fleet
        .cli
        .run_with_input(["apply", "-f", "-", "--dry-run"], &stricter);
    assert!(
        dry.stdout.contains("policy/gold configured (dry run)"),
        "{}",
        dry.stdout
    );
    assert!(
        dry.stdout.contains("1 cluster changed in gold: orders"),
        "{}",
        dry.stdout
    );
    assert_eq!(
        fleet.cli.json(["policy", "history", "gold"])["items"],
        json!([first])
    );

    fleet.cli.apply(&stricter);
    let history = fleet.cli.json(["policy", "history", "gold"]);
    assert_eq!(
        history["items"][0]["changes"][0]["field"], "objectives.rpo",
        "{history}"
    );
    let revision = first["revision"].to_string();
    let back = ["policy", "rollback", "gold", &revision];
    let looked = fleet.cli.run(back.iter().copied().chain(["--dry-run"]));
    assert!(
        looked.stdout.contains("  objectives.rpo: 10s -> 30s"),
        "{}",
        looked.stdout
    );
    assert_eq!(fleet.exposure()["rpoSeconds"], 10.0);
    fleet.cli.json(back);
    assert_eq!(fleet.exposure()["rpoSeconds"], 30.0);
    // A revision is a document that can be applied.
    let said = fleet.cli.run(["policy", "history", "gold", &revision]);
    let applied = fleet.cli.apply(&said.stdout);
    assert!(applied.contains("policy/gold unchanged"), "{applied}");
    let unknown = fleet.cli.refused(3, ["policy", "rollback", "gold", "1"]);
    assert_eq!(unknown["code"], "not_found", "{unknown}");
}

#[test]
fn a_suggestion_is_applied_as_it_is_printed() {
    let fleet = Fleet::start(&major(15), Store::directory);
    let suggest = [
        "policy", "suggest", "--rpo", "1d", "--rto", "2h", "--size", "10GiB", "--name", "dumps",
        "--label", "tier=tin",
    ];
    let printed = fleet.cli.run(suggest);
    assert_eq!(printed.code, 0, "{}", printed.stderr);
    assert!(
        printed.stdout.contains("# - dump suffices: "),
        "{}",
        printed.stdout
    );
    let applied = fleet.cli.apply(&printed.stdout);
    assert!(applied.contains("policy/dumps created"), "{applied}");
    let shown = fleet.cli.json(["get", "policy", "dumps"]);
    assert_eq!(shown["spec"]["selector"], json!({"tier": "tin"}));
    assert_eq!(shown["spec"]["repository"], "main");
    let impossible = [
        "policy", "suggest", "--rpo", "10s", "--rto", "1m", "--size", "10TiB",
    ];
    let printed = fleet.cli.run(impossible);
    assert!(
        printed.stdout.contains("# NOT everything"),
        "{}",
        printed.stdout
    );
}
