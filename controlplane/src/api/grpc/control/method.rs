//! The methods, as the options of `control.proto` describe them.

use std::collections::HashMap;
use std::sync::Arc;

use axum::http;
use prost_reflect::{
    DescriptorPool, DynamicMessage, ExtensionDescriptor, FieldDescriptor, MessageDescriptor,
    MethodDescriptor, Value,
};

/// The descriptors are not what the service needs.
#[derive(Debug, thiserror::Error)]
#[error("the descriptors of the gRPC services cannot be used: {0}")]
pub(in crate::api::grpc) struct Unreadable(String);

fn unreadable(problem: impl ToString) -> Unreadable {
    Unreadable(problem.to_string())
}

/// A method and the REST operation that it is.
#[derive(Debug)]
pub(super) struct Method {
    /// The operationId.
    pub(super) id: String,
    /// The HTTP method.
    pub(super) verb: http::Method,
    /// The path, piece by piece.
    pub(super) path: Vec<Piece>,
    /// Fields that go into the query string.
    pub(super) query: Vec<FieldDescriptor>,
    /// Fields that are headers, and their names there.
    pub(super) headers: Vec<(FieldDescriptor, http::HeaderName)>,
    /// The field that is the body.
    pub(super) body: Option<FieldDescriptor>,
    /// Which lists and maps are sent empty.
    pub(super) always: ExtensionDescriptor,
    /// What it takes.
    pub(super) input: MessageDescriptor,
    /// What it answers.
    pub(super) output: MessageDescriptor,
    /// Whether with a stream of those.
    pub(super) streams: bool,
}

/// A piece of a path.
#[derive(Debug)]
pub(super) enum Piece {
    /// As it is.
    Text(String),
    /// What a field holds.
    Field(FieldDescriptor),
}

/// The methods of a service by their names.
pub(super) fn read(
    descriptors: &[u8],
    service: &str,
) -> Result<HashMap<String, Arc<Method>>, Unreadable> {
    let pool = DescriptorPool::decode(descriptors).map_err(unreadable)?;
    let options = Options::of(&pool)?;
    let service = pool.get_service_by_name(service);
    let service = service.ok_or_else(|| unreadable("the service is not there"))?;
    let mut methods = HashMap::new();
    for method in service.methods() {
        let read = options.method(&method);
        let read = read.map_err(|Unreadable(problem)| {
            Unreadable(format!("method {}: {problem}", method.name()))
        })?;
        methods.insert(method.name().to_owned(), Arc::new(read));
    }
    Ok(methods)
}

/// Our options.
struct Options {
    rest: ExtensionDescriptor,
    rest_in: ExtensionDescriptor,
    always: ExtensionDescriptor,
}

impl Options {
    fn of(pool: &DescriptorPool) -> Result<Self, Unreadable> {
        let option = |name: &str| {
            let found = pool.get_extension_by_name(&format!("holdfast.v1.{name}"));
            found.ok_or_else(|| unreadable(format!("there is no option {name}")))
        };
        Ok(Self {
            rest: option("rest")?,
            rest_in: option("rest_in")?,
            always: option("always")?,
        })
    }

    fn method(&self, method: &MethodDescriptor) -> Result<Method, Unreadable> {
        let options = method.options();
        let operation = options.get_extension(&self.rest);
        let operation = operation.as_message();
        let operation = operation.ok_or_else(|| unreadable("it names no REST operation"))?;
        let (id, verb) = (text(operation, "id"), text(operation, "method"));
        let path = text(operation, "path");
        let input = method.input();
        let mut read = Method {
            id,
            verb: verb.parse().map_err(unreadable)?,
            path: pieces(&path, &input)?,
            query: Vec::new(),
            headers: Vec::new(),
            body: None,
            always: self.always.clone(),
            output: method.output(),
            streams: method.is_server_streaming(),
            input,
        };
        let fields: Vec<_> = read.input.fields().collect();
        for field in fields {
            let place = self.place(&field);
            match place.as_str() {
                "REST_IN_PATH" => {}
                "REST_IN_QUERY" => read.query.push(field),
                "REST_IN_HEADER" => {
                    let header = field.name().replace('_', "-").parse();
                    read.headers.push((field, header.map_err(unreadable)?));
                }
                "REST_IN_BODY" => read.body = Some(field),
                _ => {
                    let problem = format!("its field {} goes nowhere", field.name());
                    return Err(Unreadable(problem));
                }
            }
        }
        Ok(read)
    }

    fn place(&self, field: &FieldDescriptor) -> String {
        let options = field.options();
        let number = options.get_extension(&self.rest_in).as_enum_number();
        let kind = self.rest_in.kind();
        let value = kind
            .as_enum()
            .and_then(|places| places.get_value(number.unwrap_or_default()));
        value.map_or_else(String::new, |value| value.name().to_owned())
    }
}

fn text(message: &DynamicMessage, field: &str) -> String {
    let value = message.get_field_by_name(field);
    let text = value.as_deref().and_then(Value::as_str);
    text.unwrap_or_default().to_owned()
}

/// Cuts `/a/{b}` into its pieces.
fn pieces(path: &str, input: &MessageDescriptor) -> Result<Vec<Piece>, Unreadable> {
    let mut pieces = Vec::new();
    for part in path.split_inclusive(['{', '}']) {
        if let Some(text) = part.strip_suffix('{') {
            pieces.push(Piece::Text(text.to_owned()));
        } else if let Some(name) = part.strip_suffix('}') {
            let field = input.get_field_by_json_name(name);
            let field = field.ok_or_else(|| unreadable(format!("no field is {name}")))?;
            pieces.push(Piece::Field(field));
        } else {
            pieces.push(Piece::Text(part.to_owned()));
        }
    }
    Ok(pieces)
}
