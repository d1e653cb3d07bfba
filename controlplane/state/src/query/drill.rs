//! What drills showed.

use std::collections::BTreeMap;

use holdfast_types::access::Visible;
use holdfast_types::drill::{DrillEvidence, DrillKind, DrillVerdict, ProvenBy};
use holdfast_types::resource::{Drill, Kind, Labels, Resource, selects};
use holdfast_types::{BackupId, DrillId, Failure, JobId, Lsn, Name, RestoreTarget, Revision, Span};
use jiff::Timestamp;
use sea_orm::{ColumnTrait, DatabaseConnection, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use serde::Serialize;

use super::many::{list, rows as sql_rows};
use super::page::{Page, PageRequest, newest_first};
use super::scope::seen;
use crate::column::{Count, Moment, Text};
use crate::entity::{drills as rows, resources};
use crate::lookup::Lookup;
use crate::{StateError, schema};

/// What a drill showed.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DrillView {
    /// Its id.
    pub id: DrillId,
    /// The job that made it.
    pub job: JobId,
    /// Of which cluster.
    pub cluster: Name,
    /// In which fleet that was.
    pub fleet: Option<Name>,
    /// The schedule that ordered it.
    pub schedule: Option<Name>,
    /// From which repository.
    pub repository: Name,
    /// On whose host.
    pub agent: Name,
    /// From which backup.
    pub backup: Option<BackupId>,
    /// From what.
    pub kind: Option<DrillKind>,
    /// To which point.
    pub target: Option<RestoreTarget>,
    /// The time that this meant.
    pub target_at: Option<Timestamp>,
    /// Every commit up to then was in what was restored.
    pub reached_at: Option<Timestamp>,
    /// The position it reached.
    pub reached_lsn: Option<Lsn>,
    /// Since when somebody waited for it.
    pub asked_at: Timestamp,
    /// When its agent began.
    pub started_at: Timestamp,
    /// When it ended.
    pub finished_at: Timestamp,
    /// How.
    pub verdict: DrillVerdict,
    /// Why it did not pass.
    pub cause: Option<Failure>,
    /// From when it was asked for until PostgreSQL answered with what it was to have.
    pub rto: Option<Span>,
    /// What would have been lost.
    pub rpo: Option<Span>,
    /// How long it waited for an agent.
    pub queued: Span,
    /// All that its agent reported.
    pub evidence: Option<DrillEvidence>,
    /// When it was written.
    pub revision: Revision,
}

impl From<rows::Model> for DrillView {
    fn from(row: rows::Model) -> Self {
        Self {
            id: row.id.0,
            job: row.job.0,
            cluster: row.cluster.0,
            fleet: row.fleet.map(|fleet| fleet.0),
            schedule: row.schedule.map(|schedule| schedule.0),
            repository: row.repository.0,
            agent: row.agent.0,
            backup: row.backup.map(|backup| backup.0),
            kind: row.kind.map(|kind| kind.0),
            target: row.target.map(|target| target.0),
            target_at: row.target_at.map(|at| at.0),
            reached_at: row.reached_at.map(|at| at.0),
            reached_lsn: row.reached_lsn.map(|lsn| lsn.0),
            asked_at: row.asked_at.0,
            started_at: row.started_at.0,
            finished_at: row.finished_at.0,
            verdict: row.verdict.0,
            cause: row.cause.map(|cause| cause.0),
            rto: row.rto_ms.map(|millis| Span::from_millis(millis.0)),
            rpo: row.rpo_ms.map(|millis| Span::from_millis(millis.0)),
            queued: Span::from_millis(row.queue_ms.0),
            evidence: row.evidence.map(|evidence| evidence.0),
            revision: row.revision.into(),
        }
    }
}

impl DrillView {
    /// It as far as it proves something.
    pub fn proves(&self) -> ProvenBy {
        ProvenBy {
            id: self.id,
            at: self.finished_at,
            verdict: self.verdict,
            rto: self.rto,
            rpo: self.rpo,
        }
    }
}

/// Which drills are wanted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DrillFilter {
    /// Of this cluster.
    pub cluster: Option<Name>,
    /// Of clusters that were in this fleet.
    pub fleet: Option<Name>,
    /// That ended so.
    pub verdict: Option<DrillVerdict>,
    /// Of clusters that are seen.
    pub visible: Visible,
}

/// Drills that have ended, the latest first; none below level 20.
pub async fn drills(
    conn: &DatabaseConnection,
    filter: &DrillFilter,
    request: &PageRequest,
) -> Result<Page<DrillView>, StateError> {
    use rows::{Column, Entity};
    if schema::version(conn).await? < schema::DRILLS {
        return Ok(Page {
            items: Vec::new(),
            next_cursor: None,
        });
    }
    let before = request.key::<(Timestamp, DrillId)>()?;
    let before = before.map(|(at, id)| (Moment(at).into(), Text(id).into()));
    let mut select = Entity::find();
    if let Some(cluster) = &filter.cluster {
        select = select.filter(Column::Cluster.eq(cluster.as_str()));
    }
    if let Some(fleet) = &filter.fleet {
        select = select.filter(Column::Fleet.eq(fleet.as_str()));
    }
    if let Some(verdict) = filter.verdict {
        select = select.filter(Column::Verdict.eq(Text(verdict)));
    }
    if let Some(seen) = seen("drills.cluster", &filter.visible) {
        select = select.filter(seen);
    }
    let key = (Column::FinishedAt, Column::Id);
    let limit = request.limit() as u64 + 1;
    let found = newest_first(select, key, before, limit).all(conn).await?;
    let page = Page::cut(found, request, |row| (row.finished_at.0, row.id.0));
    Ok(page.map(DrillView::from))
}

