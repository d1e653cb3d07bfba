use serde_json::{Value, json};

use super::*;
use crate::policy::MeasuredCluster;

const GIB: u64 = 1 << 30;

fn now() -> Timestamp {
    "2026-02-03T10:00:00Z".parse().unwrap()
}

fn policy(more: Value) -> Policy {
    let daily = json!({"name": "daily", "kind": "incremental", "cron": "0 2 * * *"});
    let mut spec = json!({"selector": {}, "repository": "eu", "schedules": [daily],
        "retention": {"keep": {"daily": 14}}});
    for (name, value) in more.as_object().unwrap() {
        spec[name] = value.clone();
    }
    serde_json::from_value(spec).unwrap()
}

fn measured() -> Measured {
    let cluster = |called: &str, gib: u64| MeasuredCluster {
        name: called.parse().unwrap(),
        database_bytes: Some(gib * GIB),
        backup_seconds: Some(1_800.0),
        wal_bytes_per_second: None,
    };
    let regions = [("eu", "west"), ("us", "east"), ("eu2", "west")];
    Measured {
        clusters: vec![cluster("orders", 100), cluster("shop", 10)],
        copy_bytes_per_second: Some(100.0 * 1_048_576.0),
        replay_bytes_per_second: None,
        regions: regions
            .map(|(name, region)| (name.parse().unwrap(), region.to_owned()))
            .into(),
    }
}

fn codes_with(more: Value, measured: &Measured) -> Vec<String> {
    let found = lint(&policy(more), measured, now());
    let told = |lint: &Lint| format!("{} {} {}", lint.severity, lint.code, lint.field);
    found.iter().map(told).collect()
}

fn codes(more: Value) -> Vec<String> {
    codes_with(more, &Measured::default())
}

fn objective(name: &str, value: &str) -> Value {
    json!({"objectives": {name: value}})
}

#[test]
fn a_policy_that_keeps_its_promises_is_clean() {
    let whole = json!({"objectives": {"rpo": "30s", "rto": "30m", "window": "14d"},
        "copies": [{"repository": "us", "within": "15m"}]});
    assert_eq!(codes_with(whole, &measured()), [""; 0]);
}

#[test]
fn the_rpo_against_the_flush_interval() {
    assert_eq!(
        codes(objective("rpo", "5s")),
        ["infeasible rpo_below_flush spec.objectives.rpo"]
    );
    // 5 s and one to store are more than four fifths of 7 s, not of 8 s.
    assert_eq!(
        codes(objective("rpo", "7s")),
        ["warning rpo_near_flush spec.objectives.rpo"]
    );
    assert_eq!(codes(objective("rpo", "8s")), [""; 0]);
    let quick = json!({"objectives": {"rpo": "5s"}, "wal": {"flushEvery": "2s"}});
    assert_eq!(codes(quick), [""; 0]);
    let found = lint(&policy(objective("rpo", "5s")), &Measured::default(), now());
    assert_eq!(found[0].hint, "set wal.flushEvery to 2s or less");
}

#[test]
fn archived_wal_is_as_old_as_the_last_segment() {
    let archived = |rpo: &str| json!({"objectives": {"rpo": rpo}, "wal": {"mode": "archive"}});
    assert_eq!(
        codes(archived("30s")),
        ["infeasible rpo_needs_switch spec.objectives.rpo"]
    );
    assert_eq!(
        codes(archived("10m")),
        ["note rpo_needs_switch spec.objectives.rpo"]
    );
    let both = json!({"objectives": {"rpo": "30s"}, "wal": {"mode": "both"}});
    assert_eq!(codes(both), [""; 0]);
}

#[test]
fn without_wal_the_schedule_is_the_rpo() {
    let carried = |rpo: &str| json!({"objectives": {"rpo": rpo}, "wal": {"mode": "none"}});
    assert_eq!(
        codes(carried("23h")),
        ["infeasible rpo_below_schedule spec.objectives.rpo"]
    );
    assert_eq!(
        codes(carried("24h")),
        ["warning rpo_near_schedule spec.objectives.rpo"]
    );
    assert_eq!(codes(carried("2d")), [""; 0]);
    // The half hour that one takes counts.
    assert_eq!(
        codes_with(carried("24h"), &measured()),
        ["infeasible rpo_below_schedule spec.objectives.rpo"]
    );
    let window = json!({"objectives": {"window": "7d"}, "wal": {"mode": "none"}});
    assert_eq!(
        codes(window),
        ["infeasible window_needs_wal spec.objectives.window"]
    );
}

#[test]
fn something_has_to_take_the_backups() {
    let nothing =
        |mode: &str| json!({"schedules": [], "objectives": {"rpo": "1d"}, "wal": {"mode": mode}});
    assert_eq!(
        codes(nothing("none")),
        ["infeasible nothing_scheduled spec.schedules"]
    );
    assert_eq!(
        codes(nothing("streaming")),
        ["warning nothing_scheduled spec.schedules"]
    );
    let dumps = json!({"schedules": [{"name": "dump", "kind": "logical", "every": "24h"}]});
    assert_eq!(codes(dumps), ["warning wal_without_base spec.schedules"]);
}

