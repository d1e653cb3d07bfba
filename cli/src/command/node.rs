//! `holdfast node`: the control plane's own nodes.

use serde_json::{Value, json};

use super::{Context, DONE, Outcome, done};
use crate::cli::Node;
use crate::client::encoded;
use crate::format::{text, time};
use crate::output::{self, Column};

const COLUMNS: &[Column] = &[
    ("id", |item| item["id"].to_string()),
    ("name", |item| text(&item["name"])),
    ("state", |item| text(&item["state"])),
    ("role", |item| text(&item["role"])),
    ("reachable", |item| match item["reachable"].as_bool() {
        Some(true) => "yes".to_owned(),
        Some(false) => "no".to_owned(),
        None => "-".to_owned(),
    }),
    ("behind", |item| {
        let behind = item["behind"].as_u64();
        behind.map_or_else(|| "-".to_owned(), |behind| behind.to_string())
    }),
    ("rest", |item| text(&item["addresses"]["rest"])),
    ("release", |item| text(&item["release"])),
    ("joined", |item| time(&item["joinedAt"])),
];

pub(super) async fn run(cx: &mut Context, command: Node) -> Outcome {
    match command {
        Node::List => {
            let body = cx.client.list("nodes", &[], None).await?;
            output::list(cx.format, &body, COLUMNS)?;
            DONE
        }
        Node::Add { ttl } => {
            let body = cx
                .client
                .post("nodes/tokens", json!({ "ttl": ttl }))
                .await?;
            done(cx, &body, &text(&body["token"]))
        }
        Node::Remove { node, dry_run } => {
            let path = format!("nodes/{}", encoded(&node));
            if dry_run {
                let body = cx.client.get(&format!("{path}/removal"), &[]).await?;
                return done(cx, &body, &preview(&node, &body));
            }
            let body = cx.client.delete(&path).await?;
            let left = remains(&body["quorum"]);
            let name = text(&body["name"]);
            done(cx, &body, &format!("node/{name} is leaving: {left}"))
        }
        Node::Lead { node } => {
            let path = format!("nodes/{}/lead", encoded(&node));
            let body = cx.client.post(&path, json!({})).await?;
            done(cx, &body, &format!("node/{} leads", text(&body["name"])))
        }
    }
}

fn preview(node: &str, body: &Value) -> String {
    let verdict = if body["keepsQuorum"].as_bool() == Some(true) {
        "a quorum is left"
    } else {
        "no quorum would be left: it is refused"
    };
    format!("without node/{node} there are {}: {verdict}", remains(body))
}

/// The voters that are left, in words.
fn remains(quorum: &Value) -> String {
    let count = |field: &str| quorum[field].as_array().map_or(0, Vec::len);
    format!(
        "{} voters, {} of them can be reached, {} are needed",
        count("votersAfter"),
        count("reachable"),
        quorum["needed"]
    )
}
