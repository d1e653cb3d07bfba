//! Restores.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use holdfast_state::query::RestoreFilter;
use holdfast_types::restoring::RestoreState;
use holdfast_types::{DumpRestoreRequest, Name, RestoreId};
use serde::Deserialize;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::jobs::{Accepted, JobStarted};
use crate::api::body::{Body, Params, Segment};
use crate::api::error::{ApiError, Problems};
use crate::api::page::{List, PageParams};
use crate::app::caller::Caller;
use crate::app::{App, RestorePlanView, RestoreView, WantedRestore};

pub(super) fn router() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(restore_plan))
        .routes(routes!(restore_list, restore_start))
        .routes(routes!(restore_show))
        .routes(routes!(restore_cancel))
        .routes(routes!(dump_restore_start))
}

/// Plan a restore; touches nothing
#[utoipa::path(post, path = "/api/v1/restores/plan", operation_id = "restore_plan", tag = "restores",
    request_body = WantedRestore,
    responses((status = 200, description = "The plan, with all that speaks against it", body = RestorePlanView), Problems))]
async fn restore_plan(
    State(app): State<Arc<App>>,
    caller: Caller,
    Body(wanted): Body<WantedRestore>,
) -> Result<Json<RestorePlanView>, ApiError> {
    Ok(Json(app.plan_restore(&caller, &wanted).await?))
}

/// Restore a cluster into a directory
#[utoipa::path(post, path = "/api/v1/restores", operation_id = "restore_start", tag = "restores",
    request_body = WantedRestore,
    responses((status = 202, description = "The job that does it", body = JobStarted), Problems))]
async fn restore_start(
    State(app): State<Arc<App>>,
    caller: Caller,
    Body(wanted): Body<WantedRestore>,
) -> Result<Accepted, ApiError> {
    Ok(Accepted(app.start_restore(&caller, wanted).await?))
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct RestoreListParams {
    /// Only of this cluster.
    #[param(value_type = Option<String>)]
    cluster: Option<Name>,
    /// Only in this state; without it, all that somebody began.
    state: Option<RestoreState>,
    /// At most this many items, 1 to 1000; 100 when it is not said.
    limit: Option<u64>,
    /// Where the page before ended: its `nextCursor`.
    cursor: Option<String>,
}

/// List restores, the latest first
#[utoipa::path(get, path = "/api/v1/restores", operation_id = "restore_list", tag = "restores", params(RestoreListParams),
    responses((status = 200, description = "Restores", body = List<RestoreView>), Problems))]
async fn restore_list(
    State(app): State<Arc<App>>,
    caller: Caller,
    Params(params): Params<RestoreListParams>,
) -> Result<Json<List<RestoreView>>, ApiError> {
    let filter = RestoreFilter {
        cluster: params.cluster,
        state: params.state,
        ..RestoreFilter::default()
    };
    let page = PageParams::page(params.limit, params.cursor)?;
    Ok(Json(app.restores(&caller, &filter, &page).await?.into()))
}

/// Show a restore and what came of it
#[utoipa::path(get, path = "/api/v1/restores/{id}", operation_id = "restore_show", tag = "restores",
    params(("id" = String, Path)),
    responses((status = 200, description = "The restore", body = RestoreView), Problems))]
async fn restore_show(
    State(app): State<Arc<App>>,
    caller: Caller,
    Segment(id): Segment<RestoreId>,
) -> Result<Json<RestoreView>, ApiError> {
    Ok(Json(app.restore(&caller, id).await?))
}

/// End a restore that is not restored yet
#[utoipa::path(post, path = "/api/v1/restores/{id}/cancel", operation_id = "restore_cancel", tag = "restores",
    params(("id" = String, Path)),
    responses((status = 200, description = "The restore", body = RestoreView), Problems))]
async fn restore_cancel(
    State(app): State<Arc<App>>,
    caller: Caller,
    Segment(id): Segment<RestoreId>,
) -> Result<Json<RestoreView>, ApiError> {
    Ok(Json(app.cancel_restore(&caller, id).await?))
}

/// Restore a database of a dump into a running server
#[utoipa::path(post, path = "/api/v1/dump-restores", operation_id = "dump_restore_start", tag = "restores",
    request_body = DumpRestoreRequest,
    responses((status = 202, description = "The job that does it", body = JobStarted), Problems))]
async fn dump_restore_start(
    State(app): State<Arc<App>>,
    caller: Caller,
    Body(request): Body<DumpRestoreRequest>,
) -> Result<Accepted, ApiError> {
    Ok(Accepted(app.start_dump_restore(&caller, request).await?))
}
