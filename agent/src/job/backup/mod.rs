//! Takes a backup: one file per phase.
//!
//! PostgreSQL's backup mode lives in one held session, so whatever ends this
//! job, a failure, a request or the death of the process, ends it too. The
//! commit mark comes last, after the WAL up to the stop position is proved to
//! be in the repository (I-05): until then nothing that was written counts.

mod beside;
mod carry;
mod commit;
mod control;
mod copy;
mod outcome;
mod outside;
mod pages;
mod parent;
mod prepare;
mod remote;
mod source;
mod start;
mod stop;
mod tablespaces;
mod taker;
mod threads;
mod unchanged;
mod wal;
mod walk;

use std::future::Future;

use holdfast_proto::{BackupWork, JobOutcome};
use holdfast_repo::failpoint;
use holdfast_types::{BackupId, BackupKind, Failure};

pub(in crate::job) use beside::{begin as copy_beside, tell as tell_copies};
pub(crate) use commit::{OWN_WAL, STANDBY, fact};
pub(crate) use copy::thread_died;
pub(in crate::job) use outcome::committed;
pub(in crate::job) use prepare::{check_identity, lineage, unreadable, version};
pub(in crate::job) use source::check_role;
pub(in crate::job) use start::{threads, write_options};
pub(in crate::job) use tablespaces::{Tablespace, is_tablespace};

use super::JobContext;
use crate::host::Host;

/// Why a backup ended without a mark.
#[derive(Debug)]
pub(crate) enum Stopped {
    Failed(Failure),
    /// On request.
    Cancelled,
    /// Another attempt of the run committed first (I-03).
    Superseded(BackupId),
}

impl From<Failure> for Stopped {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl From<holdfast_repo::Error> for Stopped {
    fn from(error: holdfast_repo::Error) -> Self {
        match error {
            holdfast_repo::Error::Superseded { winner, .. } => Self::Superseded(winner),
            error => Self::Failed(crate::failure::of_repository(&error)),
        }
    }
}

impl From<holdfast_pg::Error> for Stopped {
    fn from(error: holdfast_pg::Error) -> Self {
        Self::Failed(crate::failure::of_postgres(&error))
    }
}

/// Takes the backup that `work` describes.
pub async fn run(work: BackupWork, cx: JobContext, host: &Host) -> JobOutcome {
    // Boxed: they are large, and live in the futures of all who call.
    let attempted = match work.kind {
        BackupKind::Logical => Box::pin(super::dump::attempt(&work, &cx, host)).await,
        BackupKind::Full | BackupKind::Incremental => Box::pin(attempt(&work, &cx, host)).await,
    };
    match attempted {
        Ok(success) => JobOutcome::Succeeded(success),
        Err(Stopped::Failed(failure)) => {
            cx.log(format!("failed: {failure}"));
            JobOutcome::Failed(failure)
        }
        Err(Stopped::Cancelled) => {
            cx.log("cancelled on request; nothing of it counts as a backup");
            JobOutcome::Cancelled
        }
        Err(Stopped::Superseded(winner)) => {
            cx.log(format!("superseded: {winner} is the backup of this run"));
            JobOutcome::Superseded(winner)
        }
    }
}

async fn attempt(
    work: &BackupWork,
    cx: &JobContext,
    host: &Host,
) -> Result<holdfast_proto::JobSuccess, Stopped> {
    let prepared = match or_cancelled(cx, prepare::run(work, cx, host)).await? {
        prepare::Prepared::Ready(prepared) => *prepared,
        prepare::Prepared::Committed(backup) => {
            cx.log("an earlier attempt of this job committed this very backup");
            return outcome::of_committed(work, &backup, &prepare::lineage(work, host).await?)
                .await;
        }
    };
    failpoint!("backup::prepare::done");
    let (copied, stopped) = match &prepared.local {
        Some(local) => {
            let started = or_cancelled(cx, start::run(work, cx, host, &prepared)).await?;
            failpoint!("backup::start::done");
            // The copy stops its own threads on request, and is waited for:
            // they must not go on when the job has ended.
            let copied = copy::run(cx, (&prepared, local), &started).await?;
            failpoint!("backup::copy::done");
            let stopped = or_cancelled(cx, stop::run(cx, &prepared, started, &copied)).await?;
            (copied, stopped)
        }
        None => remote::run(work, cx, host, &prepared).await?,
    };
    failpoint!("backup::stop::done");
    let wal = or_cancelled(cx, wal::run(cx, host, &prepared, &stopped)).await?;
    failpoint!("backup::wal::done");
    prepared.against.still_pinned(host.clock().now_or_local())?; // I-06
    // From here on it cannot be taken back: the mark may be there already.
    let backup = commit::run(work, cx, &prepared, &stopped).await?;
    failpoint!("backup::commit::done");
    let repository = prepared.lineage.repository().id();
    Ok(outcome::of_backup(
        work,
        &prepared,
        &copied,
        &backup,
        (repository, wal),
    ))
}

/// `work`, unless somebody asks for the job to end first.
pub(in crate::job) async fn or_cancelled<T>(
    cx: &JobContext,
    work: impl Future<Output = Result<T, Stopped>>,
) -> Result<T, Stopped> {
    tokio::select! {
        biased;
        () = cx.cancel().cancelled() => Err(Stopped::Cancelled),
        done = work => done,
    }
}
