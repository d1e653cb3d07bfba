//! `holdfast backup`.

use holdfast_types::BackupKind;
use serde_json::{Value, json};

use super::{Context, DONE, Outcome};
use crate::cli::{Backup, Dump};
use crate::client::encoded;
use crate::format::{bytes, text, time};
use crate::output::{self, Column};
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
        Backup::Show { id } => {
            let body = cx
                .client
                .get(&format!("backups/{}", encoded(&id)), &[])
                .await?;
            output::value(cx.format, &body)?;
            DONE
        }
    }
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
