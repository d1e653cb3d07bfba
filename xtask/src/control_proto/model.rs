//! What the generated file says, before it has numbers.

use std::collections::BTreeMap;

/// The whole file.
#[derive(Debug, Default)]
pub(super) struct File {
    /// Messages by name.
    pub(super) messages: BTreeMap<String, Message>,
    /// Methods, by the path and verb of their operations.
    pub(super) methods: Vec<Method>,
}

/// A message.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Message {
    /// What it is.
    pub(super) comment: String,
    /// Its fields, in the order in which new ones get their numbers.
    pub(super) fields: Vec<Field>,
}

/// A field.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Field {
    /// As proto names it.
    pub(super) name: String,
    /// As JSON names it.
    pub(super) json: String,
    /// What it holds.
    pub(super) shape: Shape,
    /// Whether JSON always has it.
    pub(super) required: bool,
    /// Where a field of a request goes.
    pub(super) place: Option<Place>,
    /// What it is.
    pub(super) comment: String,
}

/// How often a field holds what.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Shape {
    /// Once.
    Single(Type),
    /// In order.
    Repeated(Type),
    /// By name.
    Map(Type),
}

/// What a field holds.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Type {
    /// One of proto's own types.
    Scalar(&'static str),
    /// A message, ours or a well-known one.
    Message(String),
}

/// Where a field of a request goes in the REST request.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Place {
    /// In the path.
    Path,
    /// In the query string.
    Query,
    /// In a header.
    Header,
    /// It is the body.
    Body,
}

/// A method, which is a REST operation.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Method {
    /// Its name.
    pub(super) name: String,
    /// What it does.
    pub(super) comment: String,
    /// The operationId.
    pub(super) id: String,
    /// The HTTP method.
    pub(super) verb: String,
    /// The path.
    pub(super) path: String,
    /// What it takes.
    pub(super) request: String,
    /// What it answers.
    pub(super) answer: String,
    /// Whether it answers with a stream of those.
    pub(super) streams: bool,
}

/// Any JSON object.
pub(super) fn any_object() -> Type {
    Type::Message("google.protobuf.Struct".to_owned())
}

/// Any JSON value.
pub(super) fn any_value() -> Type {
    Type::Message("google.protobuf.Value".to_owned())
}

impl Type {
    fn text(&self) -> &str {
        match self {
            Self::Scalar(name) => name,
            Self::Message(name) => name,
        }
    }
}

impl Shape {
    /// As proto writes it, without `optional`.
    pub(super) fn text(&self) -> String {
        match self {
            Self::Single(kind) => kind.text().to_owned(),
            Self::Repeated(kind) => format!("repeated {}", kind.text()),
            Self::Map(kind) => format!("map<string, {}>", kind.text()),
        }
    }
}

impl Field {
    /// Whether one must tell "not there" from "empty".
    pub(super) fn is_optional(&self) -> bool {
        matches!(self.shape, Shape::Single(Type::Scalar(_))) && !self.required
    }
}
