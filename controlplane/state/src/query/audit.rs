//! The audit log.

use jiff::Timestamp;
use sea_orm::{ColumnTrait, DatabaseConnection, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use super::page::{Page, PageRequest};
use crate::audit::AuditView;
use crate::column::{Count, Moment, Text};
use crate::entity::audit as rows;
use crate::{Principal, StateError};

/// Which rows are wanted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AuditFilter {
    /// By this principal.
    pub principal: Option<Principal>,
    /// Of this command.
    pub action: Option<String>,
    /// Of this target, such as `clusters/orders`.
    pub target: Option<String>,
    /// Not before this.
    pub since: Option<Timestamp>,
    /// Before this.
    pub until: Option<Timestamp>,
}

/// The audit log, newest first.
pub async fn audit(
    conn: &DatabaseConnection,
    filter: &AuditFilter,
    request: &PageRequest,
) -> Result<Page<AuditView>, StateError> {
    use rows::{Column, Entity};
    let mut select = Entity::find();
    if let Some(before) = request.key::<u64>()? {
        select = select.filter(Column::Seq.lt(Count(before)));
    }
    if let Some(principal) = &filter.principal {
        select = select.filter(Column::Principal.eq(Text(principal.clone())));
    }
    if let Some(action) = &filter.action {
        select = select.filter(Column::Action.eq(action.as_str()));
    }
    if let Some(target) = &filter.target {
        select = select.filter(Column::Target.eq(target.as_str()));
    }
    // Rows are in the order of time, so a time is a place in the sequence.
    if let Some(since) = filter.since {
        let Some(first) = first_since(conn, since).await? else {
            return Ok(empty());
        };
        select = select.filter(Column::Seq.gte(first));
    }
    if let Some(until) = filter.until
        && let Some(end) = first_since(conn, until).await?
    {
        select = select.filter(Column::Seq.lt(end));
    }
    let found = select
        .order_by_desc(Column::Seq)
        .limit(request.limit() as u64 + 1)
        .all(conn)
        .await?;
    let page = Page::cut(found, request, |row| row.seq.0);
    Ok(page.map(AuditView::from))
}

const fn empty() -> Page<AuditView> {
    Page {
        items: Vec::new(),
        next_cursor: None,
    }
}

async fn first_since(
    conn: &DatabaseConnection,
    time: Timestamp,
) -> Result<Option<Count>, StateError> {
    use rows::{Column, Entity};
    // A time between two microseconds is after the earlier one.
    let ceiling = if Moment::truncate(time) < time { 1 } else { 0 };
    let micros = time.as_microsecond().saturating_add(ceiling);
    Ok(Entity::find()
        .select_only()
        .column(Column::Seq)
        .filter(Column::At.gte(micros))
        .order_by_asc(Column::At)
        .order_by_asc(Column::Seq)
        .into_tuple()
        .one(conn)
        .await?)
}
