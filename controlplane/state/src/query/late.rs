//! Attempts by what their reports name, and results that came too late.

use std::collections::BTreeMap;

use holdfast_types::access::Visible;
use holdfast_types::schedule::{RunId, RunReason, RunState};
use holdfast_types::{AgentId, AssignmentId, BackupId, Failure, Generation, JobId, Name};
use jiff::Timestamp;
use sea_orm::sea_query::Expr;
use sea_orm::{
    ColumnTrait, Condition, DatabaseConnection, EntityTrait, PaginatorTrait, QueryFilter,
    QueryOrder, QuerySelect,
};
use serde::Serialize;

use super::page::{Page, PageRequest};
use super::scope::seen;
use crate::column::{Count, Moment, Text};
use crate::entity::{late_results as rows, offline_runs};
use crate::leases::{self, LEVEL};
use crate::{StateError, schema};

/// The attempt that reports under an assignment and a generation are about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeaseView {
    /// The job.
    pub job: JobId,
    /// Who was given it.
    pub agent: AgentId,
    /// The backup it makes, where that does not follow from the job.
    pub backup: Option<BackupId>,
    /// The control plane has taken it back before it was reported.
    pub taken_back: bool,
}

/// The attempt that reports under these are about; `None` below level 4.
pub async fn lease(
    conn: &DatabaseConnection,
    assignment: AssignmentId,
    generation: Generation,
) -> Result<Option<LeaseView>, StateError> {
    if schema::version(conn).await? < LEVEL {
        return Ok(None);
    }
    let found = leases::lease(conn, assignment, generation).await?;
    Ok(found.map(|row| LeaseView {
        job: row.job.0,
        agent: row.agent.0,
        backup: row.backup.map(|backup| backup.0),
        taken_back: row.taken_back.0,
    }))
}

/// A result that was refused because the attempt was not its agent's any more.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LateResultView {
    /// Of which job.
    pub job: JobId,
    /// Under which assignment.
    pub assignment: AssignmentId,
    /// Under which generation.
    pub generation: Generation,
    /// Which attempt that was.
    pub attempt: u64,
    /// By whom.
    pub agent: Name,
    /// What it claims: succeeded, failed, cancelled, superseded.
    pub outcome: String,
    /// Why it failed, as it says.
    pub failure: Option<Failure>,
    /// The backup it took, or found to be taken.
    pub backup: Option<BackupId>,
    /// Whether that is in the catalog by it.
    pub backup_recorded: bool,
    /// Why it was refused.
    pub refused: Failure,
    /// The last lines it logged.
    pub log: Vec<String>,
    /// When it came.
    pub at: Timestamp,
}

impl From<rows::Model> for LateResultView {
    fn from(row: rows::Model) -> Self {
        Self {
            job: row.job.0,
            assignment: row.assignment.0,
            generation: Generation(row.generation.0),
            attempt: row.attempt.0,
            agent: row.agent.0,
            outcome: row.outcome.0.to_string(),
            failure: row.failure.map(|failure| failure.0),
            backup: row.backup.map(|backup| backup.0),
            backup_recorded: row.backup_recorded.0,
            refused: row.refused.0,
            log: row.log.0,
            at: row.at.0,
        }
    }
}

/// Results of a job that came too late, by generation; none below level 4.
pub async fn late_results(
    conn: &DatabaseConnection,
    job: JobId,
) -> Result<Vec<LateResultView>, StateError> {
    if schema::version(conn).await? < LEVEL {
        return Ok(Vec::new());
    }
    let found = rows::Entity::find()
        .filter(rows::Column::Job.eq(Text(job)))
        .order_by_asc(rows::Column::Generation)
        .order_by_asc(rows::Column::Assignment)
        .all(conn)
        .await?;
    Ok(found.into_iter().map(LateResultView::from).collect())
}

/// One page of all results that came too late, the latest first; none below
/// level 4.
pub async fn all_late_results(
    conn: &DatabaseConnection,
    visible: &Visible,
    request: &PageRequest,
) -> Result<Page<LateResultView>, StateError> {
    use rows::Column;
    let before = request.key::<(Timestamp, AssignmentId, Generation)>()?;
    if schema::version(conn).await? < LEVEL {
        let (items, next_cursor) = (Vec::new(), None);
        return Ok(Page { items, next_cursor });
    }
    let mut select = rows::Entity::find();
    if let Some(seen) = seen("late_job.cluster", visible) {
        // Only through its job a result belongs to a cluster.
        let of_job = Expr::cust_with_exprs(
            "EXISTS (SELECT 1 FROM jobs AS late_job WHERE late_job.id = late_results.job AND ?)",
            [seen],
        );
        select = select.filter(of_job);
    }
    if let Some((at, assignment, generation)) = before {
        let (at, assignment) = (Moment(at), Text(assignment));
        let earlier = Condition::all()
            .add(Column::Assignment.eq(assignment))
            .add(Column::Generation.lt(Count(generation.0)));
        let tie = Condition::any()
            .add(Column::Assignment.lt(assignment))
            .add(earlier);
        let tie = Condition::all().add(Column::At.eq(at)).add(tie);
        // The first condition lets SQLite seek in the index.
        select = select
            .filter(Column::At.lte(at))
            .filter(Condition::any().add(Column::At.lt(at)).add(tie));
    }
    let found = select
        .order_by_desc(Column::At)
        .order_by_desc(Column::Assignment)
        .order_by_desc(Column::Generation)
        .limit(request.limit() as u64 + 1)
        .all(conn)
        .await?;
    let page = Page::cut(found, request, |row| {
        (row.at.0, row.assignment.0, Generation(row.generation.0))
    });
    Ok(page.map(LateResultView::from))
}

/// How many there are.
pub async fn late_result_count(conn: &DatabaseConnection) -> Result<u64, StateError> {
    if schema::version(conn).await? < LEVEL {
        return Ok(0);
    }
    Ok(rows::Entity::find().count(conn).await?)
}

/// Whose word the record of a run is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OfflineRunView {
    /// The agent that was on its own.
    pub agent: Name,
    /// What was on record before it reported.
    pub before: Option<(RunState, Option<RunReason>)>,
}

/// Those of the runs that an agent recorded on its own; none below level 4.
pub async fn offline_runs(
    conn: &DatabaseConnection,
    runs: impl Iterator<Item = &RunId>,
) -> Result<BTreeMap<RunId, OfflineRunView>, StateError> {
    if schema::version(conn).await? < LEVEL {
        return Ok(BTreeMap::new());
    }
    let wanted = runs.map(|run| Text(run.clone()));
    let found = offline_runs::Entity::find()
        .filter(offline_runs::Column::Run.is_in(wanted))
        .all(conn)
        .await?;
    let view = |row: offline_runs::Model| {
        let reason = row.reason_before.map(|reason| reason.0);
        let before = row.state_before.map(|state| (state.0, reason));
        let agent = row.agent.0;
        (row.run.0, OfflineRunView { agent, before })
    };
    Ok(found.into_iter().map(view).collect())
}
