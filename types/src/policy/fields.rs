//! Every field of a policy as it is in force, and where its value comes from.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::backup::as_word;
use crate::resource::{
    CatchUp, Checkpoint, Compression, Drill, Durability, Keep, Limits, Objectives, Policy,
    Retention, Retry, Schedule, Source, WalPolicy, drill_name,
};
use crate::{BackupKind, Span};

/// Where the value of a field comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub enum FieldOrigin {
    /// The policy says it.
    Policy,
    /// The policy says another field, from which it follows.
    Derived,
    /// Nobody says it: it is what it is when it is not said.
    Default,
}

as_word!(FieldOrigin {
    Policy = "policy",
    Derived = "derived",
    Default = "default",
});

/// A field as it is in force.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct PolicyField {
    /// Its path below `spec`, such as `wal.flushEvery` or
    /// `schedules[weekly-full].cron`.
    #[cfg_attr(feature = "schema", schema(example = "wal.flushEvery"))]
    pub field: String,
    /// Its value; null where there is none.
    pub value: Value,
    /// Where that comes from.
    pub origin: FieldOrigin,
    /// What it means that there is no value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub meaning: Option<&'static str>,
}

/// Fields without a default, and what it means not to say them.
const SILENT: [(&str, &str); 15] = [
    ("objectives.rpo", "no RPO: there is no verdict"),
    ("objectives.rto", "no RTO: how soon is not promised"),
    ("objectives.window", "no window is promised"),
    ("copies", "there are no copies"),
    ("schedules", "backups are taken by hand alone"),
    ("drills", "no drill of its own proves what it promises"),
    ("retention", "nothing expires"),
    ("retention.pitr", "WAL is kept since the oldest kept backup"),
    ("approvals", "nobody else has to consent to anything"),
    ("limits.bandwidth", "there is no limit"),
    ("limits.jobsPerHost", "there is no limit"),
    ("limits.jobsPerRepository", "there is no limit"),
    ("limits.jobsPerFleet", "there is no limit"),
    ("compression.level", "this codec has no levels"),
    (
        "wal.maxRetained",
        "without streaming there is no slot that keeps WAL",
    ),
];

/// Every field of a policy, in the order of their paths.
pub fn fields(policy: &Policy) -> Vec<PolicyField> {
    let mut written = BTreeSet::new();
    flatten("", &value_of(policy), &mut |path, _| {
        written.insert(path.to_owned());
    });
    let mut found = Vec::new();
    flatten("", &filled(policy), &mut |path, value| {
        let field = path.to_owned();
        let nothing = value.is_null() || value.as_array().is_some_and(Vec::is_empty);
        let said = || SILENT.iter().find(|(silent, _)| *silent == path);
        let meaning = nothing.then(said).flatten().map(|(_, meaning)| *meaning);
        let origin = if written.contains(path) {
            FieldOrigin::Policy
        } else if path == "retention.pitr" && policy.window().is_some() {
            FieldOrigin::Derived
        } else {
            FieldOrigin::Default
        };
        found.push(PolicyField {
            field,
            value: value.clone(),
            origin,
            meaning,
        });
    });
    found.sort_by(|one, other| one.field.cmp(&other.field));
    found
}

/// It as people write it, with the names of drills that are called by their place:
/// by them the drills are told apart.
pub(super) fn value_of(policy: &Policy) -> Value {
    let mut named = policy.clone();
    for (index, drill) in named.drills.iter_mut().enumerate() {
        drill.name = Some(drill_name(index, drill));
    }
    serde_json::to_value(named).unwrap_or_default()
}

/// It with everything said that follows from what it says, or from nothing. Null
/// is what has no value.
pub(super) fn filled(policy: &Policy) -> Value {
    let objectives = policy.objectives.clone().unwrap_or_default();
    let limits = policy.limits.clone().unwrap_or_default();
    let whole = Policy {
        priority: Some(policy.priority()),
        objectives: Some(Objectives { ..objectives }),
        compression: Some(compression(policy)),
        wal: Some(wal(policy)),
        schedules: policy.schedules.iter().map(schedule).collect(),
        retention: policy
            .retention
            .as_ref()
            .map(|kept| retention(policy, kept)),
        drills: policy.drills.iter().map(drill).collect(),
        limits: Some(Limits { ..limits }),
        ..policy.clone()
    };
    let mut value = value_of(&whole);
    for (path, _) in SILENT {
        let nothing = match path {
            "copies" | "schedules" | "drills" => Value::Array(Vec::new()),
            _ => Value::Null,
        };
        say(&mut value, path, nothing);
    }
    value
}

