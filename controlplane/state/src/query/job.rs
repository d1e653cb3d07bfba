//! Jobs with their attempts, phases and logs.

use holdfast_types::access::{Scope, Visible};
use holdfast_types::{
    AgentId, BackupId, Failure, Generation, JobId, JobKind, JobPhase, JobState, Name, Revision,
};
use jiff::Timestamp;
use sea_orm::{
    ColumnTrait, Condition, DatabaseConnection, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
};
use serde::Serialize;
use serde_json::Value;

use super::page::{Page, PageRequest, newest_first};
use super::scope::seen;
use crate::column::{Moment, Text};
use crate::entity::{job_attempts, job_phases, jobs as rows};
use crate::lookup::Lookup;
use crate::{Principal, StateError};

/// A job.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct JobView {
    /// Its id.
    pub id: JobId,
    /// What it does.
    pub kind: JobKind,
    /// Where it is.
    pub state: JobState,
    /// To which cluster.
    pub cluster: Name,
    /// With which repository.
    pub repository: Name,
    /// The agent it was asked to run on.
    pub wanted_agent: Option<Name>,
    /// The agent that has or had it last.
    pub agent: Option<Name>,
    /// What exactly, in the words of its kind.
    pub spec: Value,
    /// Who asked for it.
    pub created_by: Option<Principal>,
    /// When.
    pub created_at: Timestamp,
    /// When it changed last.
    pub updated_at: Timestamp,
    /// When an agent first began.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// Not to be tried again before this.
    pub not_before: Option<Timestamp>,
    /// How often it was tried.
    pub attempts: u64,
    /// How often it may be.
    pub attempts_max: u64,
    /// The generation that counts (I-04).
    pub generation: Generation,
    /// What it is doing.
    pub phase: Option<JobPhase>,
    /// Whether its end was asked for.
    pub cancel_requested: bool,
    /// The backup it took.
    pub backup: Option<BackupId>,
    /// What it gave.
    pub result: Option<Value>,
    /// Why it failed.
    pub failure: Option<Failure>,
    /// Whose backup was committed first (I-03).
    pub superseded_by: Option<BackupId>,
    /// Its revision.
    pub revision: Revision,
}

impl From<rows::Model> for JobView {
    fn from(row: rows::Model) -> Self {
        Self {
            id: row.id.0,
            kind: row.kind.0,
            state: row.state.0,
            cluster: row.cluster.0,
            repository: row.repository.0,
            wanted_agent: row.agent.map(|agent| agent.0),
            agent: row.holder.map(|holder| holder.0),
            spec: row.spec.0,
            created_by: row.created_by.map(|principal| principal.0),
            created_at: row.created_at.0,
            updated_at: row.updated_at.0,
            started_at: row.started_at.map(|at| at.0),
            finished_at: row.finished_at.map(|at| at.0),
            not_before: row.not_before.map(|at| at.0),
            attempts: row.attempts.0,
            attempts_max: row.attempts_max.0,
            generation: Generation(row.generation.0),
            phase: row.phase.map(|phase| phase.0),
            cancel_requested: row.cancel_requested.0,
            backup: row.backup.map(|backup| backup.0),
            result: row.result.map(|result| result.0),
            failure: row.failure.map(|failure| failure.0),
            superseded_by: row.superseded_by.map(|winner| winner.0),
            revision: row.revision.into(),
        }
    }
}

/// A job with all its attempts.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct JobDetail {
    /// The job.
    #[serde(flatten)]
    pub job: JobView,
    /// Its attempts, oldest first.
    pub attempts_made: Vec<AttemptView>,
}

/// An attempt at a job.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AttemptView {
    /// Its number, from 1.
    pub number: u64,
    /// Its generation.
    pub generation: Generation,
    /// The agent that made it.
    pub agent: AgentId,
    /// That agent's name.
    pub agent_name: Name,
    /// When it was given the job.
    pub leased_at: Timestamp,
    /// When it began.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// How: succeeded, failed, interrupted, cancelled, superseded.
    pub outcome: Option<String>,
    /// Why it failed or was interrupted.
    pub failure: Option<Failure>,
    /// What it went through.
    pub phases: Vec<PhaseView>,
    /// The last lines it logged.
    pub log: Vec<String>,
}

/// A phase of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PhaseView {
    /// The phase.
    pub phase: JobPhase,
    /// When it was entered.
    pub started_at: Timestamp,
}

/// Which jobs are wanted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct JobFilter {
    /// In this state.
    pub state: Option<JobState>,
    /// Of this kind.
    pub kind: Option<JobKind>,
    /// Of this cluster.
    pub cluster: Option<Name>,
    /// Of clusters that are in this fleet now.
    pub fleet: Option<Name>,
    /// That this agent has or had last, or is asked to do.
    pub agent: Option<Name>,
    /// Asked for since then.
    pub since: Option<Timestamp>,
    /// Of clusters that are seen.
    pub visible: Visible,
}

