//! `holdfast restore`: plan, then run.

use std::collections::BTreeMap;
use std::process::ExitCode;

use holdfast_types::{DumpRestoreRequest, RestorePlan};
use serde_json::{Value, json};

use super::drill::read_checks;
use super::{Context, DONE, Outcome};
use crate::cli::{DumpRestoreArgs, Restore, RestoreArgs, RunArgs, Wait};
use crate::client::encoded;
use crate::failure::{Exit, Failure};
use crate::format::{bytes, seconds, text, time};
use crate::output::{self, Column, Format};
use crate::wait;

const PLAN: &[Column] = &[
    ("cluster", |plan| text(&plan["cluster"])),
    ("target", |plan| text(&plan["at"])),
    ("recovers to", |plan| time(&plan["recoversTo"])),
    ("last commit", |plan| time(&plan["lastCommitAt"])),
    ("backup", |plan| text(&plan["backup"])),
    ("backup finished", |plan| time(&plan["backupFinishedAt"])),
    ("timeline", |plan| text(&plan["timeline"])),
    ("WAL", |plan| {
        let wal = &plan["wal"];
        let (from, to) = (text(&wal["fromLsn"]), text(&wal["toLsn"]));
        format!("{from} to {to}, {} segments", text(&wal["segments"]))
    }),
    ("database", |plan| bytes(&plan["databaseBytes"])),
    ("to fetch", |plan| bytes(&plan["fetchBytes"])),
    ("estimated", |plan| {
        match seconds(&plan["estimatedSeconds"]) {
            unknown if unknown.is_empty() => "not known before the first restore".to_owned(),
            time => time,
        }
    }),
    ("agent", |plan| text(&plan["agent"])),
    ("repository", |plan| text(&plan["repository"])),
    ("data loss", |plan| {
        seconds(&plan["predictedDataLossSeconds"])
    }),
    ("plan hash", |plan| text(&plan["planHash"])),
];

const COLUMNS: &[Column] = &[
    ("id", |item| text(&item["id"])),
    ("cluster", |item| text(&item["cluster"])),
    ("planned", |item| time(&item["plannedAt"])),
    ("state", |item| text(&item["state"])),
    ("at", |item| text(&item["at"])),
    ("agent", |item| text(&item["agent"])),
    ("repository", |item| text(&item["repository"])),
    ("took", |item| seconds(&item["achievedRtoSeconds"])),
    ("lost", |item| seconds(&item["achievedDataLossSeconds"])),
    ("error", |item| text(&item["error"]["code"])),
];

const SHOWN: &[Column] = &[
    ("restore", |item| text(&item["id"])),
    ("state", |item| text(&item["state"])),
    ("error", |item| text(&item["error"]["message"])),
    ("job", |item| text(&item["job"])),
    ("cluster", |item| text(&item["cluster"])),
    ("at", |item| text(&item["at"])),
    ("from", |item| {
        let (backup, repository) = (text(&item["backup"]), text(&item["repository"]));
        format!("{backup} in {repository}")
    }),
    ("to", |item| {
        let (agent, dir) = (text(&item["agent"]), text(&item["dir"]));
        format!("{dir} on {agent}")
    }),
    ("asked by", |item| text(&item["requestedBy"])),
    ("approval", |item| text(&item["approval"])),
    ("plan hash", |item| text(&item["planHash"])),
    ("begun", |item| time(&item["begunAt"])),
    ("restored", |item| time(&item["restoredAt"])),
    ("finished", |item| time(&item["finishedAt"])),
    ("predicted loss", |item| {
        seconds(&item["predictedDataLossSeconds"])
    }),
    ("achieved loss", |item| {
        seconds(&item["achievedDataLossSeconds"])
    }),
    ("predicted time", |item| {
        seconds(&item["predictedRtoSeconds"])
    }),
    ("achieved time", |item| seconds(&item["achievedRtoSeconds"])),
    ("socket", |item| text(&item["result"]["socketDir"])),
    ("port", |item| text(&item["result"]["port"])),
];

const HISTORY: &[Column] = &[
    ("state", |item| text(&item["state"])),
    ("at", |item| time(&item["at"])),
];

const TRIED: &[Column] = &[
    ("copy tried", |item| text(&item["repository"])),
    ("at", |item| time(&item["at"])),
    ("failed", |item| text(&item["failure"]["message"])),
];

const CHECKS: &[Column] = &[
    ("check", |item| text(&item["name"])),
    ("passed", |item| text(&item["passed"])),
    ("saw", |item| text(&item["seen"])),
];

const PLACEMENT: &[Column] = &[
    ("agent", |item| text(&item["agent"])),
    ("taken", |item| text(&item["chosen"])),
    ("because", |item| text(&item["reason"])),
];

