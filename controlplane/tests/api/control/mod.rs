//! `ControlService` over real TLS, by the generated client.

mod access;
mod dynamic;
mod equal;
mod events;
mod operations;
mod pairing;
mod quorum;
mod tools;

use holdfast_proto::v1::control_service_client::ControlServiceClient;
use holdfast_proto::v1::{ApplyParams, ApplyRequest};
use prost_types::value::Kind;
use prost_types::{ListValue, Struct, Value as Any};
use serde_json::Value;
use tonic::transport::Channel;
use tonic::{Request, Status};
use tonic_types::{ErrorDetails, StatusExt};

use crate::agent::connect;
use crate::node::Node;

pub type Client = ControlServiceClient<Channel>;

pub async fn client(node: &Node) -> Client {
    ControlServiceClient::new(connect(node, None).await.unwrap())
}

/// A request with the node's token.
pub fn request<T>(node: &Node, message: T) -> Request<T> {
    with_token(&node.token, message)
}

pub fn with_token<T>(token: &str, message: T) -> Request<T> {
    let mut request = Request::new(message);
    let bearer = format!("Bearer {token}").parse().unwrap();
    request.metadata_mut().insert("authorization", bearer);
    request
}

pub fn apply(documents: &[Value]) -> ApplyRequest {
    let body = ApplyParams {
        documents: documents.iter().map(structure).collect(),
        dry_run: None,
    };
    ApplyRequest {
        body: Some(body),
        ..ApplyRequest::default()
    }
}

/// A document as a client writes it.
pub fn structure(json: &Value) -> Struct {
    let fields = json.as_object().unwrap().iter();
    Struct {
        fields: fields
            .map(|(name, value)| (name.clone(), any(value)))
            .collect(),
    }
}

fn any(json: &Value) -> Any {
    let kind = match json {
        Value::Null => Kind::NullValue(0),
        Value::Bool(is) => Kind::BoolValue(*is),
        Value::Number(number) => Kind::NumberValue(number.as_f64().unwrap()),
        Value::String(text) => Kind::StringValue(text.clone()),
        Value::Array(values) => Kind::ListValue(ListValue {
            values: values.iter().map(any).collect(),
        }),
        Value::Object(_) => Kind::StructValue(structure(json)),
    };
    Any { kind: Some(kind) }
}

/// Checks a refusal's code, and gives its details.
#[track_caller]
pub fn refused<T>(answer: Result<T, Status>, code: tonic::Code, reason: &str) -> ErrorDetails {
    let Err(status) = answer else {
        panic!("this was to be refused with {reason}")
    };
    assert_eq!(status.code(), code, "{status}");
    assert_eq!(status.metadata().get("holdfast-code").unwrap(), reason);
    assert_eq!(
        status.metadata().get("content-type").unwrap(),
        "application/grpc"
    );
    let details = status.get_error_details();
    let info = details.error_info().expect("an ErrorInfo");
    assert_eq!(
        (info.reason.as_str(), info.domain.as_str()),
        (reason, "holdfast")
    );
    assert!(!info.metadata["hint"].is_empty());
    let request = details.request_info().expect("a RequestInfo");
    assert_eq!(
        status.metadata().get("x-request-id").unwrap(),
        request.request_id.as_str()
    );
    assert_eq!(info.metadata["requestId"], request.request_id);
    details
}
