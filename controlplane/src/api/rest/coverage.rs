//! The coverage band of a cluster, and what restoring to a point means.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use holdfast_types::{Name, RestoreTarget};
use jiff::Timestamp;
use serde::Deserialize;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::body::{Params, Segment};
use crate::api::error::{ApiError, Problems};
use crate::app::caller::Caller;
use crate::app::{App, CoverageView, RecoverabilityView};

pub(super) fn router() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(coverage_show))
        .routes(routes!(recoverability_show))
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct CoverageParams {
    /// What ended before is left out; nothing is when it is not said.
    from: Option<Timestamp>,
    /// What began later is left out; now when it is not said.
    to: Option<Timestamp>,
    /// Only this repository; 404 when nothing of the cluster is to be in it.
    #[param(value_type = Option<String>)]
    repository: Option<Name>,
}

/// Show what one could restore a cluster to over time, by repository
///
/// Stretches of time that can be restored, the holes between them, and backups, drills
/// and violations as marks. Whatever is not known is null. What is too much is joined or
/// left out, and the answer says so.
#[utoipa::path(get, path = "/api/v1/clusters/{name}/coverage", operation_id = "coverage_show", tag = "backups",
    params(("name" = String, Path), CoverageParams),
    responses((status = 200, description = "The coverage band", body = CoverageView), Problems))]
async fn coverage_show(
    State(app): State<Arc<App>>,
    caller: Caller,
    Segment(name): Segment<Name>,
    Params(params): Params<CoverageParams>,
) -> Result<Json<CoverageView>, ApiError> {
    let period = (params.from, params.to);
    let found = app.coverage(&caller, &name, period, params.repository.as_ref());
    Ok(Json(found.await?))
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct RecoverabilityParams {
    /// The point: `latest`, an RFC 3339 time, `lsn:X`; `latest` when it is not said.
    #[param(value_type = Option<String>, example = "2026-02-03T02:41:07Z")]
    at: Option<RestoreTarget>,
    /// Only from this repository; 404 when nothing of the cluster is to be in it.
    #[param(value_type = Option<String>)]
    repository: Option<Name>,
}

/// Show what restoring a cluster to a point means
///
/// Whether it can be, from which backup and repository, how much would be replayed and
/// lost, and how long it would take; otherwise why not, and the nearest points. Answered
/// from the catalog alone: no agent is asked, and the plan of a restore decides.
#[utoipa::path(get, path = "/api/v1/clusters/{name}/recoverability", operation_id = "recoverability_show", tag = "restores",
    params(("name" = String, Path), RecoverabilityParams),
    responses((status = 200, description = "What it means", body = RecoverabilityView), Problems))]
async fn recoverability_show(
    State(app): State<Arc<App>>,
    caller: Caller,
    Segment(name): Segment<Name>,
    Params(params): Params<RecoverabilityParams>,
) -> Result<Json<RecoverabilityView>, ApiError> {
    let at = params.at.unwrap_or(RestoreTarget::Latest);
    let found = app.recoverability(&caller, &name, at, params.repository.as_ref());
    Ok(Json(found.await?))
}
