//! A REST answer as the method's.

use axum::body::{Body, Bytes, to_bytes};
use axum::http::header::{CONTENT_TYPE, ETAG, LOCATION, RETRY_AFTER};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Response as HttpResponse, StatusCode};
use prost_reflect::{DynamicMessage, MessageDescriptor, Value};
use serde_json::Value as Json;
use tonic::metadata::MetadataMap;
use tonic::{Response, Status};

use super::method::Method;
use super::{Messages, events, from_json, problem};
use crate::api::auth::{APPLIED_AGE, APPLIED_INDEX};
use crate::api::error::REQUEST_ID;

/// Headers of REST that a client wants to know.
const PASSED_ON: [HeaderName; 6] = [
    ETAG,
    LOCATION,
    RETRY_AFTER,
    REQUEST_ID,
    APPLIED_INDEX,
    APPLIED_AGE,
];
/// The status of the REST answer: 201 says that something is new.
const REST_STATUS: HeaderName = HeaderName::from_static("holdfast-rest-status");

/// Reads an answer that is one message.
pub(super) async fn read(
    method: &Method,
    response: HttpResponse<Body>,
) -> Result<Response<DynamicMessage>, Status> {
    let (metadata, headers, body) = whole(response).await?;
    let message = match method.output.full_name() {
        "holdfast.v1.Content" => content(&method.output, &headers, body),
        "google.protobuf.Empty" => DynamicMessage::new(method.output.clone()),
        _ => json(method, &body)?,
    };
    Ok(Response::from_parts(metadata, message, Default::default()))
}

/// Follows an answer that is a stream of events.
pub(super) async fn follow(
    method: &Method,
    response: HttpResponse<Body>,
) -> Result<Response<Messages>, Status> {
    if !response.status().is_success() {
        whole(response).await?;
        return Err(Status::internal("a refusal was not read as one"));
    }
    let metadata = metadata(response.status(), response.headers());
    let events = events::messages(method.output.clone(), response.into_body());
    Ok(Response::from_parts(
        metadata,
        Box::pin(events),
        Default::default(),
    ))
}

/// A successful answer as a whole; a refusal as its status.
async fn whole(response: HttpResponse<Body>) -> Result<(MetadataMap, HeaderMap, Bytes), Status> {
    let (parts, body) = response.into_parts();
    let metadata = metadata(parts.status, &parts.headers);
    // It was made in this process, which has it in memory already.
    let body = to_bytes(body, usize::MAX).await.map_err(|error| {
        tracing::error!(%error, "failed to read an answer of REST");
        Status::internal("the control plane failed to do this")
    })?;
    if parts.status.is_success() {
        Ok((metadata, parts.headers, body))
    } else {
        Err(problem::status(parts.status, &body, metadata))
    }
}

fn metadata(status: StatusCode, headers: &HeaderMap) -> MetadataMap {
    let mut passed = HeaderMap::new();
    for name in PASSED_ON {
        if let Some(value) = headers.get(&name) {
            passed.insert(name, value.clone());
        }
    }
    passed.insert(REST_STATUS, HeaderValue::from(status.as_u16()));
    MetadataMap::from_headers(passed)
}

fn content(output: &MessageDescriptor, headers: &HeaderMap, body: Bytes) -> DynamicMessage {
    let kind = headers.get(CONTENT_TYPE);
    let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let mut message = DynamicMessage::new(output.clone());
    message.set_field_by_name("content_type", Value::String(kind.to_owned()));
    message.set_field_by_name("data", Value::Bytes(body));
    message
}

fn json(method: &Method, body: &[u8]) -> Result<DynamicMessage, Status> {
    let unfit = |error: &dyn std::error::Error| {
        let operation = &method.id;
        tracing::error!(operation, "an answer does not fit its method: {error}");
        Status::internal("the answer does not fit the method; the node's log says more")
    };
    let json: Json = serde_json::from_slice(body).map_err(|error| unfit(&error))?;
    if json.is_null() {
        // There is nothing to show: a message with nothing in it.
        return Ok(DynamicMessage::new(method.output.clone()));
    }
    from_json::message(&method.output, &json).map_err(|error| unfit(&error))
}
