//! Policies: their history, and the facts that they are measured by.
//!
//! What is measured is read for all clusters at once, with one look into an index
//! for each.

use std::collections::BTreeMap;

use holdfast_types::resource::{Document, Kind, Labels, Resource};
use holdfast_types::{JobId, JobKind, JobPhase, JobState, Lineage, Name, Revision};
use jiff::Timestamp;
use sea_orm::{
    ColumnTrait, ConnectionTrait, DatabaseConnection, EntityTrait, QueryFilter, QueryOrder,
    QueryResult, QuerySelect, Statement,
};
use serde_json::Value;

use super::page::{Page, PageRequest};
use crate::column::{Count, Json, Moment, Position, Text};
use crate::entity::{job_phases, jobs, policy_revisions as rows, resources};
use crate::lookup::Lookup;
use crate::{Principal, StateError, schema};

/// What a policy said from one of its revisions on.
#[derive(Debug, Clone, PartialEq)]
pub struct PolicyRevision {
    /// The policy.
    pub policy: Name,
    /// The revision.
    pub revision: Revision,
    /// What it said; `None`: it was deleted.
    pub document: Option<Document>,
    /// Who changed it; `None` for what was there before there was a history.
    pub changed_by: Option<Principal>,
    /// When.
    pub changed_at: Timestamp,
}

impl From<rows::Model> for PolicyRevision {
    fn from(row: rows::Model) -> Self {
        Self {
            policy: row.policy.0,
            revision: row.revision.into(),
            document: row.document.map(|document| document.0),
            changed_by: row.changed_by.map(|by| by.0),
            changed_at: row.changed_at.0,
        }
    }
}

/// One page of the revisions of a policy, the newest first, each with the one
/// before it.
pub async fn policy_revisions(
    conn: &DatabaseConnection,
    policy: &Name,
    request: &PageRequest,
) -> Result<Page<(PolicyRevision, Option<PolicyRevision>)>, StateError> {
    use rows::{Column, Entity};
    let before: Option<u64> = request.key()?;
    if schema::version(conn).await? < schema::POLICY_REVISIONS {
        return Ok(Page {
            items: Vec::new(),
            next_cursor: None,
        });
    }
    let mut select = Entity::find().filter(Column::Policy.eq(policy.as_str()));
    if let Some(before) = before {
        select = select.filter(Column::Revision.lt(Count(before)));
    }
    let found = select
        .order_by_desc(Column::Revision)
        .limit(request.limit() as u64 + 1)
        .all(conn)
        .await?;
    let found: Vec<PolicyRevision> = found.into_iter().map(Into::into).collect();
    let earlier = found.iter().skip(1).cloned().map(Some).chain([None]);
    let pairs = found.clone().into_iter().zip(earlier).collect();
    Ok(Page::cut(pairs, request, |(row, _)| row.revision.0))
}

/// One revision of a policy.
pub async fn policy_revision(
    conn: &DatabaseConnection,
    policy: &Name,
    revision: Revision,
) -> Result<Option<PolicyRevision>, StateError> {
    if schema::version(conn).await? < schema::POLICY_REVISIONS {
        return Ok(None);
    }
    let key = (Text(policy.clone()), Count::from(revision));
    let row = rows::Entity::find_by_id(key).only(conn).await?;
    Ok(row.map(PolicyRevision::from))
}

/// The revision of a policy before this one.
pub async fn policy_revision_before(
    conn: &DatabaseConnection,
    policy: &Name,
    revision: Revision,
) -> Result<Option<PolicyRevision>, StateError> {
    use rows::{Column, Entity};
    let found = Entity::find()
        .filter(Column::Policy.eq(policy.as_str()))
        .filter(Column::Revision.lt(Count::from(revision)))
        .order_by_desc(Column::Revision)
        .limit(1)
        .all(conn)
        .await?;
    Ok(found.into_iter().next().map(PolicyRevision::from))
}

