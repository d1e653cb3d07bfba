//! What is another in one policy than in another: by what is in force, so that
//! writing down a default changes nothing.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use super::fields::{filled, is_group, members, value_of};
use crate::resource::Policy;

/// A field that is another than before.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct FieldChange {
    /// Its path below `spec`; a schedule or copy that comes or goes is one field.
    #[cfg_attr(feature = "schema", schema(example = "objectives.rpo"))]
    pub field: String,
    /// What was in force; null is nothing.
    pub before: Value,
    /// What would be.
    pub after: Value,
}

/// What is in force differently with `after` than with `before`, which clusters
/// are selected apart. In the order of the paths.
pub fn changes(before: &Policy, after: &Policy) -> Vec<FieldChange> {
    let mut found = Vec::new();
    let (one, other) = (filled(before), filled(after));
    let written = [value_of(before), value_of(after)];
    compare("", Some(&one), Some(&other), &mut found);
    found.retain(|change| !matches!(change.field.as_str(), "selector" | "priority"));
    // Of what comes or goes as a whole, what was written is enough.
    for change in &mut found {
        let [was, is] = &written;
        abridge(&mut change.before, &change.field, was);
        abridge(&mut change.after, &change.field, is);
    }
    found.sort_by(|one, other| one.field.cmp(&other.field));
    found
}

fn compare(path: &str, one: Option<&Value>, other: Option<&Value>, found: &mut Vec<FieldChange>) {
    let nothing = Value::Null;
    let group =
        |value: Option<&Value>| value.is_some_and(|value| path.is_empty() || is_group(path, value));
    let list = |value: Option<&Value>| value.is_some_and(Value::is_array);
    // A list without elements is compared with one that has some, by element.
    if (group(one) && group(other)) || (list(one) && list(other) && (group(one) || group(other))) {
        let of = |value: Option<&'_ Value>| -> BTreeMap<String, Value> {
            let members = value.map(|value| members(path, value)).unwrap_or_default();
            members
                .into_iter()
                .map(|(path, value)| (path, value.clone()))
                .collect()
        };
        let (one, other) = (of(one), of(other));
        let paths = one
            .keys()
            .chain(other.keys().filter(|path| !one.contains_key(*path)));
        for path in paths {
            compare(path, one.get(path), other.get(path), found);
        }
        return;
    }
    let (before, after) = (one.unwrap_or(&nothing), other.unwrap_or(&nothing));
    if before != after {
        found.push(FieldChange {
            field: path.to_owned(),
            before: before.clone(),
            after: after.clone(),
        });
    }
}

/// Puts what was written at `path` in the place of a whole object.
fn abridge(value: &mut Value, path: &str, written: &Value) {
    if value.is_object()
        && let Some(said) = at(written, path)
    {
        *value = said.clone();
    }
}

/// What is at a path, by the keys of lists.
fn at<'a>(value: &'a Value, path: &str) -> Option<&'a Value> {
    let mut place = ("".to_owned(), value);
    while place.0 != path {
        let members = members(&place.0, place.1);
        let leads = |(below, _): &(String, &Value)| {
            let rest = path.strip_prefix(below.as_str());
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        };
        place = members.into_iter().find(leads)?;
    }
    Some(place.1)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn between(one: Value, other: Value) -> Vec<(String, Value, Value)> {
        let policy = |more: Value| -> Policy {
            let mut spec = json!({"selector": {}, "repository": "eu"});
            for (name, value) in more.as_object().unwrap() {
                spec[name] = value.clone();
            }
            serde_json::from_value(spec).unwrap()
        };
        let found = changes(&policy(one), &policy(other)).into_iter();
        found
            .map(|change| (change.field, change.before, change.after))
            .collect()
    }

    #[test]
    fn only_what_is_in_force_differently_is_a_change() {
        let defaults = json!({"priority": 3, "selector": {"a": "b"},
            "wal": {"mode": "streaming", "flushEvery": "5s"}, "compression": {"codec": "zstd"}});
        assert_eq!(between(json!({}), defaults), []);
        let stricter = between(
            json!({"objectives": {"rpo": "30s"}}),
            json!({"objectives": {"rpo": "10s"}, "wal": {"flushEvery": "1s"}}),
        );
        let expected = [
            ("objectives.rpo".to_owned(), json!("30s"), json!("10s")),
            ("wal.flushEvery".to_owned(), json!("5s"), json!("1s")),
        ];
        assert_eq!(stricter, expected);
        // The window decides about the WAL that is kept, too.
        let window = between(
            json!({"retention": {}, "objectives": {"window": "14d"}}),
            json!({"retention": {}, "objectives": {"window": "7d"}}),
        );
        let fields: Vec<&str> = window.iter().map(|(field, ..)| field.as_str()).collect();
        assert_eq!(fields, ["objectives.window", "retention.pitr"]);
    }

    #[test]
    fn schedules_and_copies_come_and_go_as_a_whole() {
        let weekly = json!({"name": "weekly", "kind": "full", "cron": "0 2 * * 0"});
        let later = json!({"name": "weekly", "kind": "full", "cron": "0 3 * * 0"});
        let daily = json!({"name": "daily", "kind": "incremental", "every": "24h"});
        let kept = json!({"name": "daily", "kind": "incremental", "every": "1d"});
        let found = between(
            json!({"schedules": [weekly]}),
            json!({"schedules": [daily, later]}),
        );
        let expected = [
            ("schedules[daily]".to_owned(), Value::Null, kept),
            (
                "schedules[weekly].cron".to_owned(),
                json!("0 2 * * 0"),
                json!("0 3 * * 0"),
            ),
        ];
        assert_eq!(found, expected);
        let rehearsed = |every: &str| json!({"every": every, "repository": "us"});
        let drills = between(
            json!({"drills": [rehearsed("1d"), rehearsed("2d")]}),
            json!({"drills": [rehearsed("1d"), rehearsed("3d")]}),
        );
        let expected = ("drills[drill-2].every".to_owned(), json!("2d"), json!("3d"));
        assert_eq!(drills, [expected]);
        let us = json!({"repository": "us", "within": "15m"});
        let copied = between(json!({}), json!({"copies": [us]}));
        assert_eq!(copied, [("copies[us]".to_owned(), Value::Null, us.clone())]);
        let gone = between(json!({"copies": [us]}), json!({}));
        assert_eq!(gone, [("copies[us]".to_owned(), us, Value::Null)]);
        let expires = between(json!({}), json!({"retention": {"keep": {"daily": 7}}}));
        let written = json!({"keep": {"daily": 7}});
        assert_eq!(expires, [("retention".to_owned(), Value::Null, written)]);
    }
}
