//! Exchanges a refresh token for the next one.
//!
//! Each token works once. Seeing one again means that two hold it, one of
//! them a thief, so the session is closed.

use holdfast_types::{Name, SessionId, UserId};
use jiff::Timestamp;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use serde::{Deserialize, Serialize};

use super::ReplicatedCommand;
use super::close_session::end_session;
use crate::column::{Bytes, Moment};
use crate::context::{ApplyContext, Stop};
use crate::entity::{sessions, spent_refreshes, users};
use crate::lookup::Lookup;
use crate::{Digest, Refusal, StateError};

/// Since v0.1.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RotateSession {
    /// The hash of the token that was presented.
    pub old: Digest,
    /// The hash of the one given out instead.
    pub new: Digest,
    /// When the session ends unless it is refreshed again.
    pub expires_at: Timestamp,
}

/// What became of the session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rotation {
    /// The new token is in force.
    Rotated {
        /// The session.
        session: SessionId,
        /// Whose it is.
        user: UserId,
        /// The user's name.
        name: Name,
    },
    /// The old token had been used before: the session is closed.
    Closed {
        /// The session.
        session: SessionId,
    },
}

impl ReplicatedCommand for RotateSession {
    type Outcome = Rotation;
    const NAME: &'static str = "rotate_session";

    fn target(&self) -> String {
        "sessions".to_owned()
    }

    async fn apply(self, cx: &mut ApplyContext<'_>) -> Result<Rotation, Stop> {
        let found = sessions::Entity::find()
            .filter(sessions::Column::Refresh.eq(Bytes(self.old)))
            .only(cx.tx())
            .await?;
        let Some(session) = found else {
            return reused(cx, self.old).await;
        };
        if session.expires_at.0 <= cx.now() {
            return Err(Refusal::SessionUnknown.into());
        }
        let taken = "SELECT 1 FROM sessions WHERE refresh = ?1 \
                     UNION ALL SELECT 1 FROM spent_refreshes WHERE refresh = ?1";
        if cx.exists(taken, [Bytes(self.new).into()]).await? {
            return Err(Refusal::invalid("new", "the refresh token is in use").into());
        }
        let user = users::Entity::find_by_id(session.user)
            .only(cx.tx())
            .await?;
        let user = user.ok_or_else(|| StateError::corrupt("a session belongs to no user"))?;
        cx.insert(spent_refreshes::Model {
            refresh: Bytes(self.old),
            session: session.id,
        })
        .await?;
        let rotated = Rotation::Rotated {
            session: session.id.0,
            user: user.id.0,
            name: user.name.0,
        };
        cx.put(sessions::Model {
            refresh: Bytes(self.new),
            refreshed_at: Moment(cx.now()),
            expires_at: Moment(self.expires_at),
            ..session
        })
        .await?;
        Ok(rotated)
    }
}

async fn reused(cx: &ApplyContext<'_>, old: Digest) -> Result<Rotation, Stop> {
    let spent = spent_refreshes::Entity::find_by_id(Bytes(old));
    let Some(spent) = spent.only(cx.tx()).await? else {
        return Err(Refusal::SessionUnknown.into());
    };
    end_session(cx, spent.session).await?;
    let session = spent.session.0;
    Ok(Rotation::Closed { session })
}
