//! Silences.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use holdfast_types::SilenceId;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::resources::Removed;
use crate::api::body::{Body, Segment};
use crate::api::error::{ApiError, Problems};
use crate::api::page::List;
use crate::app::caller::Caller;
use crate::app::{App, SilenceView, WantedSilence};

pub(super) fn router() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(silence_list, silence_create))
        .routes(routes!(silence_delete))
}

/// List the silences that are not over, the one that ends first before the others
#[utoipa::path(get, path = "/api/v1/silences", operation_id = "silence_list", tag = "alarms",
    responses((status = 200, description = "Silences", body = List<SilenceView>), Problems))]
async fn silence_list(
    State(app): State<Arc<App>>,
    caller: Caller,
) -> Result<Json<List<SilenceView>>, ApiError> {
    Ok(Json(app.silences(&caller).await?.into()))
}

/// Have nobody told of some alarms for a while
#[utoipa::path(post, path = "/api/v1/silences", operation_id = "silence_create", tag = "alarms",
    request_body = WantedSilence,
    responses((status = 201, description = "The silence", body = SilenceView), Problems))]
async fn silence_create(
    State(app): State<Arc<App>>,
    caller: Caller,
    Body(wanted): Body<WantedSilence>,
) -> Result<(StatusCode, Json<SilenceView>), ApiError> {
    let made = app.silence_alarms(&caller, wanted).await?;
    Ok((StatusCode::CREATED, Json(made)))
}

/// End a silence; what is still open is told
#[utoipa::path(delete, path = "/api/v1/silences/{id}", operation_id = "silence_delete", tag = "alarms",
    params(("id" = String, Path)),
    responses((status = 200, description = "It is ended", body = Removed), Problems))]
async fn silence_delete(
    State(app): State<Arc<App>>,
    caller: Caller,
    Segment(id): Segment<SilenceId>,
) -> Result<Json<Removed>, ApiError> {
    app.end_silence(&caller, id).await?;
    Ok(Json(Removed::deleted(id)))
}
