//! Errors as REST answers: RFC 9457 problems with our `code`, `hint` and
//! `field`.
//!
//! A handler's error travels to the outermost layer in the response's
//! extensions and is written there, where the request id is known; what the
//! router itself refuses (no such path, wrong method, too large, a panic)
//! becomes a problem at the same place.

use std::any::Any;
use std::error::Error as _;
use std::sync::Arc;

use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, LOCATION, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderName, HeaderValue, Response, StatusCode};
use axum::response::IntoResponse;
use holdfast_types::RequestId;
use serde::{Deserialize, Serialize};
use tower_http::csrf::ProtectionError;
use utoipa::ToSchema;

use super::error_page::type_of;
use crate::app::code::{Category, Code};
use crate::app::error::AppError;

/// What every answer carries to find its traces.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// An answer that is not what was asked for (RFC 9457).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Problem {
    /// Where the page is that explains the code, relative to the request's URL.
    #[serde(rename = "type")]
    #[schema(format = "uri-reference", example = "/errors/not_found")]
    pub kind: String,
    /// The status in words.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// The same as `message`.
    pub detail: String,
    /// Stable, snake_case.
    #[schema(example = "not_found")]
    pub code: String,
    /// What happened, to what, and why.
    pub message: String,
    /// What to do next.
    pub hint: String,
    /// The field at fault.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "spec.wal.flushEvery")]
    pub field: Option<String>,
    /// The request for approval that waits, by its id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "apr_…")]
    pub approval: Option<String>,
    /// By which the node's log finds this request.
    pub request_id: String,
}

/// A use case's error on its way to becoming a problem.
#[derive(Debug, Clone)]
pub struct ApiError(Arc<AppError>);

