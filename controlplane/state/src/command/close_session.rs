//! Ends a session: a logout.

use holdfast_types::SessionId;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use serde::{Deserialize, Serialize};

use super::ReplicatedCommand;
use crate::StateError;
use crate::column::Text;
use crate::context::{ApplyContext, Stop};
use crate::entity::{sessions, spent_refreshes};

/// Since v0.1. Ending what has ended is fine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CloseSession {
    /// The session.
    pub session: SessionId,
}

impl ReplicatedCommand for CloseSession {
    /// Whether it was open.
    type Outcome = bool;
    const NAME: &'static str = "close_session";

    fn target(&self) -> String {
        format!("sessions/{}", self.session)
    }

    async fn apply(self, cx: &mut ApplyContext<'_>) -> Result<bool, Stop> {
        Ok(end_session(cx, Text(self.session)).await?)
    }
}

pub(super) async fn end_session(
    cx: &ApplyContext<'_>,
    session: Text<SessionId>,
) -> Result<bool, StateError> {
    spent_refreshes::Entity::delete_many()
        .filter(spent_refreshes::Column::Session.eq(session))
        .exec(cx.tx())
        .await?;
    let deleted = sessions::Entity::delete_by_id(session)
        .exec(cx.tx())
        .await?;
    Ok(deleted.rows_affected > 0)
}
