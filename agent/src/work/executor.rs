//! What is assigned against what runs.

use std::collections::HashMap;
use std::sync::{Arc, Mutex as SyncMutex, PoisonError};
use std::time::Duration;

use holdfast_proto::{
    Assignment, Assignments, Held, JobOutcome, ObservedInstance, PlanRequest, WalReport, WalWork,
    Work,
};
use holdfast_types::{AssignmentId, Failure, Generation, RestorePlan};
use tokio::sync::{Mutex, watch};
use tokio::task::AbortHandle;
use tokio_util::sync::CancellationToken;

use super::job::{self, Surroundings};
use super::{Runner, WalDuty};
use crate::host::Host;
use crate::job::JobContext;
use crate::journal::{Journal, JournalError};

/// How soon assignments that the journal did not take are applied again.
const AGAIN: Duration = Duration::from_secs(1);
/// How long a duty may take to store what it has received.
const DUTY_ENDS_WITHIN: Duration = Duration::from_secs(30);
/// How old the proof of a quorum may be when a slot is dropped (I-04).
const QUORUM_AGE: Duration = Duration::from_secs(15);

/// A job that runs.
#[derive(Debug, Clone)]
pub struct RunningJob {
    /// Which, under which generation.
    pub held: Held,
    /// What it says of itself.
    pub context: JobContext,
}

/// Where a duty reports.
#[derive(Debug, Clone)]
pub struct DutyReports {
    /// Which, under which generation.
    pub held: Held,
    /// Its state, and every change of it.
    pub report: watch::Receiver<WalReport>,
}

/// Executes assignments. Cheap to clone.
#[derive(Clone)]
pub struct Executor {
    inner: Arc<Inner>,
}

struct Inner {
    around: Surroundings,
    /// Held while assignments are applied: one set after the other.
    state: Mutex<State>,
    jobs: SyncMutex<HashMap<AssignmentId, Job>>,
    assigned: watch::Sender<Option<Arc<Assignments>>>,
    duties: watch::Sender<Vec<DutyReports>>,
    instances: watch::Sender<Vec<ObservedInstance>>,
}

#[derive(Default)]
struct State {
    duties: HashMap<AssignmentId, Duty>,
    closed: bool,
}

struct Job {
    generation: Generation,
    context: JobContext,
    /// Fires when nothing of it runs any more.
    ended: CancellationToken,
    abort: AbortHandle,
}

struct Duty {
    generation: Generation,
    work: WalWork,
    duty: Box<dyn WalDuty>,
}

impl Executor {
    /// An executor that runs nothing yet.
    pub fn new(host: Host, journal: Journal, runner: Arc<dyn Runner>) -> Self {
        let around = Surroundings {
            host,
            journal,
            runner,
            ending: CancellationToken::new(),
        };
        let inner = Inner {
            around,
            state: Mutex::default(),
            jobs: SyncMutex::default(),
            assigned: watch::Sender::new(None),
            duties: watch::Sender::new(Vec::new()),
            instances: watch::Sender::new(Vec::new()),
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    /// Takes up what the journal kept: reports the jobs that the last process
    /// left behind as interrupted, and goes on with the standing duties before
    /// anybody has been asked (I-08).
    pub async fn resume(&self) -> Result<(), JournalError> {
        let journal = &self.inner.around.journal;
        let why = Failure::transient(
            "agent_interrupted",
            "the agent ended in the middle of this, without warning",
            "nothing to do: another attempt can be made now that the agent runs again",
        );
        for job in journal.interrupt_all(why).await? {
            tracing::warn!(assignment.id = %job.assignment, "a job was interrupted by the agent's end");
        }
        let standing = journal.standing().await?;
        tracing::info!(duties = standing.assignments.len(), "standing duties go on");
        let mut state = self.inner.state.lock().await;
        self.inner
            .instances
            .send_replace(standing.instances.clone());
        self.apply_duties(&mut state, &standing.assignments).await;
        Ok(())
    }

    /// What is assigned now. It is applied by [`Executor::run`]; of several
    /// sets that come at once, only the last one counts.
    pub fn assign(&self, assignments: Assignments) {
        self.inner
            .assigned
            .send_replace(Some(Arc::new(assignments)));
    }

    /// Applies what is assigned, until `stop` fires.
    pub async fn run(&self, stop: CancellationToken) {
        let mut assigned = self.inner.assigned.subscribe();
        assigned.mark_changed();
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                Ok(()) = assigned.changed() => {}
            }
            let Some(assignments) = assigned.borrow_and_update().clone() else {
                continue;
            };
            if let Err(error) = self.apply(&assignments).await {
                let error = crate::failure::chain(&error);
                tracing::error!(%error, "assignments are not applied yet");
                tokio::time::sleep(AGAIN).await;
                assigned.mark_changed();
            }
        }
    }

