//! What nobody protects.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use holdfast_types::Name;
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::body::{Body, Params};
use crate::api::error::{ApiError, Problems};
use crate::api::page::{List, PageParams};
use crate::app::caller::Caller;
use crate::app::{App, UnprotectedView};

pub(super) fn router() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(unprotected_list))
        .routes(routes!(unprotected_ignore))
        .routes(routes!(unprotected_heed))
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct UnprotectedParams {
    /// Also what somebody said needs no protection.
    #[serde(default)]
    ignored: bool,
    /// At most this many items, 1 to 1000; 100 when it is not said.
    limit: Option<u64>,
    /// Where the page before ended: its `nextCursor`.
    cursor: Option<String>,
}

/// A server that an agent found.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct FoundInstance {
    /// The agent on its host.
    #[schema(value_type = String)]
    agent: Name,
    /// Its data directory.
    data_directory: String,
}

/// A server that needs no protection.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct IgnoreParams {
    /// The agent on its host.
    #[schema(value_type = String)]
    agent: Name,
    /// Its data directory.
    data_directory: String,
    /// Why, in 1 to 500 characters.
    reason: String,
}

/// What nobody protects: servers that agents found and no cluster declares, then
/// clusters that no policy covers
#[utoipa::path(get, path = "/api/v1/unprotected", operation_id = "unprotected_list", tag = "exposure", params(UnprotectedParams),
    responses((status = 200, description = "Servers that run first", body = List<UnprotectedView>), Problems))]
async fn unprotected_list(
    State(app): State<Arc<App>>,
    caller: Caller,
    Params(params): Params<UnprotectedParams>,
) -> Result<Json<List<UnprotectedView>>, ApiError> {
    let page = PageParams::page(params.limit, params.cursor)?;
    let found = app.unprotected(&caller, params.ignored, &page).await?;
    Ok(Json(found.into()))
}

/// Say that a server needs no protection, and why
#[utoipa::path(post, path = "/api/v1/unprotected/ignore", operation_id = "unprotected_ignore", tag = "exposure",
    request_body = IgnoreParams,
    responses((status = 204, description = "It is listed as ignored"), Problems))]
async fn unprotected_ignore(
    State(app): State<Arc<App>>,
    caller: Caller,
    Body(params): Body<IgnoreParams>,
) -> Result<StatusCode, ApiError> {
    let which = (params.agent, params.data_directory);
    app.ignore_instance(&caller, which, params.reason).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Take back that a server needs no protection
#[utoipa::path(post, path = "/api/v1/unprotected/heed", operation_id = "unprotected_heed", tag = "exposure",
    request_body = FoundInstance,
    responses((status = 204, description = "It is listed again"), Problems))]
async fn unprotected_heed(
    State(app): State<Arc<App>>,
    caller: Caller,
    Body(params): Body<FoundInstance>,
) -> Result<StatusCode, ApiError> {
    let which = (params.agent, params.data_directory);
    app.heed_instance(&caller, which).await?;
    Ok(StatusCode::NO_CONTENT)
}