const COPIES: &[Column] = &[
    ("copy", |item| text(&item["repository"])),
    ("region", |item| text(&item["region"])),
    ("reaches to", |item| time(&item["frontier"])),
    ("because", |item| text(&item["reason"])),
];

const STEPS: &[Column] = &[
    ("handed over", |item| text(&item["step"])),
    ("what came of it", |item| text(&item["detail"])),
];

pub(super) async fn run(cx: &mut Context, command: Restore) -> Outcome {
    match command {
        Restore::Plan(args) => plan(cx, args).await,
        Restore::Run {
            restore,
            run: args,
            wait,
        } => run_restore(cx, restore, args, wait).await,
        Restore::Explain {
            cluster,
            at,
            repository,
        } => super::coverage::explain(cx, &cluster, &at, repository).await,
        Restore::List { cluster, state } => {
            let mut query = Vec::new();
            query.extend(cluster.map(|cluster| ("cluster", cluster.to_string())));
            query.extend(state.map(|state| ("state", state.to_string())));
            let body = cx.client.list("restores", &query, None).await?;
            output::list(cx.format, &body, COLUMNS)?;
            DONE
        }
        Restore::Show { id } => {
            let body = cx.client.get(&path_of(&id), &[]).await?;
            show(cx, &body)?;
            DONE
        }
        Restore::Cancel { id } => {
            let path = format!("{}/cancel", path_of(&id));
            let body = cx.client.post(&path, json!({})).await?;
            show(cx, &body)?;
            DONE
        }
        Restore::Dump { restore, wait } => {
            let body = json!(dump_request(restore));
            let started = cx.client.post("dump-restores", body).await?;
            wait::follow(&mut cx.client, cx.format, &started, wait).await
        }
    }
}

async fn run_restore(cx: &mut Context, restore: RestoreArgs, args: RunArgs, wait: Wait) -> Outcome {
    let hooks = !restore.hook.is_empty();
    let hands_over = hooks || args.register.is_some() || !args.webhook.is_empty();
    let rehearses = args.rehearse;
    let mut body = request(restore, rehearses)?;
    add(&mut body, args);
    let started = cx.client.post("restores", body).await?;
    let Some(job) = wait::ended(&mut cx.client, cx.format, &started, wait).await? else {
        return DONE;
    };
    let id = job["id"].as_str().unwrap_or_default();
    if rehearses || job["state"] != "succeeded" {
        return wait::print(cx.format, &job);
    }
    // What its agent has done is looked at, and handed over.
    match wait::until_restored(&mut cx.client, &path_of(id), wait).await {
        Ok(restore) if restore["state"] == "done" => {
            let mut done = job;
            if hands_over {
                done["result"]["handedOver"] = restore["handedOver"].clone();
            }
            wait::print(cx.format, &done)
        }
        Ok(restore) => {
            let mut failed = job;
            failed["state"] = json!("failed");
            failed["error"] = restore["error"].clone();
            wait::print(cx.format, &failed)
        }
        // A control plane that keeps no restores yet.
        Err(failure) if failure.code == "not_found" => wait::print(cx.format, &job),
        Err(failure) => Err(failure),
    }
}

fn add(body: &mut Value, args: RunArgs) {
    if let Some(hash) = args.plan_hash {
        body["planHash"] = json!(hash);
    }
    if args.rehearse {
        body["rehearse"] = json!(true);
    }
    if let Some(name) = args.register {
        let mut register = json!({ "name": name });
        if !args.label.is_empty() {
            let labels: BTreeMap<String, String> = args.label.into_iter().collect();
            register["labels"] = json!(labels);
        }
        if let Some(fleet) = args.fleet {
            register["fleet"] = json!(fleet);
        }
        body["register"] = register;
    }
    let secret = args.webhook_secret;
    let webhook = |url: String| match &secret {
        Some(secret) => json!({"url": url, "secret": secret}),
        None => json!({ "url": url }),
    };
    let webhooks: Vec<Value> = args.webhook.into_iter().map(webhook).collect();
    if !webhooks.is_empty() {
        body["webhooks"] = json!(webhooks);
    }
}

/// Where a restore is found by its id or by that of its job, which has the same number.
fn path_of(id: &str) -> String {
    match id.strip_prefix("job_") {
        Some(number) => format!("restores/{}", encoded(&format!("rst_{number}"))),
        None => format!("restores/{}", encoded(id)),
    }
}

fn show(cx: &Context, body: &Value) -> Result<(), Failure> {
    output::object(cx.format, body, SHOWN)?;
    if cx.format != Format::Table {
        return Ok(());
    }
    let lists = [
        ("history", HISTORY),
        ("copiesTried", TRIED),
        ("checks", CHECKS),
        ("handedOver", STEPS),
    ];
    for (list, columns) in lists {
        if body[list].as_array().is_some_and(|items| !items.is_empty()) {
            println!();
            let items = json!({"items": body[list], "nextCursor": null});
            output::list(cx.format, &items, columns)?;
        }
    }
    Ok(())
}

