//! Refusals of the control plane, as a person is told them.

use holdfast_types::Failure;
use tonic::{Code, Status};

/// Where a refusal carries its stable code.
const CODE: &str = "holdfast-code";
/// Where it carries its hint.
const HINT: &str = "holdfast-hint";

/// What the control plane at `server` answered. It names its own code; a
/// refusal that came from something in between is sorted by its gRPC code.
pub(crate) fn failure(status: &Status, server: &str) -> Failure {
    let metadata = |name| {
        status
            .metadata()
            .get(name)
            .and_then(|value| value.to_str().ok())
    };
    let (code, hint) = by_grpc_code(status.code());
    Failure {
        code: metadata(CODE).unwrap_or(code).to_owned(),
        message: format!("{server} answered: {}", text(status)),
        hint: metadata(HINT).unwrap_or(hint).to_owned(),
        retryable: matches!(status.code(), Code::Unavailable | Code::DeadlineExceeded),
    }
}

fn text(status: &Status) -> String {
    let source = std::error::Error::source(status).map(crate::failure::chain);
    match (status.message(), source) {
        ("", None) => status.code().description().to_owned(),
        ("", Some(source)) => source,
        (message, Some(source)) if !message.contains(&source) => format!("{message}: {source}"),
        (message, _) => message.to_owned(),
    }
}

const fn by_grpc_code(code: Code) -> (&'static str, &'static str) {
    match code {
        Code::Unauthenticated => (
            "join_token_invalid",
            "the token is unknown, expired or used: make a new one with `holdfast agent token \
             create`",
        ),
        Code::PermissionDenied => (
            "agent_revoked",
            "the control plane no longer accepts this agent; enrol it anew in an empty directory",
        ),
        Code::AlreadyExists => (
            "agent_name_taken",
            "choose another --name, or revoke the agent of that name first (`holdfast agent revoke \
             NAME`)",
        ),
        Code::InvalidArgument => ("request_invalid", "correct what the message names"),
        Code::Unavailable | Code::DeadlineExceeded | Code::Unknown => (
            "control_plane_unreachable",
            "check the URL (the gRPC address, https://host:8443), the network and that holdfastd \
             runs",
        ),
        _ => ("control_plane_failed", "look at the log of holdfastd"),
    }
}
