//! JSON schemas as messages.
//!
//! A schema with properties is a message; `allOf` and `oneOf` of objects are
//! merged into one, whose variants' fields are optional. Enumerations stay
//! text, so that a word of tomorrow survives. What has no type is a
//! `google.protobuf.Struct` or `Value`.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use serde_json::{Map, Value};

use super::model::{Field, Message, Shape, Type, any_object, any_value};
use super::name;

const REFERENCE: &str = "#/components/schemas/";

/// The schemas of a document and the messages made of them so far.
pub(super) struct Schemas<'a> {
    components: &'a Map<String, Value>,
    /// Messages by name.
    pub(super) messages: BTreeMap<String, Message>,
    /// Those of the same package in other files.
    taken: &'a [String],
    /// Those that are being made, for one may hold itself.
    open: Vec<String>,
}

impl<'a> Schemas<'a> {
    pub(super) fn new(document: &'a Value, taken: &'a [String]) -> Result<Self> {
        let components = document["components"]["schemas"].as_object();
        Ok(Self {
            components: components.context("the document has no schemas")?,
            messages: BTreeMap::new(),
            taken,
            open: Vec::new(),
        })
    }

    /// Adds a message.
    pub(super) fn add(&mut self, name: &str, message: Message) -> Result<()> {
        if self.taken.iter().any(|taken| taken == name) {
            bail!(
                "another file of the package has a message {name}: \
                 rename the schema, or give it a name in `name::message`"
            );
        }
        match self.messages.get(name) {
            Some(there) if *there != message => bail!("two schemas want the name {name}"),
            Some(_) => {}
            None => {
                self.messages.insert(name.to_owned(), message);
            }
        }
        Ok(())
    }

    fn component(&self, reference: &str) -> Result<(&'a str, &'a Value)> {
        let name = reference.strip_prefix(REFERENCE);
        let found = name.and_then(|name| self.components.get_key_value(name));
        let (name, schema) = found.with_context(|| format!("{reference} is not there"))?;
        Ok((name, schema))
    }

    /// What a schema becomes, and whether it may be null. `at` names the
    /// message of an object that has no name of its own.
    pub(super) fn shape(&mut self, schema: &'a Value, at: &str) -> Result<(Shape, bool)> {
        if let Some(reference) = schema["$ref"].as_str() {
            let (name, component) = self.component(reference)?;
            return self.named(name, component);
        }
        if let Some((inner, nullable)) = unwrapped(schema) {
            let (shape, null) = self.shape(inner, at)?;
            return Ok((shape, null || nullable));
        }
        let (kind, nullable) = kind_of(schema);
        let shape = match kind {
            _ if is_composed(schema) => self.composed(schema, self.own_name(schema, at))?,
            Some("object") => match schema.get("additionalProperties") {
                Some(values @ Value::Object(_)) => {
                    let (shape, _) = self.shape(values, &format!("{at}Entry"))?;
                    Shape::Map(single(shape))
                }
                _ => Shape::Single(any_object()),
            },
            Some("array") => {
                let (shape, _) = self.shape(&schema["items"], &format!("{at}Item"))?;
                Shape::Repeated(single(shape))
            }
            Some(kind) => Shape::Single(scalar(kind, schema)?),
            None => Shape::Single(any_value()),
        };
        Ok((shape, nullable))
    }

    fn named(&mut self, name: &str, component: &'a Value) -> Result<(Shape, bool)> {
        let message = name::message(name);
        if !is_composed(component) {
            return self.shape(component, &message);
        }
        if self.open.contains(&message) || self.messages.contains_key(&message) {
            return Ok((Shape::Single(Type::Message(message)), false));
        }
        self.open.push(message.clone());
        let shape = self.composed(component, message)?;
        self.open.pop();
        Ok((shape, false))
    }

    fn composed(&mut self, schema: &'a Value, at: String) -> Result<Shape> {
        let mut properties = Vec::new();
        if !self.collect(schema, &at, true, &mut properties)? {
            return Ok(Shape::Single(any_value()));
        }
        let comment = text(schema, "description");
        self.add(
            &at,
            Message {
                comment,
                fields: properties,
            },
        )?;
        Ok(Shape::Single(Type::Message(at)))
    }

    /// The items of a list are written out where they are used, equal to the
    /// schema that they are.
    fn own_name(&self, schema: &Value, at: &str) -> String {
        let same = self.components.iter().find(|(_, known)| *known == schema);
        same.map_or_else(|| at.to_owned(), |(name, _)| name::message(name))
    }

    /// The properties of an object and of what it is composed of; false when
    /// one of its variants is no object.
    fn collect(
        &mut self,
        schema: &'a Value,
        at: &str,
        certain: bool,
        fields: &mut Vec<Field>,
    ) -> Result<bool> {
        if let Some(reference) = schema["$ref"].as_str() {
            let (_, component) = self.component(reference)?;
            return self.collect(component, at, certain, fields);
        }
        for part in list(schema, "allOf") {
            if !self.collect(part, at, certain, fields)? {
                return Ok(false);
            }
        }
        let variants = list(schema, "oneOf").chain(list(schema, "anyOf"));
        for variant in variants.filter(|variant| !is_null(variant)) {
            if !self.collect(variant, at, false, fields)? {
                return Ok(false);
            }
        }
        if let Some(properties) = schema["properties"].as_object() {
            self.properties(properties, schema, (at, certain), fields)?;
        }
        let is_object = kind_of(schema).0 == Some("object");
        Ok(is_object || is_composed(schema))
    }

