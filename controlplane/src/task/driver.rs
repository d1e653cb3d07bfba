//! Runs tasks: on their period, on a wake-up, and on nobody but the leader.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use holdfast_consensus::Notice;
use holdfast_state::{Effect, TaskName};
use tokio::sync::Notify;
use tokio::sync::broadcast::error::RecvError;
use tokio::task::JoinSet;
use tracing::Instrument;

use super::{
    agents, copies, dispatch, duties, expiry, gaps, idle, members, pins, prune, scans, schedules,
    signs, state_snapshots,
};
use crate::app::App;
use crate::app::error::Result;
use crate::peer;
use crate::session::{LOST_AFTER, mirror};

/// The longest rest of a task that has worked.
const REST_MOST: Duration = Duration::from_millis(500);

/// A reconciler.
pub(super) trait Task: Send + Sync + 'static {
    /// For the log.
    const NAME: &'static str;
    /// How often it runs unasked.
    const PERIOD: Duration;
    /// Whether it judges who is alive: then a new leader, which knows no
    /// liveness yet, waits a full liveness period before it runs.
    const JUDGES_LIVENESS: bool = false;

    /// Does what there is to do now. Returns how much it did.
    fn activate(&self, app: &App) -> impl Future<Output = Result<u64>> + Send;
}

/// Starts every task. They end with the app.
pub fn spawn_all(app: &Arc<App>) -> JoinSet<()> {
    let mut all = JoinSet::new();
    let (dispatch, duties) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (members, calendar) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let snapshots = Arc::new(Notify::new());
    let (compare, expire) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let copying = Arc::new(Notify::new());
    let unasked = || Arc::new(Notify::new());
    all.spawn(run(app.clone(), dispatch::Dispatch, dispatch.clone()));
    all.spawn(run(app.clone(), duties::Duties, duties.clone()));
    all.spawn(run(app.clone(), agents::LostJobs, unasked()));
    all.spawn(run(app.clone(), idle::IdleJobs::default(), unasked()));
    let schedules = schedules::Schedules::default();
    all.spawn(run(app.clone(), schedules, calendar.clone()));
    all.spawn(run(app.clone(), scans::Scans, compare.clone()));
    all.spawn(run(app.clone(), copies::Copies, copying.clone()));
    all.spawn(run(app.clone(), pins::Pins, unasked()));
    let expiry = expiry::Expiry::default();
    all.spawn(run(app.clone(), expiry, expire.clone()));
    all.spawn(run(app.clone(), gaps::Gaps, unasked()));
    all.spawn(run(app.clone(), signs::Signs, unasked()));
    all.spawn(run(app.clone(), prune::Prune, unasked()));
    let task = state_snapshots::StateSnapshots::default();
    all.spawn(run(app.clone(), task, snapshots.clone()));
    all.spawn(run(
        app.clone(),
        members::Members::default(),
        members.clone(),
    ));
    all.spawn(agents::drop_silent(app.clone()));
    all.spawn(mirror::follow(app.clone()));
    all.spawn(peer::announce(app.clone()));
    let wake = move |task: TaskName| match task {
        TaskName::Copies => copying.notify_one(),
        TaskName::Dispatch => dispatch.notify_one(),
        TaskName::Duties => duties.notify_one(),
        TaskName::Expiry => expire.notify_one(),
        TaskName::Members => members.notify_one(),
        TaskName::Schedules => calendar.notify_one(),
        TaskName::Scans => compare.notify_one(),
        TaskName::StateSnapshots => snapshots.notify_one(),
        // Exposure is judged when somebody asks.
        TaskName::Exposure => {}
    };
    all.spawn(follow_effects(app.clone(), wake));
    all
}

async fn run<T: Task>(app: Arc<App>, task: T, wake: Arc<Notify>) {
    let mut led_since: Option<Instant> = None;
    loop {
        tokio::select! {
            () = app.stop.cancelled() => return,
            () = wake.notified() => {},
            () = tokio::time::sleep(T::PERIOD) => {},
        }
        if !app.node.is_leader() {
            led_since = None;
            continue;
        }
        let since = *led_since.get_or_insert_with(Instant::now);
        if T::JUDGES_LIVENESS && since.elapsed() < LOST_AFTER {
            continue;
        }
        let span = tracing::info_span!("task", task = T::NAME);
        let began = Instant::now();
        match task.activate(&app).instrument(span.clone()).await {
            Ok(0) => {}
            Ok(done) => span.in_scope(|| tracing::debug!(done, "the task did its work")),
            Err(error) => span.in_scope(|| {
                tracing::warn!("the task failed, its next run tries again: {error}");
            }),
        }
        // Woken again and again, a task works half of the time at most: what
        // gathers meanwhile it does in one go.
        tokio::select! {
            () = app.stop.cancelled() => return,
            () = tokio::time::sleep(began.elapsed().min(REST_MOST)) => {},
        }
    }
}

/// Wakes tasks, sessions and watchers as commands are applied.
async fn follow_effects(app: Arc<App>, wake: impl Fn(TaskName) + Send + 'static) {
    let mut notices = app.node.effects();
    let wake_everything = || {
        wake(TaskName::Copies);
        wake(TaskName::Dispatch);
        wake(TaskName::Duties);
        wake(TaskName::Expiry);
        wake(TaskName::Members);
        wake(TaskName::Schedules);
        wake(TaskName::Scans);
        wake(TaskName::StateSnapshots);
        app.declared.forget_all();
        app.sessions.wake_all();
    };
    loop {
        let notice = tokio::select! {
            () = app.stop.cancelled() => return,
            notice = notices.recv() => notice,
        };
        match notice {
            Ok(Notice::Applied { effects, .. }) => {
                // All is forgotten before anybody is woken to look.
                for effect in effects.iter() {
                    app.declared.heed(effect);
                }
                for effect in effects.iter() {
                    if let Effect::Activate(task) = effect {
                        wake(*task);
                    }
                    app.spread(effect);
                }
            }
            // What was missed is unknown: everything looks again.
            Ok(Notice::Replaced { .. }) | Err(RecvError::Lagged(_)) => wake_everything(),
            Err(RecvError::Closed) => return,
        }
    }
}
