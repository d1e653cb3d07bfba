//! Problems of REST as gRPC statuses.
//!
//! The status code is for generic clients (what may be retried); our stable
//! code, the hint and the field are in the details, for automation to act on,
//! and in the metadata, for people who see nothing else.

use std::collections::HashMap;
use std::time::Duration;

use axum::http::StatusCode;
use axum::http::header::RETRY_AFTER;
use holdfast_types::RequestId;
use tonic::metadata::{MetadataMap, MetadataValue};
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};
use uuid::Uuid;

use crate::api::error::{Problem, problem_of, status_of};
use crate::app::error::AppError;

/// Who says the reasons of our errors.
const DOMAIN: &str = "holdfast";

/// The status of a REST answer that is a problem.
pub(super) fn status(http: StatusCode, body: &[u8], metadata: MetadataMap) -> Status {
    match serde_json::from_slice(body) {
        Ok(problem) => describe(http, problem, metadata),
        Err(_) => Status::with_metadata(code_of(http, ""), "REST gave no reason", metadata),
    }
}

/// The status of what was refused before REST was asked.
pub(super) fn of(error: &AppError) -> Status {
    let request = RequestId::from_uuid(Uuid::now_v7());
    tracing::info!(request.id = %request, "refused over gRPC: {error}");
    let http = status_of(error.category());
    let mut metadata = MetadataMap::new();
    if let Ok(id) = MetadataValue::try_from(request.to_string()) {
        metadata.insert("x-request-id", id);
    }
    describe(http, problem_of(error, http, request), metadata)
}

fn describe(http: StatusCode, problem: Problem, mut metadata: MetadataMap) -> Status {
    let retry_after = metadata.get(RETRY_AFTER.as_str());
    let retry_after = retry_after.and_then(|value| value.to_str().ok()?.parse().ok());
    let details = details(&problem, retry_after.map(Duration::from_secs));
    let field = problem.field.as_deref().unwrap_or_default();
    for (name, text) in [
        ("holdfast-code", problem.code.as_str()),
        ("holdfast-hint", problem.hint.as_str()),
        ("holdfast-field", field),
    ] {
        // Metadata takes ASCII alone; what is not, is in the details only.
        if !text.is_empty()
            && let Ok(value) = MetadataValue::try_from(text)
        {
            metadata.insert(name, value);
        }
    }
    let code = code_of(http, &problem.code);
    Status::with_error_details_and_metadata(code, problem.message, details, metadata)
}

fn details(problem: &Problem, retry_after: Option<Duration>) -> ErrorDetails {
    let mut about = HashMap::from([
        ("hint".to_owned(), problem.hint.clone()),
        ("requestId".to_owned(), problem.request_id.clone()),
    ]);
    if let Some(field) = &problem.field {
        about.insert("field".to_owned(), field.clone());
    }
    if let Some(approval) = &problem.approval {
        about.insert("approval".to_owned(), approval.clone());
    }
    let mut details = ErrorDetails::with_error_info(&problem.code, DOMAIN, about);
    details.set_request_info(&problem.request_id, "");
    if let Some(field) = &problem.field {
        details.add_bad_request_violation(field, &problem.message);
    }
    if retry_after.is_some() {
        details.set_retry_info(retry_after);
    }
    details
}

/// The gRPC code. Generic clients repeat what is `UNAVAILABLE`, so a request
/// that may have been done is never called so (I-14).
fn code_of(http: StatusCode, code: &str) -> Code {
    match (http, code) {
        (_, "outcome_unknown") => Code::Unknown,
        (_, "already_exists") => Code::AlreadyExists,
        (StatusCode::UNAUTHORIZED, _) => Code::Unauthenticated,
        (StatusCode::FORBIDDEN, _) => Code::PermissionDenied,
        (StatusCode::NOT_FOUND, _) => Code::NotFound,
        (StatusCode::METHOD_NOT_ALLOWED, _) => Code::Unimplemented,
        (StatusCode::CONFLICT, _) => Code::FailedPrecondition,
        // A test-and-set that failed: read again, decide again.
        (StatusCode::PRECONDITION_FAILED, _) => Code::Aborted,
        (StatusCode::PAYLOAD_TOO_LARGE | StatusCode::TOO_MANY_REQUESTS, _) => {
            Code::ResourceExhausted
        }
        (StatusCode::SERVICE_UNAVAILABLE, _) => Code::Unavailable,
        (StatusCode::GATEWAY_TIMEOUT | StatusCode::REQUEST_TIMEOUT, _) => Code::DeadlineExceeded,
        (status, _) if status.is_client_error() => Code::InvalidArgument,
        _ => Code::Internal,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_have_been_done_is_not_called_unavailable() {
        let unavailable = StatusCode::SERVICE_UNAVAILABLE;
        assert_eq!(code_of(unavailable, "no_leader"), Code::Unavailable);
        assert_eq!(code_of(unavailable, "outcome_unknown"), Code::Unknown);
    }

    #[test]
    fn every_category_has_a_code_of_its_kind() {
        for (status, code) in [
            (400, Code::InvalidArgument),
            (401, Code::Unauthenticated),
            (403, Code::PermissionDenied),
            (404, Code::NotFound),
            (405, Code::Unimplemented),
            (409, Code::FailedPrecondition),
            (412, Code::Aborted),
            (413, Code::ResourceExhausted),
            (415, Code::InvalidArgument),
            (422, Code::InvalidArgument),
            (429, Code::ResourceExhausted),
            (500, Code::Internal),
            (503, Code::Unavailable),
            (504, Code::DeadlineExceeded),
        ] {
            let status = StatusCode::from_u16(status).unwrap();
            assert_eq!(code_of(status, "some_code"), code, "{status}");
        }
        assert_eq!(
            code_of(StatusCode::CONFLICT, "already_exists"),
            Code::AlreadyExists
        );
    }

    #[test]
    fn a_body_that_is_no_problem_still_gives_a_status() {
        let status = status(StatusCode::NOT_FOUND, b"<html>", MetadataMap::new());
        assert_eq!(status.code(), Code::NotFound);
    }
}
