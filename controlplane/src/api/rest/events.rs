//! Server-sent events: what changed, so that nobody has to poll.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::Sse;
use axum::response::sse::{Event, KeepAlive};
use futures_util::stream::{self, Stream};
use serde_json::json;
use tokio::sync::broadcast::error::RecvError;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::error::Problems;
use crate::app::caller::Caller;
use crate::app::{App, Changed};

pub(super) fn router() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(event_stream))
}

/// Follow what changes
///
/// Each event is named `<plural>.changed`; its data is the name or id of what
/// changed and the revision. `events.lost` says that some were missed: read
/// everything again.
#[utoipa::path(get, path = "/api/v1/events", operation_id = "event_stream", tag = "events",
    responses((status = 200, description = "Server-sent events", body = String, content_type = "text/event-stream"), Problems))]
async fn event_stream(
    State(app): State<Arc<App>>,
    caller: Caller,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let changes = app.changes.subscribe();
    let stop = app.stop.clone();
    let listener = (changes, stop, app, caller);
    let events = stream::unfold(listener, |(mut changes, stop, app, caller)| async move {
        let event = loop {
            let change = tokio::select! {
                () = stop.cancelled() => return None,
                change = changes.recv() => change,
            };
            match change {
                Ok(change) => {
                    if hears(&app, &caller, &change).await {
                        break event_of(&change);
                    }
                }
                Err(RecvError::Lagged(missed)) => {
                    let lost = Event::default().event("events.lost");
                    break lost.data(json!({ "missed": missed }).to_string());
                }
                Err(RecvError::Closed) => return None,
            }
        };
        Some((Ok(event), (changes, stop, app, caller)))
    });
    Sse::new(events).keep_alive(KeepAlive::new().interval(Duration::from_secs(15)))
}

/// Who cannot be asked for its rights is told nothing.
async fn hears(app: &App, caller: &Caller, change: &Changed) -> bool {
    match app.may_hear(caller, change).await {
        Ok(hears) => hears,
        Err(error) => {
            tracing::warn!("nobody is told of a change: {error}");
            false
        }
    }
}

fn event_of(change: &Changed) -> Event {
    // Declared things have names, everything else an id.
    let key = if change.key.contains('_') {
        "id"
    } else {
        "name"
    };
    let data = json!({ key: change.key, "revision": change.revision });
    Event::default()
        .event(format!("{}.changed", change.plural))
        .data(data.to_string())
}
