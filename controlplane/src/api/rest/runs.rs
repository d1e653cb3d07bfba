//! Runs of schedules.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use holdfast_state::query::RunFilter;
use holdfast_types::Name;
use holdfast_types::schedule::{NextRun, RunState};
use serde::Deserialize;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::body::{Params, Segment};
use crate::api::error::{ApiError, Problems};
use crate::api::page::{List, PageParams};
use crate::app::caller::Caller;
use crate::app::{App, RunView};

/// How many runs a preview shows when nobody says.
const PREVIEW: usize = 10;

pub(super) fn router() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(run_list))
        .routes(routes!(cluster_schedule))
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct RunListParams {
    /// Only of this cluster.
    #[param(value_type = Option<String>)]
    cluster: Option<Name>,
    /// Only of this schedule.
    #[param(value_type = Option<String>)]
    schedule: Option<Name>,
    /// Only in this state.
    state: Option<RunState>,
    /// At most this many items, 1 to 1000; 100 when it is not said.
    limit: Option<u64>,
    /// Where the page before ended: its `nextCursor`.
    cursor: Option<String>,
}

/// What became of each due time, the latest first
#[utoipa::path(get, path = "/api/v1/runs", operation_id = "run_list", tag = "schedules", params(RunListParams),
    responses((status = 200, description = "Runs", body = List<RunView>), Problems))]
async fn run_list(
    State(app): State<Arc<App>>,
    caller: Caller,
    Params(params): Params<RunListParams>,
) -> Result<Json<List<RunView>>, ApiError> {
    let filter = RunFilter {
        cluster: params.cluster,
        schedule: params.schedule,
        state: params.state,
        ..RunFilter::default()
    };
    let page = PageParams::page(params.limit, params.cursor)?;
    Ok(Json(app.runs(&caller, &filter, &page).await?.into()))
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ScheduleParams {
    /// How many runs, 1 to 1000; 10 when it is not said.
    n: Option<usize>,
}

/// When a cluster is backed up next
#[utoipa::path(get, path = "/api/v1/clusters/{name}/schedule", operation_id = "cluster_schedule", tag = "schedules",
    params(("name" = String, Path), ScheduleParams),
    responses((status = 200, description = "The next runs", body = List<NextRun>), Problems))]
async fn cluster_schedule(
    State(app): State<Arc<App>>,
    caller: Caller,
    Segment(name): Segment<Name>,
    Params(params): Params<ScheduleParams>,
) -> Result<Json<List<NextRun>>, ApiError> {
    let count = params.n.unwrap_or(PREVIEW);
    let items = app.next_runs(&caller, &name, count).await?;
    let next_cursor = None;
    Ok(Json(List { items, next_cursor }))
}