fn compression(policy: &Policy) -> Compression {
    let given = policy.compression();
    let level = (given.codec == Compression::DEFAULT.codec).then(|| given.level());
    Compression { level, ..given }
}

fn wal(policy: &Policy) -> WalPolicy {
    let given = policy.wal.clone().unwrap_or_default();
    let streams = policy.wal_mode().streams();
    let receives = policy.receives_wal();
    WalPolicy {
        mode: Some(policy.wal_mode()),
        flush_every: streams.then(|| policy.flush_every()).or(given.flush_every),
        durability: receives
            .then_some(Durability::Repository)
            .or(given.durability),
        receiver: streams.then(|| policy.wal_receiver()).or(given.receiver),
        max_retained: streams.then(|| policy.max_retained()),
        when_full: streams.then(|| policy.when_full()),
        ..given
    }
}

fn retention(policy: &Policy, kept: &Retention) -> Retention {
    let keep = kept.keep();
    let count = |count: Option<u32>| Some(count.unwrap_or(0));
    Retention {
        keep: Some(Keep {
            last: Some(keep.last()),
            daily: count(keep.daily),
            weekly: count(keep.weekly),
            monthly: count(keep.monthly),
            yearly: count(keep.yearly),
        }),
        pitr: policy.pitr(),
        timezone: Some(kept.timezone().to_owned()),
    }
}

fn schedule(given: &Schedule) -> Schedule {
    let physical = given.kind != BackupKind::Logical;
    let dump = given.dump();
    Schedule {
        timezone: given.timezone.clone().or_else(|| Some("UTC".to_owned())),
        jitter: Some(given.jitter.unwrap_or(Span::from_secs(0))),
        from: given.from.or(Some(Source::Primary)),
        checkpoint: given.checkpoint.or(physical.then_some(Checkpoint::Fast)),
        catch_up: Some(given.catch_up()),
        catch_up_max: (given.catch_up() == CatchUp::All).then(|| given.catch_up_max()),
        overlap: Some(given.overlap()),
        priority: Some(given.priority()),
        retry: Some(Retry {
            max: Some(given.retry_max()),
            idle_timeout: Some(given.idle_timeout()),
        }),
        databases: dump.as_ref().map(|dump| dump.databases.clone()),
        format: dump.as_ref().map(|dump| dump.format),
        jobs: dump.as_ref().map(|dump| dump.jobs),
        globals: dump.as_ref().map(|dump| dump.globals),
        schema_only: dump.as_ref().map(|dump| dump.schema_only),
        ..given.clone()
    }
}

fn drill(given: &Drill) -> Drill {
    Drill {
        timezone: given.timezone.clone().or_else(|| Some("UTC".to_owned())),
        at: Some(given.at()),
        ..given.clone()
    }
}

/// Says that there is nothing at a path whose parent is there.
fn say(value: &mut Value, path: &str, nothing: Value) {
    let (parent, field) = path.rsplit_once('.').unwrap_or(("", path));
    let parent = match parent {
        "" => Some(value),
        parent => value.get_mut(parent),
    };
    if let Some(Value::Object(fields)) = parent {
        fields.entry(field).or_insert(nothing);
    }
}

/// What tells the elements of a list apart: the name of a schedule or a drill,
/// the repository of a copy.
pub(super) fn key_of(element: &Value) -> Option<&str> {
    let field = |name: &str| element.get(name).and_then(Value::as_str);
    field("name").or_else(|| field("repository"))
}

/// Whether it is looked into, and not a value as a whole: a selector is one.
pub(super) fn is_group(path: &str, value: &Value) -> bool {
    match value {
        Value::Object(_) => path != "selector",
        // Two checks of a drill may be called the same, in two databases.
        Value::Array(_) if path.ends_with(".checks") => false,
        Value::Array(elements) => {
            !elements.is_empty() && elements.iter().all(|one| key_of(one).is_some())
        }
        _ => false,
    }
}

/// The members of a group with their paths.
pub(super) fn members<'a>(path: &str, group: &'a Value) -> Vec<(String, &'a Value)> {
    let below = |name: &str| match path {
        "" => name.to_owned(),
        path => format!("{path}.{name}"),
    };
    let of_object = |fields: &'a Map<String, Value>| {
        let member = |(name, value): (&String, &'a Value)| (below(name), value);
        fields.iter().map(member).collect()
    };
    match group {
        Value::Object(fields) => of_object(fields),
        Value::Array(elements) => elements
            .iter()
            .filter_map(|one| Some((format!("{path}[{}]", key_of(one)?), one)))
            .collect(),
        _ => Vec::new(),
    }
}

