//! Requests for approval, and what people said to them.

use std::collections::BTreeMap;

use holdfast_types::{ApprovalId, Name, UserId};
use jiff::Timestamp;
use sea_orm::{ColumnTrait, Condition, DatabaseConnection, EntityTrait, QueryFilter, QueryOrder};
use serde_json::Value;

use super::page::{Page, PageRequest, newest_first};
use crate::column::{Moment, Text};
use crate::entity::word::{ApprovalState, Vote};
use crate::entity::{approval_votes, approvals as rows};
use crate::{Principal, StateError, row, schema};

/// A request for the consent of others.
#[derive(Debug, Clone, PartialEq)]
pub struct ApprovalView {
    /// Its id.
    pub id: ApprovalId,
    /// Where it is.
    pub state: ApprovalState,
    /// The command that it holds, by name.
    pub action: String,
    /// What that acts on.
    pub subject: String,
    /// The clusters that it is about; `None` when it is about more than clusters.
    pub clusters: Option<Vec<Name>>,
    /// Why it needs consent.
    pub because: Vec<String>,
    /// The command, as the log would hold it. Sealed values are in it: not for show.
    pub command: Value,
    /// How many others must consent.
    pub needed: u64,
    /// Who asked.
    pub requested_by: Principal,
    /// The user that this is, or acts for.
    pub user: UserId,
    /// Why.
    pub reason: Option<String>,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// Nobody can consent from then on.
    pub expires_at: Timestamp,
    /// When it was decided.
    pub decided_at: Option<Timestamp>,
    /// What executing it gave, or why it could not be.
    pub outcome: Option<Value>,
    /// What was said to it, in the order of time.
    pub votes: Vec<VoteView>,
}

/// What one person said to a request.
#[derive(Debug, Clone, PartialEq)]
pub struct VoteView {
    /// Who.
    pub by: Principal,
    /// The user.
    pub user: UserId,
    /// Yes or no.
    pub vote: Vote,
    /// What there was to say to it.
    pub note: Option<String>,
    /// When.
    pub at: Timestamp,
}

/// Which requests are wanted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ApprovalFilter {
    /// In this state.
    pub state: Option<ApprovalState>,
}

/// Requests, newest first; none below the level at which there are any. One whose
/// time is over is shown as expired at `now`, before that is on record.
pub async fn approvals(
    conn: &DatabaseConnection,
    filter: &ApprovalFilter,
    request: &PageRequest,
    now: Timestamp,
) -> Result<Page<ApprovalView>, StateError> {
    use rows::{Column, Entity};
    let before = request.key::<(Timestamp, ApprovalId)>()?;
    let before = before.map(|(at, id)| (Moment(at).into(), Text(id).into()));
    if schema::version(conn).await? < schema::ACCESS {
        let (items, next_cursor) = (Vec::new(), None);
        return Ok(Page { items, next_cursor });
    }
    let mut select = Entity::find();
    let is = |state: ApprovalState| Column::State.eq(Text(state));
    let over = Column::ExpiresAt.lte(Moment(now));
    match filter.state {
        None => {}
        Some(ApprovalState::Pending) => {
            let waits = Column::ExpiresAt.gt(Moment(now));
            select = select.filter(is(ApprovalState::Pending)).filter(waits);
        }
        Some(ApprovalState::Expired) => {
            let late = Condition::all().add(is(ApprovalState::Pending)).add(over);
            let any = Condition::any().add(is(ApprovalState::Expired)).add(late);
            select = select.filter(any);
        }
        Some(state) => select = select.filter(is(state)),
    }
    let limit = request.limit() as u64 + 1;
    let found = newest_first(select, (Column::CreatedAt, Column::Id), before, limit);
    let page = Page::cut(found.all(conn).await?, request, |row| {
        (row.created_at.0, row.id.0)
    });
    let next_cursor = page.next_cursor;
    let items = with_votes(conn, page.items, now).await?;
    Ok(Page { items, next_cursor })
}

/// The request of this id.
pub async fn approval(
    conn: &DatabaseConnection,
    approval: ApprovalId,
    now: Timestamp,
) -> Result<Option<ApprovalView>, StateError> {
    if schema::version(conn).await? < schema::ACCESS {
        return Ok(None);
    }
    let found = row::read::<rows::Entity>(conn, Text(approval)).await?;
    let mut views = with_votes(conn, found.into_iter().collect(), now).await?;
    Ok(views.pop())
}

async fn with_votes(
    conn: &DatabaseConnection,
    found: Vec<rows::Model>,
    now: Timestamp,
) -> Result<Vec<ApprovalView>, StateError> {
    let mut votes: BTreeMap<ApprovalId, Vec<VoteView>> = BTreeMap::new();
    for some in found.chunks(500) {
        let ids = some.iter().map(|row| row.id);
        let said = approval_votes::Entity::find()
            .filter(approval_votes::Column::Approval.is_in(ids))
            .order_by_asc(approval_votes::Column::At)
            .order_by_asc(approval_votes::Column::User)
            .all(conn)
            .await?;
        for vote in said {
            votes.entry(vote.approval.0).or_default().push(VoteView {
                by: vote.principal.0,
                user: vote.user.0,
                vote: vote.vote.0,
                note: vote.note,
                at: vote.at.0,
            });
        }
    }
    let view = |row: rows::Model| {
        let votes = votes.remove(&row.id.0).unwrap_or_default();
        view(row, votes, now)
    };
    Ok(found.into_iter().map(view).collect())
}

fn view(row: rows::Model, votes: Vec<VoteView>, now: Timestamp) -> ApprovalView {
    let late = row.state.0 == ApprovalState::Pending && row.expires_at.0 <= now;
    ApprovalView {
        id: row.id.0,
        state: if late {
            ApprovalState::Expired
        } else {
            row.state.0
        },
        action: row.action,
        subject: row.subject,
        clusters: row.clusters.map(|clusters| clusters.0),
        because: row.because.0,
        command: row.command.0,
        needed: row.needed.0,
        requested_by: row.requested_by.0,
        user: row.user.0,
        reason: row.reason,
        created_at: row.created_at.0,
        expires_at: row.expires_at.0,
        decided_at: row.decided_at.map(|at| at.0),
        outcome: row.outcome.map(|outcome| outcome.0),
        votes,
    }
}