fn dump_request(args: DumpRestoreArgs) -> DumpRestoreRequest {
    DumpRestoreRequest {
        cluster: args.cluster,
        backup: args.backup,
        database: args.database,
        into: args.into,
        to_cluster: args.to_cluster,
        jobs: args.jobs,
        owner: args.owner,
        no_privileges: args.no_privileges,
    }
}

async fn plan(cx: &mut Context, args: RestoreArgs) -> Outcome {
    let body = cx
        .client
        .post("restores/plan", request(args, false)?)
        .await?;
    output::object(cx.format, &body, PLAN)?;
    let plan: RestorePlan = serde_json::from_value(body.clone()).map_err(|error| {
        let message = format!("the plan cannot be read: {error}");
        Failure::new(
            Exit::Failed,
            "unreadable_answer",
            message,
            "use the CLI of the server's release",
        )
    })?;
    if cx.format == Format::Table {
        for tablespace in &plan.tablespaces {
            let name = tablespace.name.as_deref().unwrap_or("-");
            let (from, to) = (&tablespace.from, &tablespace.to);
            println!("tablespace {name}: {from} to {to}");
        }
        if let Some(bytes) = plan.reuse_bytes {
            println!("delta: up to {bytes} bytes are there already");
        }
        if let Some(directory) = &plan.wal_directory {
            println!("pg_wal: a link to {directory}");
        }
        for (list, columns) in [("placement", PLACEMENT), ("copies", COPIES)] {
            if body[list].as_array().is_some_and(|items| items.len() > 1) {
                println!();
                let items = json!({"items": body[list], "nextCursor": null});
                output::list(cx.format, &items, columns)?;
            }
        }
        for warning in &plan.warnings {
            eprintln!("warning: {warning}");
        }
        for problem in &plan.problems {
            eprintln!(
                "problem: {} ({})\nhint: {}",
                problem.message, problem.code, problem.hint
            );
        }
    }
    if plan.problems.is_empty() {
        DONE
    } else {
        Ok(ExitCode::from(Exit::Refused as u8))
    }
}

/// What the server is asked for. What is not said is left out, so that a server of an
/// earlier release understands what it knows.
fn request(args: RestoreArgs, rehearses: bool) -> Result<Value, Failure> {
    let dir = args.dir.unwrap_or_default();
    let rehearsed = rehearses && dir.is_empty();
    if !dir.starts_with('/') && !rehearsed {
        return Err(Failure::usage(
            match dir.is_empty() {
                true => "--dir is missing".to_owned(),
                false => format!("--dir {dir} is not absolute"),
            },
            "it is a path on the agent's host: give it in full",
        ));
    }
    if args.agent.is_none() && args.region.is_none() && !rehearses {
        let hint = "name the agent on whose host it is made, or a region";
        return Err(Failure::usage(
            "--agent or --region is missing".to_owned(),
            hint,
        ));
    }
    let mut body = json!({
        "cluster": args.cluster,
        "at": args.at,
        "exclusive": args.exclusive,
        "dir": dir,
        "start": args.start,
        "action": args.action,
    });
    let tablespaces = tablespace_map(args.tablespace_map)?;
    let set: BTreeMap<String, String> = args.set.into_iter().collect();
    let checks = args.checks.as_deref().map(read_checks).transpose()?;
    for (field, value) in [
        ("agent", json!(args.agent)),
        ("region", json!(args.region)),
        ("repository", json!(args.repository)),
        ("port", json!(args.port)),
        ("set", json!((!set.is_empty()).then_some(set))),
        (
            "tablespaceMap",
            json!((!tablespaces.is_empty()).then_some(tablespaces)),
        ),
        ("delta", json!(args.delta.then_some(true))),
        ("force", json!(args.force.then_some(true))),
        ("checks", json!(checks)),
        ("hooks", json!((!args.hook.is_empty()).then_some(args.hook))),
    ] {
        if !value.is_null() {
            body[field] = value;
        }
    }
    Ok(body)
}

/// One place is said once: of two, neither may be taken for the other.
fn tablespace_map(pairs: Vec<(String, String)>) -> Result<BTreeMap<String, String>, Failure> {
    let mut map = BTreeMap::new();
    for (old, new) in pairs {
        if map.contains_key(&old) {
            let message = format!("--tablespace-map names {old} twice");
            return Err(Failure::usage(message, "give each tablespace one place"));
        }
        map.insert(old, new);
    }
    Ok(map)
}
