//! Secrets: written, listed by name, never shown.

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
        .routes(routes!(secret_list))
        .routes(routes!(secret_set, secret_delete))
}

/// A secret, without what it holds.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct SecretView {
    /// Its name.
    name: String,
    /// When it was created.
    created_at: Timestamp,
    /// When it was set last.
    updated_at: Timestamp,
}

impl From<query::SecretView> for SecretView {
    fn from(secret: query::SecretView) -> Self {
        Self {
            name: secret.name.to_string(),
            created_at: secret.created_at,
            updated_at: secret.updated_at,
        }
    }
}

/// What a secret is to hold.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct SecretParams {
    /// The value.
    #[schema(value_type = String, format = Password)]
    value: Secret,
}

/// A secret that was set.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct SecretSet {
    /// Its name.
    name: String,
    /// Whether it is new.
    created: bool,
}

/// List secrets by name
#[utoipa::path(get, path = "/api/v1/secrets", operation_id = "secret_list", tag = "secrets", params(ListParams),
    responses((status = 200, description = "Secrets", body = List<SecretView>), Problems))]
async fn secret_list(
    State(app): State<Arc<App>>,
    caller: Caller,
    Params(params): Params<ListParams>,
) -> Result<Json<List<SecretView>>, ApiError> {
    let page = PageParams::page(params.limit, params.cursor)?;
    let found = app.secrets(&caller, &page).await?;
    Ok(Json(found.map(SecretView::from).into()))
}

/// Create or replace a secret
#[utoipa::path(put, path = "/api/v1/secrets/{name}", operation_id = "secret_set", tag = "secrets",
    params(("name" = String, Path)), request_body = SecretParams,
    responses((status = 200, description = "Replaced", body = SecretSet),
        (status = 201, description = "Created", body = SecretSet), Problems))]
async fn secret_set(
    State(app): State<Arc<App>>,
    caller: Caller,
    Segment(name): Segment<Name>,
    Body(params): Body<SecretParams>,
) -> Result<(StatusCode, Json<SecretSet>), ApiError> {
    let set = app.set_secret(&caller, name.clone(), &params.value).await?;
    let status = if set.created {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    let view = SecretSet {
        name: name.to_string(),
        created: set.created,
    };
    Ok((status, Json(view)))
}

/// Delete a secret that nothing names
#[utoipa::path(delete, path = "/api/v1/secrets/{name}", operation_id = "secret_delete", tag = "secrets",
    params(("name" = String, Path)),
    responses((status = 200, description = "Deleted", body = Removed), Problems))]
async fn secret_delete(
    State(app): State<Arc<App>>,
    caller: Caller,
    Segment(name): Segment<Name>,
) -> Result<Json<Removed>, ApiError> {
    app.delete_secret(&caller, name.clone()).await?;
    Ok(Json(Removed::deleted(&name)))
}
