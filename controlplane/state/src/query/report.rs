//! Reports that were made, the keys that sign them, and what they read that no other
//! list has: all of it by what was on record at a moment, so that it does not change.

use std::collections::BTreeSet;

use holdfast_types::{
    AlarmId, BackupId, BackupState, JobKind, Name, ReportId, RestoreId, Revision,
};
use jiff::Timestamp;
use sea_orm::{ColumnTrait, DatabaseConnection, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use super::alarm::AlarmView;
use super::backup::BackupView;
use super::job::JobView;
use super::many::among;
use super::page::{Page, PageRequest, newest_first};
use super::restore::RestoreView;
use crate::audit::ACCEPTED;
use crate::column::{Moment, Text};
use crate::entity::{audit, backups, jobs, report_keys as key_rows, reports as rows, restores};
use crate::lookup::Lookup;
use crate::{Digest, Principal, Sealed, StateError, schema};

/// A key that signs reports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportKeyView {
    /// Its id: the serial number of its certificate.
    pub id: String,
    /// Its certificate, PEM.
    pub certificate: String,
    /// The key.
    pub sealed: Sealed,
    /// Since when.
    pub created_at: Timestamp,
}

/// The keys that sign reports, the first one first; none below level 24.
pub async fn report_keys(conn: &DatabaseConnection) -> Result<Vec<ReportKeyView>, StateError> {
    if !are_kept(conn).await? {
        return Ok(Vec::new());
    }
    let rows = key_rows::Entity::find()
        .order_by_asc(key_rows::Column::CreatedAt)
        .order_by_asc(key_rows::Column::Id)
        .all(conn)
        .await?;
    let view = |row: key_rows::Model| ReportKeyView {
        id: row.id,
        certificate: row.certificate,
        sealed: row.sealed.0,
        created_at: row.created_at.0,
    };
    Ok(rows.into_iter().map(view).collect())
}

async fn are_kept(conn: &DatabaseConnection) -> Result<bool, StateError> {
    Ok(schema::version(conn).await? >= schema::REPORTS)
}

/// A report that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportView {
    /// Its id.
    pub id: ReportId,
    /// Of which fleet.
    pub fleet: Name,
    /// The period's first moment.
    pub from: Timestamp,
    /// The moment after its last.
    pub to: Timestamp,
    /// As known when.
    pub as_known_at: Timestamp,
    /// The clusters that were in the fleet.
    pub clusters: Vec<Name>,
    /// Who made it.
    pub made_by: Option<Principal>,
    /// When.
    pub made_at: Timestamp,
    /// SHA-256 of its body; `None` when nothing came out.
    pub body: Option<Digest>,
    /// Its revision.
    pub revision: Revision,
}

impl From<rows::Model> for ReportView {
    fn from(row: rows::Model) -> Self {
        Self {
            id: row.id.0,
            fleet: row.fleet.0,
            from: row.period_from.0,
            to: row.period_to.0,
            as_known_at: row.as_known_at.0,
            clusters: row.clusters.0,
            made_by: row.made_by.map(|by| by.0),
            made_at: row.made_at.0,
            body: row.body_hash.map(|hash| hash.0),
            revision: row.revision.into(),
        }
    }
}

/// Which reports are wanted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ReportFilter {
    /// Of these fleets; of every fleet when it is not said.
    pub fleets: Option<Vec<Name>>,
}

/// Reports that were made, the latest first; none below level 24.
pub async fn reports(
    conn: &DatabaseConnection,
    filter: &ReportFilter,
    request: &PageRequest,
) -> Result<Page<ReportView>, StateError> {
    use rows::{Column, Entity};
    let before = request.key::<(Timestamp, ReportId)>()?;
    let before = before.map(|(at, id)| (Moment(at).into(), Text(id).into()));
    if !are_kept(conn).await? {
        let (items, next_cursor) = (Vec::new(), None);
        return Ok(Page { items, next_cursor });
    }
    let mut select = Entity::find();
    if let Some(fleets) = &filter.fleets {
        select = select.filter(Column::Fleet.is_in(fleets.iter().map(Name::as_str)));
    }
    let limit = request.limit() as u64 + 1;
    let found = newest_first(select, (Column::MadeAt, Column::Id), before, limit);
    let page = Page::cut(found.all(conn).await?, request, |row| {
        (row.made_at.0, row.id.0)
    });
    Ok(page.map(ReportView::from))
}

/// The report of this id.
pub async fn report(
    conn: &DatabaseConnection,
    report: ReportId,
) -> Result<Option<ReportView>, StateError> {
    if !are_kept(conn).await? {
        return Ok(None);
    }
    let row = rows::Entity::find_by_id(Text(report)).only(conn).await?;
    Ok(row.map(ReportView::from))
}

/// Backups of these clusters that failed from one moment to before another, by time.
pub async fn failed_backups(
    conn: &DatabaseConnection,
    clusters: &[Name],
    (from, to): (Timestamp, Timestamp),
) -> Result<Vec<BackupView>, StateError> {
    use backups::{Column, Entity};
    let found = Entity::find()
        .filter(among("cluster", clusters)?)
        .filter(Column::State.eq(Text(BackupState::Failed)))
        .filter(Column::FinishedAt.gte(Moment(from)))
        .filter(Column::FinishedAt.lt(Moment(to)))
        .order_by_asc(Column::FinishedAt)
        .order_by_asc(Column::Id)
        .all(conn)
        .await?;
    super::backup::with_repositories(conn, found).await
}

