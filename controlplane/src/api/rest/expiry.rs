//! What expires, and why.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use holdfast_types::Name;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::body::Segment;
use crate::api::error::{ApiError, Problems};
use crate::app::caller::Caller;
use crate::app::{App, ExpiryView};

pub(super) fn router() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(expiry_show))
}

/// Show what would expire of a cluster now, and why
///
/// The leader condemns by this same plan.
#[utoipa::path(get, path = "/api/v1/clusters/{name}/expiry", operation_id = "expiry_show", tag = "backups",
    params(("name" = String, Path)),
    responses((status = 200, description = "What is kept and what is not", body = ExpiryView), Problems))]
async fn expiry_show(
    State(app): State<Arc<App>>,
    caller: Caller,
    Segment(name): Segment<Name>,
) -> Result<Json<ExpiryView>, ApiError> {
    Ok(Json(app.expiry(&caller, &name).await?))
}
