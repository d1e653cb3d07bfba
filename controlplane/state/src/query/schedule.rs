//! Schedules: marks, runs, and what the queue knows of their jobs.

use std::collections::BTreeMap;

use holdfast_types::access::Visible;
use holdfast_types::schedule::{RunId, RunReason, RunState, Unfinished};
use holdfast_types::{JobId, JobState, Name, Span};
use jiff::Timestamp;
use sea_orm::{
    ColumnTrait, ConnectionTrait, DatabaseConnection, EntityTrait, QueryFilter, Statement,
};

use super::page::{Page, PageRequest, newest_first};
use super::scope::seen;
use crate::column::{Moment, Text};
use crate::command::Mark;
use crate::entity::{job_queue, runs as rows, schedule_marks};
use crate::lookup::Lookup;
pub use crate::schedules::Basis as ScheduleBasis;
use crate::schedules::{LEVEL, basis, open_runs, unfinished};
use crate::{StateError, schema};

/// What became of a due time, or of a range of them.
#[derive(Debug, Clone, PartialEq)]
pub struct RunView {
    /// Its identity; of a range that of the first.
    pub id: RunId,
    /// The last due time of a range; otherwise its own.
    pub last: Timestamp,
    /// How many due times it stands for.
    pub count: u64,
    /// What became of it.
    pub state: RunState,
    /// Whether it makes up for a time at which nobody could serve it.
    pub late: bool,
    /// Why it did not run.
    pub reason: Option<RunReason>,
    /// Its job.
    pub job: Option<JobId>,
    /// When that was decided.
    pub decided_at: Timestamp,
}

impl From<rows::Model> for RunView {
    fn from(row: rows::Model) -> Self {
        Self {
            id: row.id.0,
            last: row.last.0,
            count: row.count.0,
            state: row.state.0,
            late: row.late.0,
            reason: row.reason.map(|reason| reason.0),
            job: row.job.map(|job| job.0),
            decided_at: row.decided_at.0,
        }
    }
}

/// Which runs are wanted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RunFilter {
    /// Of this cluster.
    pub cluster: Option<Name>,
    /// Of this schedule.
    pub schedule: Option<Name>,
    /// In this state.
    pub state: Option<RunState>,
    /// Of clusters that are seen.
    pub visible: Visible,
}

/// Runs, those that were due last first; none below feature level 3.
pub async fn runs(
    conn: &DatabaseConnection,
    filter: &RunFilter,
    request: &PageRequest,
) -> Result<Page<RunView>, StateError> {
    use rows::{Column, Entity};
    let before = request.key::<(Timestamp, RunId)>()?;
    let before = before.map(|(due, id)| (Moment(due).into(), Text(id).into()));
    if schema::version(conn).await? < LEVEL {
        let (items, next_cursor) = (Vec::new(), None);
        return Ok(Page { items, next_cursor });
    }
    let mut select = Entity::find();
    if let Some(cluster) = &filter.cluster {
        select = select.filter(Column::Cluster.eq(cluster.as_str()));
    }
    if let Some(schedule) = &filter.schedule {
        select = select.filter(Column::Schedule.eq(schedule.as_str()));
    }
    if let Some(state) = filter.state {
        select = select.filter(Column::State.eq(Text(state)));
    }
    if let Some(seen) = seen("runs.cluster", &filter.visible) {
        select = select.filter(seen);
    }
    let limit = request.limit() as u64 + 1;
    let found = newest_first(select, (Column::Due, Column::Id), before, limit);
    let page = Page::cut(found.all(conn).await?, request, |row| {
        (row.due.0, row.id.0.clone())
    });
    Ok(page.map(RunView::from))
}

/// What the schedules in force follow from; `None` below feature level 3.
pub async fn schedule_basis(
    conn: &DatabaseConnection,
) -> Result<Option<ScheduleBasis>, StateError> {
    basis(conn).await
}

/// Every mark, by cluster and schedule.
pub async fn schedule_marks(
    conn: &DatabaseConnection,
) -> Result<BTreeMap<(Name, Name), Mark>, StateError> {
    let found = schedule_marks::Entity::find().all(conn).await?;
    let mark = |row: schedule_marks::Model| {
        let (anchor, until) = (row.anchor, row.until.0);
        ((row.cluster.0, row.schedule.0), Mark { anchor, until })
    };
    Ok(found.into_iter().map(mark).collect())
}

