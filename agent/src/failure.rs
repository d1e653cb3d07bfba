//! What a person is told: errors of the crates below as [`Failure`]s.
//!
//! The codes are those of the crates. The message carries the whole chain of
//! causes, because the person who reads it in the console has no other log at
//! hand; the crates keep secrets out of every link of it (I-10).

use std::error::Error;

use holdfast_types::Failure;

/// A failure of a repository.
pub fn of_repository(error: &holdfast_repo::Error) -> Failure {
    failure(
        error.code(),
        chain(error),
        error.hint(),
        error.is_transient(),
    )
}

/// A failure between the agent and PostgreSQL.
pub fn of_postgres(error: &holdfast_pg::Error) -> Failure {
    failure(
        error.code(),
        chain(error),
        error.hint(),
        error.is_transient(),
    )
}

/// An error and everything that caused it, in one line.
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let next = error.to_string();
        // Many errors repeat their source in their own text.
        if !text.contains(&next) {
            text.push_str(": ");
            text.push_str(&next);
        }
        cause = error.source();
    }
    text
}

fn failure(code: &str, message: String, hint: impl Into<String>, transient: bool) -> Failure {
    Failure {
        code: code.to_owned(),
        message,
        hint: hint.into(),
        retryable: transient,
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("the outer")]
    struct Outer(#[source] io::Error);

    #[derive(Debug, thiserror::Error)]
    #[error("says all: {0}")]
    struct Repeating(#[source] io::Error);

    #[test]
    fn every_cause_is_told_once() {
        assert_eq!(
            chain(&Outer(io::Error::other("the inner"))),
            "the outer: the inner"
        );
        assert_eq!(
            chain(&Repeating(io::Error::other("inner"))),
            "says all: inner"
        );
    }
}
