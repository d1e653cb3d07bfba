//! Jobs.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::LOCATION;
use axum::response::{IntoResponse, Response};
use holdfast_state::query::JobFilter;
use holdfast_types::{JobId, JobKind, JobState, Name};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::body::{Params, Segment};
use crate::api::error::{ApiError, Problems};
use crate::api::page::{List, PageParams};
use crate::app::caller::Caller;
use crate::app::{App, JobView, LateResultOfJobView};

pub(super) fn router() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(job_list))
        .routes(routes!(job_show))
        .routes(routes!(job_logs))
        .routes(routes!(job_cancel))
        .routes(routes!(late_result_list))
}

/// A job that was queued.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct JobStarted {
    /// Its id.
    job: String,
}

/// 202 with the place where the job can be followed.
pub(super) struct Accepted(pub(super) JobId);

impl IntoResponse for Accepted {
    fn into_response(self) -> Response {
        let job = self.0.to_string();
        let location = [(LOCATION, format!("/api/v1/jobs/{job}"))];
        (StatusCode::ACCEPTED, location, Json(JobStarted { job })).into_response()
    }
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct JobListParams {
    /// Only in this state.
    state: Option<JobState>,
    /// Only of this kind.
    kind: Option<JobKind>,
    /// Only of this cluster.
    #[param(value_type = Option<String>)]
    cluster: Option<Name>,
    /// Only of clusters that are in this fleet now.
    #[param(value_type = Option<String>)]
    fleet: Option<Name>,
    /// Only those that this agent has, had last, or is asked to do.
    #[param(value_type = Option<String>)]
    agent: Option<Name>,
    /// Only those that were asked for since then.
    since: Option<Timestamp>,
    /// At most this many items, 1 to 1000; 100 when it is not said.
    limit: Option<u64>,
    /// Where the page before ended: its `nextCursor`.
    cursor: Option<String>,
}

/// List jobs, newest first
#[utoipa::path(get, path = "/api/v1/jobs", operation_id = "job_list", tag = "jobs", params(JobListParams),
    responses((status = 200, description = "Jobs", body = List<JobView>), Problems))]
async fn job_list(
    State(app): State<Arc<App>>,
    caller: Caller,
    Params(params): Params<JobListParams>,
) -> Result<Json<List<JobView>>, ApiError> {
    let filter = JobFilter {
        state: params.state,
        kind: params.kind,
        cluster: params.cluster,
        fleet: params.fleet,
        agent: params.agent,
        since: params.since,
        ..JobFilter::default()
    };
    let page = PageParams::page(params.limit, params.cursor)?;
    Ok(Json(app.jobs(&caller, &filter, &page).await?.into()))
}

/// Show a job
#[utoipa::path(get, path = "/api/v1/jobs/{id}", operation_id = "job_show", tag = "jobs",
    params(("id" = String, Path)),
    responses((status = 200, description = "The job", body = JobView), Problems))]
async fn job_show(
    State(app): State<Arc<App>>,
    caller: Caller,
    Segment(id): Segment<JobId>,
) -> Result<Json<JobView>, ApiError> {
    Ok(Json(app.job(&caller, id).await?))
}

/// A line that a job logged.
#[derive(Debug, Serialize, ToSchema)]
struct LogLine {
    /// The line.
    line: String,
}

/// Show what a job's last attempt logged
#[utoipa::path(get, path = "/api/v1/jobs/{id}/logs", operation_id = "job_logs", tag = "jobs",
    params(("id" = String, Path)),
    responses((status = 200, description = "The last lines", body = List<LogLine>), Problems))]
async fn job_logs(
    State(app): State<Arc<App>>,
    caller: Caller,
    Segment(id): Segment<JobId>,
) -> Result<Json<List<LogLine>>, ApiError> {
    let lines = app.job_log(&caller, id).await?;
    let items = lines.into_iter().map(|line| LogLine { line }).collect();
    Ok(Json(List {
        items,
        next_cursor: None,
    }))
}

/// Ask for a job's end
#[utoipa::path(post, path = "/api/v1/jobs/{id}/cancel", operation_id = "job_cancel", tag = "jobs",
    params(("id" = String, Path)),
    responses((status = 200, description = "The job", body = JobView), Problems))]
async fn job_cancel(
    State(app): State<Arc<App>>,
    caller: Caller,
    Segment(id): Segment<JobId>,
) -> Result<Json<JobView>, ApiError> {
    Ok(Json(app.cancel_job(&caller, id).await?))
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct LateResultListParams {
    /// At most this many items, 1 to 1000; 100 when it is not said.
    limit: Option<u64>,
    /// Where the page before ended: its `nextCursor`.
    cursor: Option<String>,
}

/// List results of jobs that came too late to count, the latest first
#[utoipa::path(get, path = "/api/v1/late-results", operation_id = "late_result_list", tag = "jobs",
    params(LateResultListParams),
    responses((status = 200, description = "Late results", body = List<LateResultOfJobView>), Problems))]
async fn late_result_list(
    State(app): State<Arc<App>>,
    caller: Caller,
    Params(params): Params<LateResultListParams>,
) -> Result<Json<List<LateResultOfJobView>>, ApiError> {
    let page = PageParams::page(params.limit, params.cursor)?;
    Ok(Json(app.late_results(&caller, &page).await?.into()))
}
