//! Snapshots of the control plane's own state.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::header::LOCATION;
use axum::http::{HeaderName, StatusCode};
use holdfast_state::query::StateSnapshotSettings;
use holdfast_types::{Name, Span, StateSnapshotId};
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::body::{Body, Segment};
use crate::api::error::{ApiError, Problems};
use crate::api::page::List;
use crate::app::caller::Caller;
use crate::app::{App, StateSafety, StateSnapshotView};

pub(super) fn router() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(state_snapshot_list, state_snapshot_create))
        .routes(routes!(
            state_snapshot_settings_show,
            state_snapshot_settings_put,
            state_snapshot_settings_delete
        ))
        .routes(routes!(state_snapshot_show))
}

/// A snapshot that is wanted.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct StateSnapshotParams {
    /// Into which repository; that of the settings when it is not said.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    repository: Option<Name>,
}

/// Where and how often snapshots are taken.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct StateSnapshotSettingsParams {
    /// Into which repository.
    #[schema(value_type = String)]
    repository: Name,
    /// How often, 1m to 7d; 15m when it is not said.
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "15m")]
    every: Option<Span>,
    /// How many are kept; 96 when it is not said.
    #[serde(default)]
    keep: Option<u32>,
}

const EVERY: Span = Span::from_secs(15 * 60);
const KEEP: u32 = 96;

/// List the snapshots of the control plane's state, the newest first
#[utoipa::path(get, path = "/api/v1/state-snapshots", operation_id = "state_snapshot_list", tag = "state",
    responses((status = 200, description = "Snapshots", body = List<StateSnapshotView>), Problems))]
async fn state_snapshot_list(
    State(app): State<Arc<App>>,
    caller: Caller,
) -> Result<Json<List<StateSnapshotView>>, ApiError> {
    Ok(Json(app.state_snapshots(&caller).await?.into()))
}

/// Take a snapshot of the control plane's state now
#[utoipa::path(post, path = "/api/v1/state-snapshots", operation_id = "state_snapshot_create", tag = "state",
    request_body = StateSnapshotParams,
    responses((status = 202, description = "It is being taken", body = StateSnapshotView), Problems))]
async fn state_snapshot_create(
    State(app): State<Arc<App>>,
    caller: Caller,
    Body(params): Body<StateSnapshotParams>,
) -> Result<
    (
        StatusCode,
        [(HeaderName, String); 1],
        Json<StateSnapshotView>,
    ),
    ApiError,
> {
    let asked = app
        .request_state_snapshot(&caller, params.repository)
        .await?;
    let location = format!("/api/v1/state-snapshots/{}", asked.id);
    Ok((StatusCode::ACCEPTED, [(LOCATION, location)], Json(asked)))
}

/// Show a snapshot of the control plane's state
#[utoipa::path(get, path = "/api/v1/state-snapshots/{id}", operation_id = "state_snapshot_show", tag = "state",
    params(("id" = String, Path, description = "Its id")),
    responses((status = 200, description = "The snapshot", body = StateSnapshotView), Problems))]
async fn state_snapshot_show(
    State(app): State<Arc<App>>,
    caller: Caller,
    Segment(id): Segment<StateSnapshotId>,
) -> Result<Json<StateSnapshotView>, ApiError> {
    Ok(Json(app.state_snapshot(&caller, id).await?))
}

/// Show where and how often snapshots are taken, and how old the last is; null
/// when none are taken
#[utoipa::path(get, path = "/api/v1/state-snapshots/settings", operation_id = "state_snapshot_settings_show", tag = "state",
    responses((status = 200, description = "How safe the state is", body = Option<StateSafety>), Problems))]
async fn state_snapshot_settings_show(
    State(app): State<Arc<App>>,
    caller: Caller,
) -> Result<Json<Option<StateSafety>>, ApiError> {
    Ok(Json(app.state_safety(&caller).await?))
}

/// Say where and how often snapshots are taken
#[utoipa::path(put, path = "/api/v1/state-snapshots/settings", operation_id = "state_snapshot_settings_put", tag = "state",
    request_body = StateSnapshotSettingsParams,
    responses((status = 200, description = "How safe the state is", body = Option<StateSafety>), Problems))]
async fn state_snapshot_settings_put(
    State(app): State<Arc<App>>,
    caller: Caller,
    Body(params): Body<StateSnapshotSettingsParams>,
) -> Result<Json<Option<StateSafety>>, ApiError> {
    let settings = StateSnapshotSettings {
        repository: params.repository,
        every: params.every.unwrap_or(EVERY),
        keep: params.keep.unwrap_or(KEEP),
    };
    app.set_state_snapshots(&caller, Some(settings)).await?;
    Ok(Json(app.state_safety(&caller).await?))
}

/// Take no more snapshots; those there are stay
#[utoipa::path(delete, path = "/api/v1/state-snapshots/settings", operation_id = "state_snapshot_settings_delete", tag = "state",
    responses((status = 204, description = "None are taken any more"), Problems))]
async fn state_snapshot_settings_delete(
    State(app): State<Arc<App>>,
    caller: Caller,
) -> Result<StatusCode, ApiError> {
    app.set_state_snapshots(&caller, None).await?;
    Ok(StatusCode::NO_CONTENT)
}
