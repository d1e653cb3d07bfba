//! Errors of commands: a failure for the person, an exit code for the script.

use std::fmt;
use std::process::ExitCode;

use holdfast_types::Failure;
use serde_json::json;

/// How a command ended when it did not succeed. The numbers are the contract's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// It was tried and failed.
    Failed = 1,
    /// It was called wrongly.
    Usage = 2,
    /// What it is about does not exist.
    NotFound = 3,
    /// It was refused; nothing changed.
    Refused = 4,
}

/// Why a command did not do what it was called for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandError {
    /// What a person is told.
    pub failure: Failure,
    /// What a script is told.
    pub exit: Exit,
}

impl CommandError {
    /// It was tried and failed.
    pub const fn failed(failure: Failure) -> Self {
        Self {
            failure,
            exit: Exit::Failed,
        }
    }

    /// It was refused; nothing changed.
    pub const fn refused(failure: Failure) -> Self {
        Self {
            failure,
            exit: Exit::Refused,
        }
    }

    /// It was called wrongly.
    pub const fn usage(failure: Failure) -> Self {
        Self {
            failure,
            exit: Exit::Usage,
        }
    }

    /// The code with which the process ends.
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.exit as u8)
    }

    /// Tells the person, on stderr: text, or the JSON of the contract.
    pub fn report(&self, json: bool) {
        let Failure {
            code,
            message,
            hint,
            ..
        } = &self.failure;
        if json {
            eprintln!(
                "{}",
                json!({"code": code, "message": message, "hint": hint})
            );
        } else {
            eprintln!("error: {message} [{code}]");
            eprintln!("hint: {hint}");
        }
    }
}

impl fmt::Display for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.failure.fmt(f)
    }
}

impl std::error::Error for CommandError {}
