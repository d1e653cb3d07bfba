//! Logging in and out.

use std::sync::Arc;

use axum::extract::State;
use axum::{Extension, Json};
use holdfast_types::Secret;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::body::Body;
use crate::api::error::{ApiError, Problems};
use crate::api::request::RequestContext;
use crate::app::App;
use crate::app::caller::Caller;
use crate::app::login::{Login, Origin};

pub(super) fn open() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(auth_login))
        .routes(routes!(auth_refresh))
}

pub(super) fn guarded() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(auth_logout))
}

/// A user and a password.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct LoginParams {
    /// The user.
    user: String,
    /// The password.
    #[schema(value_type = String, format = Password)]
    password: Secret,
}

/// A refresh token.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RefreshParams {
    /// The refresh token of the answer before.
    #[schema(value_type = String)]
    refresh_token: Secret,
}

/// Tokens of a login.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct LoginView {
    /// For `Authorization: Bearer`.
    #[schema(value_type = String)]
    access_token: Secret,
    /// Gives the next tokens, once.
    #[schema(value_type = String)]
    refresh_token: Secret,
    /// When the access token ends.
    expires_at: Timestamp,
    /// The user.
    user: String,
}

impl From<Login> for LoginView {
    fn from(login: Login) -> Self {
        Self {
            access_token: login.access_token,
            refresh_token: login.refresh_token,
            expires_at: login.expires_at,
            user: login.user.to_string(),
        }
    }
}

fn origin(context: RequestContext) -> Origin {
    Origin {
        request: context.id,
        remote: context.remote.map(|remote| remote.ip()),
        traceparent: context.traceparent,
    }
}

/// Log in
#[utoipa::path(post, path = "/api/v1/auth/login", operation_id = "auth_login", tag = "auth", security(()),
    request_body = LoginParams, responses((status = 200, description = "Tokens", body = LoginView), Problems))]
async fn auth_login(
    State(app): State<Arc<App>>,
    Extension(context): Extension<RequestContext>,
    Body(params): Body<LoginParams>,
) -> Result<Json<LoginView>, ApiError> {
    let login = app
        .login(&params.user, params.password, &origin(context))
        .await?;
    Ok(Json(login.into()))
}

/// Exchange a refresh token for new tokens
#[utoipa::path(post, path = "/api/v1/auth/refresh", operation_id = "auth_refresh", tag = "auth", security(()),
    request_body = RefreshParams, responses((status = 200, description = "Tokens", body = LoginView), Problems))]
async fn auth_refresh(
    State(app): State<Arc<App>>,
    Extension(context): Extension<RequestContext>,
    Body(params): Body<RefreshParams>,
) -> Result<Json<LoginView>, ApiError> {
    let login = app
        .refresh(params.refresh_token.expose(), &origin(context))
        .await?;
    Ok(Json(login.into()))
}

/// What became of the login.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct LogoutView {
    /// Whether the caller is logged out.
    logged_out: bool,
}

/// End the caller's login
#[utoipa::path(post, path = "/api/v1/auth/logout", operation_id = "auth_logout", tag = "auth",
    responses((status = 200, description = "The login has ended", body = LogoutView), Problems))]
async fn auth_logout(
    State(app): State<Arc<App>>,
    caller: Caller,
) -> Result<Json<LogoutView>, ApiError> {
    app.logout(&caller).await?;
    Ok(Json(LogoutView { logged_out: true }))
}
