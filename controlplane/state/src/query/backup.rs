//! Backups.

use std::collections::BTreeMap;

use holdfast_types::access::Visible;
use holdfast_types::{
    BackupId, BackupKind, BackupState, Failure, JobId, Lineage, Lsn, Name, Revision, Timeline,
};
use jiff::Timestamp;
use sea_orm::{ColumnTrait, DatabaseConnection, EntityTrait, QueryFilter, QueryOrder, Value};
use serde::Serialize;

use super::page::{Page, PageRequest, newest_first};
use super::scope::seen;
use crate::StateError;
use crate::column::{Moment, Text, timeline};
use crate::entity::{backup_repositories as places, backups as rows};
use crate::lookup::Lookup;

/// A backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BackupView {
    /// Its id.
    pub id: BackupId,
    /// Of which cluster.
    pub cluster: Name,
    /// What it holds.
    pub kind: BackupKind,
    /// The backup it builds on.
    pub parent: Option<BackupId>,
    /// How far it is from being restorable.
    pub state: BackupState,
    /// The job that took it.
    pub job: JobId,
    /// Its lineage.
    pub lineage: Option<Lineage>,
    /// The timeline it was taken on.
    pub timeline: Option<Timeline>,
    /// Where its recovery begins.
    pub start_lsn: Option<Lsn>,
    /// Where it is consistent.
    pub stop_lsn: Option<Lsn>,
    /// When it began.
    pub started_at: Timestamp,
    /// When its data was consistent, or it failed.
    pub finished_at: Option<Timestamp>,
    /// Bytes of the files it describes.
    pub database_bytes: Option<u64>,
    /// Bytes it added to the repository.
    pub added_bytes: Option<u64>,
    /// PostgreSQL's `server_version_num`.
    pub server_version: Option<u32>,
    /// Why it failed.
    pub failure: Option<Failure>,
    /// Where its bytes are.
    pub repositories: Vec<Name>,
    /// Its revision.
    pub revision: Revision,
}

/// Which backups are wanted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BackupFilter {
    /// Of this cluster.
    pub cluster: Option<Name>,
    /// In this state.
    pub state: Option<BackupState>,
    /// Of this kind.
    pub kind: Option<BackupKind>,
    /// In this repository.
    pub repository: Option<Name>,
    /// Of clusters that are seen.
    pub visible: Visible,
}

/// Backups, newest first.
pub async fn backups(
    conn: &DatabaseConnection,
    filter: &BackupFilter,
    request: &PageRequest,
) -> Result<Page<BackupView>, StateError> {
    let before = request.key::<(Timestamp, BackupId)>()?;
    let limit = request.limit() as u64 + 1;
    let found = match (&filter.repository, &filter.cluster) {
        // A repository holds many clusters; a cluster is in few repositories.
        (Some(repository), None) if filter.visible.is_everything() => {
            in_repository(conn, repository, filter, before, limit).await?
        }
        _ => {
            let select = newest_first(matching(filter), KEY, before.map(key), limit);
            select.all(conn).await?
        }
    };
    let page = Page::cut(found, request, |row| (row.started_at.0, row.id.0));
    let next_cursor = page.next_cursor;
    let items = with_repositories(conn, page.items).await?;
    Ok(Page { items, next_cursor })
}

const KEY: (rows::Column, rows::Column) = (rows::Column::StartedAt, rows::Column::Id);

fn key((at, id): (Timestamp, BackupId)) -> (Value, Value) {
    (Moment(at).into(), Text(id).into())
}

fn matching(filter: &BackupFilter) -> sea_orm::Select<rows::Entity> {
    use rows::{Column, Entity};
    let mut select = Entity::find();
    if let Some(cluster) = &filter.cluster {
        select = select.filter(Column::Cluster.eq(cluster.as_str()));
    }
    if let Some(state) = filter.state {
        select = select.filter(Column::State.eq(Text(state)));
    }
    if let Some(kind) = filter.kind {
        select = select.filter(Column::Kind.eq(Text(kind)));
    }
    if let Some(seen) = seen("backups.cluster", &filter.visible) {
        select = select.filter(seen);
    }
    if let Some(repository) = &filter.repository {
        use sea_orm::sea_query::{ExprTrait, Query};
        let inside = Query::select()
            .column(places::Column::Backup)
            .from(places::Entity)
            .and_where(
                places::Column::Backup
                    .into_expr()
                    .equals((Entity, Column::Id)),
            )
            .and_where(places::Column::Repository.eq(repository.as_str()))
            .to_owned();
        select = select.filter(sea_orm::sea_query::Expr::exists(inside));
    }
    select
}

