//! Restores: planned once, executed as planned.
//!
//! [`plan`] decides everything that can be decided, touches nothing, and says
//! every reason against. [`run`] checks again what may have changed and does
//! it, one file per phase. Success is reported only after the directory was
//! verified and, when PostgreSQL was started, after it reached the target
//! (I-12). Checks that fail after that are part of the result: what was restored is what
//! was asked for, and is not handed over. Nothing here needs a control plane (I-09).
//!
//! # When is the directory startable?
//! `global/pg_control` is restored under another name. It takes its place only
//! when every other file is written and on stable storage, because
//! `pg_verifybackup` wants to see it, and is taken away again when the
//! verification fails or anything after it. So a directory with a control file
//! is complete, and every byte of it was authenticated when it was read; a
//! crash at any moment leaves either that or a directory that does not start.
//! A restore over what is there (`--delta`) takes the control file away before
//! it changes anything else, so the same holds for it.

mod after;
mod backup_manifest;
mod candidate;
mod chain;
mod clear;
mod command;
mod config;
mod copy;
mod directory;
mod durable;
mod hooks;
mod isolate;
mod landmark;
mod left;
mod marker;
mod occupied;
mod overwrite;
mod piece;
mod places;
mod plan;
mod prepare;
mod promote;
mod rate;
mod rehearse;
mod replay;
mod resolve;
mod reuse;
mod server;
mod settings;
mod verify;
mod wal;
mod watch;

use std::future::Future;

use holdfast_proto::{JobOutcome, JobSuccess, RestoreWork};
use holdfast_repo::failpoint;
use holdfast_types::{Failure, JobPhase, RestoreResult, TargetAction};

pub(crate) use directory::check_new;
pub use left::take_back;
pub(crate) use places::{Layout, staged};
pub use plan::plan;
pub(crate) use plan::plan_in;
pub(in crate::job) use rehearse::{rehearse, settings_for};

use super::JobContext;
use super::unfinished::{Note, Unfinished};
use crate::host::Host;
use prepare::Ready;

/// Why a restore ended without success.
#[derive(Debug)]
enum Stopped {
    Failed(Failure),
    /// On request.
    Cancelled,
}

