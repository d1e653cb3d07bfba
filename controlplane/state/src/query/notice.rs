//! What channels are told: the outbox.

use std::collections::BTreeMap;

use holdfast_types::alarm::{AlarmRule, DeliveryState, NoticeAlarm, NoticeKind};
use holdfast_types::{Name, NoticeId};
use jiff::Timestamp;
use sea_orm::{
    ColumnTrait, ConnectionTrait, DatabaseConnection, EntityTrait, QueryFilter, QueryOrder,
    Statement,
};

use super::page::{Page, PageRequest, newest_first};
use crate::column::{Moment, Text};
use crate::entity::notices as rows;
use crate::{StateError, schema};

/// What a channel is told, and how far that is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoticeView {
    /// Its id, by which the receiver knows a repeat.
    pub id: NoticeId,
    /// Whom.
    pub channel: Name,
    /// What of the alarms.
    pub kind: NoticeKind,
    /// Their rule.
    pub rule: AlarmRule,
    /// Their fleet.
    pub fleet: Option<Name>,
    /// The first notice of what this one goes on about.
    pub thread: NoticeId,
    /// The alarms as they were.
    pub alarms: Vec<NoticeAlarm>,
    /// How many of the thread are still open, or not acknowledged.
    pub remaining: u64,
    /// When it was put into the outbox.
    pub created_at: Timestamp,
    /// How far it is.
    pub state: DeliveryState,
    /// How often it was tried.
    pub attempts: u64,
    /// When it is tried next.
    pub next_at: Option<Timestamp>,
    /// What came of the last attempt that failed.
    pub error: Option<String>,
    /// When the channel took it, or it was given up.
    pub done_at: Option<Timestamp>,
}

impl From<rows::Model> for NoticeView {
    fn from(row: rows::Model) -> Self {
        Self {
            id: row.id.0,
            channel: row.channel.0,
            kind: row.kind.0,
            rule: row.rule.0,
            fleet: row.fleet.map(|fleet| fleet.0),
            thread: row.thread.0,
            alarms: row.alarms.0,
            remaining: row.remaining.0,
            created_at: row.created_at.0,
            state: row.state.0,
            attempts: row.attempts.0,
            next_at: row.next_at.map(|at| at.0),
            error: row.error,
            done_at: row.done_at.map(|at| at.0),
        }
    }
}

/// What a channel is and was told, newest first; in one state if it is said.
pub async fn notices_of(
    conn: &DatabaseConnection,
    channel: &Name,
    state: Option<DeliveryState>,
    request: &PageRequest,
) -> Result<Page<NoticeView>, StateError> {
    use rows::{Column, Entity};
    let before = request.key::<(Timestamp, NoticeId)>()?;
    let before = before.map(|(at, id)| (Moment(at).into(), Text(id).into()));
    if schema::version(conn).await? < schema::NOTICES {
        let (items, next_cursor) = (Vec::new(), None);
        return Ok(Page { items, next_cursor });
    }
    let mut select = Entity::find().filter(Column::Channel.eq(channel.as_str()));
    if let Some(state) = state {
        select = select.filter(Column::State.eq(Text(state)));
    }
    let limit = request.limit() as u64 + 1;
    let found = newest_first(select, (Column::CreatedAt, Column::Id), before, limit);
    let page = Page::cut(found.all(conn).await?, request, |row| {
        (row.created_at.0, row.id.0)
    });
    Ok(page.map(NoticeView::from))
}

/// Everything that is still to be sent, by channel, what was to be told first before
/// the rest.
pub async fn pending_notices(
    conn: &DatabaseConnection,
) -> Result<BTreeMap<Name, Vec<NoticeView>>, StateError> {
    use rows::{Column, Entity};
    let mut pending: BTreeMap<Name, Vec<NoticeView>> = BTreeMap::new();
    if schema::version(conn).await? < schema::NOTICES {
        return Ok(pending);
    }
    let found = Entity::find()
        .filter(Column::State.eq(Text(DeliveryState::Pending)))
        .order_by_asc(Column::CreatedAt)
        .order_by_asc(Column::Id);
    for row in found.all(conn).await? {
        let notice = NoticeView::from(row);
        pending
            .entry(notice.channel.clone())
            .or_default()
            .push(notice);
    }
    Ok(pending)
}

/// How a channel is doing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ChannelHealth {
    /// How many notices are still to be sent.
    pub pending: u64,
    /// How often the one that was tried most often was not taken.
    pub failed_attempts: u64,
    /// The first of those that were not taken.
    pub stuck: Option<NoticeId>,
    /// Whether the last one that is done with was given up.
    pub gave_up: Option<NoticeId>,
    /// What came of the last attempt that failed.
    pub error: Option<String>,
}

/// How each channel that was told anything is doing.
pub async fn channel_health(
    conn: &DatabaseConnection,
) -> Result<BTreeMap<Name, ChannelHealth>, StateError> {
    let mut health: BTreeMap<Name, ChannelHealth> = BTreeMap::new();
    for (channel, pending) in pending_notices(conn).await? {
        let known = health.entry(channel).or_default();
        known.pending = pending.len() as u64;
        let worst = pending.into_iter().filter(|notice| notice.error.is_some());
        if let Some(worst) = worst.max_by_key(|notice| notice.attempts) {
            known.failed_attempts = worst.attempts;
            known.stuck = Some(worst.id);
            known.error = worst.error;
        }
    }
    if schema::version(conn).await? < schema::NOTICES {
        return Ok(health);
    }
    // Of each channel the newest that is done with.
    let sql = "SELECT n.channel, n.id, n.state, n.error FROM notices n JOIN \
               (SELECT channel, max(done_at) AS done_at FROM notices GROUP BY channel) last \
               ON last.channel = n.channel AND last.done_at = n.done_at ORDER BY n.channel, n.id";
    let statement = Statement::from_string(conn.get_database_backend(), sql.to_owned());
    for row in conn.query_all_raw(statement).await? {
        let channel: Text<Name> = row.try_get_by_index(0)?;
        let id: Text<NoticeId> = row.try_get_by_index(1)?;
        let state: Text<DeliveryState> = row.try_get_by_index(2)?;
        let error: Option<String> = row.try_get_by_index(3)?;
        let known = health.entry(channel.0).or_default();
        known.gave_up = (state.0 == DeliveryState::Failed).then_some(id.0);
        if known.gave_up.is_some() && known.error.is_none() {
            known.error = error;
        }
    }
    Ok(health)
}
