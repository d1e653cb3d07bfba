//! `holdfast policy`.

use std::path::Path;

use holdfast_types::Name;
use serde_json::{Map, Value, json};

use super::apply::read;
use super::promise::{affected, against, change_line, consent, items};
use super::{Context, DONE, Outcome, done};
use crate::cli::{Policy as Command, Suggest};
use crate::failure::{Exit, Failure};
use crate::format::{text, time};
use crate::output::{self, Column, Format};

const RUNS: &[Column] = &[
    ("policy", |item| text(&item["policy"])),
    ("cluster", |item| text(&item["cluster"])),
    ("schedule", |item| text(&item["schedule"])),
    ("due", |item| time(&item["next"]["at"])),
    ("starts", |item| match item["next"]["placement"].as_str() {
        Some("missed") => "missed: a blackout outlasts its window".to_owned(),
        _ => time(&item["next"]["notBefore"]),
    }),
    ("latest", |item| time(&item["next"]["latest"])),
];

const REVISIONS: &[Column] = &[
    ("revision", |item| text(&item["revision"])),
    ("when", |item| time(&item["changedAt"])),
    ("by", |item| text(&item["changedBy"])),
    ("action", |item| text(&item["action"])),
    ("changes", |item| {
        let lines: Vec<String> = items(&item["changes"]).iter().map(change_line).collect();
        lines.join("; ")
    }),
];

pub(super) async fn run(cx: &mut Context, command: Command) -> Outcome {
    match command {
        Command::Suggest(wanted) => suggest(cx, wanted).await,
        Command::Preview { file, count } => preview(cx, &file, count).await,
        Command::History { name, revision } => history(cx, &name, revision).await,
        Command::Rollback {
            name,
            revision,
            dry_run,
        } => rollback(cx, &name, revision, dry_run).await,
    }
}

/// What applying the documents would change, and what the policies among them
/// promise to whom.
async fn preview(cx: &mut Context, file: &Path, count: usize) -> Outcome {
    let documents = read(file)?;
    if !documents.iter().any(|one| one["kind"] == "Policy") {
        let message = format!("{}: there is no policy in it", file.display());
        let hint = "give a file with a document of kind Policy";
        let code = "invalid_document";
        return Err(Failure::new(Exit::Refused, code, message, hint));
    }
    let body = json!({ "documents": documents, "runs": count });
    let answer = cx.client.post("policy-previews", body).await?;
    show_preview(cx, &answer)
}

fn show_preview(cx: &Context, answer: &Value) -> Outcome {
    if cx.format != Format::Table {
        output::value(cx.format, answer)?;
        return DONE;
    }
    for policy in items(&answer["policies"]) {
        let name = text(&policy["policy"]);
        let count = items(&policy["clusters"]).len();
        let noun = if count == 1 { "cluster" } else { "clusters" };
        println!(
            "policy {name}, for {count} {noun}: {}",
            text(&policy["contract"])
        );
        for line in against(&policy["lint"]) {
            println!("  {line}");
        }
    }
    println!("{}", affected(&answer["affected"]));
    for line in expiring(&answer["expires"]) {
        println!("{line}");
    }
    for line in consent(&answer["consent"]) {
        println!("{line}");
    }
    if !items(&answer["nextRuns"]).is_empty() {
        println!();
        let runs = json!({ "items": answer["nextRuns"] });
        output::list(cx.format, &runs, RUNS)?;
    }
    DONE
}

/// The backups that a change would cost, a line for each cluster.
fn expiring(expires: &Value) -> Vec<String> {
    let line = |one: &Value| {
        let backups: Vec<String> = items(&one["backups"]).iter().map(text).collect();
        let (cluster, count) = (text(&one["cluster"]), backups.len());
        format!(
            "! {count} backups of {cluster} would expire: {}",
            backups.join(", ")
        )
    };
    let mut lines: Vec<String> = items(&expires["clusters"]).iter().map(line).collect();
    let more = expires["notLookedAt"].as_u64().unwrap_or_default();
    if more > 0 {
        lines.push(format!(
            "! what would expire of {more} further clusters was not looked at"
        ));
    }
    lines
}

async fn history(cx: &mut Context, name: &Name, revision: Option<u64>) -> Outcome {
    let path = format!("policies/{name}/history");
    let Some(revision) = revision else {
        let body = cx.client.list(&path, &[], None).await?;
        output::list(cx.format, &body, REVISIONS)?;
        return DONE;
    };
    let body = cx.client.get(&format!("{path}/{revision}"), &[]).await?;
    match cx.format {
        Format::Json => output::value(cx.format, &body)?,
        // What can be applied, and nothing else.
        Format::Table | Format::Yaml => output::value(cx.format, &body["document"])?,
    }
    DONE
}

async fn rollback(cx: &mut Context, name: &Name, revision: u64, dry_run: bool) -> Outcome {
    if dry_run {
        let path = format!("policies/{name}/history/{revision}");
        let then = cx.client.get(&path, &[]).await?;
        if then["document"].is_null() {
            let message = format!("at revision {revision} the policy \"{name}\" was deleted");
            let hint = "name a revision at which it said something";
            return Err(Failure::new(Exit::Refused, "invalid", message, hint));
        }
        let body = json!({ "documents": [then["document"]], "runs": 0 });
        let answer = cx.client.post("policy-previews", body).await?;
        return show_preview(cx, &answer);
    }
    let path = format!("policies/{name}/rollback");
    let body = cx
        .client
        .post(&path, json!({ "revision": revision }))
        .await?;
    let now = text(&body["status"]["revision"]);
    let said =
        format!("policy/{name} says again what it said at {revision}; its revision is {now}");
    done(cx, &body, &said)
}

