//! Requests for the consent of others.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use holdfast_state::ApprovalState;
use holdfast_types::ApprovalId;
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::body::{Body, Params, Segment};
use crate::api::error::{ApiError, Problems};
use crate::api::page::{List, PageParams};
use crate::app::caller::Caller;
use crate::app::error::AppError;
use crate::app::{App, ApprovalView};

pub(super) fn router() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(approval_list))
        .routes(routes!(approval_show))
        .routes(routes!(approval_approve))
        .routes(routes!(approval_reject))
        .routes(routes!(approval_cancel))
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ApprovalListParams {
    /// Only in this state: `pending, rejected, expired, cancelled, executed, failed`.
    state: Option<String>,
    /// At most this many items, 1 to 1000; 100 when it is not said.
    limit: Option<u64>,
    /// Where the page before ended: its `nextCursor`.
    cursor: Option<String>,
}

/// List requests for approval that the caller made or sees, newest first
#[utoipa::path(get, path = "/api/v1/approvals", operation_id = "approval_list", tag = "approvals",
    params(ApprovalListParams),
    responses((status = 200, description = "Requests", body = List<ApprovalView>), Problems))]
async fn approval_list(
    State(app): State<Arc<App>>,
    caller: Caller,
    Params(params): Params<ApprovalListParams>,
) -> Result<Json<List<ApprovalView>>, ApiError> {
    let state = params.state.as_deref().map(str::parse::<ApprovalState>);
    let state = state
        .transpose()
        .map_err(|error| AppError::invalid("state", error.to_string()))?;
    let page = PageParams::page(params.limit, params.cursor)?;
    Ok(Json(app.approvals(&caller, state, &page).await?.into()))
}

/// Show a request for approval: what exactly is asked for, and who said what
#[utoipa::path(get, path = "/api/v1/approvals/{id}", operation_id = "approval_show", tag = "approvals",
    params(("id" = String, Path)),
    responses((status = 200, description = "The request", body = ApprovalView), Problems))]
async fn approval_show(
    State(app): State<Arc<App>>,
    caller: Caller,
    Segment(id): Segment<ApprovalId>,
) -> Result<Json<ApprovalView>, ApiError> {
    Ok(Json(app.approval(&caller, id).await?))
}

/// What a voter has to say.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct VoteParams {
    /// For the record.
    #[serde(default)]
    note: Option<String>,
}

/// Consent to what is asked for; with the last consent needed it is done
#[utoipa::path(post, path = "/api/v1/approvals/{id}/approve", operation_id = "approval_approve", tag = "approvals",
    params(("id" = String, Path)), request_body = VoteParams,
    responses((status = 200, description = "The request as it is now", body = ApprovalView), Problems))]
async fn approval_approve(
    State(app): State<Arc<App>>,
    caller: Caller,
    Segment(id): Segment<ApprovalId>,
    Body(params): Body<VoteParams>,
) -> Result<Json<ApprovalView>, ApiError> {
    let voted = app.vote_approval(&caller, id, (true, params.note));
    Ok(Json(voted.await?))
}

/// Refuse what is asked for, which ends the request
#[utoipa::path(post, path = "/api/v1/approvals/{id}/reject", operation_id = "approval_reject", tag = "approvals",
    params(("id" = String, Path)), request_body = VoteParams,
    responses((status = 200, description = "The request as it is now", body = ApprovalView), Problems))]
async fn approval_reject(
    State(app): State<Arc<App>>,
    caller: Caller,
    Segment(id): Segment<ApprovalId>,
    Body(params): Body<VoteParams>,
) -> Result<Json<ApprovalView>, ApiError> {
    let voted = app.vote_approval(&caller, id, (false, params.note));
    Ok(Json(voted.await?))
}

/// Take a request back
#[utoipa::path(post, path = "/api/v1/approvals/{id}/cancel", operation_id = "approval_cancel", tag = "approvals",
    params(("id" = String, Path)),
    responses((status = 200, description = "The request as it is now", body = ApprovalView), Problems))]
async fn approval_cancel(
    State(app): State<Arc<App>>,
    caller: Caller,
    Segment(id): Segment<ApprovalId>,
) -> Result<Json<ApprovalView>, ApiError> {
    Ok(Json(app.cancel_approval(&caller, id).await?))
}
