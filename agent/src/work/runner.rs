//! What is executed: the engine behind the assignments.

use async_trait::async_trait;
use holdfast_proto::{
    BackupWork, CopyWork, DrillWork, DumpRestoreWork, JobOutcome, PlanRequest, RestoreWork,
    WalReport, WalWork,
};
use holdfast_types::{AssignmentId, Failure, Generation, RestorePlan};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tracing::{Instrument, Span};

use crate::host::Host;
use crate::job::{JobContext, backup, copy, drill, restore, restore_dump};
use crate::wal;

/// Executes work.
#[async_trait]
pub trait Runner: Send + Sync + 'static {
    /// Takes a backup.
    async fn backup(&self, work: BackupWork, cx: JobContext, host: &Host) -> JobOutcome;

    /// Restores.
    async fn restore(&self, work: RestoreWork, cx: JobContext, host: &Host) -> JobOutcome;

    /// Restores a database of a dump.
    async fn restore_dump(&self, work: DumpRestoreWork, cx: JobContext, host: &Host) -> JobOutcome;

    /// Copies a backup to another repository.
    async fn copy(&self, work: CopyWork, cx: JobContext, host: &Host) -> JobOutcome;

    /// Rehearses a restore.
    async fn drill(&self, work: DrillWork, cx: JobContext, host: &Host) -> JobOutcome;

    /// Plans a restore, touching nothing.
    async fn plan(&self, request: PlanRequest, host: &Host) -> Result<RestorePlan, Failure>;

    /// Begins to receive WAL. Trouble is reported, never returned: a duty
    /// stands until it is stopped.
    fn receive_wal(
        &self,
        id: AssignmentId,
        generation: Generation,
        work: WalWork,
        host: Host,
    ) -> Box<dyn WalDuty>;

    /// Begins to keep the slot at an instance from which another agent
    /// receives, or nobody.
    fn keep_slot(&self, work: WalWork, host: Host) -> Box<dyn SlotKeeping>;
}

/// A slot that is being kept.
#[async_trait]
pub trait SlotKeeping: Send + Sync {
    /// Ends it for now; the slot stays.
    async fn stop(self: Box<Self>);

    /// Ends it for good: PostgreSQL keeps no WAL for it any more (I-15).
    async fn retire(self: Box<Self>) -> Result<(), Failure>;
}

/// A standing WAL duty.
#[async_trait]
pub trait WalDuty: Send + Sync {
    /// Its state, and every change of it.
    fn report(&self) -> watch::Receiver<WalReport>;

    /// Ends it for now: what was received is stored first, and PostgreSQL
    /// keeps what comes.
    async fn stop(self: Box<Self>);

    /// Ends it for good: PostgreSQL keeps no WAL for it any more (I-15).
    async fn retire(self: Box<Self>) -> Result<(), Failure>;
}

/// Executes on this host.
#[derive(Debug, Clone, Copy, Default)]
pub struct LocalRunner;

/// Drives the top of a job, or a plan, on a thread of its own: whatever it
/// does between two awaits, heartbeats and WAL receiving do not wait for it.
async fn apart<T, F>(work: impl FnOnce() -> F + Send + 'static) -> T
where
    T: Send + 'static,
    F: Future<Output = T>,
{
    let (runtime, span) = (Handle::current(), Span::current());
    let driven = spawn_blocking(move || runtime.block_on(Box::pin(work()).instrument(span)));
    match driven.await {
        Ok(done) => done,
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        // The runtime ends, and whoever waits for this with it.
        Err(_) => std::future::pending().await,
    }
}

#[async_trait]
impl Runner for LocalRunner {
    async fn backup(&self, work: BackupWork, cx: JobContext, host: &Host) -> JobOutcome {
        let host = host.clone();
        apart(move || async move { backup::run(work, cx, &host).await }).await
    }

    async fn restore(&self, work: RestoreWork, cx: JobContext, host: &Host) -> JobOutcome {
        let host = host.clone();
        apart(move || async move { restore::run(work, cx, &host).await }).await
    }

    async fn restore_dump(&self, work: DumpRestoreWork, cx: JobContext, host: &Host) -> JobOutcome {
        let host = host.clone();
        apart(move || async move { restore_dump::run(work, cx, &host).await }).await
    }

    async fn copy(&self, work: CopyWork, cx: JobContext, host: &Host) -> JobOutcome {
        let host = host.clone();
        apart(move || async move { copy::run(work, cx, &host).await }).await
    }

    async fn drill(&self, work: DrillWork, cx: JobContext, host: &Host) -> JobOutcome {
        let host = host.clone();
        apart(move || async move { drill::run(work, cx, &host).await }).await
    }

    async fn plan(&self, request: PlanRequest, host: &Host) -> Result<RestorePlan, Failure> {
        let host = host.clone();
        apart(move || async move { restore::plan(request, &host).await }).await
    }

    fn receive_wal(
        &self,
        id: AssignmentId,
        generation: Generation,
        work: WalWork,
        host: Host,
    ) -> Box<dyn WalDuty> {
        Box::new(wal::Duty::start(id, generation, work, host))
    }

    fn keep_slot(&self, work: WalWork, host: Host) -> Box<dyn SlotKeeping> {
        Box::new(wal::Keeper::start(work, host))
    }
}

#[async_trait]
impl SlotKeeping for wal::Keeper {
    async fn stop(self: Box<Self>) {
        wal::Keeper::stop(*self).await;
    }

    async fn retire(self: Box<Self>) -> Result<(), Failure> {
        wal::Keeper::drop_slot(*self).await
    }
}

#[async_trait]
impl WalDuty for wal::Duty {
    fn report(&self) -> watch::Receiver<WalReport> {
        wal::Duty::report(self)
    }

    async fn stop(self: Box<Self>) {
        wal::Duty::stop(*self).await;
    }

    async fn retire(self: Box<Self>) -> Result<(), Failure> {
        wal::Duty::drop_slot(*self).await
    }
}
