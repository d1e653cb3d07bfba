//! `holdfast approval`.

use serde_json::json;

use super::{Context, DONE, Outcome, done};
use crate::cli::Approval;
use crate::client::encoded;
use crate::format::{text, time};
use crate::output::{self, Column};

const COLUMNS: &[Column] = &[
    ("id", |item| text(&item["id"])),
    ("state", |item| text(&item["state"])),
    ("what", |item| text(&item["action"])),
    ("to", |item| text(&item["subject"])),
    ("by", |item| text(&item["requestedBy"])),
    ("consent", |item| {
        format!("{} of {}", text(&item["approved"]), text(&item["needed"]))
    }),
    ("expires", |item| time(&item["expiresAt"])),
];

pub(super) async fn run(cx: &mut Context, command: Approval) -> Outcome {
    match command {
        Approval::List { state } => {
            let query: Vec<_> = state.map(|state| ("state", state)).into_iter().collect();
            let body = cx.client.list("approvals", &query, None).await?;
            output::list(cx.format, &body, COLUMNS)?;
            DONE
        }
        Approval::Show { id } => {
            let path = format!("approvals/{}", encoded(&id));
            let body = cx.client.get(&path, &[]).await?;
            output::value(cx.format, &body)?;
            DONE
        }
        Approval::Approve { id, note } => vote(cx, &id, ("approve", note)).await,
        Approval::Reject { id, note } => vote(cx, &id, ("reject", note)).await,
        Approval::Cancel { id } => {
            let path = format!("approvals/{}/cancel", encoded(&id));
            let body = cx.client.post(&path, json!({})).await?;
            done(cx, &body, &format!("{id} is cancelled"))
        }
    }
}

async fn vote(cx: &mut Context, id: &str, (verb, note): (&str, Option<String>)) -> Outcome {
    let path = format!("approvals/{}/{verb}", encoded(id));
    let mut said = json!({});
    if let Some(note) = note {
        said["note"] = json!(note);
    }
    let body = cx.client.post(&path, said).await?;
    let line = match text(&body["state"]).as_str() {
        "pending" => format!(
            "{id}: {} of {} have consented",
            text(&body["approved"]),
            text(&body["needed"])
        ),
        "executed" => format!("{id}: {} is done", text(&body["action"])),
        "failed" => format!(
            "{id}: it could not be done any more: {}",
            text(&body["outcome"]["message"])
        ),
        state => format!("{id} is {state}"),
    };
    done(cx, &body, &line)
}
