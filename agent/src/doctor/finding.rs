//! What a visit finds.

use holdfast_types::{Failure, Name};
use serde::Serialize;

/// One thing that is missing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// Stable, snake_case.
    pub code: String,
    /// What is missing, and what cannot be done without it.
    pub message: String,
    /// What to run or to write, line by line.
    pub fix: Vec<String>,
}

/// What was found of one instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Diagnosis {
    /// The cluster, when the agent knows it.
    pub cluster: Option<Name>,
    /// The connection that was used.
    pub connection: String,
    /// PostgreSQL's version, when it answered.
    pub server_version: Option<u32>,
    /// Its data directory, when it told.
    pub data_directory: Option<String>,
    /// Nothing is missing.
    pub ready: bool,
    /// What is missing.
    pub findings: Vec<Finding>,
}

impl Finding {
    /// Something is missing, and this helps.
    pub fn new(
        code: impl Into<String>,
        message: impl Into<String>,
        fix: impl IntoIterator<Item = impl Into<String>>,
    ) -> Self {
        let fix = fix.into_iter().map(Into::into).collect();
        Self {
            code: code.into(),
            message: message.into(),
            fix,
        }
    }
}

impl From<Failure> for Finding {
    fn from(failure: Failure) -> Self {
        Self {
            code: failure.code,
            message: failure.message,
            fix: vec![failure.hint],
        }
    }
}