/// Restores of these clusters that ended from one moment to before another, by time.
pub async fn restores_ended(
    conn: &DatabaseConnection,
    clusters: &[Name],
    (from, to): (Timestamp, Timestamp),
) -> Result<Vec<RestoreView>, StateError> {
    use restores::{Column, Entity};
    if schema::version(conn).await? < schema::RESTORES {
        return Ok(Vec::new());
    }
    let found = Entity::find()
        .filter(among("cluster", clusters)?)
        .filter(Column::FinishedAt.gte(Moment(from)))
        .filter(Column::FinishedAt.lt(Moment(to)))
        .order_by_asc(Column::FinishedAt)
        .order_by_asc(Column::Id)
        .all(conn)
        .await?;
    Ok(found.into_iter().map(RestoreView::from).collect())
}

/// Jobs that restored something of these clusters without a restore that they belong to,
/// and ended from one moment to before another, by time: those from before there were
/// such.
pub async fn bare_restores_ended(
    conn: &DatabaseConnection,
    clusters: &[Name],
    (from, to): (Timestamp, Timestamp),
) -> Result<Vec<JobView>, StateError> {
    use jobs::{Column, Entity};
    let found = Entity::find()
        .filter(among("cluster", clusters)?)
        .filter(Column::Kind.eq(Text(JobKind::Restore)))
        .filter(Column::FinishedAt.gte(Moment(from)))
        .filter(Column::FinishedAt.lt(Moment(to)))
        .order_by_asc(Column::FinishedAt)
        .order_by_asc(Column::Id)
        .all(conn)
        .await?;
    if schema::version(conn).await? < schema::RESTORES {
        return Ok(found.into_iter().map(JobView::from).collect());
    }
    // A restore and its job have one number.
    let restore = |job: &jobs::Model| RestoreId::from_uuid(job.id.0.uuid());
    let ids: Vec<RestoreId> = found.iter().map(restore).collect();
    let owned: Vec<Text<RestoreId>> = restores::Entity::find()
        .select_only()
        .column(restores::Column::Id)
        .filter(among("id", &ids)?)
        .into_tuple()
        .all(conn)
        .await?;
    let owned: BTreeSet<RestoreId> = owned.into_iter().map(|id| id.0).collect();
    let bare = found
        .into_iter()
        .filter(|job| !owned.contains(&restore(job)));
    Ok(bare.map(JobView::from).collect())
}

/// That somebody took an alarm on.
#[derive(Debug, Clone, PartialEq)]
pub struct Acknowledged {
    /// When.
    pub at: Timestamp,
    /// Its place in the audit log.
    pub seq: u64,
    /// Who.
    pub by: Principal,
    /// What there was to say to it.
    pub note: Option<String>,
    /// The alarm.
    pub alarm: AlarmView,
}

/// What stands in the audit log of alarms that somebody took on: the alarm itself says
/// so only of the first who did.
pub async fn acknowledgements(
    conn: &DatabaseConnection,
    (from, to): (Timestamp, Timestamp),
) -> Result<Vec<Acknowledged>, StateError> {
    use audit::{Column, Entity};
    let found = Entity::find()
        .filter(Column::Action.eq("acknowledge_alarm"))
        .filter(Column::At.gte(Moment(from)))
        .filter(Column::At.lt(Moment(to)))
        .filter(Column::Outcome.eq(ACCEPTED))
        .order_by_asc(Column::Seq)
        .all(conn)
        .await?;
    let mut taken_on = Vec::new();
    for row in found {
        let id = row.target.strip_prefix("alarms/");
        let Some(id) = id.and_then(|id| id.parse::<AlarmId>().ok()) else {
            continue;
        };
        let Some(alarm) = super::alarm::alarm(conn, id).await? else {
            continue;
        };
        let note = row.detail.0["note"].as_str();
        taken_on.push(Acknowledged {
            at: row.at.0,
            seq: row.seq.0,
            by: row.principal.0,
            note: note.map(str::to_owned),
            alarm,
        });
    }
    Ok(taken_on)
}

/// A decision to delete something of a cluster, or the cluster itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterDeletion {
    /// When.
    pub at: Timestamp,
    /// Its place in the audit log.
    pub seq: u64,
    /// Of which cluster.
    pub cluster: Name,
    /// The command.
    pub action: String,
    /// What.
    pub target: String,
    /// Who.
    pub by: Principal,
}

/// What stands in the audit log of deletions that somebody decided on: not of what no
/// policy kept any longer, which happens every day.
pub async fn deletions(
    conn: &DatabaseConnection,
    (from, to): (Timestamp, Timestamp),
) -> Result<Vec<ClusterDeletion>, StateError> {
    use audit::{Column, Entity};
    let found = Entity::find()
        .filter(Column::Action.is_in(["condemn_backups", "delete_resource"]))
        .filter(Column::At.gte(Moment(from)))
        .filter(Column::At.lt(Moment(to)))
        .filter(Column::Outcome.eq(ACCEPTED))
        .order_by_asc(Column::Seq)
        .all(conn)
        .await?;
    let mut deletions = Vec::new();
    for row in found {
        let cause = &row.detail.0["cause"];
        let consented = &row.detail.0["detail"]["cause"];
        if [cause, consented].iter().any(|cause| *cause == "retention") {
            continue;
        }
        let cluster = match row.target.split_once('/') {
            Some(("clusters", name)) => name.parse().ok(),
            Some(("backups", id)) => match id.parse::<BackupId>() {
                Ok(id) => super::backup::backup(conn, id)
                    .await?
                    .map(|one| one.cluster),
                Err(_) => None,
            },
            _ => None,
        };
        if let Some(cluster) = cluster {
            deletions.push(ClusterDeletion {
                at: row.at.0,
                seq: row.seq.0,
                cluster,
                action: row.action,
                target: row.target,
                by: row.principal.0,
            });
        }
    }
    Ok(deletions)
}
