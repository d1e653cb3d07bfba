//! Restores.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use holdfast_types::{DumpRestoreRequest, RestorePlan, RestoreRequest};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::jobs::{Accepted, JobStarted};
use crate::api::body::Body;
use crate::api::error::{ApiError, Problems};
use crate::app::App;
use crate::app::caller::Caller;

pub(super) fn router() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(restore_plan))
        .routes(routes!(restore_start))
        .routes(routes!(dump_restore_start))
}

/// Plan a restore; touches nothing
#[utoipa::path(post, path = "/api/v1/restores/plan", operation_id = "restore_plan", tag = "restores",
    request_body = RestoreRequest,
    responses((status = 200, description = "The plan, with all that speaks against it", body = RestorePlan), Problems))]
async fn restore_plan(
    State(app): State<Arc<App>>,
    caller: Caller,
    Body(request): Body<RestoreRequest>,
) -> Result<Json<RestorePlan>, ApiError> {
    Ok(Json(app.plan_restore(&caller, &request).await?.plan))
}

/// Restore a cluster into a new directory
#[utoipa::path(post, path = "/api/v1/restores", operation_id = "restore_start", tag = "restores",
    request_body = RestoreRequest,
    responses((status = 202, description = "The job that does it", body = JobStarted), Problems))]
async fn restore_start(
    State(app): State<Arc<App>>,
    caller: Caller,
    Body(request): Body<RestoreRequest>,
) -> Result<Accepted, ApiError> {
    Ok(Accepted(app.start_restore(&caller, request).await?))
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
