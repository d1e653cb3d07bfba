//! `holdfast exposure`: who could lose how much right now.

use holdfast_types::Name;

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
    ("cause", |item| text(&item["cause"])),
];

pub(super) async fn run(cx: &mut Context, cluster: Option<Name>, fleet: Option<Name>) -> Outcome {
    let mut query = Vec::new();
    query.extend(cluster.map(|cluster| ("cluster", cluster.to_string())));
    query.extend(fleet.map(|fleet| ("fleet", fleet.to_string())));
    let body = cx.client.list("exposure", &query, None).await?;
    output::list(cx.format, &body, COLUMNS)?;
    DONE
}
