//! `holdfast-agent enroll`: a one-time token becomes a certificate.
//!
//! The token names the CA by its hash, so the first connection is already
//! proof against somebody in the middle. Everything that can fail on this host
//! is tried before the token is used, and `agent.toml` is written last: a
//! directory has it exactly when the enrolment is complete.

mod request;

use std::io;
use std::path::{Path, PathBuf};

use holdfast_types::{AgentId, Failure, Name};
use jiff::Timestamp;
use serde::Serialize;

pub use holdfast_proto::join::{InvalidToken, JoinToken};

use crate::command_error::CommandError;
use crate::config::{self, AgentConfig, Config, ControlConfig, LogConfig, TelemetryConfig};
use crate::file::{create_directories, write_atomically};
use crate::host::PostgresConfig;
use crate::identity::Identity;
use request::{Grant, Request};

/// What to enrol.
#[derive(Debug, Clone)]
pub struct Enrol {
    /// The gRPC URL of a node.
    pub server: String,
    /// The join token.
    pub token: JoinToken,
    /// The name to be enrolled under.
    pub name: Name,
    /// What this host fails together with; the token's when not given.
    pub region: Option<String>,
    /// The agent's directory.
    pub data: PathBuf,
}

/// An enrolled agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Enrolled {
    /// Its identity.
    pub agent_id: AgentId,
    /// Its name.
    pub name: Name,
    /// Its region.
    pub region: Option<String>,
    /// When its certificate ends.
    pub certificate_expires_at: Option<Timestamp>,
    /// Its directory.
    pub data: PathBuf,
}

/// Why it was not enrolled.
#[derive(Debug, thiserror::Error)]
pub enum EnrolError {
    /// The directory has an agent.
    #[error("{} belongs to an enrolled agent already", .0.display())]
    AlreadyEnrolled(PathBuf),
    /// The URL cannot be one of a node.
    #[error("--server {0}")]
    InvalidServer(String),
    /// The directory cannot be used.
    #[error("{} cannot be written", path.display())]
    Directory {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// No key could be made.
    #[error("no private key could be made: {0}")]
    Key(rcgen::Error),
    /// No answer.
    #[error("{server} cannot be reached: {reason}")]
    Unreachable {
        /// Where.
        server: String,
        /// Why.
        reason: String,
    },
    /// Somebody answers who is not the control plane that made the token.
    #[error("{server} does not present the CA that the join token names")]
    CaMismatch {
        /// Who answered.
        server: String,
    },
    /// The control plane refused.
    #[error("{}", .0.message)]
    Refused(Failure),
    /// The answer cannot be used.
    #[error("the control plane's answer cannot be used: {0}")]
    InvalidAnswer(String),
}

impl From<EnrolError> for CommandError {
    fn from(error: EnrolError) -> Self {
        let message = crate::failure::chain(&error);
        let permanent = |code: &str, hint: &str| Failure::permanent(code, message.clone(), hint);
        match error {
            EnrolError::AlreadyEnrolled(_) => Self::refused(permanent(
                "already_enrolled",
                "start it with `holdfast-agent run --data DIR`, or give another directory",
            )),
            EnrolError::InvalidServer(_) => Self::usage(permanent(
                "server_url_invalid",
                "give the gRPC address of a node, such as https://control.example:8443",
            )),
            EnrolError::Directory { .. } => Self::failed(permanent(
                "directory_unusable",
                "run this as root or as the user that the agent runs as",
            )),
            EnrolError::Key(_) => Self::failed(permanent("key_not_made", "try again")),
            EnrolError::Unreachable { .. } => Self::failed(Failure::transient(
                "control_plane_unreachable",
                message,
                "check the URL (the gRPC address, https://host:8443), the network and that \
                 holdfastd runs; the token has not been used",
            )),
            EnrolError::CaMismatch { .. } => Self::refused(permanent(
                "ca_mismatch",
                "nothing was sent: the URL leads to another control plane than the one that made \
                 the token, or somebody is in between",
            )),
            EnrolError::Refused(failure) => Self::refused(failure),
            EnrolError::InvalidAnswer(_) => Self::failed(permanent(
                "enrolment_answer_invalid",
                "use agents and holdfastd of matching versions, and a new token",
            )),
        }
    }
}

/// Text on the command line that is not a token.
pub fn invalid_token(error: InvalidToken) -> CommandError {
    CommandError::usage(Failure::permanent(
        "join_token_malformed",
        error.to_string(),
        "copy the whole token that `holdfast agent token create` printed",
    ))
}

/// Enrols this host.
pub async fn enrol(enrol: &Enrol) -> Result<Enrolled, EnrolError> {
    config::check_server(&enrol.server).map_err(EnrolError::InvalidServer)?;
    if config::path(&enrol.data).exists() {
        return Err(EnrolError::AlreadyEnrolled(enrol.data.clone()));
    }
    let unusable = |source| EnrolError::Directory {
        path: enrol.data.clone(),
        source,
    };
    let made = make_directory(&enrol.data).map_err(unusable)?;
    let request = Request::new(enrol).map_err(EnrolError::Key)?;
    // Before the token is used, so that a directory which cannot be written
    // does not cost one.
    Identity::write_key(&enrol.data, &request.key).map_err(unusable)?;
    match request.send(enrol).await {
        Ok(grant) => finish(enrol, &grant).map_err(unusable),
        Err(error) => {
            // What is left would only confuse; the error is what matters.
            let _ = Identity::remove(&enrol.data);
            if made {
                let _ = std::fs::remove_dir(&enrol.data);
            }
            Err(error)
        }
    }
}

/// Whether it had to be made. Others may pass through a directory of root's,
/// because PostgreSQL's user must reach the socket in it.
fn make_directory(path: &Path) -> io::Result<bool> {
    if path.is_dir() {
        return Ok(false);
    }
    let mode = if rustix::process::geteuid().is_root() {
        0o711
    } else {
        0o700
    };
    create_directories(path, mode)?;
    Ok(true)
}

fn finish(enrol: &Enrol, grant: &Grant) -> io::Result<Enrolled> {
    Identity::write_certificates(&enrol.data, &grant.certificate, &grant.ca)?;
    let config = Config {
        agent: AgentConfig {
            id: grant.agent,
            name: enrol.name.clone(),
            region: grant.region.clone(),
        },
        control: ControlConfig {
            servers: vec![enrol.server.clone()],
            take_over_after: config::take_over_after(),
        },
        hooks: crate::host::Hooks::new(),
        postgres: PostgresConfig::default(),
        log: LogConfig::default(),
        telemetry: TelemetryConfig::default(),
    };
    let text = config.to_toml().map_err(io::Error::other)?;
    write_atomically(&config::path(&enrol.data), text.as_bytes(), 0o644)?;
    let identity = Identity::read(&enrol.data).map_err(io::Error::other)?;
    Ok(Enrolled {
        agent_id: grant.agent,
        name: enrol.name.clone(),
        region: grant.region.clone(),
        certificate_expires_at: identity.expires_at(),
        data: enrol.data.clone(),
    })
}