    /// Makes what runs equal to what is assigned.
    pub async fn apply(&self, assignments: &Assignments) -> Result<(), JournalError> {
        let mut state = self.inner.state.lock().await;
        if state.closed {
            return Ok(());
        }
        // First the journal: a duty that was begun must survive us (I-08).
        self.inner.around.journal.keep_standing(assignments).await?;
        self.inner.instances.send_if_modified(|instances| {
            let changed = *instances != assignments.instances;
            instances.clone_from(&assignments.instances);
            changed
        });
        self.apply_duties(&mut state, &assignments.assignments)
            .await;
        self.apply_jobs(&assignments.assignments);
        Ok(())
    }

    async fn apply_duties(&self, state: &mut State, assigned: &[Assignment]) {
        let named = |id: &AssignmentId| assigned.iter().find(|one| one.id == *id);
        let mut ended = Vec::new();
        for (id, duty) in &state.duties {
            let goes_on = named(id).is_some_and(|one| match &one.work {
                // A lower generation is an older word than the one we follow.
                Work::ReceiveWal(_) if one.generation < duty.generation => true,
                Work::ReceiveWal(work) => one.generation == duty.generation && **work == duty.work,
                _ => false,
            });
            if !goes_on {
                ended.push(*id);
            }
        }
        let ending = ended.into_iter().filter_map(|id| {
            let duty = state.duties.remove(&id)?.duty;
            Some(self.end_duty(id, duty, named(&id).is_none()))
        });
        futures_util::future::join_all(ending).await;
        for one in assigned {
            let Work::ReceiveWal(work) = &one.work else {
                continue;
            };
            if state.duties.contains_key(&one.id) {
                continue;
            }
            tracing::info!(assignment.id = %one.id, cluster = %work.cluster, "WAL duty begins");
            let Surroundings { host, runner, .. } = &self.inner.around;
            let work = (**work).clone();
            let duty = runner.receive_wal(one.id, one.generation, work.clone(), host.clone());
            state.duties.insert(
                one.id,
                Duty {
                    generation: one.generation,
                    work,
                    duty,
                },
            );
        }
        self.publish_duties(state);
    }

    /// Without its duty, a slot would keep WAL until the volume is full; but
    /// dropping it cannot be undone, so it needs a proved quorum (I-04, I-15).
    async fn end_duty(&self, id: AssignmentId, duty: Box<dyn WalDuty>, unassigned: bool) {
        let session = *self.inner.around.host.session().borrow();
        let retires = unassigned && session.has_quorum_within(QUORUM_AGE);
        tracing::info!(assignment.id = %id, for_good = retires, "WAL duty ends");
        let ending = async {
            if retires {
                duty.retire().await
            } else {
                duty.stop().await;
                Ok(())
            }
        };
        match tokio::time::timeout(DUTY_ENDS_WITHIN, ending).await {
            Ok(Ok(())) => {}
            Ok(Err(failure)) => tracing::warn!("the replication slot stays: {failure}"),
            Err(_) => tracing::warn!(assignment.id = %id, "a WAL duty did not end in time"),
        }
    }

    fn publish_duties(&self, state: &State) {
        let reports = state.duties.iter().map(|(id, duty)| DutyReports {
            held: Held {
                assignment: *id,
                generation: duty.generation,
            },
            report: duty.duty.report(),
        });
        let reports: Vec<_> = reports.collect();
        self.inner.duties.send_if_modified(|known| {
            let same = |a: &DutyReports, b: &DutyReports| {
                a.held == b.held && a.report.same_channel(&b.report)
            };
            let changed = known.len() != reports.len()
                || !reports
                    .iter()
                    .all(|new| known.iter().any(|old| same(old, new)));
            *known = reports;
            changed
        });
    }

