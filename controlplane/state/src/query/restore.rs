//! Restores.

use holdfast_types::access::Visible;
use holdfast_types::restoring::{
    CopyTried, HandedOver, RestoreCheck, RestoreOrder, RestoreState, RestoreStep,
};
use holdfast_types::{ApprovalId, Failure, JobId, Name, RestoreId, Revision};
use jiff::Timestamp;
use sea_orm::{ColumnTrait, DatabaseConnection, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use serde::Serialize;
use serde_json::Value;

use super::page::{Page, PageRequest, newest_first};
use super::scope::seen;
use crate::column::{Bytes, Moment, Text};
use crate::entity::restores as rows;
use crate::lookup::Lookup;
use crate::restores::job_of;
use crate::{Digest, Principal, StateError, schema};

/// A restore.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RestoreView {
    /// Its id.
    pub id: RestoreId,
    /// Where it is.
    pub state: RestoreState,
    /// Of which cluster.
    pub cluster: Name,
    /// In which fleet that was.
    pub fleet: Option<Name>,
    /// The repository it is read from, or was last.
    pub repository: Name,
    /// The hash of what is executed.
    pub plan_hash: Digest,
    /// What is executed.
    pub order: RestoreOrder,
    /// Where it was when.
    pub history: Vec<RestoreStep>,
    /// Copies that could not be read.
    pub tried: Vec<CopyTried>,
    /// What was looked at.
    pub checks: Vec<RestoreCheck>,
    /// How it was handed over.
    pub handed_over: Vec<HandedOver>,
    /// The consent that it needed.
    pub approval: Option<ApprovalId>,
    /// Who asked for it.
    pub requested_by: Option<Principal>,
    /// When it was planned.
    pub created_at: Timestamp,
    /// When somebody began it.
    pub begun_at: Option<Timestamp>,
    /// When its agent was done.
    pub restored_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// What was lost of what was asked for.
    pub loss_millis: Option<u64>,
    /// How long it took from when it was begun until it was there.
    pub rto_millis: Option<u64>,
    /// What its agent reported.
    pub result: Option<Value>,
    /// Why it came to nothing.
    pub failure: Option<Failure>,
    /// When it was written.
    pub revision: Revision,
}

impl RestoreView {
    /// The job that does it.
    pub fn job(&self) -> JobId {
        job_of(self.id)
    }
}

impl From<rows::Model> for RestoreView {
    fn from(row: rows::Model) -> Self {
        Self {
            id: row.id.0,
            state: row.state.0,
            cluster: row.cluster.0,
            fleet: row.fleet.map(|fleet| fleet.0),
            repository: row.repository.0,
            plan_hash: row.plan_hash.0,
            order: row.restore_order.0,
            history: row.history.0,
            tried: row.tried.0,
            checks: row.checks.0,
            handed_over: row.handed_over.0,
            approval: row.approval.map(|approval| approval.0),
            requested_by: row.requested_by.map(|by| by.0),
            created_at: row.created_at.0,
            begun_at: row.begun_at.map(|at| at.0),
            restored_at: row.restored_at.map(|at| at.0),
            finished_at: row.finished_at.map(|at| at.0),
            loss_millis: row.loss_ms.map(|millis| millis.0),
            rto_millis: row.rto_ms.map(|millis| millis.0),
            result: row.result.map(|result| result.0),
            failure: row.failure.map(|failure| failure.0),
            revision: row.revision.into(),
        }
    }
}

/// Which restores are wanted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RestoreFilter {
    /// Of this cluster.
    pub cluster: Option<Name>,
    /// In this state; without it, all that somebody began.
    pub state: Option<RestoreState>,
    /// Of clusters that are seen.
    pub visible: Visible,
}

/// Restores, newest first; none below their level.
pub async fn restores(
    conn: &DatabaseConnection,
    filter: &RestoreFilter,
    request: &PageRequest,
) -> Result<Page<RestoreView>, StateError> {
    use rows::{Column, Entity};
    if schema::version(conn).await? < schema::RESTORES {
        return Ok(Page {
            items: Vec::new(),
            next_cursor: None,
        });
    }
    let before = request.key::<(Timestamp, RestoreId)>()?;
    let before = before.map(|(at, id)| (Moment(at).into(), Text(id).into()));
    let mut select = Entity::find();
    if let Some(cluster) = &filter.cluster {
        select = select.filter(Column::Cluster.eq(cluster.as_str()));
    }
    select = match filter.state {
        Some(state) => select.filter(Column::State.eq(Text(state))),
        None => select.filter(Column::State.ne(Text(RestoreState::Planned))),
    };
    if let Some(seen) = seen("restores.cluster", &filter.visible) {
        select = select.filter(seen);
    }
    let key = (Column::CreatedAt, Column::Id);
    let limit = request.limit() as u64 + 1;
    let found = newest_first(select, key, before, limit).all(conn).await?;
    let page = Page::cut(found, request, |row| (row.created_at.0, row.id.0));
    Ok(page.map(RestoreView::from))
}

/// The restore of this id.
pub async fn restore(
    conn: &DatabaseConnection,
    id: RestoreId,
) -> Result<Option<RestoreView>, StateError> {
    if schema::version(conn).await? < schema::RESTORES {
        return Ok(None);
    }
    let row = rows::Entity::find_by_id(Text(id)).only(conn).await?;
    Ok(row.map(RestoreView::from))
}

/// The plan of this hash that nobody has begun.
pub async fn planned_restore(
    conn: &DatabaseConnection,
    hash: Digest,
) -> Result<Option<RestoreView>, StateError> {
    use rows::{Column, Entity};
    if schema::version(conn).await? < schema::RESTORES {
        return Ok(None);
    }
    let found = Entity::find()
        .filter(Column::PlanHash.eq(Bytes(hash)))
        .filter(Column::State.eq(Text(RestoreState::Planned)))
        .order_by_desc(Column::CreatedAt)
        .order_by_desc(Column::Id)
        .limit(1)
        .all(conn)
        .await?;
    Ok(found.into_iter().next().map(RestoreView::from))
}

/// Those that the leader has to move on, the oldest first.
pub async fn restores_under_way(
    conn: &DatabaseConnection,
    most: u64,
) -> Result<Vec<RestoreView>, StateError> {
    use rows::{Column, Entity};
    if schema::version(conn).await? < schema::RESTORES {
        return Ok(Vec::new());
    }
    let states = RestoreState::ALL.into_iter();
    let states = states.filter(|state| state.is_under_way()).map(Text);
    let found = Entity::find()
        .filter(Column::State.is_in(states))
        .order_by_asc(Column::CreatedAt)
        .order_by_asc(Column::Id)
        .limit(most)
        .all(conn)
        .await?;
    Ok(found.into_iter().map(RestoreView::from).collect())
}
