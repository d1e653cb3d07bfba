//! Reports.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::http::{HeaderName, HeaderValue};
use axum::response::{IntoResponse, Response};
use holdfast_types::Name;
use jiff::tz::TimeZone;
use serde::Deserialize;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::body::{Body, Params};
use crate::api::error::{ApiError, Problems};
use crate::api::page::{List, PageParams};
use crate::app::caller::Caller;
use crate::app::error::AppError;
use crate::app::{App, MadeReport, ReportKeyView, ReportView, WantedReport};

/// The id under which a report is on record.
const REPORT: HeaderName = HeaderName::from_static("holdfast-report");
/// As known when it is, and with which hash of the body.
const AS_KNOWN_AT: HeaderName = HeaderName::from_static("holdfast-as-known-at");
const BODY_SHA256: HeaderName = HeaderName::from_static("holdfast-body-sha256");

pub(super) fn router() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(report_list))
        .routes(routes!(report_create))
        .routes(routes!(report_key_list))
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ReportListParams {
    /// Only of this fleet.
    #[param(value_type = Option<String>)]
    fleet: Option<Name>,
    /// At most this many items, 1 to 1000; 100 when it is not said.
    limit: Option<u64>,
    /// Where the page before ended: its `nextCursor`.
    cursor: Option<String>,
}

/// List the reports that were made, the latest first
#[utoipa::path(get, path = "/api/v1/reports", operation_id = "report_list", tag = "reports", params(ReportListParams),
    responses((status = 200, description = "Reports", body = List<ReportView>), Problems))]
async fn report_list(
    State(app): State<Arc<App>>,
    caller: Caller,
    Params(params): Params<ReportListParams>,
) -> Result<Json<List<ReportView>>, ApiError> {
    let page = PageParams::page(params.limit, params.cursor)?;
    Ok(Json(
        app.reports(&caller, params.fleet, &page).await?.into(),
    ))
}

/// Make a report on a fleet: JSON, CSV or PDF, signed. Asked for again as known at the
/// same moment, it has the same bytes
#[utoipa::path(post, path = "/api/v1/reports/compliance", operation_id = "report_create", tag = "reports",
    request_body = WantedReport,
    responses((status = 200, description = "The report, of the type of its format", body = Vec<u8>, content_type = "application/octet-stream"), Problems))]
async fn report_create(
    State(app): State<Arc<App>>,
    caller: Caller,
    Body(wanted): Body<WantedReport>,
) -> Result<Response, ApiError> {
    let made = app.make_report(&caller, wanted).await?;
    let name = file_name(&made);
    let text = |text: String| HeaderValue::from_str(&text).map_err(AppError::internal);
    let headers = [
        (
            CONTENT_TYPE,
            HeaderValue::from_static(made.format.media_type()),
        ),
        (
            CONTENT_DISPOSITION,
            text(format!("attachment; filename=\"{name}\""))?,
        ),
        (REPORT, text(made.id.to_string())?),
        (AS_KNOWN_AT, text(made.as_known_at.to_string())?),
        (BODY_SHA256, text(made.body.to_string())?),
    ];
    Ok((headers, made.file).into_response())
}

fn file_name(made: &MadeReport) -> String {
    let known = TimeZone::UTC.to_datetime(made.as_known_at);
    let known = known.strftime("%Y%m%dT%H%M%SZ");
    format!("compliance-{}-{known}.{}", made.fleet, made.format)
}

/// List the keys that sign reports, with their certificates
#[utoipa::path(get, path = "/api/v1/report-keys", operation_id = "report_key_list", tag = "reports",
    responses((status = 200, description = "Keys", body = List<ReportKeyView>), Problems))]
async fn report_key_list(
    State(app): State<Arc<App>>,
    caller: Caller,
) -> Result<Json<List<ReportKeyView>>, ApiError> {
    Ok(Json(app.report_keys(&caller).await?.into()))
}