    fn apply_jobs(&self, assigned: &[Assignment]) {
        for (id, job) in &*self.jobs_locked() {
            let named = assigned.iter().find(|one| one.id == *id);
            // Not named, replaced by a later generation, or asked to end.
            let ends = named.is_none_or(|one| {
                one.generation > job.generation
                    || (one.generation == job.generation && one.cancel_requested)
            });
            if ends && !job.context.cancel().is_cancelled() {
                tracing::info!(assignment.id = %id, "job is told to end");
                job.context.cancel().cancel();
            }
        }
        for one in assigned {
            if !matches!(one.work, Work::ReceiveWal(_)) {
                self.begin(one);
            }
        }
    }

    /// Starts a job in a task of its own, which asks the journal first. A job
    /// of an earlier generation is told to end and awaited there.
    fn begin(&self, one: &Assignment) {
        let mut jobs = self.jobs_locked();
        let earlier = match jobs.get(&one.id) {
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
        let (executor, assignment, cx) = (self.clone(), one.clone(), context.clone());
        let ended = CancellationToken::new();
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
            job::run(assignment, cx, executor.inner.around.clone()).await;
            let mut jobs = executor.jobs_locked();
            if jobs
                .get(&held.assignment)
                .is_some_and(|job| job.generation == held.generation)
            {
                jobs.remove(&held.assignment);
            }
        });
        let abort = task.abort_handle();
        jobs.insert(
            one.id,
            Job {
                generation: one.generation,
                context,
                ended,
                abort,
            },
        );
    }

    /// Plans a restore.
    pub async fn plan(&self, request: PlanRequest) -> Result<RestorePlan, Failure> {
        let Surroundings { runner, host, .. } = &self.inner.around;
        runner.plan(request, host).await
    }

    /// The jobs that run now.
    pub fn jobs(&self) -> Vec<RunningJob> {
        let running = |(id, job): (&AssignmentId, &Job)| RunningJob {
            held: Held {
                assignment: *id,
                generation: job.generation,
            },
            context: job.context.clone(),
        };
        self.jobs_locked().iter().map(running).collect()
    }

    /// The duties that stand, and every change of them.
    pub fn duties(&self) -> watch::Receiver<Vec<DutyReports>> {
        self.inner.duties.subscribe()
    }

    /// The instances to be observed, and every change of them.
    pub fn instances(&self) -> watch::Receiver<Vec<ObservedInstance>> {
        self.inner.instances.subscribe()
    }

    /// Ends everything within `grace`: jobs are told to stop and recorded as
    /// interrupted, received WAL is stored. Assignments are not applied any
    /// more; standing duties stay in the journal.
    pub async fn stop(&self, grace: Duration) {
        let deadline = tokio::time::Instant::now() + grace;
        self.inner.around.ending.cancel();
        let duties = async {
            let mut state = self.inner.state.lock().await;
            state.closed = true;
            let duties = std::mem::take(&mut state.duties);
            let stopping = duties.into_values().map(|duty| duty.duty.stop());
            futures_util::future::join_all(stopping).await;
        };
        let (_, ended) = tokio::join!(
            self.stop_jobs(deadline),
            tokio::time::timeout_at(deadline, duties)
        );
        if ended.is_err() {
            tracing::warn!("a WAL duty did not end in time; it goes on where it left off");
        }
    }

    async fn stop_jobs(&self, deadline: tokio::time::Instant) {
        let tell = |(id, job): (&AssignmentId, &Job)| {
            job.context.cancel().cancel();
            let held = Held {
                assignment: *id,
                generation: job.generation,
            };
            (held, job.ended.clone(), job.abort.clone())
        };
        let told: Vec<_> = self.jobs_locked().iter().map(tell).collect();
        let ending = told.into_iter().map(|(held, ended, abort)| async move {
            if tokio::time::timeout_at(deadline, ended.cancelled())
                .await
                .is_ok()
            {
                return;
            }
            abort.abort();
            tracing::warn!(assignment.id = %held.assignment, "a job did not end in time");
            let outcome = JobOutcome::Interrupted(job::agent_ended());
            let log = vec!["it did not end in time".to_owned()];
            if let Err(error) = self.inner.around.journal.finish(held, outcome, log).await {
                // The next start finds it running and reports it all the same.
                tracing::warn!(error = %crate::failure::chain(&error), "not journaled");
            }
        });
        futures_util::future::join_all(ending).await;
    }

    fn jobs_locked(&self) -> std::sync::MutexGuard<'_, HashMap<AssignmentId, Job>> {
        self.inner
            .jobs
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Executor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let jobs = self.jobs_locked().len();
        f.debug_struct("Executor")
            .field("jobs", &jobs)
            .finish_non_exhaustive()
    }
}
