//! `holdfast policy`.

use std::path::Path;

use holdfast_types::Name;
use holdfast_types::resource::{Document, InvalidDocument, Labels, Policy, Resource, selects};
use holdfast_types::schedule::{InvalidSchedule, NextRun, PREVIEW_MAX, Timetable};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::apply::read;
use super::{Context, DONE, Outcome};
use crate::cli::Policy as Command;
use crate::failure::{Exit, Failure};
use crate::format::{text, time};
use crate::output::{self, Column};

const COLUMNS: &[Column] = &[
    ("policy", |item| text(&item["policy"])),
    ("cluster", |item| text(&item["cluster"])),
    ("schedule", |item| text(&item["schedule"])),
    ("due", |item| time(&item["at"])),
    ("starts", |item| match item["placement"].as_str() {
        Some("missed") => "missed: a blackout outlasts its window".to_owned(),
        _ => time(&item["notBefore"]),
    }),
    ("latest", |item| time(&item["latest"])),
];

pub(super) async fn run(cx: &mut Context, command: Command) -> Outcome {
    match command {
        Command::Preview { file, count } => preview(cx, &file, count).await,
    }
}

/// The clusters that a policy would select, and their next runs. What another
/// policy of a higher priority takes away from it is not looked at.
async fn preview(cx: &mut Context, file: &Path, count: usize) -> Outcome {
    let mut clusters: Vec<(Name, Labels)> = Vec::new();
    let mut policies: Vec<(Name, Box<Policy>)> = Vec::new();
    for value in read(file)? {
        let Document {
            metadata, resource, ..
        } = Document::from_value(value).map_err(refused)?;
        match resource {
            Resource::Policy(policy) => policies.push((metadata.name, policy)),
            Resource::Cluster(_) => clusters.push((metadata.name, metadata.labels)),
            Resource::Repository(_) | Resource::Fleet(_) | Resource::RoleBinding(_) => {}
        }
    }
    if policies.is_empty() {
        let message = format!("{}: there is no policy in it", file.display());
        let hint = "give a file with a document of kind Policy";
        return Err(Failure::new(
            Exit::Refused,
            "invalid_document",
            message,
            hint,
        ));
    }
    let known = cx.client.list("clusters", &[], None).await?;
    for item in known["items"].as_array().into_iter().flatten() {
        let metadata = &item["metadata"];
        let name: Result<Name, _> = serde_json::from_value(metadata["name"].clone());
        let labels: Labels = serde_json::from_value(metadata["labels"].clone()).unwrap_or_default();
        if let Ok(name) = name
            && !clusters.iter().any(|(known, _)| *known == name)
        {
            clusters.push((name, labels));
        }
    }
    let now = Timestamp::now();
    let mut items = Vec::new();
    for (name, policy) in &policies {
        let next = next_runs(policy, &clusters, now, count.min(PREVIEW_MAX)).map_err(invalid)?;
        items.extend(next.iter().map(|run| shown(name, run)));
        eprintln!("policy {name}: {}", kept(policy));
    }
    let body = json!({ "items": items, "nextCursor": null });
    output::list(cx.format, &body, COLUMNS)?;
    DONE
}

/// What a policy keeps, in a line: one that does not say keeps everything, and
/// somebody pays for that.
fn kept(policy: &Policy) -> String {
    let Some(retention) = &policy.retention else {
        return "no `retention`, so nothing expires".to_owned();
    };
    let keep = retention.keep();
    let counts = [
        ("last", Some(keep.last())),
        ("daily", keep.daily),
        ("weekly", keep.weekly),
        ("monthly", keep.monthly),
        ("yearly", keep.yearly),
    ];
    let counts = counts
        .iter()
        .filter_map(|(name, count)| count.map(|count| format!("{name} {count}")));
    let wal = match policy.pitr() {
        Some(pitr) => format!("any point of the last {pitr}"),
        None => "any point since the oldest kept backup".to_owned(),
    };
    let counts = counts.collect::<Vec<_>>().join(", ");
    format!("keeps {counts} ({}), and {wal}", retention.timezone())
}

