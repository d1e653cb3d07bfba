//! What the codes of problems mean: where the `type` of a problem leads.

use std::sync::Arc;

use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::body::Segment;
use crate::api::error::{ApiError, Problem};
use crate::api::error_page::page_of;
use crate::app::App;
use crate::app::error::AppError;

/// Outside the gate: whoever cannot log in must be able to read why. The pages
/// are those of the source and know nothing of this control plane.
pub(super) fn open() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(error_show))
}

/// What a problem's code means, and what to do
#[utoipa::path(get, path = "/errors/{code}", operation_id = "error_show", tag = "errors", security(()),
    params(("code" = String, Path, description = "The `code` of a problem")),
    responses(
        (status = 200, description = "Its page", body = String, content_type = "text/markdown"),
        (status = 404, description = "There is no such code", body = Problem,
            content_type = "application/problem+json")))]
async fn error_show(Segment(code): Segment<String>) -> Result<impl IntoResponse, ApiError> {
    let page = page_of(&code).ok_or_else(|| AppError::not_found("error code", &code))?;
    Ok(([(CONTENT_TYPE, "text/markdown; charset=utf-8")], page))
}
