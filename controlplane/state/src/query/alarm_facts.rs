//! What alarms are raised for that rows alone show: runs that were missed or are not
//! begun, and jobs that failed.

use holdfast_types::schedule::{RunReason, RunState};
use holdfast_types::{Failure, JobId, JobKind, JobState, Name};
use jiff::Timestamp;
use sea_orm::{ConnectionTrait, DatabaseConnection, QueryResult, Statement, Value};

use crate::column::{Json, Moment, Text};
use crate::schedules::LEVEL;
use crate::{StateError, schema};

/// A schedule of a cluster whose last run was missed.
#[derive(Debug, Clone, PartialEq)]
pub struct MissedRun {
    /// The cluster.
    pub cluster: Name,
    /// Its schedule.
    pub schedule: Name,
    /// When it was due, the last time of several.
    pub due: Timestamp,
    /// Why it was missed.
    pub reason: Option<RunReason>,
}

/// A run whose job nobody has begun.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitingRun {
    /// The cluster.
    pub cluster: Name,
    /// Its schedule.
    pub schedule: Name,
    /// When it was due.
    pub due: Timestamp,
    /// Its job.
    pub job: JobId,
}

/// A job that failed and that none of its kind followed which succeeded.
#[derive(Debug, Clone, PartialEq)]
pub struct FailedJob {
    /// The job.
    pub job: JobId,
    /// What it was to do.
    pub kind: JobKind,
    /// To which cluster.
    pub cluster: Name,
    /// When it ended.
    pub finished_at: Timestamp,
    /// Why it failed.
    pub failure: Option<Failure>,
}

async fn rows(
    conn: &DatabaseConnection,
    sql: &str,
    values: Vec<Value>,
) -> Result<Vec<QueryResult>, StateError> {
    let statement = Statement::from_sql_and_values(conn.get_database_backend(), sql, values);
    Ok(conn.query_all_raw(statement).await?)
}

/// The schedules whose last run that was decided on was missed, of clusters that are
/// looked after.
pub async fn missed_runs(conn: &DatabaseConnection) -> Result<Vec<MissedRun>, StateError> {
    if schema::version(conn).await? < LEVEL {
        return Ok(Vec::new());
    }
    // A schedule that is there no more has no mark, and nobody misses it.
    let sql = "SELECT r.cluster, r.schedule, r.last, r.reason FROM schedule_marks m \
               JOIN runs r ON r.cluster = m.cluster AND r.schedule = m.schedule AND r.id = \
               (SELECT l.id FROM runs l WHERE l.cluster = m.cluster AND l.schedule = m.schedule \
                AND l.state IN (?1, ?2) ORDER BY l.due DESC, l.id DESC LIMIT 1) \
               WHERE r.state = ?2 ORDER BY r.cluster, r.schedule";
    let values = vec![Text(RunState::Ran).into(), Text(RunState::Missed).into()];
    let mut missed = Vec::new();
    for row in rows(conn, sql, values).await? {
        let reason: Option<Json<RunReason>> = row.try_get_by_index(3)?;
        missed.push(MissedRun {
            cluster: row.try_get_by_index::<Text<Name>>(0)?.0,
            schedule: row.try_get_by_index::<Text<Name>>(1)?.0,
            due: row.try_get_by_index::<Moment>(2)?.0,
            reason: reason.map(|reason| reason.0),
        });
    }
    Ok(missed)
}

/// The runs that were due before `since` and that no agent was given yet; of each
/// schedule the first.
pub async fn waiting_runs(
    conn: &DatabaseConnection,
    since: Timestamp,
) -> Result<Vec<WaitingRun>, StateError> {
    if schema::version(conn).await? < LEVEL {
        return Ok(Vec::new());
    }
    let sql = "SELECT q.cluster, q.schedule, q.due, q.job FROM job_queue q \
               JOIN jobs j ON j.id = q.job WHERE j.state = ? AND j.attempts = 0 AND q.due < ? \
               ORDER BY q.cluster, q.schedule, q.due";
    let values = vec![Text(JobState::Queued).into(), Moment(since).into()];
    let mut waiting: Vec<WaitingRun> = Vec::new();
    for row in rows(conn, sql, values).await? {
        let run = WaitingRun {
            cluster: row.try_get_by_index::<Text<Name>>(0)?.0,
            schedule: row.try_get_by_index::<Text<Name>>(1)?.0,
            due: row.try_get_by_index::<Moment>(2)?.0,
            job: row.try_get_by_index::<Text<JobId>>(3)?.0,
        };
        let same =
            |last: &WaitingRun| (&last.cluster, &last.schedule) == (&run.cluster, &run.schedule);
        if !waiting.last().is_some_and(same) {
            waiting.push(run);
        }
    }
    Ok(waiting)
}

/// The last job of each cluster and kind that came to an end of its own, where that
/// failed after `since`.
pub async fn failed_jobs(
    conn: &DatabaseConnection,
    since: Timestamp,
) -> Result<Vec<FailedJob>, StateError> {
    let sql = "SELECT j.id, j.kind, j.cluster, j.finished_at, j.failure FROM jobs j \
               WHERE j.state = ?1 AND j.created_at >= ?2 AND NOT EXISTS \
               (SELECT 1 FROM jobs l WHERE l.cluster = j.cluster AND l.kind = j.kind \
                AND l.state IN (?1, ?3, ?4) AND l.created_at >= ?2 \
                AND (l.finished_at > j.finished_at \
                     OR (l.finished_at = j.finished_at AND l.id > j.id))) \
               ORDER BY j.cluster, j.kind";
    let values = vec![
        Text(JobState::Failed).into(),
        Moment(since).into(),
        Text(JobState::Succeeded).into(),
        Text(JobState::Superseded).into(),
    ];
    let mut failed = Vec::new();
    for row in rows(conn, sql, values).await? {
        let failure: Option<Json<Failure>> = row.try_get_by_index(4)?;
        failed.push(FailedJob {
            job: row.try_get_by_index::<Text<JobId>>(0)?.0,
            kind: row.try_get_by_index::<Text<JobKind>>(1)?.0,
            cluster: row.try_get_by_index::<Text<Name>>(2)?.0,
            finished_at: row.try_get_by_index::<Moment>(3)?.0,
            failure: failure.map(|failure| failure.0),
        });
    }
    Ok(failed)
}