#[test]
fn the_window_against_what_is_kept() {
    let kept = |keep: Value| json!({"objectives": {"window": "14d"}, "retention": {"keep": keep}});
    assert_eq!(codes(kept(json!({"daily": 14}))), [""; 0]);
    assert_eq!(
        codes(kept(json!({"daily": 7}))),
        ["warning window_beyond_keep spec.retention.keep"]
    );
    let found = lint(&policy(kept(json!({}))), &Measured::default(), now());
    assert!(found[0].message.contains("replay 12d of WAL"), "{found:?}");
    assert!(
        found[0].hint.ends_with("retention.keep.daily: 14"),
        "{found:?}"
    );
    assert_eq!(
        codes(json!({"retention": null})),
        ["note nothing_expires spec.retention"]
    );
}

#[test]
fn the_rto_against_restores_that_were_measured() {
    assert_eq!(
        codes(objective("rto", "30m")),
        ["note rto_not_measured spec.objectives.rto"]
    );
    // 100 GiB at 100 MiB/s are 1024 seconds, 17 minutes.
    let known = measured();
    assert_eq!(codes_with(objective("rto", "30m"), &known), [""; 0]);
    assert_eq!(
        codes_with(objective("rto", "20m"), &known),
        ["warning rto_near_restore spec.objectives.rto"]
    );
    assert_eq!(
        codes_with(objective("rto", "15m"), &known),
        ["infeasible rto_below_restore spec.objectives.rto"]
    );
    let found = lint(&policy(objective("rto", "15m")), &known, now());
    assert!(
        found[0].message.contains("orders (100GiB: 17m 4s)"),
        "{found:?}"
    );
    assert!(!found[0].message.contains("shop"), "{found:?}");
    // A day of WAL at 1 MiB/s, replayed at 50 MiB/s, is 29 minutes more.
    let mut writing = known.clone();
    writing.clusters[0].wal_bytes_per_second = Some(1_048_576.0);
    writing.replay_bytes_per_second = Some(50.0 * 1_048_576.0);
    assert_eq!(
        codes_with(objective("rto", "30m"), &writing),
        ["infeasible rto_below_restore spec.objectives.rto"]
    );
    // Nobody knows how large it is before its first backup.
    let mut new = known;
    new.clusters[0].database_bytes = None;
    assert_eq!(
        codes_with(objective("rto", "15m"), &new),
        ["note rto_not_measured spec.objectives.rto"]
    );
}

#[test]
fn copies_are_elsewhere_and_not_nearer_than_the_original() {
    let copied = |copy: Value| codes_with(json!({"copies": [copy]}), &measured());
    assert_eq!(
        copied(json!({"repository": "eu2", "within": "15m"})),
        ["warning copy_in_same_region spec.copies[0].repository"]
    );
    assert_eq!(
        copied(json!({"repository": "us"})),
        ["note copy_without_limit spec.copies[0]"]
    );
    assert_eq!(
        copied(json!({"repository": "us", "within": "5s"})),
        ["infeasible copy_below_flush spec.copies[0].within"]
    );
    // Of a repository without a region nothing is known.
    assert_eq!(
        copied(json!({"repository": "ap", "within": "15m"})),
        [""; 0]
    );
}

#[test]
fn schedules_against_blackouts_limits_and_measured_backups() {
    let never = json!({"name": "noon", "kind": "full", "cron": "0 12 * * *", "window": "1h",
        "blackouts": [{"from": "08:00", "to": "18:00"}]});
    let found = codes(json!({"schedules": [never]}));
    assert_eq!(
        found,
        ["infeasible schedule_never_runs spec.schedules[0].blackouts"]
    );
    let hourly = json!({"name": "hourly", "kind": "full", "every": "20m"});
    assert_eq!(
        codes_with(json!({"schedules": [hourly]}), &measured()),
        ["warning backup_outlasts_period spec.schedules[0]"]
    );
    let tight = |window: &str| {
        let nightly =
            json!({"name": "nightly", "kind": "full", "cron": "0 2 * * *", "window": window});
        json!({"schedules": [nightly], "limits": {"jobsPerRepository": 1}})
    };
    assert_eq!(
        codes_with(tight("30m"), &measured()),
        ["warning limit_too_tight spec.schedules[0].window"]
    );
    assert_eq!(codes_with(tight("1h"), &measured()), [""; 0]);
    let stall = json!({"wal": {"whenFull": "stall"}});
    assert_eq!(codes(stall), ["warning volume_may_fill spec.wal.whenFull"]);
}

/// Words that scripts look for are explained.
#[test]
fn every_code_is_explained() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(root.join("../docs/how-to/policies.md")).unwrap();
    for code in LintCode::ALL {
        assert!(
            text.contains(&format!("| `{code}` |")),
            "{code} is not explained"
        );
    }
}
