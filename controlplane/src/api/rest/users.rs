//! Users.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use holdfast_state::query;
use holdfast_types::{Name, Secret};
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
        .routes(routes!(user_list, user_create))
        .routes(routes!(user_delete))
        .routes(routes!(user_password_set))
}

/// A user.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct UserView {
    /// Its name.
    name: String,
    /// When it was created.
    created_at: Timestamp,
    /// When it was changed last.
    updated_at: Timestamp,
}

impl From<query::UserView> for UserView {
    fn from(user: query::UserView) -> Self {
        Self {
            name: user.name.to_string(),
            created_at: user.created_at,
            updated_at: user.updated_at,
        }
    }
}

/// The user that is wanted.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct UserParams {
    /// Its name.
    #[schema(value_type = String)]
    name: Name,
    /// Its password, 10 characters at least.
    #[schema(value_type = String, format = Password)]
    password: Secret,
}

/// A new password.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct PasswordParams {
    /// The password, 10 characters at least.
    #[schema(value_type = String, format = Password)]
    password: Secret,
}

/// What was written, by name.
#[derive(Debug, Serialize, ToSchema)]
struct Named {
    /// Its name.
    name: String,
}

/// List users
#[utoipa::path(get, path = "/api/v1/users", operation_id = "user_list", tag = "users", params(ListParams),
    responses((status = 200, description = "Users by name", body = List<UserView>), Problems))]
async fn user_list(
    State(app): State<Arc<App>>,
    caller: Caller,
    Params(params): Params<ListParams>,
) -> Result<Json<List<UserView>>, ApiError> {
    let page = PageParams::page(params.limit, params.cursor)?;
    let found = app.users(&caller, &page).await?;
    Ok(Json(found.map(UserView::from).into()))
}

/// Create a user
#[utoipa::path(post, path = "/api/v1/users", operation_id = "user_create", tag = "users",
    request_body = UserParams,
    responses((status = 201, description = "Created", body = Named), Problems))]
async fn user_create(
    State(app): State<Arc<App>>,
    caller: Caller,
    Body(params): Body<UserParams>,
) -> Result<(StatusCode, Json<Named>), ApiError> {
    let name = params.name.to_string();
    app.create_user(&caller, params.name, params.password)
        .await?;
    Ok((StatusCode::CREATED, Json(Named { name })))
}

/// Set a user's password; its other logins end
#[utoipa::path(put, path = "/api/v1/users/{name}/password", operation_id = "user_password_set", tag = "users",
    params(("name" = String, Path)), request_body = PasswordParams,
    responses((status = 200, description = "Set", body = Named), Problems))]
async fn user_password_set(
    State(app): State<Arc<App>>,
    caller: Caller,
    Segment(name): Segment<Name>,
    Body(params): Body<PasswordParams>,
) -> Result<Json<Named>, ApiError> {
    app.set_password(&caller, name.clone(), params.password)
        .await?;
    Ok(Json(Named {
        name: name.to_string(),
    }))
}

/// Delete a user, with its logins and tokens
#[utoipa::path(delete, path = "/api/v1/users/{name}", operation_id = "user_delete", tag = "users",
    params(("name" = String, Path)),
    responses((status = 200, description = "Deleted", body = Removed), Problems))]
async fn user_delete(
    State(app): State<Arc<App>>,
    caller: Caller,
    Segment(name): Segment<Name>,
) -> Result<Json<Removed>, ApiError> {
    app.delete_user(&caller, name.clone()).await?;
    Ok(Json(Removed::deleted(&name)))
}
