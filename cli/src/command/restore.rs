//! `holdfast restore`: plan, then run.

use std::collections::BTreeMap;
use std::process::ExitCode;

use holdfast_types::{DumpRestoreRequest, RestorePlan, RestoreRequest};
use serde_json::json;

use super::{Context, DONE, Outcome};
use crate::cli::{DumpRestoreArgs, Restore, RestoreArgs};
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
];

pub(super) async fn run(cx: &mut Context, command: Restore) -> Outcome {
    match command {
        Restore::Plan(args) => plan(cx, args).await,
        Restore::Run { restore, wait } => {
            let body = json!(request(restore)?);
            let started = cx.client.post("restores", body).await?;
            wait::follow(&mut cx.client, cx.format, &started, wait).await
        }
        Restore::Dump { restore, wait } => {
            let body = json!(dump_request(restore));
            let started = cx.client.post("dump-restores", body).await?;
            wait::follow(&mut cx.client, cx.format, &started, wait).await
        }
    }
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
        .post("restores/plan", json!(request(args)?))
        .await?;
    output::object(cx.format, &body, PLAN)?;
    let plan: RestorePlan = serde_json::from_value(body).map_err(|error| {
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

fn request(args: RestoreArgs) -> Result<RestoreRequest, Failure> {
    if !args.dir.starts_with('/') {
        let message = format!("--dir {} is not absolute", args.dir);
        return Err(Failure::usage(
            message,
            "it is a path on the agent's host: give it in full",
        ));
    }
    Ok(RestoreRequest {
        cluster: args.cluster,
        at: args.at,
        exclusive: args.exclusive,
        agent: args.agent,
        dir: args.dir,
        repository: args.repository,
        start: args.start,
        port: args.port,
        set: args.set.into_iter().collect(),
        action: args.action,
        tablespace_map: tablespace_map(args.tablespace_map)?,
        delta: args.delta,
        force: args.force,
    })
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