impl<E: Into<AppError>> From<E> for ApiError {
    fn from(error: E) -> Self {
        Self(Arc::new(error.into()))
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response<Body> {
        let mut response = status_of(self.0.category()).into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// The HTTP status of a category.
pub fn status_of(category: Category) -> StatusCode {
    match category {
        Category::Malformed => StatusCode::BAD_REQUEST,
        Category::Invalid => StatusCode::UNPROCESSABLE_ENTITY,
        Category::Unauthenticated => StatusCode::UNAUTHORIZED,
        Category::Forbidden => StatusCode::FORBIDDEN,
        Category::NotFound => StatusCode::NOT_FOUND,
        Category::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
        Category::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        Category::Conflict => StatusCode::CONFLICT,
        Category::Stale => StatusCode::PRECONDITION_FAILED,
        Category::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        Category::TooMany => StatusCode::TOO_MANY_REQUESTS,
        Category::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        Category::Timeout => StatusCode::GATEWAY_TIMEOUT,
        Category::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// Writes the problem of an answer that is one; leaves others as they are.
pub fn render(request: RequestId, mut response: Response<Body>) -> Response<Body> {
    let status = response.status();
    let error = match response.extensions_mut().remove::<ApiError>() {
        Some(ApiError(error)) => error,
        None if status.is_client_error() || status.is_server_error() => {
            Arc::new(AppError::new(code_of(status), sentence_of(status)))
        }
        None => return response,
    };
    log(&error);
    let problem = problem_of(&error, status, request);
    let headers = response.headers_mut();
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("application/problem+json"),
    );
    headers.remove(axum::http::header::CONTENT_LENGTH);
    if let Some(after) = error.retry_after() {
        headers.insert(RETRY_AFTER, HeaderValue::from(after.as_secs().max(1)));
    }
    if let Some(approval) = error.approval()
        && let Ok(place) = HeaderValue::try_from(format!("/api/v1/approvals/{approval}"))
    {
        headers.insert(LOCATION, place);
    }
    if status == StatusCode::UNAUTHORIZED {
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    let body = serde_json::to_vec(&problem).unwrap_or_default();
    let (parts, _) = response.into_parts();
    Response::from_parts(parts, Body::from(body))
}

/// The problem that an error is.
pub fn problem_of(error: &AppError, status: StatusCode, request: RequestId) -> Problem {
    Problem {
        kind: type_of(error.code()),
        title: status.canonical_reason().unwrap_or("Error").to_owned(),
        status: status.as_u16(),
        detail: error.message().to_owned(),
        code: error.code().to_owned(),
        message: error.message().to_owned(),
        hint: error.hint().to_owned(),
        field: error.field().map(str::to_owned),
        approval: error.approval().map(|approval| approval.to_string()),
        request_id: request.to_string(),
    }
}

/// A fault is for a person to look at; a refusal is the caller's business.
fn log(error: &AppError) {
    let mut causes = String::new();
    let mut cause = error.source();
    while let Some(next) = cause {
        causes.push_str(": ");
        causes.push_str(&next.to_string());
        cause = next.source();
    }
    if error.category() == Category::Internal {
        tracing::error!(error.code = error.code(), "{}{causes}", error.message());
    } else {
        tracing::debug!(error.code = error.code(), "{}{causes}", error.message());
    }
}

/// What the router's own refusals are called.
fn code_of(status: StatusCode) -> Code {
    match status {
        StatusCode::NOT_FOUND => Code::NO_SUCH_PATH,
        StatusCode::METHOD_NOT_ALLOWED => Code::METHOD_NOT_ALLOWED,
        StatusCode::UNSUPPORTED_MEDIA_TYPE => Code::UNSUPPORTED_MEDIA_TYPE,
        StatusCode::PAYLOAD_TOO_LARGE => Code::BODY_TOO_LARGE,
        StatusCode::REQUEST_TIMEOUT | StatusCode::GATEWAY_TIMEOUT => Code::REQUEST_TIMEOUT,
        status if status.is_client_error() => Code::MALFORMED_REQUEST,
        _ => Code::INTERNAL,
    }
}

fn sentence_of(status: StatusCode) -> &'static str {
    match status {
        StatusCode::NOT_FOUND => "nothing is at this path",
        StatusCode::METHOD_NOT_ALLOWED => "this path does not take this method",
        StatusCode::UNSUPPORTED_MEDIA_TYPE => "the body is not JSON",
        StatusCode::PAYLOAD_TOO_LARGE => "the body is too large",
        StatusCode::REQUEST_TIMEOUT | StatusCode::GATEWAY_TIMEOUT => {
            "the request was not done in time"
        }
        status if status.is_client_error() => "the request cannot be read",
        _ => "the control plane failed to do this",
    }
}

/// What a handler that panicked answers.
pub fn panicked(_: Box<dyn Any + Send + 'static>) -> Response<Body> {
    // The panic hook has logged where and why.
    ApiError::from(AppError::failed("a handler panicked")).into_response()
}

/// Answers what another site made a browser send.
pub fn from_another_site(_: ProtectionError) -> Response<Body> {
    let message = "another site had the browser send this";
    ApiError::from(AppError::new(Code::CROSS_SITE, message)).into_response()
}

/// The problems that any operation can answer, for OpenAPI.
pub struct Problems;

impl utoipa::IntoResponses for Problems {
    fn responses() -> std::collections::BTreeMap<
        String,
        utoipa::openapi::RefOr<utoipa::openapi::response::Response>,
    > {
        use utoipa::openapi::{ContentBuilder, Ref, ResponseBuilder};
        let problem = || {
            let schema = Ref::from_schema_name("Problem");
            ContentBuilder::new().schema(Some(schema)).build()
        };
        let response = |description: &str| {
            ResponseBuilder::new()
                .description(description)
                .content("application/problem+json", problem())
                .build()
                .into()
        };
        [
            ("400", "The request cannot be read"),
            ("401", "Nobody is proved to be asking"),
            ("403", "Whoever asks may not"),
            ("404", "There is no such thing"),
            ("409", "It does not fit the state of things"),
            ("412", "The state has changed since it was read"),
            ("422", "What is asked for is not valid"),
            ("429", "Too many of the same"),
            ("503", "Not now; see Retry-After"),
        ]
        .into_iter()
        .map(|(status, description)| (status.to_owned(), response(description)))
        .collect()
    }
}
