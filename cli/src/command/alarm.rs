//! `holdfast alarm`: what is wrong, who has taken it on, and when nobody is told.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Context, DONE, Outcome, done};
use crate::cli::{Alarm, Silence};
use crate::client::encoded;
use crate::failure::Failure;
use crate::format::{text, time};
use crate::output::{self, Column};

const COLUMNS: &[Column] = &[
    ("id", |item| text(&item["id"])),
    ("severity", |item| text(&item["severity"])),
    ("rule", |item| text(&item["rule"])),
    ("fleet", |item| text(&item["fleet"])),
    ("about", |item| text(&item["subject"])),
    ("opened", |item| time(&item["openedAt"])),
    ("times", |item| text(&item["count"])),
    ("is", |item| {
        if item["state"] == "closed" {
            return format!("over since {}", time(&item["closedAt"]));
        }
        match (text(&item["acknowledgedBy"]), time(&item["silencedUntil"])) {
            (by, _) if !by.is_empty() => format!("taken on by {by}"),
            (_, until) if !until.is_empty() => format!("silenced until {until}"),
            _ => "open".to_owned(),
        }
    }),
];

const SILENCES: &[Column] = &[
    ("id", |item| text(&item["id"])),
    ("rule", |item| any(&item["rule"])),
    ("fleet", |item| any(&item["fleet"])),
    ("cluster", |item| any(&item["cluster"])),
    ("until", |item| time(&item["until"])),
    ("by", |item| text(&item["createdBy"])),
    ("reason", |item| text(&item["reason"])),
];

fn any(value: &Value) -> String {
    match text(value) {
        all if all.is_empty() => "any".to_owned(),
        one => one,
    }
}

pub(super) async fn run(cx: &mut Context, command: Alarm) -> Outcome {
    match command {
        Alarm::List {
            state,
            rule,
            severity,
            fleet,
            cluster,
        } => {
            let mut query = vec![("state", state)];
            query.extend(rule.map(|rule| ("rule", rule.to_string())));
            query.extend(severity.map(|severity| ("severity", severity.to_string())));
            query.extend(fleet.map(|fleet| ("fleet", fleet.to_string())));
            query.extend(cluster.map(|cluster| ("cluster", cluster.to_string())));
            let body = cx.client.list("alarms", &query, None).await?;
            output::list(cx.format, &body, COLUMNS)?;
            DONE
        }
        Alarm::Show { id } => {
            let path = format!("alarms/{}", encoded(&id));
            let body = cx.client.get(&path, &[]).await?;
            output::value(cx.format, &body)?;
            DONE
        }
        Alarm::Acknowledge { id, note } => {
            let path = format!("alarms/{}/acknowledge", encoded(&id));
            let mut said = json!({});
            if let Some(note) = note {
                said["note"] = json!(note);
            }
            let body = cx.client.post(&path, said).await?;
            done(
                cx,
                &body,
                &format!("{id} is taken on by {}", text(&body["acknowledgedBy"])),
            )
        }
        Alarm::Silence(wanted) => silence(cx, wanted).await,
        Alarm::Silences => {
            let body = cx.client.get("silences", &[]).await?;
            output::list(cx.format, &body, SILENCES)?;
            DONE
        }
        Alarm::Unsilence { id } => {
            let path = format!("silences/{}", encoded(&id));
            let body = cx.client.delete(&path).await?;
            done(cx, &body, &format!("{id} is ended"))
        }
    }
}

async fn silence(cx: &mut Context, wanted: Silence) -> Outcome {
    let Silence {
        rule,
        fleet,
        cluster,
        until,
        length,
        reason,
    } = wanted;
    let until = match (until, length) {
        (Some(until), _) => until,
        (None, Some(length)) => Timestamp::now() + length.get(),
        (None, None) => {
            let message = "a silence has an end";
            let hint = "give --until TIME or --for DURATION";
            return Err(Failure::usage(message, hint));
        }
    };
    let mut wanted = json!({"until": until, "reason": reason});
    for (field, value) in [
        ("rule", json!(rule)),
        ("fleet", json!(fleet)),
        ("cluster", json!(cluster)),
    ] {
        if !value.is_null() {
            wanted[field] = value;
        }
    }
    let body = cx.client.post("silences", wanted).await?;
    let (id, until) = (text(&body["id"]), time(&body["until"]));
    done(cx, &body, &format!("{id}: nobody is told until {until}"))
}
