//! API tokens.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use holdfast_state::query;
use holdfast_types::{Name, Secret, Span};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::body::{Body, Params, Segment};
use crate::api::error::{ApiError, Problems};
use crate::api::page::{List, ListParams, PageParams};
use crate::api::rest::resources::Removed;
use crate::app::App;
use crate::app::caller::Caller;

pub(super) fn router() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(token_list, token_create))
        .routes(routes!(token_revoke))
}

/// An API token, without its text.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct TokenView {
    /// Its id.
    id: String,
    /// Its name.
    name: String,
    /// When it was made.
    created_at: Timestamp,
    /// When it ends.
    expires_at: Option<Timestamp>,
    /// When it was revoked.
    revoked_at: Option<Timestamp>,
}

impl From<query::ApiTokenView> for TokenView {
    fn from(token: query::ApiTokenView) -> Self {
        Self {
            id: token.id.to_string(),
            name: token.name.to_string(),
            created_at: token.created_at,
            expires_at: token.expires_at,
            revoked_at: token.revoked_at,
        }
    }
}

/// The token that is wanted.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct TokenParams {
    /// Its name.
    #[schema(value_type = String)]
    name: Name,
    /// How long it is good for; for ever when it is not said.
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "30d")]
    expires_in: Option<Span>,
}

/// An API token; its text is shown once.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct NewTokenView {
    /// Its id.
    id: String,
    /// Its name.
    name: String,
    /// The text, for `Authorization: Bearer`.
    #[schema(value_type = String, example = "hft1.tok_….…")]
    token: Secret,
    /// When it ends.
    expires_at: Option<Timestamp>,
}

/// List API tokens
#[utoipa::path(get, path = "/api/v1/tokens", operation_id = "token_list", tag = "tokens", params(ListParams),
    responses((status = 200, description = "API tokens", body = List<TokenView>), Problems))]
async fn token_list(
    State(app): State<Arc<App>>,
    caller: Caller,
    Params(params): Params<ListParams>,
) -> Result<Json<List<TokenView>>, ApiError> {
    let page = PageParams::page(params.limit, params.cursor)?;
    let found = app.tokens(&caller, &page).await?;
    Ok(Json(found.map(TokenView::from).into()))
}

/// Make an API token that acts for the caller
#[utoipa::path(post, path = "/api/v1/tokens", operation_id = "token_create", tag = "tokens",
    request_body = TokenParams,
    responses((status = 201, description = "The token, shown once", body = NewTokenView), Problems))]
async fn token_create(
    State(app): State<Arc<App>>,
    caller: Caller,
    Body(params): Body<TokenParams>,
) -> Result<(StatusCode, Json<NewTokenView>), ApiError> {
    let made = app
        .create_token(&caller, params.name, params.expires_in)
        .await?;
    let view = NewTokenView {
        id: made.id.to_string(),
        name: made.name.to_string(),
        token: made.token,
        expires_at: made.expires_at,
    };
    Ok((StatusCode::CREATED, Json(view)))
}

/// Revoke an API token, by id or name
#[utoipa::path(delete, path = "/api/v1/tokens/{token}", operation_id = "token_revoke", tag = "tokens",
    params(("token" = String, Path, description = "Its id or name")),
    responses((status = 200, description = "Revoked", body = Removed), Problems))]
async fn token_revoke(
    State(app): State<Arc<App>>,
    caller: Caller,
    Segment(token): Segment<String>,
) -> Result<Json<Removed>, ApiError> {
    app.revoke_token(&caller, &token).await?;
    Ok(Json(Removed::revoked(&token)))
}
