//! The checks of a restore: those of a drill, of a server that stays.
//!
//! What could not be looked at has failed: nothing is handed over unseen (I-12).

use std::path::PathBuf;
use std::time::Instant;

use holdfast_pg::binaries::Programs;
use holdfast_types::drill::{CheckKind, CheckResult, DrillOrder};
use holdfast_types::{RestoreRequest, RestoreResult};
use jiff::Timestamp;

use super::check::{self, Fate};
use super::findings::{Findings, millis};
use super::server::Server;
use crate::job::JobContext;
use crate::job::backup::Stopped;

/// A restored server that nobody but us can reach yet.
pub(in crate::job) struct Looked<'a> {
    pub(in crate::job) request: &'a RestoreRequest,
    pub(in crate::job) result: &'a RestoreResult,
    /// Everything up to then is in it.
    pub(in crate::job) recovers_to: Timestamp,
    pub(in crate::job) superuser: String,
    pub(in crate::job) programs: Programs,
}

/// Makes the checks that were asked for.
pub(in crate::job) async fn look(looked: Looked<'_>, cx: &JobContext) -> Vec<CheckResult> {
    let began = Instant::now();
    let (request, result) = (looked.request, looked.result);
    let order = DrillOrder {
        cluster: request.cluster.clone(),
        at: request.at.clone(),
        dump: None,
        asked_at: Timestamp::now(),
        database: None,
        checks: request.checks.clone(),
        before: None,
    };
    let mut findings = Findings::new(&order, began);
    findings.evidence.reached_lsn = Some(result.reached_lsn);
    let later = result.reached_time.unwrap_or(looked.recovers_to);
    findings.reached(later.max(looked.recovers_to));
    let server = Server {
        programs: looked.programs,
        dir: PathBuf::from(&result.dir),
        sockets: result.socket_dir.clone().unwrap_or_default().into(),
        port: result.port.unwrap_or_default(),
        superuser: looked.superuser,
    };
    let server = (&server, Fate::Kept);
    let ended = check::run(&order, server, cx, &mut findings).await;
    let mut checks = findings.evidence.checks;
    if let Err(Stopped::Failed(failure)) = ended {
        cx.log(format!("the checks ended: {failure}"));
        checks.push(CheckResult {
            name: "the checks could be made, and left nothing behind".to_owned(),
            kind: CheckKind::Reached,
            database: None,
            expect: None,
            seen: None,
            passed: false,
            why: failure.message,
            millis: millis(began.elapsed()),
        });
    }
    checks
}
