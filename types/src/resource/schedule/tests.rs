use serde_json::{Value, json};

use crate::resource::{Document, InvalidDocument, Overlap, Resource};

fn read(spec: &Value) -> Result<Document, InvalidDocument> {
    Document::from_value(json!({
        "apiVersion": "holdfast/v1",
        "kind": "Policy",
        "metadata": {"name": "gold"},
        "spec": spec,
    }))
}

/// The second schedule of a policy, with these fields more.
fn schedule(more: &Value) -> Result<Document, InvalidDocument> {
    let mut second = json!({"name": "second", "kind": "full"});
    let fields = second.as_object_mut().unwrap();
    fields.extend(more.as_object().unwrap().clone());
    let first = json!({"name": "first", "kind": "full", "every": "24h"});
    read(&json!({"selector": {}, "repository": "eu", "schedules": [first, second]}))
}

#[track_caller]
fn refused(more: &Value, field: &str, message: &str) {
    let error = schedule(more).unwrap_err();
    assert_eq!(error.code, "invalid_document", "{error}");
    assert_eq!(error.field, format!("spec.schedules[1]{field}"), "{error}");
    assert!(error.message.contains(message), "{error}");
}

#[test]
fn the_defaults_are_those_of_the_contract() {
    let document = schedule(&json!({"cron": "0 2 * * 0"})).unwrap();
    let Resource::Policy(policy) = document.resource else {
        panic!("a policy");
    };
    let schedule = &policy.schedules[1];
    assert_eq!(schedule.catch_up(), super::CatchUp::Latest);
    assert_eq!(schedule.catch_up_max(), 10);
    assert_eq!(schedule.overlap(), Overlap::Skip);
    assert_eq!((schedule.priority(), schedule.retry_max()), (0, 3));
    assert_eq!(schedule.idle_timeout().to_string(), "15m");
}

#[test]
fn when_it_is_due_is_said_once_and_well() {
    refused(&json!({}), ".cron", "says when");
    let both = json!({"cron": "0 2 * * 0", "every": "24h"});
    refused(&both, ".every", "not both");
    refused(
        &json!({"cron": "0 25 * * *"}),
        ".cron",
        "\"25\" is not an hour",
    );
    refused(&json!({"cron": 5}), ".cron", "invalid type");
    let nowhere = json!({"cron": "0 2 * * 0", "timezone": "Europe/Nowhere"});
    refused(
        &nowhere,
        ".timezone",
        "\"Europe/Nowhere\" is not an IANA time zone",
    );
    for every in ["59s", "90500ms", "367d", "0s"] {
        refused(&json!({"every": every}), ".every", "1m to 366d");
    }
    refused(&json!({"every": "daily"}), ".every", "is not a duration");
    for every in ["1m", "366d", "90s"] {
        assert!(schedule(&json!({"every": every})).is_ok(), "{every}");
    }
    refused(
        &json!({"every": "1h", "name": "first"}),
        ".name",
        "another schedule",
    );
    refused(
        &json!({"every": "1h", "cronn": "x"}),
        ".cronn",
        "unknown field",
    );
}

#[test]
fn spreading_fits_window_and_period() {
    let daily = |window: &str, jitter: &str| json!({"cron": "0 2 * * *", "window": window, "jitter": jitter});
    assert!(schedule(&daily("1h", "59m")).is_ok());
    refused(&daily("1h", "1h"), ".jitter", "miss a window of 1h");
    refused(&daily("30s", "1s"), ".window", "1m to 366d");
    refused(&daily("367d", "1s"), ".window", "1m to 366d");
    let often = |jitter: &str| json!({"cron": "*/30 * * * *", "jitter": jitter});
    assert!(schedule(&often("29m")).is_ok());
    refused(&often("30m"), ".jitter", "shorter than 30m");
    refused(
        &json!({"every": "1h", "jitter": "1h"}),
        ".jitter",
        "shorter than 1h",
    );
}

