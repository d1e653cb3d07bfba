//! `holdfast backup`.

use holdfast_types::BackupKind;
use serde_json::{Value, json};

use super::{Context, DONE, Outcome};
use crate::cli::{Backup, Dump};
use crate::client::encoded;
use crate::format::{bytes, text, time};
use crate::output::{self, Column, Format};
use crate::wait;

const COLUMNS: &[Column] = &[
    ("id", |item| text(&item["id"])),
    ("kind", |item| text(&item["kind"])),
    ("parent", |item| text(&item["parent"])),
    ("state", |item| text(&item["state"])),
    ("started", |item| time(&item["startedAt"])),
    ("finished", |item| time(&item["finishedAt"])),
    ("database", |item| bytes(&item["databaseBytes"])),
    ("added", |item| bytes(&item["addedBytes"])),
    ("stop lsn", |item| text(&item["stopLsn"])),
    ("repositories", |item| text(&item["repositories"])),
];

pub(super) async fn run(cx: &mut Context, command: Backup) -> Outcome {
    match command {
        Backup::Run {
            cluster,
            kind,
            from,
            checkpoint,
            dump,
            wait,
        } => {
            let path = format!("clusters/{cluster}/backups");
            let mut body = request(kind, dump);
            if let Some(from) = from {
                body["from"] = json!(from);
            }
            if let Some(checkpoint) = checkpoint {
                body["checkpoint"] = json!(checkpoint);
            }
            let started = cx.client.post(&path, body).await?;
            wait::follow(&mut cx.client, cx.format, &started, wait).await
        }
        Backup::List { cluster } => {
            let query = [("cluster", cluster.to_string())];
            let body = cx.client.list("backups", &query, None).await?;
            output::list(cx.format, &body, COLUMNS)?;
            DONE
        }
        Backup::Show { id } => show(cx, &format!("backups/{}", encoded(&id))).await,
        Backup::Expiry { cluster } => {
            let path = format!("clusters/{cluster}/expiry");
            let body = cx.client.get(&path, &[]).await?;
            show_expiry(cx, &body)
        }
        Backup::Dependents { id } => {
            show(cx, &format!("backups/{}/dependents", encoded(&id))).await
        }
        Backup::Hold { id, reason, until } => {
            let path = format!("backups/{}/hold", encoded(&id));
            let hold = json!({"reason": reason, "until": until});
            let body = cx.client.put(&path, hold).await?;
            output::value(cx.format, &body)?;
            DONE
        }
        Backup::Release { id } => {
            let path = format!("backups/{}/hold", encoded(&id));
            let body = cx.client.delete(&path).await?;
            output::value(cx.format, &body)?;
            DONE
        }
        Backup::Copy { id, to, wait } => {
            let path = format!("backups/{}/copies", encoded(&id));
            let mut body = json!({});
            if let Some(to) = to {
                body["repository"] = json!(to);
            }
            let started = cx.client.post(&path, body).await?;
            wait::follow(&mut cx.client, cx.format, &started, wait).await
        }
        Backup::Delete { id } => {
            let path = format!("backups/{}", encoded(&id));
            let body = cx.client.delete(&path).await?;
            output::value(cx.format, &body)?;
            DONE
        }
    }
}

async fn show(cx: &mut Context, path: &str) -> Outcome {
    let body = cx.client.get(path, &[]).await?;
    output::value(cx.format, &body)?;
    DONE
}

const EXPIRY: &[Column] = &[
    ("repository", |item| text(&item["repository"])),
    ("what", |item| text(&item["what"])),
    ("finished", |item| time(&item["finishedAt"])),
    ("keep", |item| text(&item["keep"])),
    ("why", |item| text(&item["why"])),
];

/// As a table, backups and WAL are rows of one; as JSON it is the answer itself.
fn show_expiry(cx: &Context, body: &Value) -> Outcome {
    if cx.format != Format::Table {
        output::value(cx.format, body)?;
        return DONE;
    }
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let mut items = Vec::new();
    for repository in list(&body["repositories"]) {
        let name = &repository["repository"];
        for backup in list(&repository["backups"]) {
            let reasons = list(&backup["reasons"]);
            let why: Vec<String> = reasons.iter().map(|one| text(&one["text"])).collect();
            items.push(json!({
                "repository": name, "finishedAt": backup["finishedAt"], "keep": backup["keep"],
                "what": format!("{} {}", text(&backup["kind"]), text(&backup["id"])),
                "why": why.join(", "),
            }));
        }
        for wal in list(&repository["wal"]) {
            let (from, to) = (text(&wal["fromLsn"]), text(&wal["toLsn"]));
            items.push(json!({
                "repository": name, "finishedAt": null, "keep": wal["keep"],
                "what": format!("wal {} {from} to {to}", text(&wal["timeline"])),
                "why": text(&wal["reason"]["text"]),
            }));
        }
    }
    output::list(
        cx.format,
        &json!({"items": items, "nextCursor": null}),
        EXPIRY,
    )?;
    if let Some(because) = body["nothingBecause"].as_str() {
        eprintln!("nothing expires: {because}");
    }
    DONE
}

/// What is not said is not sent: the control plane knows what is usual, and
/// what fits which kind.
fn request(kind: BackupKind, dump: Dump) -> Value {
    let mut body = json!({ "kind": kind });
    if !dump.databases.is_empty() {
        body["databases"] = json!(dump.databases);
    }
    if let Some(format) = dump.format {
        body["format"] = json!(format);
    }
    if let Some(jobs) = dump.jobs {
        body["jobs"] = json!(jobs);
    }
    if dump.no_globals {
        body["globals"] = json!(false);
    }
    if dump.schema_only {
        body["schemaOnly"] = json!(true);
    }
    body
}
