//! Logging in and out: with tokens for programs, with cookies for browsers.

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::{Extension, Json};
use holdfast_types::Secret;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::body::{Body, Params};
use crate::api::cookie;
use crate::api::error::{ApiError, Problems};
use crate::api::request::RequestContext;
use crate::app::App;
use crate::app::caller::Caller;
use crate::app::code::Code;
use crate::app::error::AppError;
use crate::app::login::{Login, Origin};

pub(super) fn open() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(auth_login))
        .routes(routes!(auth_refresh))
        .routes(routes!(browser_login, browser_logout))
        .routes(routes!(browser_renew))
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

/// A browser's login. Its tokens are in cookies that no script can read.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct SessionView {
    /// The user.
    user: String,
    /// When it has to be renewed.
    expires_at: Timestamp,
}

type InCookies<T> = Result<(HeaderMap, Json<T>), ApiError>;

fn in_cookies(app: &App, login: Login) -> InCookies<SessionView> {
    let cookies = cookie::keep(app, &login)?;
    let view = SessionView {
        user: login.user.to_string(),
        expires_at: login.expires_at,
    };
    Ok((cookies, Json(view)))
}

/// Log a browser in
///
/// The answer sets two cookies that no script can read and no other site's request
/// carries; with them every operation here can be called without `Authorization`.
#[utoipa::path(post, path = "/api/v1/auth/session", operation_id = "browser_login", tag = "auth", security(()),
    request_body = LoginParams, responses((status = 200, description = "The login, in cookies", body = SessionView), Problems))]
async fn browser_login(
    State(app): State<Arc<App>>,
    Extension(context): Extension<RequestContext>,
    Body(params): Body<LoginParams>,
) -> InCookies<SessionView> {
    let login = app
        .login(&params.user, params.password, &origin(context))
        .await?;
    in_cookies(&app, login)
}

/// Renew a browser's login
///
/// The cookies are replaced. Whoever asks again within half a minute, because the
/// answer was lost, is given the same ones; any other cookie that was replaced before
/// is stolen, and ends the whole login.
#[utoipa::path(post, path = "/api/v1/auth/session/renew", operation_id = "browser_renew", tag = "auth", security(()),
    responses((status = 200, description = "The login, in cookies", body = SessionView), Problems))]
async fn browser_renew(
    State(app): State<Arc<App>>,
    Extension(context): Extension<RequestContext>,
    headers: HeaderMap,
) -> InCookies<SessionView> {
    let token = cookie::read(&app, &headers, cookie::Kind::Refresh);
    let token =
        token.ok_or_else(|| AppError::new(Code::NOT_LOGGED_IN, "this browser is not logged in"))?;
    let login = app.renew_browser(token.expose(), &origin(context)).await?;
    in_cookies(&app, login)
}

/// Which logins end.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct LogoutParams {
    /// All logins of this user, on every browser and program.
    #[serde(default)]
    everywhere: bool,
}

/// Log a browser out
///
/// The cookies go even when the login had ended before. API tokens stay.
#[utoipa::path(delete, path = "/api/v1/auth/session", operation_id = "browser_logout", tag = "auth", security(()),
    params(LogoutParams), responses((status = 200, description = "The login has ended", body = LogoutView), Problems))]
async fn browser_logout(
    State(app): State<Arc<App>>,
    Extension(context): Extension<RequestContext>,
    Params(params): Params<LogoutParams>,
    headers: HeaderMap,
) -> InCookies<LogoutView> {
    if let Some(token) = cookie::read(&app, &headers, cookie::Kind::Refresh) {
        app.end_login(token.expose(), params.everywhere, &origin(context))
            .await?;
    }
    let cookies = cookie::forget(&app)?;
    Ok((cookies, Json(LogoutView { logged_out: true })))
}
