//! `holdfast channel`: try a notification channel, and see what it was told.

use std::process::ExitCode;

use serde_json::json;

use super::{Context, DONE, Outcome};
use crate::cli::Channel;
use crate::failure::Exit;
use crate::format::{text, time};
use crate::output::{self, Column, Format};

const COLUMNS: &[Column] = &[
    ("notice", |item| text(&item["notice"])),
    ("created", |item| time(&item["createdAt"])),
    ("kind", |item| text(&item["kind"])),
    ("rule", |item| text(&item["rule"])),
    ("fleet", |item| text(&item["fleet"])),
    ("alarms", |item| {
        item["alarms"].as_array().map_or(0, Vec::len).to_string()
    }),
    ("state", |item| text(&item["state"])),
    ("attempts", |item| text(&item["attempts"])),
    ("next", |item| time(&item["nextAttemptAt"])),
    ("last error", |item| text(&item["lastError"])),
];

pub(super) async fn run(cx: &mut Context, command: Channel) -> Outcome {
    match command {
        Channel::Test { name } => {
            let path = format!("notification-channels/{name}/test");
            let body = cx.client.post(&path, json!({})).await?;
            if cx.format == Format::Table {
                let verb = match body["delivered"] == true {
                    true => "took the message",
                    false => "did not take the message",
                };
                println!("{name} {verb}: {}", text(&body["said"]));
            } else {
                output::value(cx.format, &body)?;
            }
            match body["delivered"] == true {
                true => DONE,
                false => Ok(ExitCode::from(Exit::Failed as u8)),
            }
        }
        Channel::Deliveries { name, state } => {
            let query: Vec<_> = state
                .map(|state| ("state", state.to_string()))
                .into_iter()
                .collect();
            let path = format!("notification-channels/{name}/deliveries");
            let body = cx.client.list(&path, &query, None).await?;
            output::list(cx.format, &body, COLUMNS)?;
            DONE
        }
    }
}
