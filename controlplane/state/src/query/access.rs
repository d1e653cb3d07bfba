//! Keys, secrets and join tokens: what opens something. Sealed values leave
//! here sealed (I-10).

use holdfast_types::resource::{Kind, Resource};
use holdfast_types::{AgentId, JoinTokenId, Name, RepositoryId, Revision};
use jiff::Timestamp;
use sea_orm::{DatabaseConnection, EntityTrait, QueryOrder, QuerySelect};
use serde::Serialize;

use super::page::{Page, PageRequest, ascending};
use crate::column::{Count, Moment, Text};
use crate::entity::{
    join_tokens, pki as pki_rows, repository_identities, repository_keys, secrets as secret_rows,
    signing_keys as signing_key_rows,
};
use crate::lookup::Lookup;
use crate::{Digest, Sealed, StateError};

/// The control plane's certificate authority.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PkiView {
    /// Its certificate, PEM.
    pub ca_certificate: String,
    /// Its key.
    pub ca_key: Sealed,
    /// The node that founded it.
    pub founder: String,
    /// When.
    pub created_at: Timestamp,
}

/// The certificate authority; `None` before the bootstrap.
pub async fn pki(conn: &DatabaseConnection) -> Result<Option<PkiView>, StateError> {
    let row = pki_rows::Entity::find_by_id(1).only(conn).await?;
    Ok(row.map(|row| PkiView {
        ca_certificate: row.ca_certificate,
        ca_key: row.ca_key.0,
        founder: row.founder,
        created_at: row.created_at.0,
    }))
}

/// A key that signs access tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SigningKeyView {
    /// Its id (`kid`).
    pub id: String,
    /// The key.
    pub sealed: Sealed,
    /// Since when.
    pub created_at: Timestamp,
}

/// The keys that sign access tokens, newest first.
pub async fn signing_keys(conn: &DatabaseConnection) -> Result<Vec<SigningKeyView>, StateError> {
    let rows = signing_key_rows::Entity::find()
        .order_by_desc(signing_key_rows::Column::CreatedAt)
        .order_by_desc(signing_key_rows::Column::Id)
        .all(conn)
        .await?;
    let view = |row: signing_key_rows::Model| SigningKeyView {
        id: row.id,
        sealed: row.sealed.0,
        created_at: row.created_at.0,
    };
    Ok(rows.into_iter().map(view).collect())
}

/// A secret, without its value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SecretView {
    /// Its name.
    pub name: Name,
    /// When it was first set.
    pub created_at: Timestamp,
    /// When it was last set.
    pub updated_at: Timestamp,
    /// Its revision.
    pub revision: Revision,
}

/// Secrets by name. The values are not even read.
pub async fn secrets(
    conn: &DatabaseConnection,
    request: &PageRequest,
) -> Result<Page<SecretView>, StateError> {
    use secret_rows::{Column, Entity};
    let after = request.key::<Name>()?.map(Text);
    let rows: Vec<(Text<Name>, Moment, Moment, Count)> =
        ascending(Entity::find(), Column::Name, after, request)
            .select_only()
            .column(Column::Name)
            .column(Column::CreatedAt)
            .column(Column::UpdatedAt)
            .column(Column::Revision)
            .into_tuple()
            .all(conn)
            .await?;
    let page = Page::cut(rows, request, |row| row.0.0.clone());
    Ok(
        page.map(|(name, created_at, updated_at, revision)| SecretView {
            name: name.0,
            created_at: created_at.0,
            updated_at: updated_at.0,
            revision: revision.into(),
        }),
    )
}

/// The sealed value of a secret.
pub async fn sealed_secret(
    conn: &DatabaseConnection,
    name: &Name,
) -> Result<Option<Sealed>, StateError> {
    let found = secret_rows::Entity::find_by_id(Text(name.clone()));
    Ok(found.only(conn).await?.map(|row| row.sealed.0))
}

/// Where the key of a repository is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RepositoryKey {
    /// It was made for it.
    Made(Sealed),
    /// Its document names this secret, which exists.
    Secret {
        /// The secret.
        name: Name,
        /// Its value.
        sealed: Sealed,
    },
}

/// The key of a repository; `None` when there is no such repository.
pub async fn repository_key(
    conn: &DatabaseConnection,
    repository: &Name,
) -> Result<Option<RepositoryKey>, StateError> {
    let Some(declared) = super::resource(conn, Kind::Repository, repository).await? else {
        return Ok(None);
    };
    let missing = || StateError::corrupt(format!("the key of repository \"{repository}\" is gone"));
    if let Resource::Repository(document) = declared.document.resource
        && let Some(reference) = document.key
    {
        let name = reference.secret;
        let sealed = sealed_secret(conn, &name).await?.ok_or_else(missing)?;
        return Ok(Some(RepositoryKey::Secret { name, sealed }));
    }
    let key = repository_keys::Entity::find_by_id(Text(repository.clone()));
    let key = key.only(conn).await?.ok_or_else(missing)?;
    Ok(Some(RepositoryKey::Made(key.sealed.0)))
}

/// Which repository was found at a declared place; `None` until an agent has
/// looked.
pub async fn repository_identity(
    conn: &DatabaseConnection,
    repository: &Name,
) -> Result<Option<RepositoryId>, StateError> {
    let found = repository_identities::Entity::find_by_id(Text(repository.clone()));
    Ok(found.only(conn).await?.map(|row| row.identity.0))
}

/// A one-time token with which an agent enrols.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct JoinTokenView {
    /// Its id.
    pub id: JoinTokenId,
    /// The hash of its secret; never shown.
    #[serde(skip)]
    pub hash: Digest,
    /// The only region it may be used for.
    pub region: Option<String>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
    /// When it was used.
    pub used_at: Option<Timestamp>,
    /// By whom.
    pub used_by: Option<AgentId>,
}

impl From<join_tokens::Model> for JoinTokenView {
    fn from(row: join_tokens::Model) -> Self {
        Self {
            id: row.id.0,
            hash: row.hash.0,
            region: row.region,
            created_at: row.created_at.0,
            expires_at: row.expires_at.0,
            used_at: row.used_at.map(|at| at.0),
            used_by: row.used_by.map(|agent| agent.0),
        }
    }
}

/// The join token of this id.
pub async fn join_token(
    conn: &DatabaseConnection,
    token: JoinTokenId,
) -> Result<Option<JoinTokenView>, StateError> {
    let found = join_tokens::Entity::find_by_id(Text(token))
        .only(conn)
        .await?;
    Ok(found.map(JoinTokenView::from))
}

/// Join tokens, oldest first.
pub async fn join_tokens(
    conn: &DatabaseConnection,
    request: &PageRequest,
) -> Result<Page<JoinTokenView>, StateError> {
    use join_tokens::{Column, Entity};
    let after = request.key::<JoinTokenId>()?.map(Text);
    let rows = ascending(Entity::find(), Column::Id, after, request)
        .all(conn)
        .await?;
    let page = Page::cut(rows, request, |row| row.id.0);
    Ok(page.map(JoinTokenView::from))
}
