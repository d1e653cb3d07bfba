//! Users, sessions, API tokens.

use holdfast_types::{Name, Revision, SessionId, TokenId, UserId};
use jiff::Timestamp;
use sea_orm::{
    ColumnTrait, ConnectionTrait, DatabaseConnection, EntityTrait, QueryFilter, QueryOrder,
};
use serde::Serialize;

use super::page::{Page, PageRequest, ascending};
use crate::column::{Bytes, Text};
use crate::entity::{api_tokens, sessions, users};
use crate::lookup::Lookup;
use crate::{Digest, PasswordHash, StateError};

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

/// Users by name.
pub async fn users(
    conn: &DatabaseConnection,
    request: &PageRequest,
) -> Result<Page<UserView>, StateError> {
    let after = request.key::<Name>()?.map(Text);
    let rows = ascending(users::Entity::find(), users::Column::Name, after, request)
        .all(conn)
        .await?;
    let page = Page::cut(rows, request, |row| row.name.0.clone());
    Ok(page.map(UserView::from))
}

/// The user of this id.
pub async fn user(conn: &DatabaseConnection, user: UserId) -> Result<Option<UserView>, StateError> {
    let row = users::Entity::find_by_id(Text(user)).only(conn).await?;
    Ok(row.map(UserView::from))
}

/// The user of this name.
pub async fn user_named(
    conn: &DatabaseConnection,
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
        .only(conn)
        .await?)
}

/// A login that has not been ended. It may have expired.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SessionView {
    /// Its id.
    pub id: SessionId,
    /// Whose it is.
    pub user: UserId,
    /// When it began.
    pub created_at: Timestamp,
    /// When it was refreshed last.
    pub refreshed_at: Timestamp,
    /// When it ends unless it is refreshed.
    pub expires_at: Timestamp,
}

impl From<sessions::Model> for SessionView {
    fn from(row: sessions::Model) -> Self {
        Self {
            id: row.id.0,
            user: row.user.0,
            created_at: row.created_at.0,
            refreshed_at: row.refreshed_at.0,
            expires_at: row.expires_at.0,
        }
    }
}

/// The session of this id.
pub async fn session(
    conn: &DatabaseConnection,
    session: SessionId,
) -> Result<Option<SessionView>, StateError> {
    let found = sessions::Entity::find_by_id(Text(session))
        .only(conn)
        .await?;
    Ok(found.map(SessionView::from))
}

/// The sessions of a user, open or expired.
pub async fn sessions_of(
    conn: &DatabaseConnection,
    user: UserId,
) -> Result<Vec<SessionView>, StateError> {
    let found = sessions::Entity::find()
        .filter(sessions::Column::User.eq(Text(user)))
        .order_by_asc(sessions::Column::Id)
        .all(conn)
        .await?;
    Ok(found.into_iter().map(SessionView::from).collect())
}

/// The session whose current refresh token has this hash.
pub async fn session_by_refresh(
    conn: &DatabaseConnection,
    refresh: Digest,
) -> Result<Option<SessionView>, StateError> {
    let found = sessions::Entity::find()
        .filter(sessions::Column::Refresh.eq(Bytes(refresh)))
        .only(conn)
        .await?;
    Ok(found.map(SessionView::from))
}

/// An API token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ApiTokenView {
    /// Its id.
    pub id: TokenId,
    /// Its name.
    pub name: Name,
    /// For whom it acts.
    pub user: UserId,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it ends by itself.
    pub expires_at: Option<Timestamp>,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
}

impl ApiTokenView {
    /// Whether it can be used at `now`.
    pub fn is_usable(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|end| now < end)
    }
}

impl From<api_tokens::Model> for ApiTokenView {
    fn from(row: api_tokens::Model) -> Self {
        Self {
            id: row.id.0,
            name: row.name.0,
            user: row.user.0,
            created_at: row.created_at.0,
            expires_at: row.expires_at.map(|at| at.0),
            revoked_at: row.revoked_at.map(|at| at.0),
        }
    }
}

/// API tokens, revoked ones too, oldest first: of one user, or of all.
pub async fn api_tokens(
    conn: &DatabaseConnection,
    owner: Option<UserId>,
    request: &PageRequest,
) -> Result<Page<ApiTokenView>, StateError> {
    let after = request.key::<TokenId>()?.map(Text);
    // Ids are made from the time, so their order is that of creation.
    let mut select = api_tokens::Entity::find();
    if let Some(owner) = owner {
        select = select.filter(api_tokens::Column::User.eq(Text(owner)));
    }
    let rows = ascending(select, api_tokens::Column::Id, after, request)
        .all(conn)
        .await?;
    let page = Page::cut(rows, request, |row| row.id.0);
    Ok(page.map(ApiTokenView::from))
}

/// The API token of this id.
pub async fn api_token(
    conn: &DatabaseConnection,
    token: TokenId,
) -> Result<Option<ApiTokenView>, StateError> {
    let found = api_tokens::Entity::find_by_id(Text(token))
        .only(conn)
        .await?;
    Ok(found.map(ApiTokenView::from))
}

/// The API token of this name that is not revoked.
pub async fn api_token_named(
    conn: &DatabaseConnection,
    name: &Name,
) -> Result<Option<ApiTokenView>, StateError> {
    let found = api_tokens::Entity::find()
        .filter(api_tokens::Column::Name.eq(name.as_str()))
        .filter(api_tokens::Column::RevokedAt.is_null())
        .only(conn)
        .await?;
    Ok(found.map(ApiTokenView::from))
}

/// The API token whose secret has this hash.
pub async fn api_token_by_hash(
    conn: &DatabaseConnection,
    hash: Digest,
) -> Result<Option<ApiTokenView>, StateError> {
    let found = api_tokens::Entity::find()
        .filter(api_tokens::Column::Hash.eq(Bytes(hash)))
        .only(conn)
        .await?;
    Ok(found.map(ApiTokenView::from))
}