async fn suggest(cx: &mut Context, wanted: Suggest) -> Outcome {
    let mut body = json!({
        "rpo": wanted.rpo, "rto": wanted.rto, "size": wanted.size, "window": wanted.window,
        "name": wanted.name, "repository": wanted.repository, "copy": wanted.copy,
    });
    for (key, value) in wanted.labels {
        body["selector"][key] = value.into();
    }
    let answer = cx.client.post("policy-suggestions", body).await?;
    match cx.format {
        Format::Json => output::value(cx.format, &answer)?,
        Format::Table | Format::Yaml => print!("{}", with_reasons(&answer)?),
    }
    DONE
}

/// A suggestion as YAML that can be applied, its reasons beside what they are for.
fn with_reasons(answer: &Value) -> Result<String, Failure> {
    let mut yaml = Vec::new();
    let mut say = |line: &str| yaml.extend(comment(line));
    say(&text(&answer["contract"]));
    if answer["feasible"] != true {
        say("NOT everything that was asked for can be kept; this is the nearest.");
    }
    say("");
    say("What suffices, the least first:");
    for one in items(&answer["candidates"]) {
        let verdict = if one["suffices"] == true {
            "suffices"
        } else {
            "does not suffice"
        };
        say(&format!(
            "- {} {verdict}: {}",
            text(&one["means"]),
            text(&one["because"])
        ));
    }
    for assumed in items(&answer["assumptions"]) {
        say(&format!("Taken for true: {}.", text(assumed)));
    }
    let document = &answer["document"];
    for field in ["apiVersion", "kind", "metadata"] {
        yaml.extend(block(field, &document[field], "")?);
    }
    yaml.push("spec:".to_owned());
    let spec = document["spec"].as_object();
    for (field, value) in spec.into_iter().flatten() {
        for reason in items(&answer["reasons"]) {
            if reason["field"] == field.as_str() {
                let lines = comment(&text(&reason["because"]));
                yaml.extend(lines.into_iter().map(|line| format!("  {line}")));
            }
        }
        yaml.extend(block(field, value, "  ")?);
    }
    for reason in items(&answer["reasons"]) {
        let field = text(&reason["field"]);
        if document["spec"].get(&field).is_none() {
            let said = format!("{field}: {}", text(&reason["because"]));
            yaml.extend(comment(&said).into_iter().map(|line| format!("  {line}")));
        }
    }
    yaml.push(String::new());
    Ok(yaml.join("\n"))
}

/// How wide a line of reasons is.
const WIDTH: usize = 90;

/// Text as comment lines of YAML.
fn comment(text: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = "#".to_owned();
    for word in text.split_whitespace() {
        if line.len() > 1 && line.len() + 1 + word.len() > WIDTH {
            lines.push(std::mem::replace(&mut line, "#  ".to_owned()));
            line.push_str(word);
            continue;
        }
        line.push(' ');
        line.push_str(word);
    }
    lines.push(line);
    lines
}

/// A field of a document as lines of YAML.
fn block(field: &str, value: &Value, indent: &str) -> Result<Vec<String>, Failure> {
    let mut object = Map::new();
    object.insert(field.to_owned(), value.clone());
    let yaml = serde_yaml_ng::to_string(&object).map_err(|error| {
        Failure::new(
            Exit::Failed,
            "unprintable_answer",
            error.to_string(),
            "use -o json",
        )
    })?;
    Ok(yaml.lines().map(|line| format!("{indent}{line}")).collect())
}

#[cfg(test)]
mod tests {
    use holdfast_types::resource::Document;
    use serde::Deserialize;

    use super::*;

    #[test]
    fn a_suggestion_is_yaml_that_can_be_applied_with_reasons_in_it() {
        let document = json!({
            "apiVersion": "holdfast/v1", "kind": "Policy", "metadata": {"name": "gold"},
            "spec": {"selector": {"tier": "gold"}, "repository": "eu",
                "objectives": {"rpo": "30s", "rto": "30m"}, "wal": {"mode": "streaming"},
                "schedules": [{"name": "incremental", "kind": "incremental", "every": "1d"}]},
        });
        let answer = json!({
            "document": document, "contract": "At most 30s: of commits # may be lost.",
            "feasible": false, "means": "streamedWal",
            "candidates": [{"means": "dump", "suffices": false, "because": "too old"},
                           {"means": "streamedWal", "suffices": true, "because": "word ".repeat(40)}],
            "reasons": [{"field": "wal", "because": "stored every 5s"},
                        {"field": "copies", "because": "none was asked for"}],
            "assumptions": ["backups and restores copy 100MiB/s"],
        });
        let yaml = with_reasons(&answer).unwrap();
        let read = Value::deserialize(serde_yaml_ng::Deserializer::from_str(&yaml)).unwrap();
        assert_eq!(read, document, "{yaml}");
        Document::from_value(read).unwrap();
        assert!(
            yaml.starts_with("# At most 30s: of commits # may be lost.\n"),
            "{yaml}"
        );
        assert!(yaml.contains("\n# NOT everything"), "{yaml}");
        assert!(
            yaml.contains("\n# - dump does not suffice: too old\n"),
            "{yaml}"
        );
        assert!(yaml.contains("\n  # stored every 5s\n  wal:\n"), "{yaml}");
        assert!(
            yaml.contains("\n  # copies: none was asked for\n"),
            "{yaml}"
        );
        assert!(yaml.lines().all(|line| line.len() <= WIDTH + 10), "{yaml}");
    }
}
