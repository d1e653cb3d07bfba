//! Restores a database of a dump into a running server: one file per phase.
//!
//! pg_restore works on a database that only we know of, and that gets the name
//! which was asked for when it is complete: whoever sees the name sees all of
//! it (I-12). A database that is there already and holds nothing is filled in
//! place; one that holds anything is refused.

mod database;
mod load;
mod prepare;

use holdfast_proto::{DumpRestoreWork, JobOutcome, JobSuccess};
use holdfast_repo::failpoint;
use holdfast_types::{DumpRestoreResult, JobPhase};

use super::JobContext;
use super::backup::{Stopped, or_cancelled};
use crate::host::Host;
use database::Target;
use prepare::Ready;

/// Restores what `work` describes.
pub async fn run(work: DumpRestoreWork, cx: JobContext, host: &Host) -> JobOutcome {
    // Boxed: it is large, and lives in the futures of all who call.
    match Box::pin(attempt(&work, &cx, host, Leftover::Noted)).await {
        Ok(result) => JobOutcome::Succeeded(JobSuccess {
            result: serde_json::to_value(&result).unwrap_or_default(),
            backup: None,
            wal: None,
            repository: None,
        }),
        Err(Stopped::Failed(failure)) => {
            cx.log(format!("failed: {failure}"));
            JobOutcome::Failed(failure)
        }
        Err(Stopped::Cancelled) => JobOutcome::Cancelled,
        Err(Stopped::Superseded(_)) => unreachable!("a restore commits nothing"),
    }
}

/// What happens to the half-made database of a process that dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Leftover {
    /// A note of it is left, by which the next restore into the server drops it.
    Noted,
    /// It goes with its server.
    GoesWithServer,
}

/// The work; [`run`] tells how it ended, and a rehearsal goes on with it.
pub(super) async fn attempt(
    work: &DumpRestoreWork,
    cx: &JobContext,
    host: &Host,
    leftover: Leftover,
) -> Result<DumpRestoreResult, Stopped> {
    cx.enter(JobPhase::Prepare);
    let ready = or_cancelled(cx, prepare::run(work, cx, host)).await?;
    failpoint!("restore_dump::prepare::done");
    cx.enter(JobPhase::Copy);
    cx.expect_bytes(ready.database.bytes);
    let archive = load::extract(&ready, cx).await?;
    let objects = or_cancelled(cx, load::contents(&ready, &archive, cx)).await?;
    failpoint!("restore_dump::extract::done");
    cx.enter(JobPhase::Start);
    let mut target = or_cancelled(cx, Target::make(work, &ready, cx, (host, leftover))).await?;
    failpoint!("restore_dump::start::done");
    match fill(work, &ready, &target, &archive, cx).await {
        Ok(()) => {
            target.settle();
            Ok(DumpRestoreResult {
                backup: work.backup,
                database: work.request.database.clone(),
                into: work.request.into.clone(),
                cluster: work.request.target().clone(),
                consistent_at: ready.database.snapshot_at,
                objects,
                archive_bytes: ready.database.bytes,
            })
        }
        Err(stopped) => {
            let left = target.give_up(&ready).await;
            cx.log(left.clone());
            Err(match stopped {
                Stopped::Failed(failure) => Stopped::Failed(holdfast_types::Failure {
                    message: format!("{}. {left}", failure.message),
                    ..failure
                }),
                other => other,
            })
        }
    }
}

async fn fill(
    work: &DumpRestoreWork,
    ready: &Ready,
    target: &Target,
    archive: &std::path::Path,
    cx: &JobContext,
) -> Result<(), Stopped> {
    cx.enter(JobPhase::Copy);
    cx.expect_bytes(ready.database.bytes);
    load::run(work, ready, target, archive, cx).await?;
    failpoint!("restore_dump::copy::done");
    if cx.cancel().is_cancelled() {
        return Err(Stopped::Cancelled);
    }
    cx.enter(JobPhase::Commit);
    target.publish(work, ready).await?;
    failpoint!("restore_dump::commit::done");
    cx.log(format!("database \"{}\" is there", work.request.into));
    Ok(())
}
