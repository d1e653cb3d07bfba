//! How the control plane is doing.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::error::{ApiError, Problems};
use crate::app::caller::Caller;
use crate::app::{App, StatusView};

pub(super) fn router() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(status_show))
}

/// Show how the control plane is doing
#[utoipa::path(get, path = "/api/v1/status", operation_id = "status_show", tag = "status",
    responses((status = 200, description = "The status", body = StatusView), Problems))]
async fn status_show(
    State(app): State<Arc<App>>,
    caller: Caller,
) -> Result<Json<StatusView>, ApiError> {
    Ok(Json(app.status(&caller).await?))
}
