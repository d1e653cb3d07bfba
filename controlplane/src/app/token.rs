//! API tokens and join tokens: shown once, kept as digests.

use holdfast_state::command::{CreateApiToken, CreateJoinToken, RevokeApiToken};
use holdfast_state::query::{self, ApiTokenView, Page, PageRequest};
use holdfast_types::access::Permission;
use holdfast_types::{JoinTokenId, Name, Secret, Span, TokenId};
use jiff::Timestamp;
use uuid::Uuid;

use super::App;
use super::caller::Caller;
use super::code::Code;
use super::error::{AppError, Result};
use super::login::API;
use crate::secure::{OpaqueToken, TokenSecret, join_token};

/// A new API token. Its text is never shown again.
#[derive(Debug)]
pub struct NewToken {
    /// Its id.
    pub id: TokenId,
    /// Its name.
    pub name: Name,
    /// The text.
    pub token: Secret,
    /// When it ends.
    pub expires_at: Option<Timestamp>,
}

/// A new join token. Its text is never shown again.
#[derive(Debug)]
pub struct NewJoinToken {
    /// The text.
    pub token: Secret,
    /// When it ends.
    pub expires_at: Timestamp,
}

impl App {
    /// Every API token, or the caller's own.
    pub async fn tokens(&self, by: &Caller, page: &PageRequest) -> Result<Page<ApiTokenView>> {
        let view = self.read(by).await?;
        let all = self
            .rights(&view, by)
            .await?
            .everywhere(Permission::UsersRead);
        let owner = (!all).then(|| by.user().0);
        Ok(query::api_tokens(view.connection(), owner, page).await?)
    }

    /// Makes an API token that acts for the caller's user.
    pub async fn create_token(
        &self,
        by: &Caller,
        name: Name,
        expires_in: Option<Span>,
    ) -> Result<NewToken> {
        let id = TokenId::from_uuid(Uuid::now_v7());
        let token = OpaqueToken::generate(id)?;
        let expires_at = expires_in
            .map(|span| after("expiresIn", span))
            .transpose()?;
        let command = CreateApiToken {
            token: id,
            name: name.clone(),
            user: by.user().1.clone(),
            hash: token.secret.digest(),
            expires_at,
        };
        self.propose(by, command).await?;
        // A repeat under the same Idempotency-Key is answered from memory, and
        // the memory does not hold the secret: only the first answer had it.
        if by.idempotency.is_some() {
            let view = self.node.read().await?;
            if query::api_token(view.connection(), id).await?.is_none() {
                return Err(shown_once());
            }
        }
        Ok(NewToken {
            id,
            name,
            token: token.reveal(API),
            expires_at,
        })
    }

    /// Revokes an API token, by id or name.
    pub async fn revoke_token(&self, by: &Caller, id_or_name: &str) -> Result<()> {
        let view = self.node.read().await?;
        let found = match (id_or_name.parse::<TokenId>(), id_or_name.parse::<Name>()) {
            (Ok(id), _) => query::api_token(view.connection(), id).await?,
            (Err(_), Ok(name)) => query::api_token_named(view.connection(), &name).await?,
            (Err(_), Err(_)) => None,
        };
        let all = self
            .rights(&view, by)
            .await?
            .everywhere(Permission::UsersWrite);
        let found = found.filter(|token| all || token.user == by.user().0);
        let found = found.ok_or_else(|| AppError::not_found("API token", id_or_name))?;
        let token = found.id;
        self.propose(by, RevokeApiToken { token }).await
    }

    /// Makes a token with which one agent enrols.
    pub async fn create_join_token(
        &self,
        by: &Caller,
        ttl: Option<Span>,
        region: Option<String>,
    ) -> Result<NewJoinToken> {
        let id = JoinTokenId::from_uuid(Uuid::now_v7());
        let secret = TokenSecret::generate()?;
        let expires_at = after("ttl", ttl.unwrap_or(self.config.access.join_token))?;
        let command = CreateJoinToken {
            token: id,
            hash: secret.digest(),
            expires_at,
            region,
        };
        self.propose(by, command).await?;
        if by.idempotency.is_some() {
            let view = self.node.read().await?;
            if query::join_token(view.connection(), id).await?.is_none() {
                return Err(shown_once());
            }
        }
        let token = join_token(id, &secret, &self.authority.fingerprint());
        Ok(NewJoinToken { token, expires_at })
    }
}

pub(super) fn shown_once() -> AppError {
    AppError::new(
        Code::SHOWN_ONCE,
        "this request made a token before, and it was shown then",
    )
}

pub(super) fn after(field: &str, span: Span) -> Result<Timestamp> {
    let end = Timestamp::now().checked_add(span.get());
    end.ok()
        .filter(|_| !span.get().is_zero())
        .ok_or_else(|| AppError::invalid(field, format!("{span} is not a time to live")))
}
