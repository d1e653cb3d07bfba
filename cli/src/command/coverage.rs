//! `holdfast coverage` and `holdfast restore explain`: what one could restore to.

use holdfast_types::{Name, RestoreTarget};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Context, DONE, Outcome};
use crate::format::{bytes, seconds, text, time};
use crate::output::{self, Column, Format};

const COLUMNS: &[Column] = &[
    ("repository", |item| text(&item["repository"])),
    ("what", |item| text(&item["what"])),
    ("timeline", |item| text(&item["timeline"])),
    ("from", |item| time(&item["from"])),
    ("to", |item| time(&item["to"])),
    ("from lsn", |item| text(&item["fromLsn"])),
    ("to lsn", |item| text(&item["toLsn"])),
    ("note", |item| text(&item["note"])),
];

pub(super) async fn run(
    cx: &mut Context,
    cluster: &Name,
    (from, to): (Option<Timestamp>, Option<Timestamp>),
    repository: Option<Name>,
) -> Outcome {
    let mut query = Vec::new();
    query.extend(from.map(|from| ("from", from.to_string())));
    query.extend(to.map(|to| ("to", to.to_string())));
    query.extend(repository.map(|name| ("repository", name.to_string())));
    let path = format!("clusters/{cluster}/coverage");
    let body = cx.client.get(&path, &query).await?;
    if cx.format != Format::Table {
        output::value(cx.format, &body)?;
        return DONE;
    }
    output::list(cx.format, &json!({"items": rows(&body)}), COLUMNS)?;
    DONE
}

/// Stretches and holes as rows of one table, by repository and time.
fn rows(body: &Value) -> Vec<Value> {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let mut items = Vec::new();
    for place in list(&body["repositories"]) {
        let mut of_it = Vec::new();
        for mut stretch in list(&place["stretches"]) {
            let several = stretch["stretches"].as_u64().filter(|count| *count > 1);
            let note = several.map(|count| {
                let missing = seconds(&stretch["missingSeconds"]);
                format!("{count} stretches, {missing} between them cannot be restored")
            });
            stretch["what"] = json!("restorable");
            stretch["note"] = json!(note);
            of_it.push(stretch);
        }
        for mut hole in list(&place["holes"]) {
            hole["what"] = json!("HOLE");
            hole["note"] = match &hole["cause"] {
                Value::Null => json!("why is not known"),
                cause => cause.clone(),
            };
            of_it.push(hole);
        }
        of_it.sort_by_key(|item| text(&item["from"]));
        for mut item in of_it {
            item["repository"] = place["repository"].clone();
            items.push(item);
        }
    }
    items
}

const POINT: &[Column] = &[
    ("cluster", |item| text(&item["cluster"])),
    ("target", |item| text(&item["at"])),
    ("possible", |item| match item["possible"].as_bool() {
        Some(true) => "yes".to_owned(),
        _ => format!("NO ({})", text(&item["code"])),
    }),
    ("why not", |item| text(&item["message"])),
    ("nearest before", |item| {
        time(&item["nearestBefore"]["time"])
    }),
    ("nearest after", |item| time(&item["nearestAfter"]["time"])),
    ("recovers to", |item| time(&item["recoversTo"])),
    ("repository", |item| text(&item["repository"])),
    ("backup", |item| text(&item["backup"])),
    ("backup finished", |item| time(&item["backupFinishedAt"])),
    ("timeline", |item| text(&item["timeline"])),
    ("database", |item| bytes(&item["databaseBytes"])),
    ("WAL to replay", |item| bytes(&item["replayBytes"])),
    ("lost until now", |item| {
        seconds(&item["lossFromNowSeconds"])
    }),
    ("given up", |item| seconds(&item["lossFromFrontierSeconds"])),
    ("takes about", |item| {
        match (
            seconds(&item["predictedSeconds"]),
            text(&item["predictedBecause"]),
        ) {
            (unknown, because) if unknown.is_empty() && !because.is_empty() => {
                format!("not known ({because})")
            }
            (predicted, _) => predicted,
        }
    }),
];

pub(super) async fn explain(
    cx: &mut Context,
    cluster: &Name,
    at: &RestoreTarget,
    repository: Option<Name>,
) -> Outcome {
    let mut query = vec![("at", at.to_string())];
    query.extend(repository.map(|name| ("repository", name.to_string())));
    let path = format!("clusters/{cluster}/recoverability");
    let body = cx.client.get(&path, &query).await?;
    output::object(cx.format, &body, POINT)?;
    DONE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stretches_and_holes_are_one_table_in_their_order() {
        let stretch = |from: &str, count: u64| json!({"from": from, "to": from, "stretches": count, "missingSeconds": 60.0});
        let body = json!({"repositories": [{
            "repository": "eu",
            "stretches": [stretch("2026-01-01T00:00:00Z", 1), stretch("2026-01-03T00:00:00Z", 4)],
            "holes": [{"from": "2026-01-02T00:00:00Z", "to": null, "cause": null}],
        }]});
        let rows = rows(&body);
        let what: Vec<String> = rows.iter().map(|row| text(&row["what"])).collect();
        assert_eq!(what, ["restorable", "HOLE", "restorable"]);
        assert_eq!(rows[1]["note"], "why is not known");
        assert!(text(&rows[2]["note"]).starts_with("4 stretches"));
        assert_eq!(rows[0]["note"], Value::Null);
        assert_eq!(rows[0]["repository"], "eu");
    }
}
