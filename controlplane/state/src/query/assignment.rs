//! Who does what, under which generation (I-04).

use std::collections::BTreeMap;

use holdfast_types::{AgentId, AssignmentId, Generation, JobId, Name};
use jiff::Timestamp;
use sea_orm::{ColumnTrait, DatabaseConnection, EntityTrait, QueryFilter, QueryOrder, Select};
use serde::Serialize;

use super::job::JobView;
use super::many::among;
use crate::column::Text;
use crate::entity::word::{AssignmentKind, AssignmentState};
use crate::entity::{assignments as rows, jobs, wal_sources};
use crate::{StateError, schema};

/// Something in an agent's hands.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AssignmentView {
    /// Its id.
    pub id: AssignmentId,
    /// By whom.
    pub agent: AgentId,
    /// Under which generation.
    pub generation: Generation,
    /// For which cluster.
    pub cluster: Name,
    /// With which repository.
    pub repository: Name,
    /// Since when.
    pub since: Timestamp,
    /// Whether it is in force; a withdrawn duty is not.
    pub active: bool,
    /// What.
    pub work: Work,
}

/// What an agent was given.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Work {
    /// One job.
    Job(Box<JobView>),
    /// WAL receiving, a standing duty.
    Wal,
}

/// What an agent has to do: its jobs and its standing duties.
pub async fn assignments_of_agent(
    conn: &DatabaseConnection,
    agent: AgentId,
) -> Result<Vec<AssignmentView>, StateError> {
    views(conn, active().filter(rows::Column::Agent.eq(Text(agent)))).await
}

/// The standing duties of a cluster, withdrawn ones too.
pub async fn duties_of_cluster(
    conn: &DatabaseConnection,
    cluster: &Name,
) -> Result<Vec<AssignmentView>, StateError> {
    let duties = rows::Entity::find()
        .filter(rows::Column::Cluster.eq(cluster.as_str()))
        .filter(rows::Column::Kind.eq(Text(AssignmentKind::Wal)));
    views(conn, duties).await
}

/// From which instance WAL is received by a relay, by cluster and repository;
/// none below feature level 4.
pub async fn wal_sources(
    conn: &DatabaseConnection,
) -> Result<BTreeMap<(Name, Name), Name>, StateError> {
    if schema::version(conn).await? < schema::RECEIVERS {
        return Ok(BTreeMap::new());
    }
    let found = wal_sources::Entity::find().all(conn).await?;
    let entry = |row: wal_sources::Model| ((row.cluster.0, row.repository.0), row.instance.0);
    Ok(found.into_iter().map(entry).collect())
}

/// From which instance a relay receives a cluster's WAL; `None` when whoever
/// has the duty receives from its own.
pub async fn wal_source(
    conn: &DatabaseConnection,
    cluster: &Name,
    repository: &Name,
) -> Result<Option<Name>, StateError> {
    if schema::version(conn).await? < schema::RECEIVERS {
        return Ok(None);
    }
    let key = (Text(cluster.clone()), Text(repository.clone()));
    let row = wal_sources::Entity::find_by_id(key).one(conn).await?;
    Ok(row.map(|row| row.instance.0))
}

/// The same of these clusters.
pub async fn wal_sources_of(
    conn: &DatabaseConnection,
    clusters: &[Name],
) -> Result<BTreeMap<(Name, Name), Name>, StateError> {
    if schema::version(conn).await? < schema::RECEIVERS {
        return Ok(BTreeMap::new());
    }
    let found = wal_sources::Entity::find().filter(among("cluster", clusters)?);
    let entry = |row: wal_sources::Model| ((row.cluster.0, row.repository.0), row.instance.0);
    Ok(found.all(conn).await?.into_iter().map(entry).collect())
}

/// The standing duties in force of these clusters, by cluster.
pub async fn active_duties_of(
    conn: &DatabaseConnection,
    clusters: &[Name],
) -> Result<BTreeMap<Name, Vec<AssignmentView>>, StateError> {
    let duties = active()
        .filter(rows::Column::Kind.eq(Text(AssignmentKind::Wal)))
        .filter(among("cluster", clusters)?);
    let mut of_clusters: BTreeMap<Name, Vec<AssignmentView>> = BTreeMap::new();
    for duty in views(conn, duties).await? {
        let duties = of_clusters.entry(duty.cluster.clone()).or_default();
        duties.push(duty);
    }
    Ok(of_clusters)
}

/// Every standing duty in force.
pub async fn active_duties(conn: &DatabaseConnection) -> Result<Vec<AssignmentView>, StateError> {
    let duties = active().filter(rows::Column::Kind.eq(Text(AssignmentKind::Wal)));
    views(conn, duties).await
}

/// Every job in an agent's hands.
pub async fn active_job_assignments(
    conn: &DatabaseConnection,
) -> Result<Vec<AssignmentView>, StateError> {
    let jobs = active().filter(rows::Column::Kind.eq(Text(AssignmentKind::Job)));
    views(conn, jobs).await
}

fn active() -> Select<rows::Entity> {
    rows::Entity::find().filter(rows::Column::State.eq(Text(AssignmentState::Active)))
}

/// How many jobs are read at once: SQLite bounds the values of a statement.
const JOBS_AT_ONCE: usize = 500;

async fn views(
    conn: &DatabaseConnection,
    select: Select<rows::Entity>,
) -> Result<Vec<AssignmentView>, StateError> {
    let found = select
        .order_by_asc(rows::Column::Kind)
        .order_by_asc(rows::Column::Subject)
        .all(conn)
        .await?;
    let ids: Vec<Text<JobId>> = found.iter().filter_map(|row| row.job).collect();
    let mut jobs: BTreeMap<JobId, JobView> = BTreeMap::new();
    for ids in ids.chunks(JOBS_AT_ONCE) {
        let rows = jobs::Entity::find().filter(jobs::Column::Id.is_in(ids.iter().copied()));
        let rows = rows.all(conn).await?;
        jobs.extend(rows.into_iter().map(|row| (row.id.0, JobView::from(row))));
    }
    found.into_iter().map(|row| view(row, &mut jobs)).collect()
}

fn view(
    row: rows::Model,
    jobs: &mut BTreeMap<JobId, JobView>,
) -> Result<AssignmentView, StateError> {
    let missing = || StateError::corrupt(format!("assignment {} has no job", row.id.0));
    let work = match row.job {
        None => Work::Wal,
        Some(job) => Work::Job(Box::new(jobs.remove(&job.0).ok_or_else(missing)?)),
    };
    Ok(AssignmentView {
        id: row.id.0,
        agent: row.agent.0,
        generation: Generation(row.generation.0),
        cluster: row.cluster.0,
        repository: row.repository.0,
        since: row.since.0,
        active: row.state.0 == AssignmentState::Active,
        work,
    })
}
