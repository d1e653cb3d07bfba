//! Deletes a user with all sessions and tokens.

use holdfast_types::Name;
use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder};
use serde::{Deserialize, Serialize};

use super::ReplicatedCommand;
use super::close_session::end_session;
use super::document_check::refuse_if_named;
use crate::column::Moment;
use crate::context::{ApplyContext, Stop};
use crate::entity::word::ReferenceKind;
use crate::entity::{sessions, users};
use crate::query::user_row_named;
use crate::{Noun, Refusal};

/// Since v0.1.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeleteUser {
    /// The user.
    pub name: Name,
}

impl ReplicatedCommand for DeleteUser {
    type Outcome = ();
    const NAME: &'static str = "delete_user";

    fn target(&self) -> String {
        format!("users/{}", self.name)
    }

    async fn apply(self, cx: &mut ApplyContext<'_>) -> Result<(), Stop> {
        let Some(user) = user_row_named(cx.tx(), &self.name).await? else {
            return Err(Refusal::not_found(Noun::User, self.name).into());
        };
        if users::Entity::find().count(cx.tx()).await? == 1 {
            // Nobody could ever get in again.
            return Err(Refusal::LastUser.into());
        }
        // Whoever had its name later would have its roles.
        refuse_if_named(cx, Noun::User, ReferenceKind::User, &self.name).await?;
        let sessions = sessions::Entity::find()
            .filter(sessions::Column::User.eq(user.id))
            .order_by_asc(sessions::Column::Id)
            .all(cx.tx())
            .await?;
        for session in sessions {
            end_session(cx, session.id).await?;
        }
        let revoke = "UPDATE api_tokens SET revoked_at = ? WHERE user = ? AND revoked_at IS NULL";
        let now = Moment(cx.now());
        cx.execute(revoke, [now.into(), user.id.into()]).await?;
        users::Entity::delete_by_id(user.id).exec(cx.tx()).await?;
        cx.changed("users", self.name);
        Ok(())
    }
}
