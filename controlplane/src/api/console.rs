//! The console: static files inside the program, and nothing else. It has no
//! rights of its own; what it shows it asks of the REST API, by its user's login.
//!
//! Every path that is no file and no API is the console's own (its pages have
//! paths), so it gets the one document there is.

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH,
    REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderName, HeaderValue, Method, Response, StatusCode};
use axum::response::IntoResponse;
use rust_embed::{Embed, EmbeddedFile};
use tower_http::compression::CompressionLayer;

/// What `npm run build` in `web/` has made.
#[derive(Embed)]
#[folder = "../web/dist"]
#[allow_missing = true]
struct Files;

/// The one document.
const DOCUMENT: &str = "index.html";
/// Files below it have their content's hash in their names.
const HASHED: &str = "assets/";
/// Paths that are never the console's.
const NOT_OURS: [&str; 5] = ["api", "errors", "healthz", "readyz", "metrics"];

/// Nothing from elsewhere, nothing inline, in nobody's frame.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    img-src 'self' data:; font-src 'self'; connect-src 'self'; manifest-src 'self'; \
    form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
const OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");
const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");
const PERMISSIONS_POLICY: HeaderName = HeaderName::from_static("permissions-policy");

/// A build without the console says so.
const MISSING: &str = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\">\
    <title>Holdfast</title><h1>Holdfast</h1><p>This build has no console: it was made without \
    <code>web/dist</code>. Build with <code>make build</code>, or use the \
    <code>holdfast</code> command and the API, which are all here.</p></html>";

/// Answers what no route of the API does.
pub fn service() -> Router {
    Router::new()
        .fallback(answer)
        .layer(CompressionLayer::new())
}

async fn answer(request: Request) -> Response<Body> {
    let path = request.uri().path().trim_start_matches('/');
    let first = path.split('/').next().unwrap_or_default();
    if NOT_OURS.contains(&first) {
        return StatusCode::NOT_FOUND.into_response();
    }
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let allowed = [(ALLOW, HeaderValue::from_static("GET, HEAD"))];
        return (StatusCode::METHOD_NOT_ALLOWED, allowed).into_response();
    }
    if let Some(file) = Files::get(path) {
        return file_of(&request, path, file);
    }
    // A page has no extension; a file that is missing must not become HTML.
    let is_page = !path.starts_with(HASHED) && !last_of(path).contains('.');
    match (is_page, Files::get(DOCUMENT)) {
        (false, _) => StatusCode::NOT_FOUND.into_response(),
        (true, Some(document)) => file_of(&request, DOCUMENT, document),
        (true, None) => {
            let headers = [(CONTENT_TYPE, "text/html; charset=utf-8")];
            guarded((StatusCode::NOT_FOUND, headers, MISSING).into_response())
        }
    }
}

fn last_of(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or_default()
}

fn file_of(request: &Request, path: &str, file: EmbeddedFile) -> Response<Body> {
    let tag = format!("\"{}\"", hex::encode(file.metadata.sha256_hash()));
    let known = request.headers().get(IF_NONE_MATCH);
    let known = known.and_then(|value| value.to_str().ok());
    // A proxy that compressed it has made the tag a weak one.
    let same = known.is_some_and(|known| known.trim_start_matches("W/") == tag);
    let mut response = match same {
        true => StatusCode::NOT_MODIFIED.into_response(),
        false => {
            let kind = [(CONTENT_TYPE, file.metadata.mimetype().to_owned())];
            (kind, file.data.into_owned()).into_response()
        }
    };
    let headers = response.headers_mut();
    let lasts = match path.starts_with(HASHED) {
        true => "public, max-age=31536000, immutable",
        // A newer node has another document: ask each time.
        false => "no-cache",
    };
    headers.insert(CACHE_CONTROL, HeaderValue::from_static(lasts));
    if let Ok(tag) = HeaderValue::try_from(tag) {
        headers.insert(ETAG, tag);
    }
    guarded(response)
}

fn guarded(mut response: Response<Body>) -> Response<Body> {
    let headers = response.headers_mut();
    let fixed = [
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
        (OPENER_POLICY, "same-origin"),
        (RESOURCE_POLICY, "same-origin"),
        (
            PERMISSIONS_POLICY,
            "camera=(), geolocation=(), microphone=()",
        ),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}
