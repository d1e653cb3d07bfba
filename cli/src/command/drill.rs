//! `holdfast drill`: rehearse restores, and show what that proves.

use std::path::Path;
use std::process::ExitCode;

use serde_json::{Value, json};

use super::{Context, DONE, Outcome, read_stdin};
use crate::cli::Drill;
use crate::client::encoded;
use crate::failure::{Exit, Failure};
use crate::format::{bytes, seconds, text, time};
use crate::output::{self, Column, Format};
use crate::wait;

const COLUMNS: &[Column] = &[
    ("id", |item| text(&item["id"])),
    ("cluster", |item| text(&item["cluster"])),
    ("finished", |item| time(&item["finishedAt"])),
    ("verdict", |item| text(&item["verdict"])),
    ("at", |item| text(&item["at"])),
    ("rto", |item| seconds(&item["achievedRtoSeconds"])),
    ("rpo", |item| seconds(&item["achievedRpoSeconds"])),
    ("agent", |item| text(&item["agent"])),
    ("checks", |item| passed(item)),
    ("cause", |item| text(&item["cause"]["code"])),
];

const SHOWN: &[Column] = &[
    ("drill", |item| text(&item["id"])),
    ("cluster", |item| text(&item["cluster"])),
    ("verdict", |item| text(&item["verdict"])),
    ("cause", |item| text(&item["cause"]["message"])),
    ("at", |item| text(&item["at"])),
    ("reached", |item| {
        let (at, lsn) = (time(&item["reachedAt"]), text(&item["reachedLsn"]));
        format!("{at} {lsn}").trim().to_owned()
    }),
    ("from", |item| {
        let (backup, repository) = (text(&item["backup"]), text(&item["repository"]));
        format!("{backup} in {repository}").trim().to_owned()
    }),
    ("restored", |item| bytes(&item["databaseBytes"])),
    ("agent", |item| text(&item["agent"])),
    ("asked", |item| time(&item["askedAt"])),
    ("finished", |item| time(&item["finishedAt"])),
    ("achieved rto", |item| seconds(&item["achievedRtoSeconds"])),
    ("achieved rpo", |item| seconds(&item["achievedRpoSeconds"])),
    ("queued", |item| seconds(&item["queuedSeconds"])),
];

const PHASES: &[Column] = &[
    ("phase", |item| text(&item["phase"])),
    ("took", |item| {
        let millis = item["milliseconds"].as_f64().unwrap_or_default();
        seconds(&json!(millis / 1_000.0))
    }),
];

const CHECKS: &[Column] = &[
    ("check", |item| text(&item["name"])),
    ("database", |item| text(&item["database"])),
    ("passed", |item| text(&item["passed"])),
    ("expected", |item| text(&item["expect"])),
    ("saw", |item| text(&item["seen"])),
    ("why", |item| text(&item["why"])),
];

pub(super) async fn run(cx: &mut Context, command: Drill) -> Outcome {
    match command {
        Drill::Run {
            cluster,
            at,
            kind,
            repository,
            agent,
            region,
            database,
            checks,
            wait,
        } => {
            let mut body = json!({ "at": at });
            for (field, value) in [
                ("kind", json!(kind)),
                ("repository", json!(repository)),
                ("agent", json!(agent)),
                ("region", json!(region)),
                ("database", json!(database)),
            ] {
                if !value.is_null() {
                    body[field] = value;
                }
            }
            if let Some(file) = checks {
                body["checks"] = read_checks(&file)?;
            }
            let path = format!("clusters/{cluster}/drills");
            let started = cx.client.post(&path, body).await?;
            let ended = wait::ended(&mut cx.client, cx.format, &started, wait).await?;
            match ended {
                Some(job) => show_ended(cx, &job).await,
                None => DONE,
            }
        }
        Drill::List {
            cluster,
            fleet,
            verdict,
        } => {
            let mut query = Vec::new();
            query.extend(cluster.map(|cluster| ("cluster", cluster.to_string())));
            query.extend(fleet.map(|fleet| ("fleet", fleet.to_string())));
            query.extend(verdict.map(|verdict| ("verdict", verdict.to_string())));
            let body = cx.client.list("drills", &query, None).await?;
            output::list(cx.format, &body, COLUMNS)?;
            DONE
        }
        Drill::Show { id } => {
            let body = cx.client.get(&path_of(&id), &[]).await?;
            show(cx, &body)
        }
    }
}

/// Where a drill is found by its id or by that of its job: a job makes one drill, under
/// the same number.
fn path_of(id: &str) -> String {
    match id.strip_prefix("job_") {
        Some(number) => format!("drills/{}", encoded(&format!("drl_{number}"))),
        None => format!("drills/{}", encoded(id)),
    }
}

/// To people, what the drill showed; to programs, how its job ended.
async fn show_ended(cx: &mut Context, job: &Value) -> Outcome {
    if cx.format != Format::Table {
        return wait::print(cx.format, job);
    }
    let path = path_of(job["id"].as_str().unwrap_or_default());
    match cx.client.get(&path, &[]).await {
        Ok(drill) => show(cx, &drill),
        // It ended before it was a drill.
        Err(failure) if failure.code == "not_found" => wait::print(cx.format, job),
        Err(failure) => Err(failure),
    }
}

/// What it showed, and 1 when it did not pass.
fn show(cx: &Context, body: &Value) -> Outcome {
    output::object(cx.format, body, SHOWN)?;
    if cx.format == Format::Table {
        for (list, columns) in [("phases", PHASES), ("checks", CHECKS)] {
            println!();
            let items = json!({"items": body[list], "nextCursor": null});
            output::list(cx.format, &items, columns)?;
        }
    }
    if body["verdict"] == "passed" {
        return DONE;
    }
    Ok(ExitCode::from(Exit::Failed as u8))
}

fn passed(item: &Value) -> String {
    let checks = item["checks"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    let passed = checks
        .iter()
        .filter(|check| check["passed"] == true)
        .count();
    format!("{passed} of {}", checks.len())
}

pub(super) fn read_checks(file: &Path) -> Result<Value, Failure> {
    let shown = file.display().to_string();
    let text = if file == Path::new("-") {
        read_stdin()?
    } else {
        std::fs::read_to_string(file).map_err(|error| Failure::file(&shown, &error))?
    };
    serde_yaml_ng::from_str(&text).map_err(|error| {
        Failure::new(
            Exit::Refused,
            "invalid_yaml",
            format!("{shown} is no list of checks: {error}"),
            "it holds what stands below checks: in a policy",
        )
    })
}
