//! One gate for every route: who asks is proved here, or the answer is 401.
//!
//! The gate is a layer around the whole router of the API; a handler takes the
//! [`Caller`] it left behind, and cannot be reached without one. Open are only
//! login, refresh, a browser's session, the two health checks and the pages that
//! explain error codes (`rest::open`), which sit outside.
//!
//! A browser shows a cookie instead of a header. Requests that change anything and
//! that another site has made it send are refused before (`rest::router`).

use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::extract::{FromRequestParts, Request, State};
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use holdfast_state::Digest;
use holdfast_types::Secret;

use super::cookie;
use super::error::ApiError;
use super::request::{RequestContext, header};
use crate::app::App;
use crate::app::caller::{Caller, Consistency};
use crate::app::code::Code;
use crate::app::error::AppError;

/// The largest body of a request.
pub const BODY_BYTES: usize = 2 << 20;
/// The longest `Idempotency-Key`.
const KEY_CHARS: usize = 255;

/// Of a stale answer: how far the node had applied the log.
pub const APPLIED_INDEX: HeaderName = HeaderName::from_static("holdfast-applied-index");
/// Of a stale answer: how old that is at most.
pub const APPLIED_AGE: HeaderName = HeaderName::from_static("holdfast-applied-age-ms");

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let caller = parts.extensions.get::<Self>().cloned();
        // A route outside the gate has nobody to speak for: refuse, never guess.
        caller.ok_or_else(|| unauthenticated("no credentials were given").into())
    }
}

/// The gate.
pub async fn gate(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    match admit(&app, request).await {
        Err(refused) => refused.into_response(),
        Ok((request, consistency)) => {
            let mut response = next.run(request).await;
            if consistency == Consistency::Stale {
                let (index, age) = app.applied();
                let headers = response.headers_mut();
                headers.insert(APPLIED_INDEX, HeaderValue::from(index));
                let age = u64::try_from(age.as_millis()).unwrap_or(u64::MAX);
                headers.insert(APPLIED_AGE, HeaderValue::from(age));
            }
            response
        }
    }
}

async fn admit(app: &App, mut request: Request) -> Result<(Request, Consistency), ApiError> {
    let context = request.extensions().get::<RequestContext>().cloned();
    let context = context.ok_or_else(|| AppError::failed("a request has no context"))?;
    let token = credentials(app, request.headers())?;
    let identity = app.authenticate(token.expose()).await?;
    let consistency = consistency(&request)?;
    let reason = reason(request.headers())?;
    let key = header(request.headers(), "idempotency-key");
    let idempotency = match key {
        Some(key) if request.method() == Method::POST => {
            if key.is_empty() || key.chars().count() > KEY_CHARS {
                let message = format!("an Idempotency-Key has 1 to {KEY_CHARS} characters");
                return Err(AppError::new(Code::MALFORMED_HEADER, message).into());
            }
            let (read, fingerprint) = fingerprint(request).await?;
            request = read;
            Some((key, fingerprint))
        }
        _ => None,
    };
    request.extensions_mut().insert(Caller {
        identity,
        request: context.id,
        remote: context.remote.map(|remote| remote.ip()),
        traceparent: context.traceparent,
        consistency,
        reason,
        idempotency,
    });
    Ok((request, consistency))
}

/// Why something is asked for, as its header says: people write it in their own
/// language.
fn reason(headers: &HeaderMap) -> Result<Option<String>, AppError> {
    let Some(given) = headers.get("holdfast-reason") else {
        return Ok(None);
    };
    let read = std::str::from_utf8(given.as_bytes()).map(|text| text.trim().to_owned());
    let read =
        read.map_err(|_| AppError::new(Code::MALFORMED_HEADER, "Holdfast-Reason is no UTF-8"))?;
    Ok(Some(read).filter(|reason| !reason.is_empty()))
}

/// What a request shows: its header, or a browser's cookie. A header that is there
/// counts even when it is wrong: never who else the browser knows.
fn credentials(app: &App, headers: &HeaderMap) -> Result<Secret, AppError> {
    if !headers.contains_key(AUTHORIZATION)
        && let Some(token) = cookie::read(app, headers, cookie::Kind::Access)
    {
        return Ok(token);
    }
    bearer(headers).map(Secret::new)
}

/// The token of a request.
pub fn bearer(headers: &HeaderMap) -> Result<String, AppError> {
    let given = headers.get(AUTHORIZATION);
    let given = given.ok_or_else(|| unauthenticated("no credentials were given"))?;
    let token = given.to_str().ok().and_then(|text| {
        let (scheme, token) = text.split_once(' ')?;
        scheme
            .eq_ignore_ascii_case("bearer")
            .then(|| token.trim().to_owned())
    });
    token.ok_or_else(|| unauthenticated("the credentials are not a bearer token"))
}

/// Nobody is proved to be asking.
pub fn unauthenticated(message: &str) -> AppError {
    AppError::new(Code::UNAUTHENTICATED, message)
}

/// Only a read may be stale: what somebody may change is asked of everything that
/// was acknowledged, or a role that was taken away would count on a node that lags.
fn consistency(request: &Request) -> Result<Consistency, AppError> {
    let query = request.uri().query().unwrap_or_default();
    let given = query
        .split('&')
        .find_map(|pair| pair.strip_prefix("consistency="));
    match given {
        None | Some("linearizable") => Ok(Consistency::Linearizable),
        Some("stale") if matches!(*request.method(), Method::GET | Method::HEAD) => {
            Ok(Consistency::Stale)
        }
        Some("stale") => {
            let message = "only what is read with GET may be stale";
            Err(AppError::new(Code::MALFORMED_REQUEST, message).with_field("consistency"))
        }
        Some(other) => {
            let message = format!("\"{other}\" is neither linearizable nor stale");
            Err(AppError::new(Code::MALFORMED_REQUEST, message).with_field("consistency"))
        }
    }
}

/// Reads the body to tell a repeated request from another under the same key.
async fn fingerprint(request: Request) -> Result<(Request, Digest), AppError> {
    let (parts, body) = request.into_parts();
    let bytes = to_bytes(body, BODY_BYTES)
        .await
        .map_err(|_| AppError::new(Code::BODY_TOO_LARGE, "the body is too large"))?;
    let mut whole = format!("{} {}\n", parts.method, parts.uri.path()).into_bytes();
    whole.extend_from_slice(&bytes);
    let digest = Digest::of(&whole);
    Ok((Request::from_parts(parts, Body::from(bytes)), digest))
}
