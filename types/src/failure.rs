//! What a person is told when something could not be done.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Why a piece of work failed: a stable code, what happened to what and why,
/// and what to do next. Never holds a secret (I-10).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Failure {
    /// Stable, snake_case; `docs/errors/<code>.md` explains it.
    #[cfg_attr(feature = "schema", schema(example = "repository_unreachable"))]
    pub code: String,
    /// What happened, to what, and why.
    pub message: String,
    /// What to do next.
    pub hint: String,
    /// Whether the same work may succeed later without anybody's help.
    #[serde(default)]
    pub retryable: bool,
}

impl Failure {
    /// A failure that stays until somebody acts.
    pub fn permanent(
        code: impl Into<String>,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        let (code, message, hint) = (code.into(), message.into(), hint.into());
        Self {
            code,
            message,
            hint,
            retryable: false,
        }
    }

    /// A failure that may pass by itself.
    pub fn transient(
        code: impl Into<String>,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        Self {
            retryable: true,
            ..Self::permanent(code, message, hint)
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}); {}", self.message, self.code, self.hint)
    }
}

impl std::error::Error for Failure {}
