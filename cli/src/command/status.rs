//! `holdfast status`: the control plane in one view.

use serde_json::Value;

use super::{Context, DONE, Outcome};
use crate::format::text;
use crate::output::{self, Column};

const PAIRS: &[Column] = &[
    ("unprotected", |body| unprotected(&body["unprotected"])),
    ("version", |body| text(&body["version"])),
    ("node", |body| {
        let node = &body["node"];
        let (name, state) = (text(&node["name"]), text(&node["state"]));
        format!("{name}, {state}, applied {}", text(&node["appliedIndex"]))
    }),
    ("feature level", |body| {
        let level = &body["featureLevel"];
        format!("{} of {}", text(&level["current"]), text(&level["newest"]))
    }),
    ("clusters", |body| text(&body["counts"]["clusters"])),
    ("agents", |body| numbers(&body["counts"]["agents"])),
    ("jobs", |body| numbers(&body["counts"]["jobs"])),
    ("backups", |body| numbers(&body["counts"]["backups"])),
    ("exposure", |body| numbers(&body["exposure"])),
    ("own state", |body| {
        super::snapshot::safety(&body["stateSafety"])
    }),
];

pub(super) async fn status(cx: &mut Context) -> Outcome {
    let body = cx.client.get("status", &[]).await?;
    output::object(cx.format, &body, PAIRS)?;
    DONE
}

/// What nobody protects, and where to look: the first thing to know.
fn unprotected(counts: &Value) -> String {
    let some = |what: &str, one: &str, many: &str| match counts[what].as_u64() {
        None | Some(0) => None,
        Some(1) => Some(format!("1 {one}")),
        Some(number) => Some(format!("{number} {many}")),
    };
    let found = [
        some(
            "instances",
            "server that no cluster declares",
            "servers that no cluster declares",
        ),
        some(
            "clusters",
            "cluster without a policy",
            "clusters without a policy",
        ),
    ];
    let told: Vec<String> = found.into_iter().flatten().collect();
    if told.is_empty() {
        "nothing".to_owned()
    } else {
        format!("{} (holdfast unprotected list)", told.join(", "))
    }
}

/// `2 online, 1 offline`: what there is none of is left out.
fn numbers(counts: &Value) -> String {
    let Some(counts) = counts.as_object() else {
        return text(counts);
    };
    let some = counts.iter().filter(|(_, count)| count.as_u64() != Some(0));
    let told: Vec<String> = some
        .map(|(name, count)| format!("{} {name}", text(count)))
        .collect();
    if told.is_empty() {
        "none".to_owned()
    } else {
        told.join(", ")
    }
}
