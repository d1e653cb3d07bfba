//! Jobs: those that run against those that are assigned.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use holdfast_proto::{Assignment, Held, JobOutcome, Work};
use holdfast_types::{AssignmentId, Generation, JobId};
use tokio::task::AbortHandle;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use super::job::{self, Surroundings};
use super::unwanted::Unwanted;
use crate::host::SessionState;
use crate::job::JobContext;

/// A job that runs.
#[derive(Debug, Clone)]
pub struct RunningJob {
    /// Which, under which generation.
    pub held: Held,
    /// What it says of itself.
    pub context: JobContext,
    /// The job that takes a backup; `None` of one that does something else.
    pub backup: Option<JobId>,
}

/// The jobs of this process. Cheap to clone.
#[derive(Clone, Default)]
pub(super) struct Jobs {
    running: Arc<Mutex<HashMap<AssignmentId, Job>>>,
}

struct Job {
    generation: Generation,
    context: JobContext,
    backup: Option<JobId>,
    /// The agent gave it itself, on its own.
    own: bool,
    unwanted: Unwanted,
    /// Fires when nothing of it runs any more.
    ended: CancellationToken,
    abort: AbortHandle,
}

impl Jobs {
    /// Begins what is new and tells to end what was asked to. What is not
    /// named goes on until that is confirmed.
    pub(super) fn follow(&self, assigned: &[Assignment], around: &Surroundings) {
        for (id, job) in &mut *self.locked() {
            let named = assigned.iter().find(|one| one.id == *id);
            // One that the control plane has not been told of cannot be named.
            let untold = job.own && around.journal.owes();
            job.unwanted.note(named.is_some() || untold);
            // Replaced by a later generation, or asked to end.
            let ends = named.is_some_and(|one| {
                one.generation > job.generation
                    || (one.generation == job.generation && one.cancel_requested)
            });
            if ends {
                tell_to_end(*id, job);
            }
        }
        for one in assigned {
            if !matches!(one.work, Work::ReceiveWal(_)) {
                self.begin(one, around, false);
            }
        }
    }

    /// Starts a job that the agent gave itself; the journal knows that it runs.
    pub(super) fn begin_own(&self, one: &Assignment, around: &Surroundings) {
        self.begin(one, around, true);
    }

    /// Tells one to end.
    pub(super) fn cancel(&self, held: Held) {
        if let Some(job) = self.locked().get(&held.assignment)
            && job.generation == held.generation
        {
            tell_to_end(held.assignment, job);
        }
    }

    /// Starts a job in a task of its own, which asks the journal first. A job
    /// of an earlier generation is told to end and awaited there.
    fn begin(&self, one: &Assignment, around: &Surroundings, own: bool) {
        let mut running = self.locked();
        let earlier = match running.get(&one.id) {
            // It runs, or a later one does: this word is known or stale (I-04).
            Some(job) if job.generation >= one.generation => return,
            Some(job) => Some(job.ended.clone()),
            None => None,
        };
        let cancel = CancellationToken::new();
        if one.cancel_requested {
            cancel.cancel();
        }
        let context = JobContext::new(cancel);
        let (jobs, assignment, cx) = (self.clone(), one.clone(), context.clone());
        let (around, ended) = (around.clone(), CancellationToken::new());
        let end = ended.clone().drop_guard();
        let task = tokio::spawn(async move {
            let _end = end;
            if let Some(earlier) = earlier {
                earlier.cancelled().await;
            }
            let held = Held {
                assignment: assignment.id,
                generation: assignment.generation,
            };
            job::run(assignment, cx, around, own).await;
            jobs.forget(held);
        });
        let abort = task.abort_handle();
        let unwanted = Unwanted::default();
        let backup = match &one.work {
            Work::Backup(work) => Some(work.job),
            Work::Restore(_)
            | Work::RestoreDump(_)
            | Work::Copy(_)
            | Work::Drill(_)
            | Work::ReceiveWal(_) => None,
        };
        let job = Job {
            generation: one.generation,
            context,
            backup,
            own,
            unwanted,
            ended,
            abort,
        };
        running.insert(one.id, job);
    }

    fn forget(&self, held: Held) {
        let mut running = self.locked();
        if running
            .get(&held.assignment)
            .is_some_and(|job| job.generation == held.generation)
        {
            running.remove(&held.assignment);
        }
    }

    /// Whether anything goes on only until it is confirmed that it may end.
    pub(super) fn any_unwanted(&self) -> bool {
        self.locked().values().any(|job| job.unwanted.waits())
    }

    /// Tells to end what is confirmed to be unwanted.
    pub(super) fn end_unwanted(&self, session: SessionState) {
        for (id, job) in &*self.locked() {
            if job.unwanted.is_confirmed(session) {
                tell_to_end(*id, job);
            }
        }
    }

    /// The jobs that run now.
    pub(super) fn list(&self) -> Vec<RunningJob> {
        let running = |(id, job): (&AssignmentId, &Job)| RunningJob {
            held: Held {
                assignment: *id,
                generation: job.generation,
            },
            context: job.context.clone(),
            backup: job.backup,
        };
        self.locked().iter().map(running).collect()
    }

    /// Tells all to end and waits until they have, or until `deadline`: then
    /// they are recorded as interrupted, whatever they do.
    pub(super) async fn stop(&self, deadline: Instant, around: &Surroundings) {
        let tell = |(id, job): (&AssignmentId, &Job)| {
            job.context.cancel().cancel();
            let held = Held {
                assignment: *id,
                generation: job.generation,
            };
            (held, job.ended.clone(), job.abort.clone())
        };
        let told: Vec<_> = self.locked().iter().map(tell).collect();
        let ending = told.into_iter().map(|(held, ended, abort)| async move {
            if timeout_at(deadline, ended.cancelled()).await.is_ok() {
                return;
            }
            abort.abort();
            tracing::warn!(assignment.id = %held.assignment, "a job did not end in time");
            let outcome = JobOutcome::Interrupted(job::agent_ended());
            let log = vec!["it did not end in time".to_owned()];
            if let Err(error) = around.journal.finish(held, outcome, log).await {
                // The next start finds it running and reports it all the same.
                tracing::warn!(error = %crate::failure::chain(&error), "not journaled");
            }
        });
        futures_util::future::join_all(ending).await;
    }

    fn locked(&self) -> MutexGuard<'_, HashMap<AssignmentId, Job>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn tell_to_end(id: AssignmentId, job: &Job) {
    if !job.context.cancel().is_cancelled() {
        tracing::info!(assignment.id = %id, "job is told to end");
        job.context.cancel().cancel();
    }
}
