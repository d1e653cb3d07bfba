//! Errors as gRPC statuses: the code and the hint travel in the metadata.

use tonic::metadata::MetadataValue;
use tonic::{Code, Status};

use crate::app::code::Category;
use crate::app::error::AppError;

/// The status of an error.
pub(super) fn status_of(error: &AppError) -> Status {
    let code = match error.category() {
        Category::Malformed | Category::Invalid | Category::UnsupportedMediaType => {
            Code::InvalidArgument
        }
        Category::Unauthenticated => Code::Unauthenticated,
        Category::Forbidden => Code::PermissionDenied,
        Category::NotFound => Code::NotFound,
        Category::MethodNotAllowed => Code::Unimplemented,
        Category::Conflict => Code::AlreadyExists,
        Category::Stale => Code::FailedPrecondition,
        Category::TooLarge | Category::TooMany => Code::ResourceExhausted,
        Category::Unavailable => Code::Unavailable,
        Category::Timeout => Code::DeadlineExceeded,
        Category::Internal => {
            tracing::error!("{error}");
            Code::Internal
        }
    };
    let mut status = Status::new(code, error.message());
    for (name, text) in [
        ("holdfast-code", error.code()),
        ("holdfast-hint", error.hint()),
    ] {
        // Metadata takes ASCII alone; what is not, stays out.
        if let Ok(value) = MetadataValue::try_from(text) {
            status.metadata_mut().insert(name, value);
        }
    }
    status
}
