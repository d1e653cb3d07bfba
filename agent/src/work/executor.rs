//! What is assigned against what runs.

use std::sync::Arc;
use std::time::Duration;

use holdfast_proto::{
    Assignment, Assignments, Held, ObservedInstance, PlanRequest, StandingOrders,
};
use holdfast_types::{Failure, RestorePlan};
use tokio::sync::{Mutex, watch};
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use super::Runner;
use super::duties::{Duties, DutyReports};
use super::job::Surroundings;
use super::jobs::{Jobs, RunningJob};
use super::slots::Slots;
use crate::host::Host;
use crate::journal::{Journal, JournalError};

/// How soon what could not be done is tried again, and what waits for a
/// confirmation is looked at.
const AGAIN: Duration = Duration::from_secs(1);

/// Executes assignments. Cheap to clone.
#[derive(Clone)]
pub struct Executor {
    inner: Arc<Inner>,
}

struct Inner {
    around: Surroundings,
    /// Held while assignments are applied: one set after the other.
    state: Mutex<State>,
    jobs: Jobs,
    assigned: watch::Sender<Option<Arc<Assignments>>>,
    duties: watch::Sender<Vec<DutyReports>>,
    instances: watch::Sender<Vec<ObservedInstance>>,
    orders: watch::Sender<Vec<StandingOrders>>,
}

#[derive(Default)]
struct State {
    duties: Duties,
    slots: Slots,
    closed: bool,
}

impl Executor {
    /// An executor that runs nothing yet.
    pub fn new(host: Host, journal: Journal, runner: Arc<dyn Runner>) -> Self {
        let ending = CancellationToken::new();
        let inner = Inner {
            around: Surroundings {
                host,
                journal,
                runner,
                ending,
            },
            state: Mutex::default(),
            jobs: Jobs::default(),
            assigned: watch::Sender::new(None),
            duties: watch::Sender::new(Vec::new()),
            instances: watch::Sender::new(Vec::new()),
            orders: watch::Sender::new(Vec::new()),
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
        self.inner.instances.send_replace(standing.instances);
        self.inner.orders.send_replace(standing.orders);
        state
            .duties
            .follow(&standing.assignments, &self.inner.around)
            .await;
        let around = &self.inner.around;
        // A set of the same shape as one that is assigned.
        let standing = Assignments {
            assignments: standing.assignments,
            slots: standing.slots,
            ..Assignments::default()
        };
        state.slots.follow(&standing, around).await;
        self.publish(&state);
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
            let waits = self.waits_for_confirmation().await;
            tokio::select! {
                () = stop.cancelled() => return,
                Ok(()) = assigned.changed() => {}
                () = tokio::time::sleep(AGAIN), if waits => {}
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

    async fn waits_for_confirmation(&self) -> bool {
        if self.inner.jobs.any_unwanted() {
            return true;
        }
        let state = self.inner.state.lock().await;
        state.duties.any_unwanted() || state.slots.any_unwanted()
    }

    /// Makes what runs equal to what is assigned. Doing it again changes
    /// nothing, but for what has been confirmed meanwhile.
    async fn apply(&self, assignments: &Assignments) -> Result<(), JournalError> {
        let Inner {
            around,
            jobs,
            instances,
            orders,
            ..
        } = &*self.inner;
        let mut state = self.inner.state.lock().await;
        if state.closed {
            return Ok(());
        }
        let assigned = assignments.assignments.as_slice();
        // First the journal: a duty that was begun must survive us (I-08).
        keep(&around.journal, &state, assignments).await?;
        orders.send_if_modified(|orders| {
            let changed = *orders != assignments.orders;
            orders.clone_from(&assignments.orders);
            changed
        });
        instances.send_if_modified(|instances| {
            let changed = *instances != assignments.instances;
            instances.clone_from(&assignments.instances);
            changed
        });
        // First: a slot that a duty takes over is let go of.
        state.slots.follow(assignments, around).await;
        state.duties.follow(assigned, around).await;
        jobs.follow(assigned, around);
        let session = *around.host.session().borrow();
        jobs.end_unwanted(session);
        let ended = state.duties.retire(session, assignments).await;
        let retired = state.slots.retire(session, assignments).await || ended;
        self.publish(&state);
        if retired {
            // Only now: had we died before, the slot would have been dropped
            // by the next process.
            keep(&around.journal, &state, assignments).await?;
        }
        Ok(())
    }

    fn publish(&self, state: &State) {
        let reports = state.duties.reports();
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

    /// Plans a restore.
    pub async fn plan(&self, request: PlanRequest) -> Result<RestorePlan, Failure> {
        let Surroundings { runner, host, .. } = &self.inner.around;
        runner.plan(request, host).await
    }

    /// The jobs that run now.
    pub fn jobs(&self) -> Vec<RunningJob> {
        self.inner.jobs.list()
    }

    /// The duties that stand, and every change of them.
    pub fn duties(&self) -> watch::Receiver<Vec<DutyReports>> {
        self.inner.duties.subscribe()
    }

    /// What is to be done while no quorum can be reached.
    pub fn orders(&self) -> Vec<StandingOrders> {
        self.inner.orders.borrow().clone()
    }

    /// Runs a job that the agent gave itself, and that the journal knows as
    /// begun.
    pub(crate) fn begin_own(&self, assignment: &Assignment) {
        self.inner.jobs.begin_own(assignment, &self.inner.around);
    }

    /// Tells a job to end.
    pub(crate) fn cancel(&self, held: Held) {
        self.inner.jobs.cancel(held);
    }

    /// The instances to be observed, and every change of them.
    pub fn instances(&self) -> watch::Receiver<Vec<ObservedInstance>> {
        self.inner.instances.subscribe()
    }

    /// Ends everything within `grace`: jobs are told to stop and recorded as
    /// interrupted, received WAL is stored. Assignments are not applied any
    /// more; standing duties stay in the journal.
    pub async fn stop(&self, grace: Duration) {
        let Inner {
            around,
            jobs,
            state,
            ..
        } = &*self.inner;
        let deadline = Instant::now() + grace;
        around.ending.cancel();
        let duties = async {
            let mut state = state.lock().await;
            state.closed = true;
            let State { duties, slots, .. } = &mut *state;
            tokio::join!(duties.stop(), slots.stop());
        };
        let (_, ended) = tokio::join!(jobs.stop(deadline, around), timeout_at(deadline, duties));
        if ended.is_err() {
            tracing::warn!("a WAL duty did not end in time; it goes on where it left off");
        }
    }
}

async fn keep(
    journal: &Journal,
    state: &State,
    followed: &Assignments,
) -> Result<(), JournalError> {
    let kept = Assignments {
        assignments: state.duties.kept(&followed.assignments),
        instances: followed.instances.clone(),
        orders: followed.orders.clone(),
        kept_slots: Vec::new(),
        slots: state.slots.kept(&followed.slots),
    };
    journal.keep_standing(&kept).await
}

impl std::fmt::Debug for Executor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Executor")
            .field("jobs", &self.jobs())
            .finish_non_exhaustive()
    }
}