fn flatten(path: &str, value: &Value, tell: &mut impl FnMut(&str, &Value)) {
    if path.is_empty() || is_group(path, value) {
        for (path, member) in members(path, value) {
            flatten(&path, member, tell);
        }
    } else {
        tell(path, value);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn shown(spec: Value) -> Vec<(String, Value, &'static str)> {
        let policy: Policy = serde_json::from_value(spec).unwrap();
        let shown = fields(&policy).into_iter();
        shown
            .map(|one| (one.field, one.value, one.origin.as_str()))
            .collect()
    }

    #[test]
    fn each_field_tells_its_origin() {
        let all = shown(json!({
            "selector": {"tier": "gold"}, "repository": "eu",
            "objectives": {"rpo": "30s", "window": "14d"},
            "copies": [{"repository": "us", "within": "15m"}],
            "schedules": [{"name": "weekly", "kind": "full", "cron": "0 2 * * 0"}],
            "retention": {"keep": {"daily": 7}},
            "drills": [{"every": "1d"}, {"name": "weekly", "cron": "0 6 * * 1",
                "repository": "us", "checks": [{"name": "a", "amcheck": true}]}],
        }));
        let of = |field: &str| {
            let found = all.iter().find(|(path, ..)| path == field);
            let (_, value, origin) = found.unwrap_or_else(|| panic!("{field} is not shown"));
            (value.clone(), *origin)
        };
        assert_eq!(of("objectives.rpo"), (json!("30s"), "policy"));
        assert_eq!(of("objectives.rto"), (Value::Null, "default"));
        assert_eq!(of("selector"), (json!({"tier": "gold"}), "policy"));
        assert_eq!(of("wal.flushEvery"), (json!("5s"), "default"));
        assert_eq!(of("wal.maxRetained"), (json!("20%"), "default"));
        assert_eq!(of("retention.pitr"), (json!("2w"), "derived"));
        assert_eq!(of("retention.keep.daily"), (json!(7), "policy"));
        assert_eq!(of("retention.keep.last"), (json!(2), "default"));
        assert_eq!(of("copies[us].within"), (json!("15m"), "policy"));
        assert_eq!(of("schedules[weekly].cron"), (json!("0 2 * * 0"), "policy"));
        assert_eq!(of("schedules[weekly].from"), (json!("primary"), "default"));
        assert_eq!(of("drills[drill-1].every"), (json!("1d"), "policy"));
        assert_eq!(of("drills[drill-1].at"), (json!("latest"), "default"));
        let checks = json!([{"name": "a", "amcheck": true}]);
        assert_eq!(of("drills[weekly].checks"), (checks, "policy"));
        assert_eq!(of("compression.level"), (json!(1), "default"));
        assert_eq!(of("limits.jobsPerHost"), (Value::Null, "default"));
    }

    #[test]
    fn what_is_not_said_has_a_meaning_where_nothing_is_in_its_place() {
        let spec = json!({"selector": {}, "repository": "eu", "wal": {"mode": "none"}});
        let policy: Policy = serde_json::from_value(spec).unwrap();
        let all = fields(&policy);
        let meaning = |field: &str| {
            let found = all.iter().find(|one| one.field == field);
            found.and_then(|one| one.meaning)
        };
        assert_eq!(meaning("retention"), Some("nothing expires"));
        assert_eq!(
            meaning("schedules"),
            Some("backups are taken by hand alone")
        );
        assert_eq!(meaning("wal.mode"), None);
        assert!(meaning("wal.maxRetained").is_some());
        // No WAL is received: how often it is stored has no value.
        assert!(!all.iter().any(|one| one.field == "wal.flushEvery"));
        let nulls = all.iter().filter(|one| one.value.is_null());
        for one in nulls {
            assert!(one.meaning.is_some(), "{} says nothing", one.field);
        }
    }

    /// It is a policy like any other: whoever writes down what is in force gets
    /// what is in force.
    #[test]
    fn what_is_in_force_written_down_is_in_force() {
        let spec = json!({
            "selector": {}, "repository": "eu",
            "schedules": [{"name": "dump", "kind": "logical", "every": "1d"},
                          {"name": "full", "kind": "full", "every": "1d", "catchUp": "all"}],
            "retention": {},
        });
        let policy: Policy = serde_json::from_value(spec).unwrap();
        let mut value = filled(&policy);
        strip_nulls(&mut value);
        let again: Policy = serde_json::from_value(value).unwrap();
        again.check().unwrap();
        assert_eq!(filled(&again), filled(&policy));
    }

    fn strip_nulls(value: &mut Value) {
        if let Value::Object(fields) = value {
            fields.retain(|_, value| !value.is_null());
            fields.values_mut().for_each(strip_nulls);
        }
    }
}
