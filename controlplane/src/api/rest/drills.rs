//! Drills.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use holdfast_state::query::DrillFilter;
use holdfast_types::drill::DrillVerdict;
use holdfast_types::{DrillId, Name};
use serde::Deserialize;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::jobs::{Accepted, JobStarted};
use crate::api::body::{Body, Params, Segment};
use crate::api::error::{ApiError, Problems};
use crate::api::page::{List, PageParams};
use crate::app::caller::Caller;
use crate::app::{App, DrillView, WantedDrill};

pub(super) fn router() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(drill_list))
        .routes(routes!(drill_show))
        .routes(routes!(drill_start))
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct DrillListParams {
    /// Only of this cluster.
    #[param(value_type = Option<String>)]
    cluster: Option<Name>,
    /// Only of clusters that were in this fleet.
    #[param(value_type = Option<String>)]
    fleet: Option<Name>,
    /// Only those that ended so.
    verdict: Option<DrillVerdict>,
    /// At most this many items, 1 to 1000; 100 when it is not said.
    limit: Option<u64>,
    /// Where the page before ended: its `nextCursor`.
    cursor: Option<String>,
}

/// List drills that have ended, the latest first
#[utoipa::path(get, path = "/api/v1/drills", operation_id = "drill_list", tag = "drills", params(DrillListParams),
    responses((status = 200, description = "Drills", body = List<DrillView>), Problems))]
async fn drill_list(
    State(app): State<Arc<App>>,
    caller: Caller,
    Params(params): Params<DrillListParams>,
) -> Result<Json<List<DrillView>>, ApiError> {
    let filter = DrillFilter {
        cluster: params.cluster,
        fleet: params.fleet,
        verdict: params.verdict,
        ..DrillFilter::default()
    };
    let page = PageParams::page(params.limit, params.cursor)?;
    Ok(Json(app.drills(&caller, &filter, &page).await?.into()))
}

/// Show what a drill showed
#[utoipa::path(get, path = "/api/v1/drills/{id}", operation_id = "drill_show", tag = "drills",
    params(("id" = String, Path)),
    responses((status = 200, description = "The drill", body = DrillView), Problems))]
async fn drill_show(
    State(app): State<Arc<App>>,
    caller: Caller,
    Segment(id): Segment<DrillId>,
) -> Result<Json<DrillView>, ApiError> {
    Ok(Json(app.drill(&caller, id).await?))
}

/// Rehearse a restore of a cluster
#[utoipa::path(post, path = "/api/v1/clusters/{name}/drills", operation_id = "drill_start", tag = "drills",
    params(("name" = String, Path)), request_body = WantedDrill,
    responses((status = 202, description = "The job that does it", body = JobStarted), Problems))]
async fn drill_start(
    State(app): State<Arc<App>>,
    caller: Caller,
    Segment(name): Segment<Name>,
    Body(wanted): Body<WantedDrill>,
) -> Result<Accepted, ApiError> {
    Ok(Accepted(app.start_drill(&caller, name, wanted).await?))
}
