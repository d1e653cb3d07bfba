//! Applying several documents at once.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use holdfast_types::policy::Affected;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::body::Body;
use crate::api::error::{ApiError, Problems};
use crate::app::caller::Caller;
use crate::app::{App, Applied, ApplyResult, ConsentView};

pub(super) fn router() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(apply))
}

/// Documents to apply, in any order.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ApplyParams {
    /// The documents.
    #[schema(value_type = Vec<Object>)]
    documents: Vec<Value>,
    /// Only say what would be done.
    #[serde(default)]
    dry_run: bool,
}

/// What became of the documents.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct ApplyView {
    /// One result per document, in their order.
    results: Vec<ApplyResult>,
    /// Of a dry run, every cluster that something would change for.
    #[serde(skip_serializing_if = "Option::is_none")]
    affected: Option<Vec<Affected>>,
    /// Of a dry run, the consent of others that it would wait for; left out when it
    /// would be done at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    consent: Option<ConsentView>,
}

/// Apply documents, all or none
#[utoipa::path(post, path = "/api/v1/apply", operation_id = "apply", tag = "resources",
    request_body = ApplyParams,
    responses((status = 200, description = "What was done", body = ApplyView), Problems))]
async fn apply(
    State(app): State<Arc<App>>,
    caller: Caller,
    Body(params): Body<ApplyParams>,
) -> Result<Json<ApplyView>, ApiError> {
    let Applied {
        results,
        affected,
        consent,
    } = app.apply(&caller, params.documents, params.dry_run).await?;
    Ok(Json(ApplyView {
        results,
        affected,
        consent,
    }))
}
