//! One job, from its first line in the journal to its last.

use std::sync::Arc;
use std::time::Duration;

use holdfast_proto::{Assignment, Held, JobOutcome, Work};
use holdfast_types::{Failure, JobPhase};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, Span};

use super::Runner;
use crate::host::Host;
use crate::job::JobContext;
use crate::journal::{Begin, Journal, JournalError};
use crate::telemetry::continue_trace;

/// Lines of a job's log that go with its outcome.
const LAST_LINES: usize = 100;
/// How soon an outcome that the journal did not take is offered again.
const AGAIN: Duration = Duration::from_secs(1);

/// What a job needs besides its assignment.
#[derive(Clone)]
pub(super) struct Surroundings {
    pub(super) host: Host,
    pub(super) journal: Journal,
    pub(super) runner: Arc<dyn Runner>,
    /// Fires when the agent ends.
    pub(super) ending: CancellationToken,
}

/// Runs a job if the journal lets it begin, or has it `begun` already, and
/// records how it ended.
pub(super) async fn run(assignment: Assignment, cx: JobContext, around: Surroundings, begun: bool) {
    let job = Held {
        assignment: assignment.id,
        generation: assignment.generation,
    };
    if !begun && !begin(&around, job, &cx).await {
        return;
    }
    if cx.cancel().is_cancelled() {
        return record(&around, job, JobOutcome::Cancelled, Vec::new()).await;
    }
    let span = span(&assignment);
    let work = start(assignment.work, &cx, &around, &span);
    let ended = follow(work, job, &cx, &around.journal)
        .instrument(span.clone())
        .await;
    let outcome = match ended {
        Ok(outcome) => outcome,
        Err(defect) => JobOutcome::Failed(defect),
    };
    let outcome = in_the_light_of_the_end(outcome, around.ending.is_cancelled());
    span.in_scope(|| tell(&outcome));
    let log = cx.state().log;
    let log = log
        .iter()
        .skip(log.len().saturating_sub(LAST_LINES))
        .cloned()
        .collect();
    record(&around, job, outcome, log).instrument(span).await;
}

/// Whether the journal says that this job may run. A journal that cannot be
/// written lets nothing begin: it is asked until it can, or the job is not
/// wanted any more.
async fn begin(around: &Surroundings, job: Held, cx: &JobContext) -> bool {
    loop {
        match around.journal.begin(job).await {
            Ok(Begin::Begun) => return true,
            Ok(Begin::Known) => return false, // I-14
            Ok(Begin::Stale) => {
                tracing::warn!(assignment.id = %job.assignment, "a stale assignment is refused");
                return false; // I-04
            }
            Err(error) => {
                let error = crate::failure::chain(&error);
                tracing::error!(%error, "a job waits for the journal");
            }
        }
        tokio::select! {
            () = cx.cancel().cancelled() => return false,
            () = tokio::time::sleep(AGAIN) => {}
        }
    }
}

/// The failure of a job that the agent's end cut short.
pub(super) fn agent_ended() -> Failure {
    Failure::transient(
        "agent_stopped",
        "the agent was stopped while it worked on this",
        "nothing to do: another attempt can be made once the agent runs again",
    )
}

/// In a task of its own, so that a panic is this job's failure and no more.
fn start(
    work: Work,
    cx: &JobContext,
    around: &Surroundings,
    span: &Span,
) -> JoinHandle<JobOutcome> {
    let (cx, host, runner) = (cx.clone(), around.host.clone(), around.runner.clone());
    let working = async move {
        match work {
            Work::Backup(work) => runner.backup(*work, cx, &host).await,
            Work::Restore(work) => runner.restore(*work, cx, &host).await,
            Work::RestoreDump(work) => runner.restore_dump(*work, cx, &host).await,
            Work::Copy(work) => runner.copy(*work, cx, &host).await,
            Work::Drill(work) => runner.drill(*work, cx, &host).await,
            Work::ReceiveWal(_) => unreachable!("a standing duty is no job"),
        }
    };
    tokio::spawn(working.instrument(span.clone()))
}

