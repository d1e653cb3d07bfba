//! Compliance: what clusters were exposed to, and what excuses them.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use holdfast_types::{ExemptionId, Name};
use jiff::Timestamp;
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::body::{Body, Params, Segment};
use crate::api::error::{ApiError, Problems};
use crate::api::page::{List, PageParams};
use crate::app::caller::Caller;
use crate::app::{App, AskedPeriod, ExemptionView};
use crate::plan::compliance::{ClusterComplianceView, ComplianceView, ViolationView};

pub(super) fn router() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(compliance_list))
        .routes(routes!(compliance_show))
        .routes(routes!(violation_list))
        .routes(routes!(exemption_list))
        .routes(routes!(exemption_create))
        .routes(routes!(exemption_end))
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ComplianceParams {
    /// Only this cluster; 404 when there is none.
    #[param(value_type = Option<String>)]
    cluster: Option<Name>,
    /// Only clusters of this fleet.
    #[param(value_type = Option<String>)]
    fleet: Option<Name>,
    /// The period's first moment; 30 days before its end when it is not said.
    from: Option<Timestamp>,
    /// The moment after its last; now when it is not said.
    to: Option<Timestamp>,
    /// What was known by then counts; now when it is not said.
    as_known_at: Option<Timestamp>,
    /// At most this many items, 1 to 1000; 100 when it is not said.
    limit: Option<u64>,
    /// Where the page before ended: its `nextCursor`.
    cursor: Option<String>,
}

/// What a period was like, by cluster
#[utoipa::path(get, path = "/api/v1/compliance", operation_id = "compliance_list", tag = "compliance", params(ComplianceParams),
    responses((status = 200, description = "Compliance by cluster", body = List<ComplianceView>), Problems))]
async fn compliance_list(
    State(app): State<Arc<App>>,
    caller: Caller,
    Params(params): Params<ComplianceParams>,
) -> Result<Json<List<ComplianceView>>, ApiError> {
    let page = PageParams::page(params.limit, params.cursor)?;
    let period = AskedPeriod {
        from: params.from,
        to: params.to,
        as_known_at: params.as_known_at,
    };
    let which = (params.cluster.as_ref(), params.fleet);
    let found = app.compliance(&caller, which, period, &page);
    Ok(Json(found.await?.into()))
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct PeriodParams {
    /// The period's first moment; 30 days before its end when it is not said.
    from: Option<Timestamp>,
    /// The moment after its last; now when it is not said.
    to: Option<Timestamp>,
    /// What was known by then counts; now when it is not said.
    as_known_at: Option<Timestamp>,
}

/// What a period of a cluster was like: numbers, states and violations
#[utoipa::path(get, path = "/api/v1/clusters/{name}/compliance", operation_id = "compliance_show", tag = "compliance",
    params(("name" = String, Path), PeriodParams),
    responses((status = 200, description = "Its compliance", body = ClusterComplianceView), Problems))]
async fn compliance_show(
    State(app): State<Arc<App>>,
    caller: Caller,
    Segment(name): Segment<Name>,
    Params(params): Params<PeriodParams>,
) -> Result<Json<ClusterComplianceView>, ApiError> {
    let period = AskedPeriod {
        from: params.from,
        to: params.to,
        as_known_at: params.as_known_at,
    };
    let found = app.cluster_compliance(&caller, &name, period);
    Ok(Json(found.await?))
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ViolationParams {
    /// Only of this cluster; 404 when there is none.
    #[param(value_type = Option<String>)]
    cluster: Option<Name>,
    /// Only of clusters of this fleet.
    #[param(value_type = Option<String>)]
    fleet: Option<Name>,
    /// Only those that are not over, or only those that are.
    open: Option<bool>,
    /// The period's first moment; 30 days before its end when it is not said.
    from: Option<Timestamp>,
    /// The moment after its last; now when it is not said.
    to: Option<Timestamp>,
    /// What was known by then counts; now when it is not said.
    as_known_at: Option<Timestamp>,
    /// At most this many items, 1 to 1000; 100 when it is not said.
    limit: Option<u64>,
    /// Where the page before ended: its `nextCursor`.
    cursor: Option<String>,
}

/// When exposure was above the RPO, and why, by cluster and time
#[utoipa::path(get, path = "/api/v1/violations", operation_id = "violation_list", tag = "compliance", params(ViolationParams),
    responses((status = 200, description = "Violations", body = List<ViolationView>), Problems))]
async fn violation_list(
    State(app): State<Arc<App>>,
    caller: Caller,
    Params(params): Params<ViolationParams>,
) -> Result<Json<List<ViolationView>>, ApiError> {
    let page = PageParams::page(params.limit, params.cursor)?;
    let period = AskedPeriod {
        from: params.from,
        to: params.to,
        as_known_at: params.as_known_at,
    };
    let which = (params.cluster, params.fleet, params.open);
    let found = app.violations(&caller, which, period, &page);
    Ok(Json(found.await?.into()))
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ExemptionListParams {
    /// Only of this cluster.
    #[param(value_type = Option<String>)]
    cluster: Option<Name>,
    /// Only those that excuse now.
    #[serde(default)]
    in_force: bool,
    /// At most this many items, 1 to 1000; 100 when it is not said.
    limit: Option<u64>,
    /// Where the page before ended: its `nextCursor`.
    cursor: Option<String>,
}

/// List exemptions, the latest first
#[utoipa::path(get, path = "/api/v1/exemptions", operation_id = "exemption_list", tag = "compliance", params(ExemptionListParams),
    responses((status = 200, description = "Exemptions", body = List<ExemptionView>), Problems))]
async fn exemption_list(
    State(app): State<Arc<App>>,
    caller: Caller,
    Params(params): Params<ExemptionListParams>,
) -> Result<Json<List<ExemptionView>>, ApiError> {
    let page = PageParams::page(params.limit, params.cursor)?;
    let which = (params.cluster, params.in_force);
    Ok(Json(app.exemptions(&caller, which, &page).await?.into()))
}

/// An exemption that is wanted.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ExemptionParams {
    /// When it ends by itself, within a year.
    until: Timestamp,
    /// Why.
    reason: String,
}

/// Ask to excuse a cluster from its RPO for a while
///
/// Another person must consent: the answer names the request for approval.
#[utoipa::path(post, path = "/api/v1/clusters/{name}/exemptions", operation_id = "exemption_create", tag = "compliance",
    params(("name" = String, Path)), request_body = ExemptionParams,
    responses((status = 201, description = "It was consented to before", body = ExemptionView), Problems))]
async fn exemption_create(
    State(app): State<Arc<App>>,
    caller: Caller,
    Segment(name): Segment<Name>,
    Body(params): Body<ExemptionParams>,
) -> Result<(StatusCode, Json<ExemptionView>), ApiError> {
    let wanted = (params.until, params.reason);
    let granted = app.request_exemption(&caller, name, wanted).await?;
    Ok((StatusCode::CREATED, Json(granted)))
}

/// End an exemption before its time
#[utoipa::path(delete, path = "/api/v1/exemptions/{id}", operation_id = "exemption_end", tag = "compliance",
    params(("id" = String, Path)),
    responses((status = 200, description = "The exemption", body = ExemptionView), Problems))]
async fn exemption_end(
    State(app): State<Arc<App>>,
    caller: Caller,
    Segment(id): Segment<ExemptionId>,
) -> Result<Json<ExemptionView>, ApiError> {
    Ok(Json(app.end_exemption(&caller, id).await?))
}