fn next_runs(
    policy: &Policy,
    clusters: &[(Name, Labels)],
    now: Timestamp,
    count: usize,
) -> Result<Vec<NextRun>, InvalidSchedule> {
    let mut next = Vec::new();
    let selected = clusters
        .iter()
        .filter(|(_, labels)| selects(&policy.selector, labels));
    for (cluster, _) in selected {
        for schedule in &policy.schedules {
            next.extend(Timetable::new(cluster, schedule)?.next_runs(now, count));
        }
    }
    next.sort_by(|one, other| one.due.cmp(&other.due).then(one.run.cmp(&other.run)));
    next.truncate(count);
    Ok(next)
}

fn shown(policy: &Name, run: &NextRun) -> Value {
    let mut item = serde_json::to_value(run).unwrap_or_default();
    item["policy"] = json!(policy);
    item["cluster"] = json!(run.run.cluster());
    item["schedule"] = json!(run.run.schedule());
    item
}

fn refused(error: InvalidDocument) -> Failure {
    let hint = "correct the document; see docs/how-to/schedules.md for schedules";
    let message = error.to_string();
    let mut failure = Failure::new(Exit::Refused, error.code, message, hint);
    failure.field = Some(error.field);
    failure
}

fn invalid(error: InvalidSchedule) -> Failure {
    refused(InvalidDocument::new(error.field, error.message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_preview_is_of_the_clusters_it_selects_in_the_order_of_their_due_times() {
        let policy: Policy = serde_json::from_value(json!({
            "selector": {"tier": "gold"}, "repository": "eu",
            "schedules": [{"name": "hourly", "kind": "full", "cron": "30 * * * *"},
                          {"name": "late", "kind": "full", "cron": "45 10 * * *"}],
        }))
        .unwrap();
        let cluster = |name: &str, tier: &str| {
            let labels = Labels::from([("tier".to_owned(), tier.to_owned())]);
            (name.parse::<Name>().unwrap(), labels)
        };
        let clusters = [cluster("orders", "gold"), cluster("shop", "tin")];
        let now = "2026-02-03T10:00:00Z".parse().unwrap();
        let next = next_runs(&policy, &clusters, now, 3).unwrap();
        let runs: Vec<String> = next.iter().map(|run| run.run.to_string()).collect();
        let expected = [
            "orders.hourly.2026-02-03T10_30_00Z",
            "orders.late.2026-02-03T10_45_00Z",
            "orders.hourly.2026-02-03T11_30_00Z",
        ];
        assert_eq!(runs, expected);
        let item = shown(&"gold".parse().unwrap(), &next[0]);
        assert_eq!(item["cluster"], "orders");
        assert_eq!(item["at"], "2026-02-03T10:30:00Z");
    }

    #[test]
    fn what_a_policy_keeps_is_said_in_a_line() {
        let policy = |more: Value| -> Policy {
            let mut spec = json!({"selector": {}, "repository": "eu"});
            for (name, value) in more.as_object().unwrap() {
                spec[name] = value.clone();
            }
            serde_json::from_value(spec).unwrap()
        };
        let silent = kept(&policy(json!({})));
        assert_eq!(silent, "no `retention`, so nothing expires");
        let usual = kept(&policy(json!({"retention": {}})));
        assert_eq!(
            usual,
            "keeps last 2 (UTC), and any point since the oldest kept backup"
        );
        let all = kept(&policy(json!({
            "objectives": {"window": "14d"},
            "retention": {"keep": {"daily": 7}, "timezone": "Europe/Vienna"},
        })));
        assert_eq!(
            all,
            "keeps last 2, daily 7 (Europe/Vienna), and any point of the last 2w"
        );
    }
}
