//! `holdfast repository`: keys, and whether the catalog is right.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use holdfast_types::Name;
use serde_json::{Value, json};

use super::{Context, DONE, Outcome, done, resource};
use crate::cli::{Repository, RepositoryKey};
use crate::client::encoded;
use crate::failure::{Exit, Failure};
use crate::format::{text, time};
use crate::output::{self, Column};

/// How often one that is being compared is looked at.
const EVERY: Duration = Duration::from_millis(300);

pub(super) async fn run(cx: &mut Context, command: Repository) -> Outcome {
    match command {
        Repository::Check { name, timeout } => check(cx, name, timeout.get()).await,
        Repository::List => resource::get(cx, "repositories", None, false).await,
        Repository::Key(RepositoryKey::Export { name, to_file }) => {
            let path = format!("repositories/{name}/key/export");
            let body = cx.client.post(&path, json!({})).await?;
            let key = text(&body["key"]);
            let Some(file) = to_file else {
                return done(cx, &body, &key);
            };
            write(&file, &key)?;
            let told = json!({ "repository": name, "file": file });
            done(
                cx,
                &told,
                &format!("the key of repository/{name} is in {}", file.display()),
            )
        }
    }
}

const FINDINGS: &[Column] = &[
    ("repository", |item| text(&item["repository"])),
    ("finding", |item| text(&item["kind"])),
    ("what", |item| text(&item["subject"])),
    ("cluster", |item| text(&item["cluster"])),
    ("since", |item| time(&item["firstSeen"])),
    ("detail", |item| text(&item["detail"])),
];

/// Asks, waits until each was looked at, and shows what differs.
async fn check(cx: &mut Context, name: Option<Name>, within: Duration) -> Outcome {
    let asked = cx
        .client
        .post("scans", json!({ "repository": name }))
        .await?;
    let deadline = Instant::now() + within;
    let (mut items, mut failed) = (Vec::new(), false);
    for name in asked["repositories"].as_array().into_iter().flatten() {
        let name = text(name);
        let found = compared(cx, &name, deadline).await?;
        let error = &found["error"];
        if error.is_null() {
            eprintln!(
                "repository/{name}: {} backups, {} of them new to the catalog",
                found["backups"], found["adopted"]
            );
        } else {
            failed = true;
            eprintln!(
                "error: {} ({})",
                text(&error["message"]),
                text(&error["code"])
            );
            eprintln!("hint: {}", text(&error["hint"]));
        }
        for finding in found["items"].as_array().into_iter().flatten() {
            let mut finding = finding.clone();
            finding["repository"] = json!(name);
            items.push(finding);
        }
    }
    failed |= !items.is_empty();
    let list = json!({ "items": items, "nextCursor": null });
    output::list(cx.format, &list, FINDINGS)?;
    if failed {
        return Ok(ExitCode::from(Exit::Failed as u8));
    }
    DONE
}

async fn compared(cx: &mut Context, name: &str, deadline: Instant) -> Result<Value, Failure> {
    let path = format!("repositories/{}/findings", encoded(name));
    loop {
        let found = cx.client.get(&path, &[]).await?;
        if found["requestedAt"].is_null() {
            return Ok(found);
        }
        if Instant::now() >= deadline {
            let message = format!("repository/{name} is not compared yet; it goes on");
            let hint = "ask again with `holdfast repository check`";
            return Err(Failure::new(Exit::Failed, "wait_timed_out", message, hint));
        }
        tokio::time::sleep(EVERY).await;
    }
}

/// A key is never written over something else.
fn write(path: &Path, key: &str) -> Result<(), Failure> {
    let failed = |error: std::io::Error| Failure::file(path.display(), &error);
    let mut options = OpenOptions::new();
    let mut file = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(failed)?;
    writeln!(file, "{key}")
        .and_then(|()| file.sync_all())
        .map_err(failed)
}
