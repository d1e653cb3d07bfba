//! `holdfast compliance` and `holdfast exemption`.

use serde_json::{Value, json};

use super::{Context, DONE, Outcome, done};
use crate::cli::{Asked, Compliance, Exemption};
use crate::client::encoded;
use crate::format::{seconds, text, time};
use crate::output::{self, Column, Format};

const COLUMNS: &[Column] = &[
    ("cluster", |item| text(&item["cluster"])),
    ("fleet", |item| text(&item["fleet"])),
    ("status", |item| text(&item["status"])),
    ("compliance", |item| percent(&item["compliance"])),
    ("excused", |item| percent(&item["complianceExcused"])),
    ("rpo", |item| seconds(&item["rpoSeconds"])),
    ("highest", |item| height(&item["highest"])),
    ("p95", |item| height(&item["p95"])),
    ("violations", |item| violations(item)),
    ("violated", |item| seconds(&item["violatedSeconds"])),
    ("failed controls", failed),
    ("cause", |item| text(&item["cause"])),
];

const SHOWN: &[Column] = &[
    ("cluster", |item| text(&item["cluster"])),
    ("status", |item| text(&item["status"])),
    ("cause", |item| text(&item["cause"])),
    ("from", |item| time(&item["from"])),
    ("to", |item| time(&item["to"])),
    ("as known at", |item| time(&item["asKnownAt"])),
    ("rpo", |item| {
        let (rpo, scope) = (seconds(&item["rpoSeconds"]), text(&item["rpoScope"]));
        if rpo.is_empty() || scope == "any" {
            rpo
        } else {
            format!("{rpo}, {scope}")
        }
    }),
    ("compliance", |item| percent(&item["compliance"])),
    ("without what is excused", |item| {
        percent(&item["complianceExcused"])
    }),
    ("violated", |item| seconds(&item["violatedSeconds"])),
    ("highest exposure", |item| height(&item["highest"])),
    ("p50", |item| height(&item["p50"])),
    ("p95", |item| height(&item["p95"])),
    ("p99", |item| height(&item["p99"])),
    ("time to recover", |item| {
        seconds(&item["meanTimeToRecoverSeconds"])
    }),
];

const COPIES: &[Column] = &[
    ("repository", |item| text(&item["repository"])),
    ("exposure", |item| seconds(&item["exposureSeconds"])),
    ("window start", |item| time(&item["windowStart"])),
    ("window end", |item| time(&item["windowEnd"])),
    ("holes", |item| {
        item["windowGaps"]
            .as_array()
            .map_or(0, Vec::len)
            .to_string()
    }),
    ("late", |item| text(&item["late"])),
];

const CONTROLS: &[Column] = &[
    ("control", |item| text(&item["control"])),
    ("outcome", |item| text(&item["outcome"])),
    ("reason", |item| text(&item["reason"])),
];

const PHASES: &[Column] = &[
    ("from", |item| time(&item["from"])),
    ("to", |item| time(&item["to"])),
    ("status", |item| text(&item["status"])),
];

const VIOLATIONS: &[Column] = &[
    ("cluster", |item| text(&item["cluster"])),
    ("started", |item| time(&item["startedAt"])),
    ("ended", |item| match item["open"].as_bool() {
        Some(true) => "not yet".to_owned(),
        _ => time(&item["endedAt"]),
    }),
    ("lasted", |item| seconds(&item["seconds"])),
    ("rpo", |item| seconds(&item["rpoSeconds"])),
    ("about", |item| text(&item["rpoScope"])),
    ("highest", |item| height(&item["highest"])),
    ("cause", |item| text(&item["cause"])),
];

const EXEMPTIONS: &[Column] = &[
    ("id", |item| text(&item["id"])),
    ("cluster", |item| text(&item["cluster"])),
    ("since", |item| time(&item["grantedAt"])),
    ("until", |item| match item["endedAt"].as_str() {
        Some(_) => time(&item["endedAt"]),
        None => time(&item["until"]),
    }),
    ("in force", |item| text(&item["inForce"])),
    ("asked by", |item| text(&item["requestedBy"])),
    ("approved by", |item| {
        let names = item["approvedBy"].as_array().into_iter().flatten();
        names.map(text).collect::<Vec<_>>().join(", ")
    }),
    ("reason", |item| text(&item["reason"])),
];

