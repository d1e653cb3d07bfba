//! Alarms.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use holdfast_state::query::{AlarmFilter, AlarmState};
use holdfast_types::alarm::{AlarmRule, Severity};
use holdfast_types::{AlarmId, Name};
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::body::{Body, Params, Segment};
use crate::api::error::{ApiError, Problems};
use crate::api::page::{List, PageParams};
use crate::app::caller::Caller;
use crate::app::error::AppError;
use crate::app::{AlarmView, App};

pub(super) fn router() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(alarm_list))
        .routes(routes!(alarm_show))
        .routes(routes!(alarm_acknowledge))
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct AlarmListParams {
    /// `open`, which is when it is not said, `closed` or `any`.
    state: Option<String>,
    /// Only of this rule.
    rule: Option<AlarmRule>,
    /// Only those that are so bad.
    severity: Option<Severity>,
    /// Only of this fleet.
    #[param(value_type = Option<String>)]
    fleet: Option<Name>,
    /// Only of this cluster.
    #[param(value_type = Option<String>)]
    cluster: Option<Name>,
    /// At most this many items, 1 to 1000; 100 when it is not said.
    limit: Option<u64>,
    /// Where the page before ended: its `nextCursor`.
    cursor: Option<String>,
}

/// List alarms, newest first
#[utoipa::path(get, path = "/api/v1/alarms", operation_id = "alarm_list", tag = "alarms", params(AlarmListParams),
    responses((status = 200, description = "Alarms", body = List<AlarmView>), Problems))]
async fn alarm_list(
    State(app): State<Arc<App>>,
    caller: Caller,
    Params(params): Params<AlarmListParams>,
) -> Result<Json<List<AlarmView>>, ApiError> {
    let state = match params.state.as_deref() {
        None | Some("open") => AlarmState::Open,
        Some("closed") => AlarmState::Closed,
        Some("any") => AlarmState::Any,
        Some(other) => {
            let message = format!("\"{other}\" is none of open, closed, any");
            return Err(AppError::invalid("state", message).into());
        }
    };
    let filter = AlarmFilter {
        state,
        rule: params.rule,
        severity: params.severity,
        fleet: params.fleet,
        cluster: params.cluster,
        ..AlarmFilter::default()
    };
    let page = PageParams::page(params.limit, params.cursor)?;
    Ok(Json(app.alarms(&caller, &filter, &page).await?.into()))
}

/// Show an alarm
#[utoipa::path(get, path = "/api/v1/alarms/{id}", operation_id = "alarm_show", tag = "alarms",
    params(("id" = String, Path)),
    responses((status = 200, description = "The alarm", body = AlarmView), Problems))]
async fn alarm_show(
    State(app): State<Arc<App>>,
    caller: Caller,
    Segment(id): Segment<AlarmId>,
) -> Result<Json<AlarmView>, ApiError> {
    Ok(Json(app.alarm(&caller, id).await?))
}

/// What there is to say to an alarm.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct AcknowledgeParams {
    /// For the others.
    #[serde(default)]
    note: Option<String>,
}

/// Take an alarm on: it escalates no further
#[utoipa::path(post, path = "/api/v1/alarms/{id}/acknowledge", operation_id = "alarm_acknowledge", tag = "alarms",
    params(("id" = String, Path)), request_body = AcknowledgeParams,
    responses((status = 200, description = "The alarm as it is now", body = AlarmView), Problems))]
async fn alarm_acknowledge(
    State(app): State<Arc<App>>,
    caller: Caller,
    Segment(id): Segment<AlarmId>,
    Body(params): Body<AcknowledgeParams>,
) -> Result<Json<AlarmView>, ApiError> {
    let taken = app.acknowledge_alarm(&caller, id, params.note);
    Ok(Json(taken.await?))
}