    fn properties(
        &mut self,
        properties: &'a Map<String, Value>,
        schema: &'a Value,
        (at, certain): (&str, bool),
        fields: &mut Vec<Field>,
    ) -> Result<()> {
        let required: Vec<&str> = list(schema, "required").filter_map(Value::as_str).collect();
        let others = properties.keys().map(String::as_str);
        let others = others.filter(|name| !required.contains(name));
        let mut others: Vec<&str> = others.collect();
        others.sort_unstable();
        for json in required.iter().copied().chain(others) {
            let property = properties.get(json);
            let property = property.with_context(|| format!("{at} requires {json} without it"))?;
            let inner = format!("{at}{}", name::pascal(json));
            let (shape, nullable) = self.shape(property, &inner)?;
            let field = Field {
                name: name::snake(json),
                json: json.to_owned(),
                shape,
                required: certain && !nullable && required.contains(&json),
                place: None,
                comment: self.comment(property),
            };
            merge(fields, field);
        }
        Ok(())
    }

    /// What a property is, and which words it may hold.
    pub(super) fn comment(&self, schema: &Value) -> String {
        let inner = unwrapped(schema).map(|(inner, _)| inner);
        let mut comment = text(schema, "description");
        if comment.is_empty() {
            comment = inner.map_or_else(String::new, |inner| text(inner, "description"));
        }
        let reference = inner.unwrap_or(schema);
        let component = reference["$ref"].as_str();
        let component = component.and_then(|reference| self.component(reference).ok());
        let schema = component.map_or(reference, |(_, component)| component);
        if comment.is_empty() {
            comment = text(schema, "description");
        }
        let words: Vec<&str> = list(schema, "enum").filter_map(Value::as_str).collect();
        let more = match (words.as_slice(), schema["format"].as_str()) {
            ([], Some("date-time")) => "RFC 3339.".to_owned(),
            ([], _) => return comment,
            ([word], _) => format!("`{word}`."),
            (words, _) => format!("One of `{}`.", words.join("`, `")),
        };
        let gap = if comment.is_empty() { "" } else { " " };
        format!("{comment}{gap}{more}")
    }
}

/// A field that several variants have is one; where they disagree on what it
/// holds, it holds anything.
fn merge(fields: &mut Vec<Field>, field: Field) {
    let there = fields.iter_mut().find(|there| there.json == field.json);
    let Some(there) = there else {
        fields.push(field);
        return;
    };
    if there.shape != field.shape {
        there.shape = Shape::Single(any_value());
    }
    there.required &= field.required;
    if there.comment != field.comment {
        there.comment = format!("{} Or: {}", there.comment, field.comment);
    }
}

fn single(shape: Shape) -> Type {
    match shape {
        Shape::Single(kind) => kind,
        // proto has no list of lists.
        Shape::Repeated(_) | Shape::Map(_) => any_value(),
    }
}

fn list<'a>(schema: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    schema[key].as_array().into_iter().flatten()
}

/// A text of a schema.
pub(super) fn text(schema: &Value, key: &str) -> String {
    schema[key].as_str().unwrap_or_default().trim().to_owned()
}

fn is_null(schema: &Value) -> bool {
    schema["type"] == "null"
}

/// Whether it has properties, its own or those of its parts.
fn is_composed(schema: &Value) -> bool {
    ["properties", "allOf", "oneOf", "anyOf"]
        .iter()
        .any(|key| schema.get(key).is_some())
}

/// What "this or null" wraps.
fn unwrapped(schema: &Value) -> Option<(&Value, bool)> {
    let variants: Vec<&Value> = list(schema, "oneOf").chain(list(schema, "anyOf")).collect();
    let mut others = variants.iter().filter(|variant| !is_null(variant));
    let only = others.next()?;
    let has_more = others.next().is_some() || schema.get("properties").is_some();
    (!has_more).then_some((*only, variants.len() > 1))
}

/// The type that is not null; none when there are several.
fn kind_of(schema: &Value) -> (Option<&str>, bool) {
    match &schema["type"] {
        Value::String(kind) => (Some(kind), false),
        Value::Array(kinds) => {
            let others = kinds.iter().filter_map(Value::as_str);
            let others: Vec<&str> = others.filter(|kind| *kind != "null").collect();
            let nullable = others.len() < kinds.len();
            match others.as_slice() {
                [kind] => (Some(kind), nullable),
                _ => (None, nullable),
            }
        }
        _ => (None, false),
    }
}

fn scalar(kind: &str, schema: &Value) -> Result<Type> {
    let unsigned = schema["minimum"].as_i64().is_some_and(|least| least >= 0);
    let short = schema["format"] == "int32";
    Ok(Type::Scalar(match (kind, unsigned, short) {
        ("string", ..) => "string",
        ("boolean", ..) => "bool",
        ("number", ..) => "double",
        ("integer", true, true) => "uint32",
        ("integer", true, false) => "uint64",
        ("integer", false, true) => "int32",
        ("integer", false, false) => "int64",
        _ => bail!("a schema has the type {kind}, which has no place in proto"),
    }))
}
