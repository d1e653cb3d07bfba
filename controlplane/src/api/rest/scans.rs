//! Comparing the catalog with repositories.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use holdfast_types::Name;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::body::{Body, Segment};
use crate::api::error::{ApiError, Problems};
use crate::app::caller::Caller;
use crate::app::{App, FindingsView};

pub(super) fn router() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(repository_findings))
        .routes(routes!(scan_create))
}

/// A comparison that is wanted.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ScanParams {
    /// Which repository; all of them when it is not said.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    repository: Option<Name>,
}

/// What will be compared.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct ScanView {
    /// The repositories.
    #[schema(value_type = Vec<String>)]
    repositories: Vec<Name>,
}

/// Show in what a repository and the catalog differ
#[utoipa::path(get, path = "/api/v1/repositories/{name}/findings", operation_id = "repository_findings",
    tag = "repositories", params(("name" = String, Path, description = "The repository")),
    responses((status = 200, description = "The differences", body = FindingsView), Problems))]
async fn repository_findings(
    State(app): State<Arc<App>>,
    caller: Caller,
    Segment(name): Segment<Name>,
) -> Result<Json<FindingsView>, ApiError> {
    Ok(Json(app.findings(&caller, name).await?))
}

/// Compare one repository, or all of them, with the catalog, and take in what
/// it does not know
#[utoipa::path(post, path = "/api/v1/scans", operation_id = "scan_create", tag = "repositories",
    request_body = ScanParams,
    responses((status = 202, description = "They are being compared", body = ScanView), Problems))]
async fn scan_create(
    State(app): State<Arc<App>>,
    caller: Caller,
    Body(params): Body<ScanParams>,
) -> Result<(StatusCode, Json<ScanView>), ApiError> {
    let repositories = app.request_scans(&caller, params.repository).await?;
    Ok((StatusCode::ACCEPTED, Json(ScanView { repositories })))
}
