//! What every REST request has: an id, a trace, somebody's address.

use std::net::SocketAddr;
use std::time::Duration;

use axum::extract::{ConnectInfo, MatchedPath, Request};
use axum::http::HeaderMap;
use axum::middleware::Next;
use axum::response::Response;
use holdfast_types::RequestId;
use tracing::Instrument;
use uuid::Uuid;

use super::error;
use crate::server::Peer;
use crate::telemetry;

/// The surroundings of one request.
#[derive(Debug, Clone)]
pub struct RequestContext {
    /// Its id.
    pub id: RequestId,
    /// Who connected.
    pub remote: Option<SocketAddr>,
    /// The trace it belongs to.
    pub traceparent: Option<String>,
}

/// The outermost layer: makes the context, logs the answer, writes problems.
pub async fn surround(mut request: Request, next: Next) -> Response {
    let id = RequestId::from_uuid(Uuid::now_v7());
    let remote = request
        .extensions()
        .get::<ConnectInfo<Peer>>()
        .map(|info| info.0.0);
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or("", MatchedPath::as_str)
        .to_owned();
    // Probes come every few seconds and say nothing while all is well.
    let is_probe = ["/healthz", "/readyz", "/metrics"].contains(&route.as_str());
    let span = tracing::info_span!(
        "request",
        request.id = %id,
        http.request.method = %request.method(),
        http.route = route,
    );
    let given = header(request.headers(), "traceparent");
    telemetry::continue_trace(&span, given.as_deref());
    let traceparent = telemetry::traceparent(&span).or(given);
    request.extensions_mut().insert(RequestContext {
        id,
        remote,
        traceparent,
    });
    let answer = async {
        let began = std::time::Instant::now();
        let mut response = error::render(id, next.run(request).await);
        if let Ok(value) = id.to_string().parse() {
            response.headers_mut().insert(error::REQUEST_ID, value);
        }
        let status = response.status().as_u16();
        let took: Duration = began.elapsed();
        let duration_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        if is_probe && status < 400 {
            tracing::debug!(http.response.status_code = status, duration_ms, "answered");
        } else {
            tracing::info!(http.response.status_code = status, duration_ms, "answered");
        }
        response
    };
    answer.instrument(span).await
}

/// A header's text.
pub fn header(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name)?.to_str().ok().map(str::to_owned)
}
