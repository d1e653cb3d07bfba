//! What drills showed.

use std::collections::BTreeMap;

use holdfast_types::access::Visible;
use holdfast_types::drill::{DrillEvidence, DrillKind, DrillVerdict, ProvenBy};
use holdfast_types::resource::{Drill, Kind, Labels, Resource, selects};
use holdfast_types::{BackupId, DrillId, Failure, JobId, Lsn, Name, RestoreTarget, Revision, Span};
use jiff::Timestamp;
use sea_orm::{ColumnTrait, DatabaseConnection, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use serde::Serialize;

use super::page::{Page, PageRequest, newest_first};
use super::scope::seen;
use crate::column::{Moment, Text};
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

/// The newest drill of a cluster, and the newest that passed.
pub async fn newest_drills(
    conn: &DatabaseConnection,
    cluster: &Name,
) -> Result<(Option<ProvenBy>, Option<ProvenBy>), StateError> {
    if schema::version(conn).await? < schema::DRILLS {
        return Ok((None, None));
    }
    let newest = newest_of(conn, cluster, None).await?;
    let passed = match &newest {
        Some(newest) if newest.verdict != DrillVerdict::Passed => {
            newest_of(conn, cluster, Some(DrillVerdict::Passed)).await?
        }
        newest => newest.clone(),
    };
    let proves = |view: Option<DrillView>| view.map(|view| view.proves());
    Ok((proves(newest), proves(passed)))
}

async fn newest_of(
    conn: &DatabaseConnection,
    cluster: &Name,
    verdict: Option<DrillVerdict>,
) -> Result<Option<DrillView>, StateError> {
    use rows::{Column, Entity};
    let mut select = Entity::find().filter(Column::Cluster.eq(cluster.as_str()));
    if let Some(verdict) = verdict {
        select = select.filter(Column::Verdict.eq(Text(verdict)));
    }
    let found = select
        .order_by_desc(Column::FinishedAt)
        .order_by_desc(Column::Id)
        .limit(1)
        .all(conn)
        .await?;
    Ok(found.into_iter().next().map(DrillView::from))
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
