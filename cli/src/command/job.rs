//! `holdfast job`.

use serde_json::json;

use super::{Context, DONE, Outcome, done};
use crate::cli::Job;
use crate::client::encoded;
use crate::format::{text, time};
use crate::output::{self, Column, Format};

const COLUMNS: &[Column] = &[
    ("id", |item| text(&item["id"])),
    ("kind", |item| text(&item["kind"])),
    ("cluster", |item| text(&item["cluster"])),
    ("state", |item| text(&item["state"])),
    ("phase", |item| text(&item["phase"])),
    ("created", |item| time(&item["createdAt"])),
    ("finished", |item| time(&item["finishedAt"])),
    ("note", |item| {
        let notes = [
            &item["error"]["message"],
            &item["waitingFor"],
            &item["because"],
        ];
        let mut notes = notes.into_iter().map(text);
        notes.find(|note| !note.is_empty()).unwrap_or_default()
    }),
];

const LATE: &[Column] = &[
    ("at", |item| time(&item["at"])),
    ("job", |item| text(&item["job"])),
    ("attempt", |item| text(&item["attempt"])),
    ("agent", |item| text(&item["agent"])),
    ("outcome", |item| text(&item["outcome"])),
    ("backup", |item| text(&item["backup"])),
    ("refused", |item| text(&item["refused"]["code"])),
];

pub(super) async fn run(cx: &mut Context, command: Job) -> Outcome {
    match command {
        Job::List { late: true, .. } => {
            let body = cx.client.list("late-results", &[], None).await?;
            output::list(cx.format, &body, LATE)?;
        }
        Job::List {
            cluster,
            state,
            kind,
            fleet,
            agent,
            since,
            late: false,
        } => {
            let mut query = Vec::new();
            query.extend(cluster.map(|cluster| ("cluster", cluster.to_string())));
            query.extend(state.map(|state| ("state", state.to_string())));
            query.extend(kind.map(|kind| ("kind", kind.to_string())));
            query.extend(fleet.map(|fleet| ("fleet", fleet.to_string())));
            query.extend(agent.map(|agent| ("agent", agent.to_string())));
            query.extend(since.map(|since| ("since", since.to_string())));
            let body = cx.client.list("jobs", &query, None).await?;
            output::list(cx.format, &body, COLUMNS)?;
        }
        Job::Show { id } => {
            let body = cx
                .client
                .get(&format!("jobs/{}", encoded(&id)), &[])
                .await?;
            output::value(cx.format, &body)?;
        }
        Job::Logs { id } => {
            let body = cx
                .client
                .get(&format!("jobs/{}/logs", encoded(&id)), &[])
                .await?;
            if cx.format != Format::Table {
                output::value(cx.format, &body)?;
                return DONE;
            }
            for item in body["items"]
                .as_array()
                .map(Vec::as_slice)
                .unwrap_or_default()
            {
                println!("{}", text(&item["line"]));
            }
        }
        Job::Cancel { id } => {
            let path = format!("jobs/{}/cancel", encoded(&id));
            let body = cx.client.post(&path, json!({})).await?;
            return done(cx, &body, &format!("{id} is asked to end"));
        }
    }
    DONE
}
