//! Why a command failed, for a person or a script, and with which exit code.

use std::process::ExitCode;

use serde::{Deserialize, Serialize};

use crate::output::Format;

/// Exit codes of the contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Failed.
    Failed = 1,
    /// The command line is wrong.
    Usage = 2,
    /// What was named does not exist.
    NotFound = 3,
    /// Refused; nothing changed.
    Refused = 4,
}

/// A failed command: `{code, message, hint, field?, requestId}`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Failure {
    /// Stable, snake_case.
    pub(crate) code: String,
    /// What happened, to what, and why.
    pub(crate) message: String,
    /// What to do next.
    #[serde(default)]
    pub(crate) hint: String,
    /// The field at fault.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) field: Option<String>,
    /// The request for approval that waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) approval: Option<String>,
    /// The request, for finding its traces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) request_id: Option<String>,
    #[serde(skip, default = "failed")]
    pub(crate) exit: Exit,
}

const fn failed() -> Exit {
    Exit::Failed
}

impl Failure {
    pub(crate) fn new(
        exit: Exit,
        code: &str,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        Self {
            code: code.to_owned(),
            message: message.into(),
            hint: hint.into(),
            field: None,
            approval: None,
            request_id: None,
            exit,
        }
    }

    /// The command line is wrong in a way that clap cannot see.
    pub(crate) fn usage(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::new(Exit::Usage, "usage", message, hint)
    }

    /// A local file could not be read or written.
    pub(crate) fn file(path: impl std::fmt::Display, error: &std::io::Error) -> Self {
        let message = format!("{path}: {error}");
        Self::new(
            Exit::Failed,
            "file_error",
            message,
            "check the path and its permissions",
        )
    }

    /// Prints it on stderr.
    pub(crate) fn print(&self, format: Format) {
        if format == Format::Json {
            eprintln!("{}", serde_json::to_string(self).unwrap_or_default());
            return;
        }
        let field = self
            .field
            .as_ref()
            .map(|field| format!("{field}: "))
            .unwrap_or_default();
        eprintln!("error: {field}{} ({})", self.message, self.code);
        if !self.hint.is_empty() {
            eprintln!("hint: {}", self.hint);
        }
    }

    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.exit as u8)
    }
}
