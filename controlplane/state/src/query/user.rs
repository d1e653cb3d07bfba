//! Users, sessions, API tokens.

use holdfast_types::{Name, Revision, UserId};
use jiff::Timestamp;
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter};
use serde::Serialize;

use crate::entity::users;
use crate::{PasswordHash, StateError};

/// A user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct UserView {
    /// Its id.
    pub id: UserId,
    /// Its name.
    pub name: Name,
    /// Its password, for verifying one against it; never shown.
    #[serde(skip)]
    pub password: PasswordHash,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it was changed last.
    pub updated_at: Timestamp,
    /// Its revision.
    pub revision: Revision,
}

impl From<users::Model> for UserView {
    fn from(row: users::Model) -> Self {
        Self {
            id: row.id.0,
            name: row.name.0,
            password: PasswordHash::new(row.password),
            created_at: row.created_at.0,
            updated_at: row.updated_at.0,
            revision: row.revision.into(),
        }
    }
}

/// The user of this name.
pub async fn user_named(
    conn: &impl ConnectionTrait,
    name: &Name,
) -> Result<Option<UserView>, StateError> {
    Ok(user_row_named(conn, name).await?.map(UserView::from))
}

pub(crate) async fn user_row_named(
    conn: &impl ConnectionTrait,
    name: &Name,
) -> Result<Option<users::Model>, StateError> {
    Ok(users::Entity::find()
        .filter(users::Column::Name.eq(name.as_str()))
        .one(conn)
        .await?)
}
