//! How promises, what speaks against them and what a change of them changes are
//! printed for people.

use holdfast_types::Name;
use serde_json::Value;

use super::{Context, DONE, Outcome};
use crate::format::text;
use crate::output::{self, Column, Format};

const FIELDS: &[Column] = &[
    ("field", |item| text(&item["field"])),
    ("value", |item| written(&item["value"])),
    ("origin", |item| text(&item["origin"])),
    ("", |item| text(&item["meaning"])),
];

/// The policy in force for a cluster, each field with its origin.
pub(super) async fn in_force(cx: &mut Context, cluster: &Name) -> Outcome {
    let path = format!("clusters/{cluster}/policy");
    let body = cx.client.get(&path, &[]).await?;
    if cx.format != Format::Table {
        output::value(cx.format, &body)?;
        return DONE;
    }
    let policy = text(&body["policy"]);
    if policy.is_empty() {
        println!("no policy is in force for {cluster}: nothing protects it");
        return DONE;
    }
    let revision = text(&body["revision"]);
    println!(
        "policy {policy}, revision {revision}: {}",
        text(&body["contract"])
    );
    for other in items(&body["passedOver"]) {
        let (name, priority) = (text(&other["policy"]), text(&other["priority"]));
        println!("{name} selects it too, and yields: its priority is {priority}");
    }
    warn("policy", &policy, &body["lint"]);
    let fields = serde_json::json!({ "items": body["fields"] });
    output::list(cx.format, &fields, FIELDS)?;
    DONE
}

/// Says on standard error what speaks against a policy's promises.
pub(super) fn warn(kind: &str, name: &str, lint: &Value) {
    for line in against(lint) {
        eprintln!("{kind}/{name}: {line}");
    }
}

/// What speaks against the promises of a policy, a line each.
pub(super) fn against(lint: &Value) -> Vec<String> {
    let line = |one: &Value| {
        format!(
            "{} {} at {}: {}; {}",
            text(&one["severity"]),
            text(&one["code"]),
            text(&one["field"]),
            text(&one["message"]),
            text(&one["hint"])
        )
    };
    items(lint).iter().map(line).collect()
}

/// The consent of others that a change would wait for, a line for each reason;
/// nothing when it would be done at once.
pub(super) fn consent(consent: &Value) -> Vec<String> {
    let Some(needed) = consent["needed"].as_u64() else {
        return Vec::new();
    };
    let others = if needed == 1 { "other" } else { "others" };
    let because = items(&consent["because"]).iter().map(text);
    let reasons = because.map(|reason| format!("  {reason}"));
    std::iter::once(format!("! {needed} {others} must consent first:"))
        .chain(reasons)
        .collect()
}

/// Every cluster that something changes for, and what.
pub(super) fn affected(affected: &Value) -> String {
    let mut lines = Vec::new();
    for group in items(affected) {
        let clusters: Vec<String> = items(&group["clusters"]).iter().map(text).collect();
        let (from, to) = (text(&group["from"]), text(&group["to"]));
        let what = match text(&group["how"]).as_str() {
            "protected" => format!("protected by {to} from now on"),
            "unprotected" => format!("protected by {from}, and by nothing from now on"),
            "moved" => format!("moved from {from} to {to}"),
            _ => format!("changed in {to}"),
        };
        let count = clusters.len();
        let noun = if count == 1 { "cluster" } else { "clusters" };
        lines.push(format!("{count} {noun} {what}: {}", clusters.join(", ")));
        for change in items(&group["changes"]) {
            lines.push(format!("  {}", change_line(change)));
        }
        for one in items(&group["consequences"]) {
            lines.push(format!("  ! {}", text(&one["text"])));
        }
    }
    if lines.is_empty() {
        return "no cluster is affected".to_owned();
    }
    lines.join("\n")
}

/// `objectives.rpo: 30s -> 10s`
pub(super) fn change_line(change: &Value) -> String {
    format!(
        "{}: {} -> {}",
        text(&change["field"]),
        written(&change["before"]),
        written(&change["after"])
    )
}

/// A value of a document in one line.
fn written(value: &Value) -> String {
    match value {
        Value::Null => "nothing".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

pub(super) fn items(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_cluster_is_named_with_what_changes_for_it() {
        let groups = json!([
            {"how": "changed", "from": "gold", "to": "gold", "clusters": ["billing", "orders"],
             "changes": [{"field": "objectives.rpo", "before": "30s", "after": "10s"},
                         {"field": "copies[us]", "before": null, "after": {"repository": "us"}}],
             "consequences": []},
            {"how": "unprotected", "from": "tin", "to": null, "clusters": ["shop"], "changes": [],
             "consequences": [{"code": "protection_ends", "text": "no policy is in force"}]},
        ]);
        let expected = "2 clusters changed in gold: billing, orders\n  \
                        objectives.rpo: 30s -> 10s\n  \
                        copies[us]: nothing -> {\"repository\":\"us\"}\n\
                        1 cluster protected by tin, and by nothing from now on: shop\n  \
                        ! no policy is in force";
        assert_eq!(affected(&groups), expected);
        assert_eq!(affected(&json!([])), "no cluster is affected");
        assert!(consent(&json!(null)).is_empty());
        let needed = json!({"needed": 2, "because": ["policy \"gold\": pitr goes from 2w to 1w"]});
        assert_eq!(
            consent(&needed),
            [
                "! 2 others must consent first:",
                "  policy \"gold\": pitr goes from 2w to 1w"
            ]
        );
    }
}