/// Backups of one repository, newest first, by the indexes of its places.
async fn in_repository(
    conn: &DatabaseConnection,
    repository: &Name,
    filter: &BackupFilter,
    before: Option<(Timestamp, BackupId)>,
    limit: u64,
) -> Result<Vec<rows::Model>, StateError> {
    use places::{Column, Entity};
    let mut select = Entity::find().filter(Column::Repository.eq(repository.as_str()));
    if let Some(state) = filter.state {
        select = select.filter(Column::State.eq(Text(state)));
    }
    if let Some(kind) = filter.kind {
        select = select.filter(Column::Kind.eq(Text(kind)));
    }
    let columns = (Column::StartedAt, Column::Backup);
    let select = newest_first(select, columns, before.map(key), limit);
    let places = select.all(conn).await?;
    let mut found = Vec::new();
    // In the order of the places, which is that of the backups.
    for some in places.chunks(PLACES_AT_ONCE) {
        let ids = some.iter().map(|place| place.backup);
        let backups = rows::Entity::find()
            .filter(rows::Column::Id.is_in(ids))
            .order_by_desc(KEY.0)
            .order_by_desc(KEY.1);
        found.extend(backups.all(conn).await?);
    }
    Ok(found)
}

/// The backup of this id.
pub async fn backup(
    conn: &DatabaseConnection,
    backup: BackupId,
) -> Result<Option<BackupView>, StateError> {
    let row = rows::Entity::find_by_id(Text(backup)).only(conn).await?;
    let views = with_repositories(conn, row.into_iter().collect()).await?;
    Ok(views.into_iter().next())
}

/// Every available backup of a cluster, newest first: what a restore chooses
/// from.
pub async fn available_backups(
    conn: &DatabaseConnection,
    cluster: &Name,
) -> Result<Vec<BackupView>, StateError> {
    let filter = BackupFilter {
        cluster: Some(cluster.clone()),
        state: Some(BackupState::Available),
        ..BackupFilter::default()
    };
    let select = matching(&filter).order_by_desc(KEY.0).order_by_desc(KEY.1);
    let found = select.all(conn).await?;
    with_repositories(conn, found).await
}

/// What the attempts of a job wrote, oldest first.
pub async fn backups_of_job(
    conn: &DatabaseConnection,
    job: JobId,
) -> Result<Vec<BackupView>, StateError> {
    let found = rows::Entity::find()
        .filter(rows::Column::Job.eq(Text(job)))
        .order_by_asc(KEY.0)
        .order_by_asc(KEY.1)
        .all(conn)
        .await?;
    with_repositories(conn, found).await
}

/// How many backups' places are read at once: SQLite bounds the values of a
/// statement.
const PLACES_AT_ONCE: usize = 500;

pub(super) async fn with_repositories(
    conn: &DatabaseConnection,
    found: Vec<rows::Model>,
) -> Result<Vec<BackupView>, StateError> {
    let mut repositories: BTreeMap<BackupId, Vec<Name>> = BTreeMap::new();
    for some in found.chunks(PLACES_AT_ONCE) {
        let ids = some.iter().map(|row| row.id);
        let places = places::Entity::find()
            .filter(places::Column::Backup.is_in(ids))
            .order_by_asc(places::Column::Backup)
            .order_by_asc(places::Column::Repository)
            .all(conn)
            .await?;
        for place in places {
            let known = repositories.entry(place.backup.0).or_default();
            known.push(place.repository.0);
        }
    }
    let places = |id: BackupId| repositories.get(&id).cloned().unwrap_or_default();
    found
        .into_iter()
        .map(|row| view(places(row.id.0), row))
        .collect()
}

fn view(repositories: Vec<Name>, row: rows::Model) -> Result<BackupView, StateError> {
    let version = row.server_version.map(|version| version.0);
    Ok(BackupView {
        id: row.id.0,
        cluster: row.cluster.0,
        kind: row.kind.0,
        parent: row.parent.map(|parent| parent.0),
        state: row.state.0,
        job: row.job.0,
        lineage: row.lineage.map(|lineage| lineage.0),
        timeline: row.timeline.map(timeline).transpose()?,
        start_lsn: row.start_lsn.map(|lsn| lsn.0),
        stop_lsn: row.stop_lsn.map(|lsn| lsn.0),
        started_at: row.started_at.0,
        finished_at: row.finished_at.map(|at| at.0),
        database_bytes: row.database_bytes.map(|bytes| bytes.0),
        added_bytes: row.added_bytes.map(|bytes| bytes.0),
        server_version: version.and_then(|version| version.try_into().ok()),
        failure: row.failure.map(|failure| failure.0),
        repositories,
        revision: row.revision.into(),
    })
}
