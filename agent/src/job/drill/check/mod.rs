//! Phase check: what was asked for is looked at, one file per kind.
//!
//! A check that fails is a finding and ends nothing: the others are made too, so that
//! one drill tells all there is to tell. A restore's server is looked at in the same way,
//! and gets back what was changed for it.

mod amcheck;
mod checksums;
mod counts;
mod quiet;
mod reader;
mod sql;

use std::time::Instant;

use holdfast_types::drill::{CheckKind, CheckResult, DrillOrder};
use holdfast_types::resource::Check;

use super::findings::{Findings, millis};
use super::server::Server;
use crate::job::JobContext;
use crate::job::backup::Stopped;
use reader::Reader;

/// What a check saw, before it has a name.
pub(super) struct Seen {
    pub(super) seen: Option<String>,
    pub(super) passed: bool,
    pub(super) why: String,
}

impl Seen {
    fn failed(why: impl Into<String>) -> Self {
        Self {
            seen: None,
            passed: false,
            why: why.into(),
        }
    }
}

/// What becomes of the server that is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is thrown away: it may be changed.
    Thrown,
    /// It is handed over: nothing of the checks is left in it.
    Kept,
}

pub(super) async fn run(
    order: &DrillOrder,
    (server, fate): (&Server, Fate),
    cx: &JobContext,
    findings: &mut Findings,
) -> Result<(), Stopped> {
    let began = Instant::now();
    let answered = reached(server).await?;
    findings.ready();
    let at = findings.evidence.reached_lsn.map(|lsn| lsn.to_string());
    findings.add(CheckResult {
        name: "PostgreSQL started and reached the target".to_owned(),
        kind: CheckKind::Reached,
        database: None,
        expect: None,
        seen: at,
        passed: true,
        why: answered,
        millis: millis(began.elapsed()),
    });
    let databases = server.databases().await?;
    let reader = if needs_reader(&order.checks) {
        if fate == Fate::Thrown {
            quiet::make(server, &databases).await?;
        }
        Some(Reader::make((server, fate), &databases).await?)
    } else {
        None
    };
    // The one that needs the server stopped comes last.
    let (last, first): (Vec<&Check>, Vec<&Check>) = order
        .checks
        .iter()
        .partition(|check| check.kind() == Some(CheckKind::Checksums));
    for check in first.into_iter().chain(last) {
        let began = Instant::now();
        let database = sql::database_of(check, order, &databases);
        let place = (database.as_str(), databases.as_slice());
        let seen = make(
            check,
            order,
            (server, fate, reader.as_ref()),
            place,
            findings,
        )
        .await;
        let result = describe(check, database, seen, began);
        let verb = if result.passed { "passed" } else { "failed" };
        cx.log(format!("check {}: {verb}: {}", result.name, result.why));
        findings.add(result);
    }
    match (reader, fate) {
        (Some(reader), Fate::Kept) => reader.leave(server).await,
        _ => Ok(()),
    }
}

/// Makes one check.
async fn make(
    check: &Check,
    order: &DrillOrder,
    (server, fate, reader): (&Server, Fate, Option<&Reader>),
    (database, databases): (&str, &[String]),
    findings: &mut Findings,
) -> Seen {
    match (check.kind(), reader) {
        (Some(CheckKind::Sql), Some(reader)) => {
            sql::run(check, (order, database), (server, reader), findings).await
        }
        (Some(CheckKind::Amcheck), _) => amcheck::run(server, fate).await,
        (Some(CheckKind::Checksums), _) => checksums::run(server).await,
        (Some(CheckKind::RowCounts), Some(reader)) => {
            counts::run(check, order, (server, reader, databases), findings).await
        }
        // Documents are checked; another release may have written this one.
        _ => Seen::failed("this agent does not know the check"),
    }
}

/// A server that answers is one that reached its target: the restore made sure of that
/// before it promoted it (I-12).
async fn reached(server: &Server) -> Result<String, Stopped> {
    let session = server.any_session().await?;
    let row = session.row("SELECT version()", &[]).await?;
    let version: String = row.try_get(0).unwrap_or_default();
    let words: Vec<&str> = version.split_whitespace().take(2).collect();
    Ok(format!("{} answers", words.join(" ")))
}

fn needs_reader(checks: &[Check]) -> bool {
    let asks = |check: &Check| matches!(check.kind(), Some(CheckKind::Sql | CheckKind::RowCounts));
    checks.iter().any(asks)
}

fn describe(check: &Check, database: String, seen: Seen, began: Instant) -> CheckResult {
    let kind = check.kind().unwrap_or(CheckKind::Sql);
    let expect = check.expect.as_ref().or(check.row_counts.as_ref());
    CheckResult {
        name: check.shown(),
        kind,
        database: (kind == CheckKind::Sql).then_some(database),
        expect: expect.map(ToString::to_string),
        seen: seen.seen,
        passed: seen.passed,
        why: seen.why,
        millis: millis(began.elapsed()),
    }
}