pub(super) async fn run(cx: &mut Context, command: Compliance) -> Outcome {
    match command {
        Compliance::Show {
            cluster: Some(cluster),
            asked,
            ..
        } => {
            let path = format!("clusters/{}/compliance", encoded(cluster.as_str()));
            let body = cx.client.get(&path, &query(&asked)).await?;
            if cx.format != Format::Table {
                output::value(cx.format, &body)?;
                return DONE;
            }
            output::object(cx.format, &body, SHOWN)?;
            for (title, field, columns) in [
                ("copies", "copies", COPIES),
                ("controls", "controls", CONTROLS),
                ("states", "phases", PHASES),
                ("violations", "violations", VIOLATIONS),
            ] {
                if body[field]
                    .as_array()
                    .is_some_and(|items| !items.is_empty())
                {
                    println!("\n{title}");
                    output::list(cx.format, &json!({"items": body[field]}), columns)?;
                }
            }
            DONE
        }
        Compliance::Show { fleet, asked, .. } => {
            let mut query = query(&asked);
            query.extend(fleet.map(|fleet| ("fleet", fleet.to_string())));
            let body = cx.client.list("compliance", &query, None).await?;
            output::list(cx.format, &body, COLUMNS)?;
            DONE
        }
        Compliance::Violations {
            cluster,
            fleet,
            open,
            asked,
        } => {
            let mut query = query(&asked);
            query.extend(cluster.map(|cluster| ("cluster", cluster.to_string())));
            query.extend(fleet.map(|fleet| ("fleet", fleet.to_string())));
            query.extend(open.then(|| ("open", "true".to_owned())));
            let body = cx.client.list("violations", &query, None).await?;
            output::list(cx.format, &body, VIOLATIONS)?;
            DONE
        }
    }
}

pub(super) async fn exemption(cx: &mut Context, command: Exemption) -> Outcome {
    match command {
        Exemption::Request {
            cluster,
            until,
            reason,
        } => {
            let path = format!("clusters/{}/exemptions", encoded(cluster.as_str()));
            let wanted = json!({"until": until, "reason": reason});
            let body = cx.client.post(&path, wanted).await?;
            let line = format!("{cluster} is excused until {until}");
            done(cx, &body, &line)
        }
        Exemption::List { cluster, in_force } => {
            let mut query = Vec::new();
            query.extend(cluster.map(|cluster| ("cluster", cluster.to_string())));
            query.extend(in_force.then(|| ("inForce", "true".to_owned())));
            let body = cx.client.list("exemptions", &query, None).await?;
            output::list(cx.format, &body, EXEMPTIONS)?;
            DONE
        }
        Exemption::End { id } => {
            let path = format!("exemptions/{}", encoded(&id));
            let body = cx.client.delete(&path).await?;
            done(cx, &body, &format!("{id} has ended"))
        }
    }
}

fn query(asked: &Asked) -> Vec<(&'static str, String)> {
    let Asked {
        from,
        to,
        as_known_at,
    } = asked;
    let times = [("from", from), ("to", to), ("asKnownAt", as_known_at)];
    let said = times
        .into_iter()
        .filter_map(|(name, time)| Some((name, time.as_ref()?.to_string())));
    said.collect()
}

/// A part of the whole, never rounded up to all of it.
fn percent(part: &Value) -> String {
    match part.as_f64() {
        None => String::new(),
        Some(part) => format!("{:.3} %", (part * 100_000.0).floor() / 1_000.0),
    }
}

fn height(height: &Value) -> String {
    match height["unbounded"].as_bool() {
        Some(true) => "no bound".to_owned(),
        _ => seconds(&height["seconds"]),
    }
}

fn violations(item: &Value) -> String {
    let (all, open) = (&item["violationCount"], &item["openViolations"]);
    match open.as_u64() {
        Some(open) if open > 0 => format!("{} ({open} open)", text(all)),
        _ => text(all),
    }
}

fn failed(item: &Value) -> String {
    let controls = item["controls"].as_array().into_iter().flatten();
    let failed = controls.filter(|one| one["outcome"] == "FAIL");
    let names: Vec<String> = failed.map(|one| text(&one["control"])).collect();
    names.join(", ")
}
