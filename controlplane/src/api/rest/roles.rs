//! Roles, and what the caller may do. There are the built-in ones; roles of one's
//! own come later.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use holdfast_types::Name;
use serde_json::Value;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::resources::Removed;
use crate::api::body::{Body, Segment};
use crate::api::error::{ApiError, Problems};
use crate::api::page::List;
use crate::app::caller::Caller;
use crate::app::code::Code;
use crate::app::error::AppError;
use crate::app::{AccessView, App, RoleView};

pub(super) fn router() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(access_show))
        .routes(routes!(role_list))
        .routes(routes!(role_show, role_put, role_delete))
}

/// Show who asks, and what it may do
#[utoipa::path(get, path = "/api/v1/access/me", operation_id = "access_show", tag = "access",
    responses((status = 200, description = "The caller's roles", body = AccessView), Problems))]
async fn access_show(
    State(app): State<Arc<App>>,
    caller: Caller,
) -> Result<Json<AccessView>, ApiError> {
    Ok(Json(app.access(&caller).await?))
}

/// List roles
#[utoipa::path(get, path = "/api/v1/roles", operation_id = "role_list", tag = "access",
    responses((status = 200, description = "The one that may least first", body = List<RoleView>), Problems))]
async fn role_list(
    State(app): State<Arc<App>>,
    _caller: Caller,
) -> Result<Json<List<RoleView>>, ApiError> {
    let (items, next_cursor) = (app.roles(), None);
    Ok(Json(List { items, next_cursor }))
}

/// Show a role
#[utoipa::path(get, path = "/api/v1/roles/{name}", operation_id = "role_show", tag = "access",
    params(("name" = String, Path)),
    responses((status = 200, description = "The role", body = RoleView), Problems))]
async fn role_show(
    State(app): State<Arc<App>>,
    _caller: Caller,
    Segment(name): Segment<Name>,
) -> Result<Json<RoleView>, ApiError> {
    Ok(Json(app.role(&name)?))
}

/// Declare a role of one's own: not supported yet
#[utoipa::path(put, path = "/api/v1/roles/{name}", operation_id = "role_put", tag = "access",
    params(("name" = String, Path)), request_body = Object,
    responses((status = 200, description = "Never yet", body = RoleView), Problems))]
async fn role_put(
    _caller: Caller,
    Segment(_name): Segment<Name>,
    Body(_document): Body<Value>,
) -> Result<Json<RoleView>, ApiError> {
    Err(not_yet().into())
}

/// Delete a role of one's own: not supported yet
#[utoipa::path(delete, path = "/api/v1/roles/{name}", operation_id = "role_delete", tag = "access",
    params(("name" = String, Path)),
    responses((status = 200, description = "Never yet", body = Removed), Problems))]
async fn role_delete(
    _caller: Caller,
    Segment(_name): Segment<Name>,
) -> Result<Json<Removed>, ApiError> {
    Err(not_yet().into())
}

fn not_yet() -> AppError {
    let message = "the built-in roles cannot be changed, and roles of your own are not \
                   supported yet";
    AppError::new(Code::NOT_SUPPORTED_YET, message).with_field("kind")
}
