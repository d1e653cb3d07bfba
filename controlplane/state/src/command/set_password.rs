//! Sets a user's password and ends the user's other sessions: who had the old
//! password may have logged in with it.

use holdfast_types::{Name, Revision, SessionId};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder};
use serde::{Deserialize, Serialize};

use super::ReplicatedCommand;
use super::close_session::end_session;
use crate::column::{Moment, Text};
use crate::context::{ApplyContext, Stop};
use crate::entity::{sessions, users};
use crate::query::user_row_named;
use crate::{Noun, PasswordHash, Refusal};

/// Since v0.1.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetPassword {
    /// The user.
    pub name: Name,
    /// The new password.
    pub password: PasswordHash,
    /// The session that asks for it, which goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep_session: Option<SessionId>,
}

impl ReplicatedCommand for SetPassword {
    type Outcome = Revision;
    const NAME: &'static str = "set_password";

    fn target(&self) -> String {
        format!("users/{}", self.name)
    }

    async fn apply(self, cx: &mut ApplyContext<'_>) -> Result<Revision, Stop> {
        let Some(user) = user_row_named(cx.tx(), &self.name).await? else {
            return Err(Refusal::not_found(Noun::User, self.name).into());
        };
        let sessions = sessions::Entity::find()
            .filter(sessions::Column::User.eq(user.id))
            .order_by_asc(sessions::Column::Id)
            .all(cx.tx())
            .await?;
        cx.put(users::Model {
            password: self.password.as_str().to_owned(),
            updated_at: Moment(cx.now()),
            revision: cx.revision().into(),
            ..user
        })
        .await?;
        for session in sessions {
            if self.keep_session != Some(session.id.0) {
                end_session(cx, session.id).await?;
            }
        }
        cx.changed("users", Text(self.name).0);
        Ok(cx.revision())
    }
}
