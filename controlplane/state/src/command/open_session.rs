//! Records a login.

use holdfast_types::{SessionId, UserId};
use jiff::Timestamp;
use sea_orm::EntityTrait;
use serde::{Deserialize, Serialize};

use super::ReplicatedCommand;
use crate::column::{Bytes, Moment, Text};
use crate::context::{ApplyContext, Stop};
use crate::entity::{sessions, users};
use crate::lookup::Lookup;
use crate::{Digest, Noun, Refusal};

/// Since v0.1.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OpenSession {
    /// Its id.
    pub session: SessionId,
    /// Who logged in.
    pub user: UserId,
    /// The hash of the refresh token.
    pub refresh: Digest,
    /// When it ends unless it is refreshed.
    pub expires_at: Timestamp,
}

impl ReplicatedCommand for OpenSession {
    type Outcome = ();
    const NAME: &'static str = "open_session";

    fn target(&self) -> String {
        format!("sessions/{}", self.session)
    }

    async fn apply(self, cx: &mut ApplyContext<'_>) -> Result<(), Stop> {
        let user = users::Entity::find_by_id(Text(self.user));
        if user.only(cx.tx()).await?.is_none() {
            return Err(Refusal::not_found(Noun::User, self.user).into());
        }
        let session = sessions::Entity::find_by_id(Text(self.session));
        if session.only(cx.tx()).await?.is_some() {
            return Err(Refusal::already_exists(Noun::Session, self.session).into());
        }
        let taken = "SELECT 1 FROM sessions WHERE refresh = ?";
        if cx.exists(taken, [Bytes(self.refresh).into()]).await? {
            return Err(Refusal::invalid("refresh", "the refresh token is in use").into());
        }
        cx.insert(sessions::Model {
            id: Text(self.session),
            user: Text(self.user),
            refresh: Bytes(self.refresh),
            created_at: Moment(cx.now()),
            refreshed_at: Moment(cx.now()),
            expires_at: Moment(self.expires_at),
        })
        .await?;
        Ok(())
    }
}
