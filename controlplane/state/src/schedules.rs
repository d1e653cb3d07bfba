//! Runs of schedules: what every command that touches one shares.
//!
//! Nothing here is called below feature level 3, where its tables begin.

use holdfast_types::schedule::{RunId, RunReason, RunState, Unfinished};
use holdfast_types::{JobId, JobState, Name};
use jiff::Timestamp;
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder};
use serde::{Deserialize, Serialize};

use crate::column::{Json, Moment, Text};
use crate::context::ApplyContext;
use crate::entity::{job_queue, jobs, runs};
use crate::{StateError, meta, row};

/// The feature level from which on there are schedules.
pub(crate) const LEVEL: u32 = 3;

const BASIS: &str = "schedules";

/// What the schedules in force follow from, and when that changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Basis {
    /// The revision of the last change of a policy or a cluster.
    pub revision: u64,
    /// When a policy changed or was deleted last. A schedule of a cluster that
    /// is not known yet came about then, or when the cluster changed.
    pub policies_at: Timestamp,
}

/// What the schedules in force follow from; `None` below level 3.
pub(crate) async fn basis(conn: &impl ConnectionTrait) -> Result<Option<Basis>, StateError> {
    let Some(bytes) = meta::read(conn, BASIS).await? else {
        return Ok(None);
    };
    let read = serde_json::from_slice(&bytes);
    read.map(Some)
        .map_err(|_| StateError::corrupt("what schedules follow from is unreadable"))
}

/// Notes that schedules may be others from now on.
pub(crate) async fn touched(cx: &ApplyContext<'_>, policies: bool) -> Result<(), StateError> {
    let known = basis(cx.tx()).await?.map(|basis| basis.policies_at);
    let basis = Basis {
        revision: cx.index(),
        policies_at: known.filter(|_| !policies).unwrap_or(cx.now()),
    };
    let bytes = serde_json::to_vec(&basis).expect("it is JSON with text keys");
    meta::write(cx.tx(), BASIS, &bytes).await
}

/// A run of a schedule that is not over, with its job.
#[derive(Debug)]
pub(crate) struct OpenRun {
    pub(crate) queued: job_queue::Model,
    pub(crate) job: jobs::Model,
}

impl OpenRun {
    /// Whether an agent was ever given it.
    pub(crate) fn has_begun(&self) -> bool {
        self.job.attempts.0 > 0
    }
}

/// The runs of a schedule that are not over, by due time.
pub(crate) async fn open_runs(
    conn: &impl ConnectionTrait,
    cluster: &Name,
    schedule: &Name,
) -> Result<Vec<OpenRun>, StateError> {
    let found = job_queue::Entity::find()
        .filter(job_queue::Column::Cluster.eq(cluster.as_str()))
        .filter(job_queue::Column::Schedule.eq(schedule.as_str()))
        .order_by_asc(job_queue::Column::Due)
        .all(conn)
        .await?;
    let mut open = Vec::with_capacity(found.len());
    for queued in found {
        let job = row::read::<jobs::Entity>(conn, queued.job).await?;
        let missing = || StateError::corrupt(format!("{} is queued and no job", queued.job.0));
        let job = job.ok_or_else(missing)?;
        open.push(OpenRun { queued, job });
    }
    Ok(open)
}

/// What the overlap of a schedule is decided by.
pub(crate) fn unfinished(open: &[OpenRun]) -> Unfinished {
    let last = |begun: bool| {
        let of_it = open.iter().filter(|run| run.has_begun() == begun);
        of_it.map(|run| run.queued.due.0).max()
    };
    Unfinished {
        running: last(true),
        waiting: last(false),
    }
}

/// What the queue knows of a job; `None` for one that is of no run.
pub(crate) async fn queued(
    conn: &impl ConnectionTrait,
    job: JobId,
) -> Result<Option<job_queue::Model>, StateError> {
    Ok(row::read::<job_queue::Entity>(conn, Text(job)).await?)
}

/// Settles a run that was due: it is that from now on, and for this reason.
/// What is settled already stays as it is.
pub(crate) async fn settle(
    cx: &mut ApplyContext<'_>,
    run: &RunId,
    state: RunState,
    reason: Option<RunReason>,
) -> Result<(), StateError> {
    let key = Text(run.clone());
    let Some(row) = row::read::<runs::Entity>(cx.tx(), key).await? else {
        return Ok(());
    };
    if row.state.0 != RunState::Due {
        return Ok(());
    }
    cx.put(runs::Model {
        state: Text(state),
        reason: reason.map(Json),
        decided_at: Moment(cx.now()),
        revision: cx.revision().into(),
        ..row
    })
    .await?;
    cx.changed("runs", run);
    Ok(())
}

/// Notes that an agent was given a job: if it is a run's, that ran.
pub(crate) async fn job_begun(cx: &mut ApplyContext<'_>, job: JobId) -> Result<(), StateError> {
    if !cx.has_level(LEVEL).await? {
        return Ok(());
    }
    if let Some(queued) = queued(cx.tx(), job).await? {
        settle(cx, &queued.run.0, RunState::Ran, None).await?;
    }
    Ok(())
}

/// Notes that a job is over: the queue forgets it, and a run that no agent
/// was ever given is accounted for.
pub(crate) async fn job_ended(
    cx: &mut ApplyContext<'_>,
    job: JobId,
    state: JobState,
) -> Result<(), StateError> {
    if !state.is_terminal() || !cx.has_level(LEVEL).await? {
        return Ok(());
    }
    let Some(queued) = queued(cx.tx(), job).await? else {
        return Ok(());
    };
    // A job ends without having begun only when it is cancelled, or by a
    // command that has settled its run before.
    let reason = Some(RunReason::Cancelled);
    settle(cx, &queued.run.0, RunState::Skipped, reason).await?;
    job_queue::Entity::delete_by_id(queued.job)
        .exec(cx.tx())
        .await?;
    Ok(())
}
