//! Whether the node lives, and whether it can answer for the control plane.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;

pub(super) fn router() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(health_live))
        .routes(routes!(health_ready))
}

/// Whether the process lives
#[utoipa::path(get, path = "/healthz", operation_id = "health_live", tag = "health", security(()),
    responses((status = 200, description = "It lives", body = String, content_type = "text/plain")))]
async fn health_live() -> &'static str {
    "ok\n"
}

/// Whether the node can answer for the control plane: it has a quorum
#[utoipa::path(get, path = "/readyz", operation_id = "health_ready", tag = "health", security(()),
    responses((status = 200, description = "It can", body = String, content_type = "text/plain"),
        (status = 503, description = "It cannot at the moment")))]
async fn health_ready(State(app): State<Arc<App>>) -> Result<&'static str, StatusCode> {
    if app.is_ready().await {
        Ok("ready\n")
    } else {
        Err(StatusCode::SERVICE_UNAVAILABLE)
    }
}
