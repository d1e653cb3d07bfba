//! Creates a user.

use holdfast_types::{Name, Revision, UserId};
use serde::{Deserialize, Serialize};

use super::ReplicatedCommand;
use crate::column::{Moment, Text};
use crate::context::{ApplyContext, Stop};
use crate::entity::users;
use crate::query::user_row_named;
use crate::{Noun, PasswordHash, Refusal};

/// Since v0.1.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreateUser {
    /// Its id.
    pub user: UserId,
    /// Its name.
    pub name: Name,
    /// Its password.
    pub password: PasswordHash,
}

impl ReplicatedCommand for CreateUser {
    type Outcome = Revision;
    const NAME: &'static str = "create_user";

    fn target(&self) -> String {
        format!("users/{}", self.name)
    }

    async fn apply(self, cx: &mut ApplyContext<'_>) -> Result<Revision, Stop> {
        if user_row_named(cx.tx(), &self.name).await?.is_some() {
            return Err(Refusal::already_exists(Noun::User, self.name).into());
        }
        let row = user_row(cx, self.user, self.name.clone(), self.password);
        cx.insert(row).await?;
        cx.changed("users", self.name);
        Ok(cx.revision())
    }
}

pub(super) fn user_row(
    cx: &ApplyContext<'_>,
    user: UserId,
    name: Name,
    password: PasswordHash,
) -> users::Model {
    users::Model {
        id: Text(user),
        name: Text(name),
        password: password.as_str().to_owned(),
        created_at: Moment(cx.now()),
        updated_at: Moment(cx.now()),
        revision: cx.revision().into(),
    }
}
