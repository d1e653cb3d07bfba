//! Exposure.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use holdfast_types::Name;
use serde::Deserialize;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::body::Params;
use crate::api::error::{ApiError, Problems};
use crate::api::page::{List, PageParams};
use crate::app::App;
use crate::app::caller::Caller;
use crate::plan::exposure::ExposureView;

pub(super) fn router() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(exposure_list))
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ExposureParams {
    /// Only this cluster; 404 when there is none.
    #[param(value_type = Option<String>)]
    cluster: Option<Name>,
    /// Only clusters of this fleet.
    #[param(value_type = Option<String>)]
    fleet: Option<Name>,
    /// At most this many items, 1 to 1000; 100 when it is not said.
    limit: Option<u64>,
    /// Where the page before ended: its `nextCursor`.
    cursor: Option<String>,
}

/// Who would lose how much right now, and why
#[utoipa::path(get, path = "/api/v1/exposure", operation_id = "exposure_list", tag = "exposure", params(ExposureParams),
    responses((status = 200, description = "Exposure by cluster", body = List<ExposureView>), Problems))]
async fn exposure_list(
    State(app): State<Arc<App>>,
    caller: Caller,
    Params(params): Params<ExposureParams>,
) -> Result<Json<List<ExposureView>>, ApiError> {
    let page = PageParams::page(params.limit, params.cursor)?;
    let found = app.exposure(&caller, params.cluster.as_ref(), params.fleet, &page);
    Ok(Json(found.await?.into()))
}