/// Jobs, newest first.
pub async fn jobs(
    conn: &DatabaseConnection,
    filter: &JobFilter,
    request: &PageRequest,
) -> Result<Page<JobView>, StateError> {
    use rows::{Column, Entity};
    let before = request.key::<(Timestamp, JobId)>()?;
    let before = before.map(|(at, id)| (Moment(at).into(), Text(id).into()));
    let mut select = Entity::find();
    if let Some(state) = filter.state {
        select = select.filter(Column::State.eq(Text(state)));
    }
    if let Some(kind) = filter.kind {
        select = select.filter(Column::Kind.eq(Text(kind)));
    }
    if let Some(cluster) = &filter.cluster {
        select = select.filter(Column::Cluster.eq(cluster.as_str()));
    }
    if let Some(fleet) = &filter.fleet {
        let of_it = Visible::Only(vec![Scope::Fleet(fleet.clone())]);
        if let Some(inside) = seen("jobs.cluster", &of_it) {
            select = select.filter(inside);
        }
    }
    if let Some(agent) = &filter.agent {
        let asked = Condition::all()
            .add(Column::Holder.is_null())
            .add(Column::Agent.eq(agent.as_str()));
        let of_it = Condition::any()
            .add(Column::Holder.eq(agent.as_str()))
            .add(asked);
        select = select.filter(of_it);
    }
    if let Some(since) = filter.since {
        select = select.filter(Column::CreatedAt.gte(Moment(since)));
    }
    if let Some(seen) = seen("jobs.cluster", &filter.visible) {
        select = select.filter(seen);
    }
    let key = (Column::CreatedAt, Column::Id);
    let limit = request.limit() as u64 + 1;
    let found = newest_first(select, key, before, limit).all(conn).await?;
    let page = Page::cut(found, request, |row| (row.created_at.0, row.id.0));
    Ok(page.map(JobView::from))
}

/// The job of this id.
pub async fn job(conn: &DatabaseConnection, job: JobId) -> Result<Option<JobView>, StateError> {
    let row = rows::Entity::find_by_id(Text(job)).only(conn).await?;
    Ok(row.map(JobView::from))
}

/// A job with its attempts, phases and logs.
pub async fn job_detail(
    conn: &DatabaseConnection,
    id: JobId,
) -> Result<Option<JobDetail>, StateError> {
    let Some(job) = job(conn, id).await? else {
        return Ok(None);
    };
    let phases = job_phases::Entity::find()
        .filter(job_phases::Column::Job.eq(Text(id)))
        .order_by_asc(job_phases::Column::Attempt)
        .order_by_asc(job_phases::Column::Position)
        .all(conn)
        .await?;
    let attempts = job_attempts::Entity::find()
        .filter(job_attempts::Column::Job.eq(Text(id)))
        .order_by_asc(job_attempts::Column::Number)
        .all(conn)
        .await?;
    let view = |row: job_attempts::Model| {
        let own = phases.iter().filter(|phase| phase.attempt == row.number);
        let phase = |phase: &job_phases::Model| PhaseView {
            phase: phase.phase.0,
            started_at: phase.started_at.0,
        };
        AttemptView {
            number: row.number.0,
            generation: Generation(row.generation.0),
            agent: row.agent.0,
            agent_name: row.agent_name.0.clone(),
            leased_at: row.leased_at.0,
            started_at: row.started_at.map(|at| at.0),
            finished_at: row.finished_at.map(|at| at.0),
            outcome: row.outcome.map(|outcome| outcome.0.to_string()),
            failure: row.failure.clone().map(|failure| failure.0),
            phases: own.map(phase).collect(),
            log: row.log.0,
        }
    };
    let attempts_made = attempts.into_iter().map(view).collect();
    Ok(Some(JobDetail { job, attempts_made }))
}

/// Jobs that may be given to an agent at `now`, oldest first.
pub async fn queued_jobs(
    conn: &DatabaseConnection,
    now: Timestamp,
    limit: u64,
) -> Result<Vec<JobView>, StateError> {
    use rows::{Column, Entity};
    let due = Condition::any()
        .add(Column::NotBefore.is_null())
        .add(Column::NotBefore.lte(Moment(now)));
    let found = Entity::find()
        .filter(Column::State.eq(Text(JobState::Queued)))
        .filter(due)
        .order_by_asc(Column::CreatedAt)
        .order_by_asc(Column::Id)
        .limit(limit)
        .all(conn)
        .await?;
    Ok(found.into_iter().map(JobView::from).collect())
}