#[test]
fn the_rest_is_within_its_range() {
    let hourly = |more: Value| {
        let mut all = json!({"every": "1h"});
        let fields = all.as_object_mut().unwrap();
        fields.extend(more.as_object().unwrap().clone());
        all
    };
    for (max, ok) in [(0, false), (1, true), (100, true), (101, false)] {
        let all = hourly(json!({"catchUp": "all", "catchUpMax": max}));
        assert_eq!(schedule(&all).is_ok(), ok, "{max}");
    }
    let latest = hourly(json!({"catchUp": "latest", "catchUpMax": 3}));
    refused(&latest, ".catchUpMax", "only catchUp: all");
    refused(
        &hourly(json!({"catchUp": "some"})),
        ".catchUp",
        "unknown variant",
    );
    refused(
        &hourly(json!({"retry": {"max": 21}})),
        ".retry.max",
        "at most 20",
    );
    for idle in ["59s", "25h"] {
        let retry = hourly(json!({"retry": {"idleTimeout": idle}}));
        refused(&retry, ".retry.idleTimeout", "1m to 1d");
    }
    let night = hourly(json!({"blackouts": [{"from": "22:00", "to": "06:00"}]}));
    assert!(schedule(&night).is_ok());
    let empty = hourly(json!({"blackouts": [{"from": "22:00", "to": "22:00"}]}));
    refused(&empty, ".blackouts[0].to", "ends when it begins");
    let odd = hourly(json!({"blackouts": [{"from": "10pm", "to": "06:00"}]}));
    refused(&odd, ".blackouts[0].from", "not a time of day");
    let many: Vec<Value> = (0..33)
        .map(|n| json!({"name": format!("n{n}"), "kind": "full", "every": "1h"}))
        .collect();
    let error = read(&json!({"selector": {}, "repository": "eu", "schedules": many})).unwrap_err();
    assert_eq!(error.field, "spec.schedules");
}

#[test]
fn what_is_not_built_is_refused_where_it_stands() {
    for from in ["standby", "preferStandby"] {
        let dump = json!({"every": "24h", "kind": "logical", "from": from});
        let error = schedule(&dump).unwrap_err();
        let path = "spec.schedules[1].from".to_owned();
        assert_eq!((error.code, error.field), ("not_supported_yet", path));
    }
}

#[test]
fn a_backup_says_from_where_and_how_it_begins() {
    let plain = second(schedule(
        &json!({"every": "24h", "from": "primary", "checkpoint": "fast"}),
    ));
    assert!(!plain.chooses_source());
    for (field, value) in [
        ("from", "standby"),
        ("from", "preferStandby"),
        ("checkpoint", "spread"),
    ] {
        let read = second(schedule(&json!({"every": "24h", field: value})));
        assert!(read.chooses_source(), "{field}: {value}");
    }
    assert!(schedule(&json!({"every": "24h", "from": "anywhere"})).is_err());
}

fn second(document: Result<Document, InvalidDocument>) -> super::Schedule {
    let Resource::Policy(policy) = document.unwrap().resource else {
        panic!("a policy");
    };
    policy.schedules[1].clone()
}

#[test]
fn dumps_say_what_they_hold() {
    let nightly = schedule(&json!({
        "every": "24h", "kind": "logical", "databases": ["*"], "format": "directory",
        "jobs": 4, "globals": true, "schemaOnly": false,
    }));
    let nightly = second(nightly).dump().unwrap();
    assert!(nightly.is_of_all() && nightly.jobs == 4, "{nightly:?}");
    let plain = schedule(&json!({"every": "24h", "kind": "logical"}));
    assert_eq!(second(plain).dump(), Some(crate::DumpOptions::default()));
    for (field, value, why) in [
        ("databases", json!([]), "name a database"),
        ("databases", json!(["*", "shop"]), "stands alone"),
        ("jobs", json!(2), "format: directory"),
        ("checkpoint", json!("fast"), "without a checkpoint"),
    ] {
        let dump = json!({"every": "24h", "kind": "logical", field: value});
        refused(&dump, &format!(".{field}"), why);
    }
    // Elsewhere it would mean nothing.
    for (field, value) in [
        ("databases", json!(["*"])),
        ("format", json!("directory")),
        ("jobs", json!(4)),
        ("globals", json!(true)),
        ("schemaOnly", json!(false)),
    ] {
        let full = json!({"every": "24h", field: value});
        refused(&full, &format!(".{field}"), "kind logical");
    }
}

#[test]
fn incrementals_are_scheduled_like_fulls() {
    assert!(schedule(&json!({"every": "1h", "kind": "incremental"})).is_ok());
}

#[test]
fn limits_are_at_least_one() {
    let limits = |limits: Value| {
        let spec = json!({"selector": {}, "repository": "eu", "limits": limits});
        read(&spec).map_err(|error| (error.code, error.field))
    };
    assert!(limits(json!({"jobsPerHost": 1})).is_ok());
    for field in ["jobsPerHost", "jobsPerRepository", "jobsPerFleet"] {
        let path = format!("spec.limits.{field}");
        let invalid = ("invalid_document", path.clone());
        assert_eq!(limits(json!({field: 0})).unwrap_err(), invalid);
        assert_eq!(limits(json!({field: -1})).unwrap_err(), invalid);
    }
    assert!(limits(json!({"bandwidth": "64KiB/s"})).is_ok());
    let invalid = ("invalid_document", "spec.limits.bandwidth".to_owned());
    for slow in ["63KiB/s", "0B/s", "1MiB", "fast"] {
        assert_eq!(limits(json!({"bandwidth": slow})).unwrap_err(), invalid);
    }
}
