//! REST under `/api/v1`: thin handlers and the OpenAPI document they make.
//!
//! Everything but login, refresh, a browser's session, the health checks and the
//! pages of error codes sits behind one gate (`api::auth`), metrics and the OpenAPI document
//! included, and behind it what a caller may do is asked (`permissions`).

mod access;
mod agents;
mod alarms;
mod apply;
mod approvals;
mod audit;
mod backups;
mod compliance;
mod coverage;
mod drills;
mod errors;
mod events;
mod expiry;
mod exposure;
mod gate;
mod health;
mod inventory;
mod jobs;
mod metrics;
mod nodes;
mod notification_channels;
mod permissions;
mod policies;
mod reports;
mod resources;
mod restores;
mod roles;
mod runs;
mod scans;
mod secrets;
mod silences;
mod state_snapshots;
mod status;
mod tokens;
mod users;

use std::sync::Arc;
use std::time::Duration;

use axum::extract::DefaultBodyLimit;
use axum::http::header::CONTENT_TYPE;
use axum::http::{Extensions, HeaderMap, StatusCode, Version};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::{Json, Router};
use tower::ServiceBuilder;
use tower_http::CompressionLevel;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{Predicate, SizeAbove};
use tower_http::csrf::CsrfLayer;
use tower_http::timeout::TimeoutLayer;
use utoipa::OpenApi;
use utoipa::openapi::path::PathItem;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::auth::{self, BODY_BYTES};
use super::console;
use super::error::{self, Problem};
use super::request;
use crate::app::App;
use crate::app::caller::Caller;

/// Answers of fewer bytes are sent as they are.
const WORTH_COMPRESSING: u64 = 16 * 1024;
/// How long an answer may take; a restore's plan takes the longest.
const ANSWER: Duration = Duration::from_secs(60);

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Holdfast",
        description = "Protects fleets of PostgreSQL clusters and proves it.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    components(schemas(Problem)),
    modifiers(&Bearer),
    security(("bearer" = [])),
)]
struct Document;

struct Bearer;

impl utoipa::Modify for Bearer {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let components = openapi.components.get_or_insert_with(Default::default);
        let bearer = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
        components.add_security_scheme("bearer", bearer);
    }
}

/// Behind the gate.
fn guarded() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .merge(access::guarded())
        .merge(agents::router())
        .merge(alarms::router())
        .merge(apply::router())
        .merge(approvals::router())
        .merge(audit::router())
        .merge(backups::router())
        .merge(compliance::router())
        .merge(coverage::router())
        .merge(reports::router())
        .merge(drills::router())
        .merge(events::router())
        .merge(expiry::router())
        .merge(exposure::router())
        .merge(inventory::router())
        .merge(jobs::router())
        .merge(metrics::router())
        .merge(nodes::router())
        .merge(notification_channels::router())
        .merge(policies::router())
        .merge(resources::router())
        .merge(restores::router())
        .merge(roles::router())
        .merge(runs::router())
        .merge(scans::router())
        .merge(secrets::router())
        .merge(silences::router())
        .merge(state_snapshots::router())
        .merge(status::router())
        .merge(tokens::router())
        .merge(users::router())
        .routes(routes!(openapi_show))
}

/// Outside it: how one gets credentials, whether the node lives, and what its
/// codes mean.
fn open() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .merge(access::open())
        .merge(errors::open())
        .merge(health::router())
}

/// The operations behind the gate, by path.
fn guarded_paths() -> Vec<(String, PathItem)> {
    let document = guarded().into_openapi();
    document.paths.paths.into_iter().collect()
}

fn document() -> utoipa::openapi::OpenApi {
    let mut guarded = guarded();
    for item in guarded.get_openapi_mut().paths.paths.values_mut() {
        gate::describe(item);
        permissions::describe(item);
    }
    OpenApiRouter::with_openapi(Document::openapi())
        .merge(guarded)
        .merge(open())
        .into_openapi()
}

/// The OpenAPI document, as it is checked in.
pub fn openapi_json() -> String {
    document()
        .to_pretty_json()
        .expect("an OpenAPI document is JSON with text keys")
}

/// The OpenAPI document of this node
#[utoipa::path(get, path = "/api/v1/openapi.json", operation_id = "openapi_show", tag = "status",
    responses((status = 200, description = "OpenAPI 3.1", body = Object), error::Problems))]
async fn openapi_show(_caller: Caller) -> Json<utoipa::openapi::OpenApi> {
    Json(document())
}

/// REST of this node.
pub fn router(app: Arc<App>) -> Router {
    let (guarded, _) = guarded().split_for_parts();
    let (open, _) = open().split_for_parts();
    let gate = from_fn_with_state(app.clone(), auth::gate);
    let permit = from_fn_with_state(app.clone(), permissions::permit);
    // Lists of thousands over a slow network. Not downloads, which are compressed already,
    // nor small answers: who gets a token gets it in one of those.
    let is_json = |_: StatusCode, _: Version, headers: &HeaderMap, _: &Extensions| {
        let kind = headers.get(CONTENT_TYPE);
        kind.is_some_and(|kind| kind.as_bytes().starts_with(b"application/json"))
    };
    let compression = CompressionLayer::new()
        .quality(CompressionLevel::Fastest)
        .compress_when(SizeAbove::new(WORTH_COMPRESSING).and(is_json));
    let timeout = TimeoutLayer::with_status_code(StatusCode::GATEWAY_TIMEOUT, ANSWER);
    let layers = ServiceBuilder::new()
        .layer(from_fn(request::surround))
        .layer(CatchPanicLayer::custom(error::panicked))
        .layer(timeout)
        // A browser adds its cookies to what other sites have it send.
        .layer(CsrfLayer::new().with_rejection_response(error::from_another_site))
        .layer(DefaultBodyLimit::max(BODY_BYTES));
    // `route_layer` leaves what is no route to the fallback, so that a path
    // that does not exist answers the same to everybody.
    guarded
        .route_layer(permit)
        .route_layer(gate)
        .route_layer(compression)
        .merge(open)
        .fallback_service(console::service())
        .layer(layers)
        .with_state(app)
}