/// The labels of every cluster that is not retired.
pub async fn cluster_labels(
    conn: &DatabaseConnection,
) -> Result<BTreeMap<Name, Labels>, StateError> {
    use resources::{Column, Entity};
    let found: Vec<(Text<Name>, Json<Labels>)> = Entity::find()
        .select_only()
        .column(Column::Name)
        .column(Column::Labels)
        .filter(Column::Kind.eq(Text(Kind::Cluster)))
        .filter(Column::RetiredAt.is_null())
        .order_by_asc(Column::Name)
        .into_tuple()
        .all(conn)
        .await?;
    let pair = |(name, labels): (Text<Name>, Json<Labels>)| (name.0, labels.0);
    Ok(found.into_iter().map(pair).collect())
}

/// Every repository, with the region that it names.
pub async fn repository_regions(
    conn: &DatabaseConnection,
) -> Result<BTreeMap<Name, Option<String>>, StateError> {
    use resources::{Column, Entity};
    let found = Entity::find()
        .filter(Column::Kind.eq(Text(Kind::Repository)))
        .order_by_asc(Column::Name)
        .all(conn)
        .await?;
    let region = |row: resources::Model| match row.document.0.resource {
        Resource::Repository(repository) => Some((row.name.0, repository.region)),
        Resource::Cluster(_)
        | Resource::Fleet(_)
        | Resource::Policy(_)
        | Resource::DrillPlan(_)
        | Resource::RoleBinding(_)
        | Resource::NotificationChannel(_) => None,
    };
    Ok(found.into_iter().filter_map(region).collect())
}

/// What the available physical backups of a cluster tell of it.
#[derive(Debug, Clone, PartialEq)]
pub struct ClusterSize {
    /// Bytes of its files in the newest one.
    pub database_bytes: u64,
    /// How long that took, in seconds.
    pub backup_seconds: f64,
    /// WAL in a second between the oldest and the newest, where they are on one
    /// timeline and long enough apart to tell.
    pub wal_bytes_per_second: Option<f64>,
}

/// Closer together, two backups tell little of how much WAL a cluster writes.
const APART_SECONDS: f64 = 600.0;

/// What is known of the size of each cluster.
pub async fn cluster_sizes(
    conn: &DatabaseConnection,
) -> Result<BTreeMap<Name, ClusterSize>, StateError> {
    let oldest = edges(conn, "ASC").await?;
    let newest = edges(conn, "DESC").await?;
    let size = |(cluster, newest): (Name, Edge)| {
        let oldest = oldest.get(&cluster);
        let size = ClusterSize {
            database_bytes: newest.database_bytes,
            backup_seconds: newest.finished.duration_since(newest.started).as_secs_f64(),
            wal_bytes_per_second: oldest.and_then(|oldest| wal_between(oldest, &newest)),
        };
        (cluster, size)
    };
    Ok(newest.into_iter().map(size).collect())
}

struct Edge {
    database_bytes: u64,
    started: Timestamp,
    finished: Timestamp,
    place: Option<(Lineage, u64)>,
    stop: Option<Position>,
}

/// The oldest or the newest available physical backup of each cluster.
async fn edges(
    conn: &DatabaseConnection,
    order: &'static str,
) -> Result<BTreeMap<Name, Edge>, StateError> {
    let sql = format!(
        "SELECT b.cluster, b.database_bytes, b.started_at, b.finished_at, b.lineage, b.timeline, \
         b.stop_lsn FROM resources r JOIN backups b ON b.id = (\
         SELECT id FROM backups WHERE cluster = r.name AND state = 'available' \
         AND kind <> 'logical' ORDER BY started_at {order}, id {order} LIMIT 1) \
         WHERE r.kind = 'Cluster' AND r.retired_at IS NULL ORDER BY r.name"
    );
    let statement = Statement::from_string(conn.get_database_backend(), sql);
    let mut found = BTreeMap::new();
    for row in conn.query_all_raw(statement).await? {
        if let Some((cluster, edge)) = edge(&row)? {
            found.insert(cluster, edge);
        }
    }
    Ok(found)
}

