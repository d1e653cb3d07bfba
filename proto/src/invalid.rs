//! A message that breaks its contract.

use std::fmt::Display;
use std::str::FromStr;

use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Which field of a received message is wrong, and how.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("field {field}: {problem}")]
pub struct Invalid {
    /// The field.
    pub field: &'static str,
    /// What is wrong with it.
    pub problem: String,
}

impl Invalid {
    pub(crate) fn new(field: &'static str, problem: impl Display) -> Self {
        Self {
            field,
            problem: problem.to_string(),
        }
    }

    pub(crate) fn missing(field: &'static str) -> Self {
        Self::new(field, "is missing")
    }
}

impl From<Invalid> for tonic::Status {
    fn from(invalid: Invalid) -> Self {
        Self::invalid_argument(invalid.to_string())
    }
}

pub(crate) fn parse<T: FromStr<Err: Display>>(
    field: &'static str,
    text: &str,
) -> Result<T, Invalid> {
    text.parse().map_err(|error| Invalid::new(field, error))
}

pub(crate) fn from_json<T: DeserializeOwned>(
    field: &'static str,
    json: &str,
) -> Result<T, Invalid> {
    serde_json::from_str(json).map_err(|error| Invalid::new(field, error))
}

/// Documents of `types` have string keys and finite numbers, so they always
/// have a JSON form.
pub(crate) fn to_json<T: Serialize>(document: &T) -> String {
    serde_json::to_string(document).expect("a document of types has a JSON form")
}

pub(crate) fn from_micros(field: &'static str, micros: i64) -> Result<Timestamp, Invalid> {
    Timestamp::from_microsecond(micros).map_err(|error| Invalid::new(field, error))
}

pub(crate) fn some<T>(field: &'static str, value: Option<T>) -> Result<T, Invalid> {
    value.ok_or_else(|| Invalid::missing(field))
}
