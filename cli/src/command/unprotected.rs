//! `holdfast unprotected`: what nobody protects.

use serde_json::json;

use super::{Context, DONE, Outcome, done};
use crate::cli::Unprotected;
use crate::format::{text, time};
use crate::output::{self, Column};

const COLUMNS: &[Column] = &[
    ("agent", |item| text(&item["agent"])),
    ("what", |item| {
        match item["instance"]["dataDirectory"].as_str() {
            Some(directory) => directory.to_owned(),
            None => format!("cluster/{}", text(&item["cluster"])),
        }
    }),
    ("why", |item| match item["reason"].as_str() {
        Some("not_declared") => "no cluster declares it".to_owned(),
        Some("no_policy") => "no policy covers it".to_owned(),
        _ => text(&item["reason"]),
    }),
    ("postgres", |item| text(&item["instance"]["version"])),
    ("runs", |item| {
        let instance = &item["instance"];
        match (instance["running"].as_bool(), &instance["port"]) {
            (Some(true), port) if port.is_null() => "yes".to_owned(),
            (Some(true), port) => format!("port {}", text(port)),
            (Some(false), _) => "no".to_owned(),
            (None, _) => String::new(),
        }
    }),
    ("data of", |item| {
        if item["instance"].is_null() {
            String::new()
        } else {
            text(&item["cluster"])
        }
    }),
    ("since", |item| time(&item["firstSeenAt"])),
    ("ignored", |item| text(&item["ignored"]["reason"])),
];

pub(super) async fn run(cx: &mut Context, command: Unprotected) -> Outcome {
    match command {
        Unprotected::List { ignored } => {
            let query = [("ignored", ignored.to_string())];
            let body = cx.client.list("unprotected", &query, None).await?;
            output::list(cx.format, &body, COLUMNS)?;
            DONE
        }
        Unprotected::Ignore {
            agent,
            directory,
            reason,
        } => {
            let body = json!({"agent": agent, "dataDirectory": directory, "reason": reason});
            let body = cx.client.post("unprotected/ignore", body).await?;
            done(cx, &body, &format!("{agent}:{directory} is ignored"))
        }
        Unprotected::Heed { agent, directory } => {
            let body = json!({"agent": agent, "dataDirectory": directory});
            let body = cx.client.post("unprotected/heed", body).await?;
            done(cx, &body, &format!("{agent}:{directory} is listed again"))
        }
    }
}
