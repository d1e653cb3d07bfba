//! The JSON of REST as messages.
//!
//! What an answer has and its message has not is left out: the messages are
//! made from the same document that describes the answers.

use std::collections::HashMap;

use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MapKey, MessageDescriptor, Value};
use serde_json::{Map, Value as Json};

/// An answer that is not what its message says. Names the field alone: what it
/// holds may be secret (I-10).
#[derive(Debug, PartialEq, thiserror::Error)]
#[error("the answer's field \"{path}\" is not the {wanted} it is said to be")]
pub(super) struct Unfit {
    path: String,
    wanted: String,
}

impl Unfit {
    fn new(wanted: impl Into<String>) -> Self {
        Self {
            path: String::new(),
            wanted: wanted.into(),
        }
    }

    fn within(mut self, name: &str) -> Self {
        let dot = if self.path.is_empty() { "" } else { "." };
        self.path = format!("{name}{dot}{}", self.path);
        self
    }
}

type Result<T> = std::result::Result<T, Unfit>;

/// The message that some JSON stands for.
pub(super) fn message(descriptor: &MessageDescriptor, json: &Json) -> Result<DynamicMessage> {
    match descriptor.full_name() {
        "google.protobuf.Struct" => return object(descriptor, as_object(json)?),
        "google.protobuf.Value" => return any(descriptor, json),
        _ => {}
    }
    let given = as_object(json)?;
    let mut message = DynamicMessage::new(descriptor.clone());
    for field in descriptor.fields() {
        // Null is what is not there.
        if let Some(json) = given.get(field.json_name()).filter(|json| !json.is_null()) {
            let value = value(&field, json);
            let value = value.map_err(|unfit| unfit.within(field.json_name()))?;
            message.set_field(&field, value);
        }
    }
    Ok(message)
}

fn as_object(json: &Json) -> Result<&Map<String, Json>> {
    json.as_object().ok_or_else(|| Unfit::new("object"))
}

fn value(field: &FieldDescriptor, json: &Json) -> Result<Value> {
    let kind = field.kind();
    if field.is_map() {
        let entry = kind.as_message().ok_or_else(|| Unfit::new("map"))?;
        let value = entry.map_entry_value_field().kind();
        let mut entries = HashMap::new();
        for (key, json) in as_object(json)? {
            let value = single(&value, json).map_err(|unfit| unfit.within(key))?;
            entries.insert(MapKey::String(key.clone()), value);
        }
        return Ok(Value::Map(entries));
    }
    if field.is_list() {
        let items = json.as_array().ok_or_else(|| Unfit::new("list"))?;
        let items = items.iter().enumerate().map(|(index, json)| {
            single(&kind, json).map_err(|unfit| unfit.within(&index.to_string()))
        });
        return Ok(Value::List(items.collect::<Result<_>>()?));
    }
    single(&kind, json)
}

fn single(kind: &Kind, json: &Json) -> Result<Value> {
    let value = match kind {
        Kind::Bool => json.as_bool().map(Value::Bool),
        Kind::Double => json.as_f64().map(Value::F64),
        Kind::Int32 => narrow(json.as_i64()).map(Value::I32),
        Kind::Int64 => json.as_i64().map(Value::I64),
        Kind::Uint32 => narrow(json.as_u64()).map(Value::U32),
        Kind::Uint64 => json.as_u64().map(Value::U64),
        Kind::String => json.as_str().map(|text| Value::String(text.to_owned())),
        Kind::Message(descriptor) => return Ok(Value::Message(message(descriptor, json)?)),
        // The generator makes no others.
        _ => None,
    };
    value.ok_or_else(|| Unfit::new(format!("{kind:?}").to_lowercase()))
}

fn narrow<W, N: TryFrom<W>>(number: Option<W>) -> Option<N> {
    number.and_then(|number| N::try_from(number).ok())
}

/// A `google.protobuf.Struct`.
fn object(descriptor: &MessageDescriptor, given: &Map<String, Json>) -> Result<DynamicMessage> {
    let fields = descriptor.get_field_by_name("fields");
    let fields = fields.ok_or_else(|| Unfit::new("object"))?;
    let mut message = DynamicMessage::new(descriptor.clone());
    // Null counts here: it is part of somebody's document.
    message.set_field(&fields, value(&fields, &Json::Object(given.clone()))?);
    Ok(message)
}

/// A `google.protobuf.Value`.
fn any(descriptor: &MessageDescriptor, json: &Json) -> Result<DynamicMessage> {
    let (name, wrapped);
    let (member, json) = match json {
        Json::Null => {
            let mut message = DynamicMessage::new(descriptor.clone());
            message.set_field_by_name("null_value", Value::EnumNumber(0));
            return Ok(message);
        }
        Json::Bool(_) => ("bool_value", json),
        Json::Number(_) => ("number_value", json),
        Json::String(_) => ("string_value", json),
        Json::Object(_) => ("struct_value", json),
        Json::Array(_) => {
            wrapped = serde_json::json!({ "values": json });
            name = "list_value";
            (name, &wrapped)
        }
    };
    let field = descriptor.get_field_by_name(member);
    let field = field.ok_or_else(|| Unfit::new("value"))?;
    let mut message = DynamicMessage::new(descriptor.clone());
    message.set_field(&field, single(&field.kind(), json)?);
    Ok(message)
}