impl From<Failure> for Stopped {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl From<holdfast_repo::Error> for Stopped {
    fn from(error: holdfast_repo::Error) -> Self {
        Self::Failed(crate::failure::of_repository(&error))
    }
}

/// Executes the plan of `work`.
pub async fn run(work: RestoreWork, cx: JobContext, host: &Host) -> JobOutcome {
    run_in(Layout::InPlace, work, cx, host).await
}

/// The same, written to `layout`.
pub(crate) async fn run_in(
    layout: Layout,
    work: RestoreWork,
    cx: JobContext,
    host: &Host,
) -> JobOutcome {
    // Boxed: it is large, and lives in the futures of all who call.
    match Box::pin(attempt(layout, &work, &cx, host)).await {
        Ok(mut result) => {
            result.phases = cx.phase_times();
            let result = serde_json::to_value(&result).unwrap_or_default();
            JobOutcome::Succeeded(JobSuccess {
                result,
                backup: None,
                wal: None,
                repository: None,
            })
        }
        Err(Stopped::Failed(failure)) => {
            cx.log(format!("failed: {failure}"));
            JobOutcome::Failed(failure)
        }
        Err(Stopped::Cancelled) => JobOutcome::Cancelled,
    }
}

async fn attempt(
    layout: Layout,
    work: &RestoreWork,
    cx: &JobContext,
    host: &Host,
) -> Result<RestoreResult, Stopped> {
    // Nothing is written before this is done.
    let ready = or_cancelled(cx, prepare::run(layout, work, cx, host)).await?;
    failpoint!("restore::prepare::done");
    let mut note = None;
    let ended = match execute(work, cx, host, &ready, &mut note).await {
        Ok(result) => Ok(result),
        Err(stopped) => {
            let left = give_up(&ready).await;
            cx.log(left.clone());
            Err(match stopped {
                Stopped::Cancelled => Stopped::Cancelled,
                Stopped::Failed(failure) => Stopped::Failed(Failure {
                    message: format!("{}. {left}", failure.message),
                    ..failure
                }),
            })
        }
    };
    // A server that could not be stopped is for the next start of the agent.
    if let Some(note) = note
        && (ended.is_ok() || replay::is_gone(&ready))
    {
        note.settle();
    }
    ended
}

/// Of the server that is started next, which outlives an agent that is killed. The
/// directory is ours by then, and whole.
fn note(work: &RestoreWork, host: &Host, ready: &Ready) -> Result<Note, Failure> {
    let server = Unfinished::Server {
        dir: ready.dir.clone(),
        version: ready.plan.server_version,
    };
    Note::write(host.data_dir(), work.job, &server)
}

async fn execute(
    work: &RestoreWork,
    cx: &JobContext,
    host: &Host,
    ready: &Ready,
    noted: &mut Option<Note>,
) -> Result<RestoreResult, Stopped> {
    let began = std::time::Instant::now();
    let mut copied = copy::run(cx, ready).await?;
    failpoint!("restore::copy::done");
    rate::remember_copy(host, ready.plan.database_bytes, began.elapsed());
    or_cancelled(cx, wal::run(cx, ready)).await?;
    failpoint!("restore::wal::done");
    cx.enter(JobPhase::Verify);
    // Most of what is left for the disk goes there while PostgreSQL's programs are asked.
    let syncing = verify::begin_sync(ready);
    let config = or_cancelled(cx, config::run(work, cx, ready, &mut copied)).await?;
    failpoint!("restore::config::done");
    or_cancelled(cx, async { Ok(syncing.await?) }).await?;
    or_cancelled(cx, verify::run(cx, ready, copied)).await?;
    failpoint!("restore::verify::done");
    if !work.request.start {
        let result = or_cancelled(cx, server::not_started(ready)).await?;
        return Ok(after::hand_over(work, cx, (host, ready), result).await);
    }
    let began = std::time::Instant::now();
    *noted = Some(note(work, host, ready)?);
    let replayed = or_cancelled(cx, replay::run(cx, ready, &config)).await?;
    failpoint!("restore::replay::done");
    rate::remember_replay(host, &ready.plan.wal, began.elapsed());
    let result = or_cancelled(cx, promote::run(work, cx, ready, &config, replayed)).await?;
    failpoint!("restore::promote::done");
    if work.request.action == TargetAction::Promote {
        // What was fetched ahead for recovery is not asked for any more.
        crate::wal::fetch::clean(&ready.dir.join(directory::OURS));
    }
    after::run(work, cx, (host, ready), result).await
}

/// Leaves a directory that nobody can take for a whole one, and says so.
async fn give_up(ready: &Ready) -> String {
    if !ready.is_taken() {
        // It is somebody else's, and so is a server that runs there (I-12).
        return format!("{} is as it was", ready.dir.display());
    }
    replay::stop(ready).await;
    let mut dir = ready.dir.display().to_string();
    for (what, place) in ready.places.directories() {
        dir.push_str(&format!(" (with {what} at {})", place.display()));
    }
    match verify::withdraw_control_file(&ready.dir) {
        Ok(()) => format!(
            "{dir} is left without global/pg_control, so that it cannot be started; delete it \
             before the next attempt, or go on with --delta"
        ),
        Err(error) => format!("{dir} is incomplete and must not be started ({error}); delete it"),
    }
}

/// `work`, unless somebody asks for the job to end first.
async fn or_cancelled<T>(
    cx: &JobContext,
    work: impl Future<Output = Result<T, Stopped>>,
) -> Result<T, Stopped> {
    tokio::select! {
        biased;
        () = cx.cancel().cancelled() => Err(Stopped::Cancelled),
        done = work => done,
    }
}
