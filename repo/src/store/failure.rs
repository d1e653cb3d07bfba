//! Which of the failures people must tell apart a store's error is.

use std::io;

use object_store::client::{HttpError, HttpErrorKind};

use super::Store;
use crate::Error;
use crate::error::Source;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Failure {
    NotFound,
    NoBucket,
    Exists,
    PermissionDenied,
    ReadOnly,
    NoSpace,
    Unreachable,
    Other,
}

/// Whether it is the bucket that was not found; Azure calls it a container.
fn is_of_bucket(text: &str) -> bool {
    text.contains("NoSuchBucket") || text.contains("ContainerNotFound")
}

impl Failure {
    pub(super) fn of(error: &object_store::Error) -> Self {
        use object_store::Error as E;
        match error {
            E::NotFound { source, .. } if is_of_bucket(&source.to_string()) => Self::NoBucket,
            E::NotFound { .. } => Self::NotFound,
            E::AlreadyExists { .. } => Self::Exists,
            E::PermissionDenied { .. } | E::Unauthenticated { .. } => Self::PermissionDenied,
            other => Self::of_chain(other),
        }
    }

    fn of_chain(error: &object_store::Error) -> Self {
        let mut next: Option<&(dyn std::error::Error + 'static)> = Some(error);
        let mut text = String::new();
        while let Some(link) = next {
            if let Some(io) = link.downcast_ref::<io::Error>()
                && Self::of_io(io) != Self::Other
            {
                return Self::of_io(io);
            }
            if let Some(http) = link.downcast_ref::<HttpError>() {
                return match http.kind() {
                    HttpErrorKind::Decode => Self::Other,
                    _ => Self::Unreachable,
                };
            }
            text = link.to_string();
            next = link.source();
        }
        Self::of_status(&text)
    }

    /// The client keeps the type of a refused request to itself, so the status
    /// is read from its message; `tests/failures/answers.rs` holds this against it.
    fn of_status(text: &str) -> Self {
        let status = text
            .split_once("status code: ")
            .and_then(|(_, rest)| rest.get(..3));
        match status {
            Some("507") => Self::NoSpace,
            Some("408" | "429") => Self::Unreachable,
            Some("401" | "403") => Self::PermissionDenied,
            Some(status) if status.starts_with('5') => {
                if text.contains("StorageFull") {
                    Self::NoSpace
                } else {
                    Self::Unreachable
                }
            }
            _ => Self::Other,
        }
    }

    pub(super) fn of_io(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::PermissionDenied => Self::PermissionDenied,
            io::ErrorKind::ReadOnlyFilesystem => Self::ReadOnly,
            io::ErrorKind::StorageFull
            | io::ErrorKind::QuotaExceeded
            | io::ErrorKind::FileTooLarge => Self::NoSpace,
            io::ErrorKind::TimedOut
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkUnreachable
            | io::ErrorKind::StaleNetworkFileHandle => Self::Unreachable,
            _ => Self::Other,
        }
    }

    pub(super) fn into_error(self, store: &Store, name: &str, source: impl Into<Source>) -> Error {
        let repository = store.url.to_string();
        let object = name.to_owned();
        let source = source.into();
        match self {
            Self::NoBucket => Error::NoBucket { repository },
            Self::PermissionDenied => Error::PermissionDenied {
                repository,
                object,
                source,
            },
            Self::ReadOnly => Error::ReadOnly {
                repository,
                object,
                source,
            },
            Self::NoSpace => Error::NoSpace {
                repository,
                object,
                source,
            },
            Self::Unreachable => Error::Unreachable {
                repository,
                object,
                source,
            },
            Self::NotFound | Self::Exists | Self::Other => Error::Store {
                repository,
                object,
                source,
            },
        }
    }
}