/// The runs of a schedule that are not over.
pub async fn unfinished_runs(
    conn: &DatabaseConnection,
    cluster: &Name,
    schedule: &Name,
) -> Result<Unfinished, StateError> {
    Ok(unfinished(&open_runs(conn, cluster, schedule).await?))
}

/// The mark of one schedule of a cluster; `None` below feature level 3.
pub async fn schedule_mark(
    conn: &DatabaseConnection,
    cluster: &Name,
    schedule: &Name,
) -> Result<Option<Mark>, StateError> {
    if schema::version(conn).await? < LEVEL {
        return Ok(None);
    }
    let key = (Text(cluster.clone()), Text(schedule.clone()));
    let found = schedule_marks::Entity::find_by_id(key).only(conn).await?;
    Ok(found.map(|row| Mark {
        anchor: row.anchor,
        until: row.until.0,
    }))
}

/// A run of a schedule that is not over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenRunView {
    /// When it was due.
    pub due: Timestamp,
    /// Whether an agent was ever given it.
    pub begun: bool,
    /// Not to be given out before this.
    pub not_before: Option<Timestamp>,
    /// Not to be given out first after this.
    pub latest: Option<Timestamp>,
}

/// The runs of a schedule that are not over, by due time; none below feature
/// level 3.
pub async fn open_runs_of(
    conn: &DatabaseConnection,
    cluster: &Name,
    schedule: &Name,
) -> Result<Vec<OpenRunView>, StateError> {
    if schema::version(conn).await? < LEVEL {
        return Ok(Vec::new());
    }
    let open = open_runs(conn, cluster, schedule).await?;
    let view = |run: crate::schedules::OpenRun| OpenRunView {
        due: run.queued.due.0,
        begun: run.has_begun(),
        not_before: run.job.not_before.map(|at| at.0),
        latest: run.queued.latest.map(|at| at.0),
    };
    Ok(open.into_iter().map(view).collect())
}

/// What the queue knows of the job of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueuedRun {
    /// The run.
    pub run: RunId,
    /// Higher goes first.
    pub priority: i32,
    /// Not to be given out first after this.
    pub latest: Option<Timestamp>,
    /// An attempt without progress for this long has failed.
    pub idle_timeout: Span,
}

/// The jobs of runs that are not over; none below feature level 3.
pub async fn job_queue(
    conn: &DatabaseConnection,
) -> Result<BTreeMap<JobId, QueuedRun>, StateError> {
    if schema::version(conn).await? < LEVEL {
        return Ok(BTreeMap::new());
    }
    let found = job_queue::Entity::find().all(conn).await?;
    let entry = |row: job_queue::Model| {
        let run = QueuedRun {
            run: row.run.0,
            priority: row.priority.0,
            latest: row.latest.map(|latest| latest.0),
            idle_timeout: Span::from_millis(row.idle_timeout_ms.0),
        };
        (row.job.0, run)
    };
    Ok(found.into_iter().map(entry).collect())
}

/// The jobs of runs that have not begun by their latest start.
pub async fn late_runs(
    conn: &DatabaseConnection,
    now: Timestamp,
    limit: u64,
) -> Result<Vec<JobId>, StateError> {
    let sql = "SELECT q.job FROM job_queue q JOIN jobs j ON j.id = q.job \
               WHERE q.latest < ? AND j.state = ? AND j.attempts = 0 ORDER BY q.latest LIMIT ?";
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let values = [
        Moment(now).into(),
        Text(JobState::Queued).into(),
        limit.into(),
    ];
    let backend = conn.get_database_backend();
    let found = conn
        .query_all_raw(Statement::from_sql_and_values(backend, sql, values))
        .await?;
    let job = |row: sea_orm::QueryResult| row.try_get_by_index::<Text<JobId>>(0);
    let jobs: Result<Vec<_>, sea_orm::DbErr> = found.into_iter().map(job).collect();
    Ok(jobs?.into_iter().map(|job| job.0).collect())
}
