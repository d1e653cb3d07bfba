//! Schedules: what became of their due times, and what comes next.

use holdfast_state::query::{self, Page, PageRequest, RunFilter};
use holdfast_types::access::Permission;
use holdfast_types::schedule::{NextRun, PREVIEW_MAX, RunId, RunReason, RunState, Timetable};
use holdfast_types::{JobId, Name};
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::App;
use super::caller::Caller;
use super::error::{AppError, Result};

/// What became of a due time.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Run)]
pub struct RunView {
    /// Its identity; of a range that of the first.
    #[schema(value_type = String, example = "orders.weekly-full.2026-07-25T02_00_00Z")]
    pub id: RunId,
    /// Of which cluster.
    #[schema(value_type = String)]
    pub cluster: Name,
    /// Of which schedule.
    #[schema(value_type = String)]
    pub schedule: Name,
    /// When it was due.
    pub due: Timestamp,
    /// The last due time where this stands for a range of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last: Option<Timestamp>,
    /// How many due times it stands for.
    pub count: u64,
    /// What became of it.
    pub state: RunState,
    /// Whether it makes up for a time at which nobody could serve it.
    pub late: bool,
    /// Why it did not run.
    pub reason: Option<RunReason>,
    /// The same in words.
    pub message: Option<String>,
    /// Its job.
    #[schema(value_type = Option<String>)]
    pub job: Option<JobId>,
    /// When that was decided.
    pub decided_at: Timestamp,
    /// The agent that followed the schedule on its own then, and reported this
    /// when it was back.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub offline_agent: Option<Name>,
    /// What was on record until that agent reported, where it differed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<BeforeView>,
}

/// What was on record of a due time before its agent reported.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = RunBefore)]
pub struct BeforeView {
    /// What was to become of it.
    pub state: RunState,
    /// Why.
    pub reason: Option<RunReason>,
}

impl From<query::RunView> for RunView {
    fn from(run: query::RunView) -> Self {
        Self {
            cluster: run.id.cluster().clone(),
            schedule: run.id.schedule().clone(),
            due: run.id.due(),
            last: (run.count > 1).then_some(run.last),
            count: run.count,
            state: run.state,
            late: run.late,
            message: run.reason.map(|reason| reason.to_string()),
            reason: run.reason,
            job: run.job,
            decided_at: run.decided_at,
            offline_agent: None,
            before: None,
            id: run.id,
        }
    }
}

impl App {
    /// One page of runs, those that were due last first.
    pub async fn runs(
        &self,
        by: &Caller,
        filter: &RunFilter,
        page: &PageRequest,
    ) -> Result<Page<RunView>> {
        let view = self.read(by).await?;
        let filter = RunFilter {
            visible: self.visible(&view, by, Permission::JobsRead).await?,
            ..filter.clone()
        };
        let found = query::runs(view.connection(), &filter, page).await?;
        let ids = found.items.iter().map(|run| &run.id);
        let mut offline = query::offline_runs(view.connection(), ids).await?;
        Ok(found.map(|run| {
            let told = offline.remove(&run.id);
            let before = told.as_ref().and_then(|told| told.before);
            RunView {
                before: before.map(|(state, reason)| BeforeView { state, reason }),
                offline_agent: told.map(|told| told.agent),
                ..RunView::from(run)
            }
        }))
    }

    /// The next runs of a cluster, of all schedules of the policy in force.
    pub async fn next_runs(
        &self,
        by: &Caller,
        cluster: &Name,
        count: usize,
    ) -> Result<Vec<NextRun>> {
        if !(1..=PREVIEW_MAX).contains(&count) {
            let message = format!("a preview has 1 to {PREVIEW_MAX} runs");
            return Err(AppError::invalid("n", message));
        }
        let view = self.read(by).await?;
        self.demand_at(&view, by, Permission::ClustersRead, cluster)
            .await?;
        self.cluster(&view, cluster).await?;
        let policy = query::effective_policy(view.connection(), cluster).await?;
        let Some((_, policy)) = policy else {
            return Ok(Vec::new());
        };
        let now = Timestamp::now();
        let mut next = Vec::new();
        for schedule in &policy.schedules {
            let timetable = Timetable::new(cluster, schedule).map_err(AppError::internal)?;
            next.extend(timetable.next_runs(now, count));
        }
        next.sort_by(|one, other| one.due.cmp(&other.due).then(one.run.cmp(&other.run)));
        next.truncate(count);
        Ok(next)
    }
}
