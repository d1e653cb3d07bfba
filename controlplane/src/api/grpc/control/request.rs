//! A method's message as the request of its REST operation.

use axum::body::{Body, Bytes};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Request};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use prost_reflect::{DynamicMessage, FieldDescriptor, ReflectMessage, Value};
use serde_json::Value as Json;

use super::method::{Method, Piece};
use super::to_json::{Fault, ToJson};
use crate::app::code::Code;
use crate::app::error::AppError;

/// Metadata that REST knows as headers. What an operation takes as a header of
/// its own is a field.
const PASSED_ON: [HeaderName; 3] = [
    AUTHORIZATION,
    HeaderName::from_static("traceparent"),
    HeaderName::from_static("tracestate"),
];

/// What RFC 3986 leaves as it is.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// The REST request that a message stands for, from its bytes.
pub(super) fn write(
    method: &Method,
    metadata: &HeaderMap,
    bytes: Bytes,
) -> Result<Request<Body>, AppError> {
    let message = DynamicMessage::decode(method.input.clone(), bytes);
    let message = &message.map_err(|error| malformed(error.to_string()))?;
    // What this node does not know, it must not pretend to have done.
    if let Some(unknown) = message.unknown_fields().next() {
        return Err(unknown_field(unknown.number(), message));
    }
    let mut uri = path(method, message)?;
    let query = query(method, message);
    if !query.is_empty() {
        uri = format!("{uri}?{query}");
    }
    let mut request = Request::builder().method(method.verb.clone()).uri(uri);
    for (field, header) in &method.headers {
        if message.has_field(field) {
            let value = HeaderValue::from_str(&scalar(&message.get_field(field)));
            request = request.header(header, value.map_err(|_| not_a_header(field))?);
        }
    }
    for header in PASSED_ON {
        if let Some(value) = metadata.get(&header) {
            request = request.header(header, value.clone());
        }
    }
    let body = match &method.body {
        Some(field) => {
            request = request.header(CONTENT_TYPE, "application/json");
            Body::from(body(method, field, message)?)
        }
        None => Body::empty(),
    };
    request
        .body(body)
        .map_err(|error| malformed(error.to_string()))
}

fn malformed(message: impl Into<String>) -> AppError {
    AppError::new(Code::MALFORMED_REQUEST, message)
}

fn unknown_field(number: u32, message: &DynamicMessage) -> AppError {
    let name = message.descriptor().name().to_owned();
    malformed(format!("this node knows no field {number} of {name}"))
}

fn not_a_header(field: &FieldDescriptor) -> AppError {
    let message = "a header has neither line breaks nor control characters";
    AppError::new(Code::MALFORMED_HEADER, message).with_field(field.json_name())
}

fn path(method: &Method, message: &DynamicMessage) -> Result<String, AppError> {
    let mut path = String::new();
    for piece in &method.path {
        match piece {
            Piece::Text(text) => path.push_str(text),
            Piece::Field(field) => {
                let value = scalar(&message.get_field(field));
                if value.is_empty() {
                    let name = field.json_name();
                    return Err(malformed(format!("{name} is needed")).with_field(name));
                }
                path.extend(utf8_percent_encode(&value, ENCODED));
            }
        }
    }
    Ok(path)
}

fn query(method: &Method, message: &DynamicMessage) -> String {
    let mut pairs = Vec::new();
    for field in &method.query {
        if !message.has_field(field) && field.supports_presence() {
            continue;
        }
        let value = message.get_field(field);
        let values = value.as_list().unwrap_or(std::slice::from_ref(&*value));
        for value in values {
            let value = scalar(value);
            let value = utf8_percent_encode(&value, ENCODED);
            pairs.push(format!("{}={value}", field.json_name()));
        }
    }
    pairs.join("&")
}

/// A parameter's text.
fn scalar(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Bool(is) => is.to_string(),
        Value::I32(number) => number.to_string(),
        Value::I64(number) => number.to_string(),
        Value::U32(number) => number.to_string(),
        Value::U64(number) => number.to_string(),
        Value::F32(number) => number.to_string(),
        Value::F64(number) => number.to_string(),
        // The generator makes no others.
        _ => String::new(),
    }
}

fn body(
    method: &Method,
    field: &FieldDescriptor,
    message: &DynamicMessage,
) -> Result<Vec<u8>, AppError> {
    let json = if message.has_field(field) {
        let body = message.get_field(field);
        let to_json = ToJson::new(&method.always);
        match body.as_message() {
            Some(body) => to_json.message(body).map_err(refused)?,
            None => Json::Null,
        }
    } else {
        // Says which of its fields are missing.
        Json::Object(serde_json::Map::new())
    };
    serde_json::to_vec(&json).map_err(AppError::internal)
}

fn refused(fault: Fault) -> AppError {
    let Fault { path, problem } = fault;
    malformed(problem).with_field(path)
}