/// The drill of this id.
pub async fn drill(
    conn: &DatabaseConnection,
    id: DrillId,
) -> Result<Option<DrillView>, StateError> {
    if schema::version(conn).await? < schema::DRILLS {
        return Ok(None);
    }
    let row = rows::Entity::find_by_id(Text(id)).only(conn).await?;
    Ok(row.map(DrillView::from))
}

/// The newest drill of each of these clusters that had one, and the newest that passed.
pub async fn newest_drills_of(
    conn: &DatabaseConnection,
    clusters: &[Name],
) -> Result<BTreeMap<Name, (Option<ProvenBy>, Option<ProvenBy>)>, StateError> {
    let mut found: BTreeMap<Name, (Option<ProvenBy>, Option<ProvenBy>)> = BTreeMap::new();
    if schema::version(conn).await? < schema::DRILLS {
        return Ok(found);
    }
    for (cluster, drill) in newest_of_each(conn, clusters, None).await? {
        found.entry(cluster).or_default().0 = Some(drill);
    }
    let passed = Some(DrillVerdict::Passed);
    for (cluster, drill) in newest_of_each(conn, clusters, passed).await? {
        found.entry(cluster).or_default().1 = Some(drill);
    }
    Ok(found)
}

async fn newest_of_each(
    conn: &DatabaseConnection,
    clusters: &[Name],
    verdict: Option<DrillVerdict>,
) -> Result<Vec<(Name, ProvenBy)>, StateError> {
    let mut values = vec![list(clusters)?];
    let so = match verdict {
        Some(verdict) => {
            values.push(Text(verdict).into());
            "AND verdict = ?2"
        }
        None => "",
    };
    let sql = format!(
        "SELECT d.cluster, d.id, d.finished_at, d.verdict, d.rto_ms, d.rpo_ms \
         FROM json_each(?1) r JOIN drills d ON d.id = (SELECT id FROM drills \
         WHERE cluster = r.value {so} ORDER BY finished_at DESC, id DESC LIMIT 1)"
    );
    let mut found = Vec::new();
    for row in sql_rows(conn, &sql, values).await? {
        let cluster: Text<Name> = row.try_get_by_index(0)?;
        let span = |millis: Option<Count>| millis.map(|millis| Span::from_millis(millis.0));
        let drill = ProvenBy {
            id: row.try_get_by_index::<Text<DrillId>>(1)?.0,
            at: row.try_get_by_index::<Moment>(2)?.0,
            verdict: row.try_get_by_index::<Text<DrillVerdict>>(3)?.0,
            rto: span(row.try_get_by_index(4)?),
            rpo: span(row.try_get_by_index(5)?),
        };
        found.push((cluster.0, drill));
    }
    Ok(found)
}

/// What the newest drill of a cluster that came to its checks saw, for the next to
/// compare with.
pub async fn drill_before(
    conn: &DatabaseConnection,
    cluster: &Name,
) -> Result<Option<DrillEvidence>, StateError> {
    /// How far back one is looked for that came to its checks.
    const LOOKED_AT: u64 = 20;
    use rows::{Column, Entity};
    if schema::version(conn).await? < schema::DRILLS {
        return Ok(None);
    }
    let found = Entity::find()
        .filter(Column::Cluster.eq(cluster.as_str()))
        .order_by_desc(Column::FinishedAt)
        .order_by_desc(Column::Id)
        .limit(LOOKED_AT)
        .all(conn)
        .await?;
    let evidence = found.into_iter().filter_map(|row| row.evidence);
    let mut evidence = evidence.map(|evidence| evidence.0);
    Ok(evidence.find(|evidence| evidence.ready_millis.is_some()))
}

/// Every DrillPlan, by name.
pub async fn drill_plans(conn: &DatabaseConnection) -> Result<BTreeMap<Name, Drill>, StateError> {
    let found = resources::Entity::find()
        .filter(resources::Column::Kind.eq(Text(Kind::DrillPlan)))
        .order_by_asc(resources::Column::Name)
        .all(conn)
        .await?;
    let plan = |row: resources::Model| match row.document.0.resource {
        Resource::DrillPlan(drill) => Some((row.name.0, *drill)),
        _ => None,
    };
    Ok(found.into_iter().filter_map(plan).collect())
}

/// Those of them that select something with these labels.
pub fn plans_for<'a>(
    plans: &'a BTreeMap<Name, Drill>,
    labels: &'a Labels,
) -> impl Iterator<Item = (&'a Name, &'a Drill)> {
    plans.iter().filter(move |(_, drill)| {
        let selector = drill.selector.as_ref();
        selector.is_some_and(|selector| selects(selector, labels))
    })
}
