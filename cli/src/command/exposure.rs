//! `holdfast exposure`: who could lose how much right now.

use holdfast_types::Name;
use serde_json::Value;

use super::{Context, DONE, Outcome};
use crate::format::{seconds, text, time};
use crate::output::{self, Column};

const COLUMNS: &[Column] = &[
    ("cluster", |item| text(&item["cluster"])),
    ("fleet", |item| text(&item["fleet"])),
    ("status", |item| text(&item["status"])),
    ("exposure", |item| seconds(&item["exposureSeconds"])),
    ("rpo", |item| seconds(&item["rpoSeconds"])),
    ("frontier", |item| time(&item["frontier"])),
    ("window start", |item| time(&item["windowStart"])),
    ("gaps", |item| {
        let repositories = item["repositories"]
            .as_array()
            .map(Vec::as_slice)
            .unwrap_or_default();
        let gaps = repositories
            .iter()
            .map(|one| one["gaps"].as_array().map_or(0, Vec::len));
        gaps.sum::<usize>().to_string()
    }),
    ("receiver", |item| {
        let receiver = &item["repositories"][0]["receiver"];
        let (agent, instance) = (text(&receiver["agent"]), text(&receiver["instance"]));
        if agent == instance {
            agent
        } else {
            format!("{agent} from {instance}")
        }
    }),
    ("copies", |item| {
        let repositories = item["repositories"].as_array();
        let copies = repositories.into_iter().flatten();
        let copies = copies.filter(|one| !one["copy"].is_null()).map(copy);
        copies.collect::<Vec<_>>().join(", ")
    }),
    ("restore proven", |item| proof(&item["proof"])),
    ("cause", |item| text(&item["cause"])),
    ("warnings", |item| {
        let warnings = item["warnings"].as_array().into_iter().flatten();
        let warnings =
            warnings.map(|one| format!("{}: {}", text(&one["agent"]), text(&one["code"])));
        warnings.collect::<Vec<_>>().join(", ")
    }),
];

pub(super) async fn run(cx: &mut Context, cluster: Option<Name>, fleet: Option<Name>) -> Outcome {
    let mut query = Vec::new();
    query.extend(cluster.map(|cluster| ("cluster", cluster.to_string())));
    query.extend(fleet.map(|fleet| ("fleet", fleet.to_string())));
    let body = cx.client.list("exposure", &query, None).await?;
    output::list(cx.format, &body, COLUMNS)?;
    DONE
}

/// What drills prove, in a few words.
fn proof(proof: &Value) -> String {
    match (proof["proven"].as_bool(), proof["because"].as_str()) {
        (Some(true), _) => match seconds(&proof["achievedRtoSeconds"]) {
            unknown if unknown.is_empty() => "yes".to_owned(),
            took => format!("in {took}"),
        },
        (Some(false), Some(because)) => format!("NOT PROVEN ({because})"),
        _ => String::new(),
    }
}

/// A copy in a few words: where, up to when, and what is not as it should be.
fn copy(repository: &Value) -> String {
    let copy = &repository["copy"];
    let mut said = format!(
        "{} to {}",
        text(&repository["name"]),
        time(&repository["frontier"])
    );
    let missing = copy["missing"].as_u64().unwrap_or_default();
    if missing > 0 {
        said.push_str(&format!(", {missing} backups missing"));
    }
    if copy["late"].as_bool() == Some(true) {
        said.push_str(", late");
    }
    if let Some(trouble) = copy["trouble"].as_str() {
        said.push_str(&format!(", {trouble}"));
    }
    said
}
