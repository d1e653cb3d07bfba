//! Messages as the JSON of REST.
//!
//! Not quite proto's own mapping: 64-bit integers are JSON numbers, as REST
//! has them, and a whole number in a free-form document stays one.

use prost_reflect::{
    DynamicMessage, ExtensionDescriptor, FieldDescriptor, MapKey, ReflectMessage, Value,
};
use serde_json::{Map, Number, Value as Json};

/// What cannot be said in JSON.
#[derive(Debug, PartialEq)]
pub(super) struct Fault {
    /// In which field.
    pub(super) path: String,
    /// Why not.
    pub(super) problem: String,
}

impl Fault {
    fn new(problem: impl Into<String>) -> Self {
        Self {
            path: String::new(),
            problem: problem.into(),
        }
    }

    fn within(mut self, name: &str) -> Self {
        let is_index = self.path.starts_with('[');
        let dot = if self.path.is_empty() || is_index {
            ""
        } else {
            "."
        };
        self.path = format!("{name}{dot}{}", self.path);
        self
    }
}

type Result<T> = std::result::Result<T, Fault>;

/// Writes messages as JSON.
#[derive(Debug)]
pub(super) struct ToJson<'a> {
    /// Marks lists and maps that are written when they are empty too.
    always: &'a ExtensionDescriptor,
}

impl<'a> ToJson<'a> {
    pub(super) fn new(always: &'a ExtensionDescriptor) -> Self {
        Self { always }
    }

    /// A message of ours as an object; a well-known one as what it stands for.
    pub(super) fn message(&self, message: &DynamicMessage) -> Result<Json> {
        let descriptor = message.descriptor();
        if let Some(unknown) = message.unknown_fields().next() {
            let number = unknown.number();
            let name = descriptor.name();
            return Err(Fault::new(format!(
                "this node knows no field {number} of {name}"
            )));
        }
        match descriptor.full_name() {
            "google.protobuf.Struct" => return self.member(message, "fields"),
            "google.protobuf.ListValue" => return self.member(message, "values"),
            "google.protobuf.Value" => return self.any(message),
            _ => {}
        }
        let mut object = Map::new();
        for field in descriptor.fields() {
            if !self.is_written(message, &field) {
                continue;
            }
            let value = self.value(&message.get_field(&field));
            let value = value.map_err(|fault| fault.within(field.json_name()))?;
            object.insert(field.json_name().to_owned(), value);
        }
        Ok(Json::Object(object))
    }

    /// What is not there is left out, so that REST's own defaults hold.
    fn is_written(&self, message: &DynamicMessage, field: &FieldDescriptor) -> bool {
        if field.supports_presence() {
            return message.has_field(field);
        }
        if field.is_list() || field.is_map() {
            let always = field.options().get_extension(self.always).as_bool();
            return message.has_field(field) || always == Some(true);
        }
        true
    }

    fn value(&self, value: &Value) -> Result<Json> {
        Ok(match value {
            Value::Bool(is) => Json::Bool(*is),
            Value::I32(number) => Json::from(*number),
            Value::I64(number) => Json::from(*number),
            Value::U32(number) => Json::from(*number),
            Value::U64(number) => Json::from(*number),
            Value::F32(number) => double(f64::from(*number))?,
            Value::F64(number) => double(*number)?,
            Value::String(text) => Json::String(text.clone()),
            Value::Message(message) => self.message(message)?,
            Value::List(values) => {
                let values = values.iter().enumerate().map(|(index, value)| {
                    let value = self.value(value);
                    value.map_err(|fault| fault.within(&format!("[{index}]")))
                });
                Json::Array(values.collect::<Result<_>>()?)
            }
            Value::Map(entries) => {
                let entries = entries.iter().map(|(key, value)| {
                    let key = key_text(key);
                    let value = self.value(value).map_err(|fault| fault.within(&key))?;
                    Ok((key, value))
                });
                Json::Object(entries.collect::<Result<_>>()?)
            }
            Value::Bytes(_) | Value::EnumNumber(_) => {
                return Err(Fault::new("this has no place in JSON"));
            }
        })
    }

    fn member(&self, message: &DynamicMessage, name: &str) -> Result<Json> {
        let member = message.get_field_by_name(name);
        member.map_or(Ok(Json::Null), |member| self.value(&member))
    }

    /// A `google.protobuf.Value`.
    fn any(&self, message: &DynamicMessage) -> Result<Json> {
        let set = message.fields().next();
        match set {
            None | Some((_, Value::EnumNumber(_))) => Ok(Json::Null),
            Some((_, Value::F64(number))) => free(*number),
            Some((_, value)) => self.value(value),
        }
    }
}

fn key_text(key: &MapKey) -> String {
    match key {
        MapKey::String(text) => text.clone(),
        MapKey::Bool(is) => is.to_string(),
        MapKey::I32(number) => number.to_string(),
        MapKey::I64(number) => number.to_string(),
        MapKey::U32(number) => number.to_string(),
        MapKey::U64(number) => number.to_string(),
    }
}

fn double(number: f64) -> Result<Json> {
    let number = Number::from_f64(number);
    number
        .map(Json::Number)
        .ok_or_else(|| Fault::new("JSON has only finite numbers"))
}

/// A number of a free-form document, where all are doubles: REST reads whole
/// ones as integers.
fn free(number: f64) -> Result<Json> {
    // 2^53: up to there a double holds every integer.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if number.fract() == 0.0 && number.abs() <= EXACT {
        #[expect(clippy::cast_possible_truncation, reason = "whole, and within 2^53")]
        return Ok(Json::from(number as i64));
    }
    double(number)
}