/// Waits for the end, and journals each phase on the way.
async fn follow(
    mut work: JoinHandle<JobOutcome>,
    job: Held,
    cx: &JobContext,
    journal: &Journal,
) -> Result<JobOutcome, Failure> {
    // Whoever gives up waiting gives up the work.
    let _abort = AbortOnDrop(work.abort_handle());
    let mut changed = cx.subscribe();
    let mut noted = Noted::default();
    loop {
        tokio::select! {
            ended = &mut work => {
                noted.catch_up(job, cx, journal).await;
                return ended.map_err(|error| defect(&error));
            }
            Ok(()) = changed.changed() => noted.catch_up(job, cx, journal).await,
        }
    }
}

/// What of a running job is in the journal.
#[derive(Default)]
struct Noted {
    phase: Option<JobPhase>,
    backup: bool,
}

impl Noted {
    /// Journals what is new since the last time.
    async fn catch_up(&mut self, job: Held, cx: &JobContext, journal: &Journal) {
        let state = cx.state();
        let Some(phase) = state.phase else {
            return;
        };
        let entered = (self.phase != Some(phase)).then_some(phase);
        let started = state.backup.filter(|_| !self.backup);
        self.phase = Some(phase);
        self.backup |= started.is_some();
        let journaled = match (started, entered) {
            // It says the phase too.
            (Some(backup), _) => journal.backup_started(job, phase, backup).await,
            (None, Some(phase)) => journal.reached(job, phase).await,
            (None, None) => return,
        };
        if let Err(error) = journaled {
            // Phases are for people; the outcome is what must not be lost.
            let error = crate::failure::chain(&error);
            tracing::warn!(%error, "the progress of a job was not journaled");
        }
    }
}

/// The end of the agent is no wish of whoever ordered the job.
fn in_the_light_of_the_end(outcome: JobOutcome, ending: bool) -> JobOutcome {
    match outcome {
        JobOutcome::Cancelled if ending => JobOutcome::Interrupted(agent_ended()),
        outcome => outcome,
    }
}

/// An outcome is offered to the journal until it takes it: a full disk must
/// not turn a backup that exists into one that nobody knows.
async fn record(around: &Surroundings, job: Held, outcome: JobOutcome, log: Vec<String>) {
    loop {
        match around
            .journal
            .finish(job, outcome.clone(), log.clone())
            .await
        {
            Ok(()) | Err(JournalError::Ended) => return,
            Err(error) => {
                let error = crate::failure::chain(&error);
                tracing::error!(%error, "the outcome of a job was not journaled yet");
            }
        }
        tokio::time::sleep(AGAIN).await;
    }
}

fn defect(error: &tokio::task::JoinError) -> Failure {
    Failure::permanent(
        "agent_defect",
        format!("the job ended by a defect of the agent: {error}"),
        "please report this with the agent's log",
    )
}

fn tell(outcome: &JobOutcome) {
    match outcome {
        JobOutcome::Succeeded(_) => tracing::info!("job succeeded"),
        JobOutcome::Superseded(winner) => tracing::info!(%winner, "job superseded"),
        JobOutcome::Cancelled => tracing::info!("job cancelled"),
        JobOutcome::Failed(failure) => tracing::warn!(code = failure.code, "job failed: {failure}"),
        JobOutcome::Interrupted(failure) => tracing::warn!("job interrupted: {failure}"),
    }
}

fn span(assignment: &Assignment) -> Span {
    let Assignment {
        id,
        generation,
        traceparent,
        work,
        ..
    } = assignment;
    let (kind, job) = match work {
        Work::Backup(work) => ("backup", work.job),
        Work::Restore(work) => ("restore", work.job),
        Work::RestoreDump(work) => ("restore", work.job),
        Work::Copy(work) => ("copy", work.job),
        Work::Drill(work) => ("drill", work.job),
        Work::ReceiveWal(_) => unreachable!("a standing duty is no job"),
    };
    let span = tracing::info_span!(
        "job",
        job.id = %job,
        job.kind = kind,
        assignment.id = %id,
        assignment.generation = %generation,
        trace.id = tracing::field::Empty,
    );
    continue_trace(&span, traceparent.as_deref());
    span
}

struct AbortOnDrop(tokio::task::AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}