fn edge(row: &QueryResult) -> Result<Option<(Name, Edge)>, StateError> {
    let cluster: Text<Name> = row.try_get("", "cluster")?;
    let bytes: Option<Count> = row.try_get("", "database_bytes")?;
    let started: Moment = row.try_get("", "started_at")?;
    let finished: Option<Moment> = row.try_get("", "finished_at")?;
    let lineage: Option<Text<Lineage>> = row.try_get("", "lineage")?;
    let timeline: Option<Count> = row.try_get("", "timeline")?;
    let (Some(bytes), Some(finished)) = (bytes, finished) else {
        return Ok(None);
    };
    let place = lineage.zip(timeline);
    let edge = Edge {
        database_bytes: bytes.0,
        started: started.0,
        finished: finished.0,
        place: place.map(|(lineage, timeline)| (lineage.0, timeline.0)),
        stop: row.try_get("", "stop_lsn")?,
    };
    Ok(Some((cluster.0, edge)))
}

#[expect(clippy::cast_precision_loss, reason = "a rate is an estimate")]
fn wal_between(oldest: &Edge, newest: &Edge) -> Option<f64> {
    let apart = newest
        .finished
        .duration_since(oldest.finished)
        .as_secs_f64();
    let same = oldest.place.is_some() && oldest.place == newest.place;
    if !same || apart < APART_SECONDS {
        return None;
    }
    let written = newest.stop?.0.get().checked_sub(oldest.stop?.0.get())?;
    Some(written as f64 / apart)
}

/// A restore that succeeded, with when each phase of its last attempt began.
#[derive(Debug, Clone, PartialEq)]
pub struct RestoredJob {
    /// What was asked for and planned.
    pub spec: Value,
    /// When it was over.
    pub finished_at: Timestamp,
    /// Its phases in their order.
    pub phases: Vec<(JobPhase, Timestamp)>,
}

/// How many restores are looked at for each that is wanted: some fail.
const LOOKED_AT: u64 = 4;

/// The newest restores that succeeded, `limit` at most.
pub async fn restored_jobs(
    conn: &DatabaseConnection,
    limit: u64,
) -> Result<Vec<RestoredJob>, StateError> {
    use jobs::{Column, Entity};
    // By their kind alone: of all jobs that succeeded, few are restores.
    let found = Entity::find()
        .filter(Column::Kind.eq(Text(JobKind::Restore)))
        .order_by_desc(Column::CreatedAt)
        .order_by_desc(Column::Id)
        .limit(limit * LOOKED_AT)
        .all(conn)
        .await?;
    let succeeded = |job: &jobs::Model| job.state.0 == JobState::Succeeded;
    let wanted = TryInto::<usize>::try_into(limit).unwrap_or(usize::MAX);
    let mut restored = Vec::new();
    for job in found.into_iter().filter(succeeded).take(wanted) {
        let Some(finished_at) = job.finished_at else {
            continue;
        };
        restored.push(RestoredJob {
            phases: last_phases(conn, job.id.0).await?,
            spec: job.spec.0,
            finished_at: finished_at.0,
        });
    }
    Ok(restored)
}

async fn last_phases(
    conn: &DatabaseConnection,
    job: JobId,
) -> Result<Vec<(JobPhase, Timestamp)>, StateError> {
    use job_phases::{Column, Entity};
    let phases = Entity::find()
        .filter(Column::Job.eq(Text(job)))
        .order_by_asc(Column::Attempt)
        .order_by_asc(Column::Position)
        .all(conn)
        .await?;
    let last = phases.last().map(|phase| phase.attempt);
    let of_last = phases
        .into_iter()
        .filter(|phase| Some(phase.attempt) == last);
    Ok(of_last
        .map(|phase| (phase.phase.0, phase.started_at.0))
        .collect())
}
