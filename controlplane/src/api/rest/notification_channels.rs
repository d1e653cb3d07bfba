//! Channels: trying one, and what it was told. Declaring them is as of every resource.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use holdfast_types::Name;
use holdfast_types::alarm::DeliveryState;
use serde::Deserialize;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::body::{Params, Segment};
use crate::api::error::{ApiError, Problems};
use crate::api::page::{List, PageParams};
use crate::app::caller::Caller;
use crate::app::{App, ChannelTest, DeliveryView};

pub(super) fn router() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(notification_channel_test))
        .routes(routes!(delivery_list))
}

/// Send a test message, and say what the channel said
#[utoipa::path(post, path = "/api/v1/notification-channels/{name}/test", operation_id = "notification_channel_test",
    tag = "alarms", params(("name" = String, Path)),
    responses((status = 200, description = "Whether it took the message, and what it said", body = ChannelTest), Problems))]
async fn notification_channel_test(
    State(app): State<Arc<App>>,
    caller: Caller,
    Segment(name): Segment<Name>,
) -> Result<Json<ChannelTest>, ApiError> {
    Ok(Json(app.test_channel(&caller, &name).await?))
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct DeliveryListParams {
    /// Only those that are so far.
    state: Option<DeliveryState>,
    /// At most this many items, 1 to 1000; 100 when it is not said.
    limit: Option<u64>,
    /// Where the page before ended: its `nextCursor`.
    cursor: Option<String>,
}

/// List what a channel is and was told, newest first
#[utoipa::path(get, path = "/api/v1/notification-channels/{name}/deliveries", operation_id = "delivery_list",
    tag = "alarms", params(("name" = String, Path), DeliveryListParams),
    responses((status = 200, description = "Deliveries", body = List<DeliveryView>), Problems))]
async fn delivery_list(
    State(app): State<Arc<App>>,
    caller: Caller,
    Segment(name): Segment<Name>,
    Params(params): Params<DeliveryListParams>,
) -> Result<Json<List<DeliveryView>>, ApiError> {
    let page = PageParams::page(params.limit, params.cursor)?;
    let found = app.deliveries(&caller, &name, params.state, &page);
    Ok(Json(found.await?.into()))
}
