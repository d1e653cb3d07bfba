//! `holdfast snapshot`: the control plane's own state, kept safe.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{Context, DONE, Outcome, done};
use crate::cli::{Snapshot, SnapshotCommand};
use crate::failure::{Exit, Failure};
use crate::format::{bytes, text, time};
use crate::output::{self, Column, Format};

const PATH: &str = "state-snapshots";
const SETTINGS: &str = "state-snapshots/settings";
/// How often one that is being taken is looked at.
const EVERY: Duration = Duration::from_millis(300);

const COLUMNS: &[Column] = &[
    ("id", |item| text(&item["id"])),
    ("state", |item| text(&item["state"])),
    ("repository", |item| text(&item["repository"])),
    ("taken", |item| time(&item["takenAt"])),
    ("entry", |item| text(&item["index"])),
    ("stored", |item| bytes(&item["storedBytes"])),
    ("node", |item| text(&item["node"])),
    ("error", |item| text(&item["error"]["message"])),
];

pub(super) async fn run(cx: &mut Context, command: Snapshot) -> Outcome {
    match command.command {
        None => take(cx, command).await,
        Some(SnapshotCommand::List) => {
            let body = cx.client.list(PATH, &[], None).await?;
            output::list(cx.format, &body, COLUMNS)?;
            DONE
        }
        Some(SnapshotCommand::Schedule { off: true, .. }) => {
            cx.client.delete(SETTINGS).await?;
            done(cx, &Value::Null, "no snapshots are taken any more")
        }
        Some(SnapshotCommand::Schedule {
            repository: Some(repository),
            every,
            keep,
            ..
        }) => {
            let body = json!({ "repository": repository, "every": every, "keep": keep });
            let body = cx.client.put(SETTINGS, body).await?;
            done(cx, &body, &safety(&body))
        }
        Some(SnapshotCommand::Schedule { .. }) => {
            let body = cx.client.get(SETTINGS, &[]).await?;
            done(cx, &body, &safety(&body))
        }
    }
}

/// Takes one and waits until it is there.
async fn take(cx: &mut Context, command: Snapshot) -> Outcome {
    let body = json!({ "repository": command.repository });
    let asked = cx.client.post(PATH, body).await?;
    let id = text(&asked["id"]);
    let deadline = Instant::now() + command.timeout.get();
    let taken = loop {
        let body = cx.client.get(&format!("{PATH}/{id}"), &[]).await?;
        if body["state"] != "requested" {
            break body;
        }
        if Instant::now() >= deadline {
            let message = format!("{id} is not there yet; it goes on");
            let hint = "`holdfast snapshot list` shows it";
            return Err(Failure::new(Exit::Failed, "wait_timed_out", message, hint));
        }
        tokio::time::sleep(EVERY).await;
    };
    let available = taken["state"] == "available";
    match (cx.format, available) {
        (Format::Table, true) => println!(
            "{id} holds the state up to entry {}, in \"{}\"",
            taken["index"],
            text(&taken["repository"])
        ),
        (Format::Table, false) => {
            let error = &taken["error"];
            eprintln!(
                "error: {} ({})",
                text(&error["message"]),
                text(&error["code"])
            );
            eprintln!("hint: {}", text(&error["hint"]));
        }
        (Format::Json | Format::Yaml, _) => output::value(cx.format, &taken)?,
    }
    if available {
        return DONE;
    }
    Ok(ExitCode::from(Exit::Failed as u8))
}

/// In a line: how safe the state is.
pub(super) fn safety(body: &Value) -> String {
    if body.is_null() {
        return "not kept safe: see `holdfast snapshot schedule`".to_owned();
    }
    let last = match &body["lastTakenAt"] {
        Value::Null => "none yet".to_owned(),
        at => format!("the last {}", time(at)),
    };
    let late = if body["late"] == true { ", LATE" } else { "" };
    let error = match &body["error"]["message"] {
        Value::Null => String::new(),
        message => format!("; {}", text(message)),
    };
    format!(
        "in \"{}\" every {}: {last}{late}{error}",
        text(&body["repository"]),
        text(&body["every"])
    )
}
