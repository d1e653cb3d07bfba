use serde_json::{Value, json};

use super::*;

fn policy(more: Value) -> Policy {
    let mut value = json!({
        "selector": {}, "repository": "eu",
        "objectives": {"rpo": "30s", "window": "14d"},
        "schedules": [{"name": "d", "kind": "full", "every": "1d"}],
    });
    for (name, part) in more.as_object().unwrap() {
        value[name] = part.clone();
    }
    serde_json::from_value(value).unwrap()
}

fn now() -> Timestamp {
    "2026-02-03T10:00:00Z".parse().unwrap()
}

fn codes(more: Value) -> Vec<String> {
    let found = lint(
        &policy(more),
        &Beyond::default(),
        &Measured::default(),
        now(),
    );
    found
        .into_iter()
        .map(|lint| format!("{} {} {}", lint.severity, lint.code, lint.field))
        .collect()
}

#[test]
fn a_sound_policy_is_left_alone() {
    assert_eq!(codes(json!({})), Vec::<String>::new());
}

#[test]
fn an_rpo_is_weighed_against_how_wal_comes() {
    let wal = |rpo: &str, wal: Value| codes(json!({"objectives": {"rpo": rpo}, "wal": wal}));
    let field = "spec.objectives.rpo";
    assert_eq!(
        wal("5s", json!({})),
        [format!("error rpo_below_flush {field}")]
    );
    assert_eq!(wal("9s", json!({})), [format!("warning rpo_tight {field}")]);
    assert_eq!(wal("10s", json!({})), Vec::<String>::new());
    let archive = json!({"mode": "archive"});
    assert_eq!(
        wal("10m", archive),
        [format!("hint rpo_needs_archive_timeout {field}")]
    );
    let none = json!({"mode": "none"});
    assert_eq!(
        wal("1d", none.clone()),
        [format!("error rpo_below_backups {field}")]
    );
    assert_eq!(wal("25h", none), Vec::<String>::new());
    assert_eq!(
        codes(json!({"objectives": {}})),
        [format!("warning no_rpo {field}")]
    );
}

#[test]
fn backups_have_to_be_taken_and_often_enough() {
    let dumps = json!([{"name": "d", "kind": "logical", "every": "1d"}]);
    let field = "spec.schedules";
    assert_eq!(
        codes(json!({"schedules": dumps})),
        [format!("warning no_backups {field}")]
    );
    let none = json!({"schedules": [], "wal": {"mode": "none"}});
    assert_eq!(codes(none), [format!("error no_backups {field}")]);
    let monthly = json!([{"name": "m", "kind": "full", "every": "30d"}]);
    assert_eq!(
        codes(json!({"schedules": monthly})),
        [format!("warning backups_far_apart {field}")]
    );
}

#[test]
fn an_rto_is_weighed_against_what_was_measured() {
    let measured = Measured {
        database: Some("100GiB".parse().unwrap()),
        restore_per_second: Some("100MiB".parse().unwrap()),
        wal_per_day: Some("10GiB".parse().unwrap()),
    };
    let found = |rto: &str, measured: &Measured| {
        let beyond = Beyond {
            rto: Some(rto.parse().unwrap()),
            ..Beyond::default()
        };
        lint(&policy(json!({})), &beyond, measured, now())
    };
    // 1024 s for the data and 102 s for a day of WAL.
    assert!(found("1126s", &measured).is_empty());
    let late = found("1125s", &measured);
    assert_eq!(late[0].code, "rto_below_measured");
    assert_eq!(
        late[0].message,
        "by what was measured, a restore takes about 1126s"
    );
    assert!(found("1s", &Measured::default()).is_empty());
}

#[test]
fn copies_retention_and_schedules_are_looked_at() {
    let copies = json!({"copies": [{"repository": "us", "within": "5s"}]});
    assert_eq!(
        codes(copies),
        ["error copy_below_flush spec.copies[0].within"]
    );
    let kept = json!({"objectives": {"rpo": "30s"}, "retention": {"keep": {"yearly": 2}}});
    assert_eq!(codes(kept), ["warning wal_kept_long spec.retention.pitr"]);
    let daily = json!([{"name": "d", "kind": "full", "cron": "0 9 * * *", "window": "1h",
                        "blackouts": [{"from": "08:00", "to": "18:00"}]}]);
    let expected = [
        "error never_starts spec.schedules[0]",
        "hint no_jitter spec.schedules[0]",
    ];
    assert_eq!(codes(json!({"schedules": daily})), expected);
}
