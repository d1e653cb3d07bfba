//! `holdfastd join`: a one-time token becomes a place among the nodes.
//!
//! What can fail on this host is tried before the token is used; `node.toml`
//! is written last: a directory has it exactly when the node has joined. The
//! node takes part once it runs.

use std::sync::Arc;
use std::time::Duration;

use holdfast_consensus::{Node, NodeConfig, NodeId};
use holdfast_proto::join::{JoinToken, PinnedCa, sha256};
use holdfast_proto::v1;
use holdfast_proto::v1::node_service_client::NodeServiceClient;
use holdfast_state::Sealed;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use tonic::transport::{ClientTlsConfig, Endpoint};
use zeroize::Zeroizing;

use super::identity::{NodeFile, Paths, PeerFile};
use super::run::StartError;
use crate::config::Config;
use crate::secure::{Authority, Purpose, Sealer};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// A leader may have to be elected meanwhile.
const CALL_TIMEOUT: Duration = Duration::from_secs(30);

/// Why a node did not join.
#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    /// The directory has a node.
    #[error("{0} holds node {1} already")]
    AlreadyJoined(String, u64),
    /// The directory holds something else.
    #[error("{} is not empty: it holds {found}", dir.display())]
    NotEmpty {
        /// The directory.
        dir: std::path::PathBuf,
        /// What is in it.
        found: String,
    },
    /// The URL cannot be one of a node.
    #[error("--server {server}: {reason}")]
    Server {
        /// What was given.
        server: String,
        /// What is wrong with it.
        reason: String,
    },
    /// No answer.
    #[error("{server} cannot be reached: {reason}")]
    Unreachable {
        /// Where.
        server: String,
        /// Why.
        reason: String,
    },
    /// Another CA than the token's.
    #[error("{0} has another CA than the one this token was made for")]
    CaMismatch(String),
    /// It said no.
    #[error("{message}")]
    Refused {
        /// The stable code.
        code: String,
        /// Why.
        message: String,
        /// What to do.
        hint: String,
    },
    /// What came back is no answer.
    #[error("the answer of {server} cannot be used: {reason}")]
    InvalidAnswer {
        /// Where.
        server: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The directory cannot be used.
    #[error(transparent)]
    Local(#[from] StartError),
}

impl JoinError {
    /// What to do next.
    pub fn hint(&self) -> String {
        match self {
            Self::AlreadyJoined(..) => {
                "start it with `holdfastd run`; to join anew, choose an empty directory: an id is \
                 never used again"
            }
            Self::NotEmpty { .. } => "choose a directory that is empty or not there yet",
            Self::Server { .. } => "give the gRPC URL of a node, such as https://cp1:8443",
            Self::Unreachable { .. } => {
                "check the URL (the gRPC address), the network, and that holdfastd runs there"
            }
            Self::CaMismatch(_) => {
                "check that URL and token are of the same control plane; if they are, somebody is \
                 in between"
            }
            Self::Refused { hint, .. } => return hint.clone(),
            Self::InvalidAnswer { .. } => "check that both sides run releases that go together",
            Self::Local(error) => return error.hint(),
        }
        .to_owned()
    }

    /// Whether the control plane refused.
    pub const fn is_refusal(&self) -> bool {
        matches!(self, Self::Refused { .. })
    }
}

/// Joins the control plane at `server`. Answers the node's id and name.
pub async fn join(
    config: &Config,
    server: &str,
    token: &JoinToken,
) -> Result<(u64, String), JoinError> {
    let paths = Paths::new(&config.node.data);
    prepare(&paths)?;
    let answer = ask(config, server, token).await?;
    let invalid = |reason| JoinError::InvalidAnswer {
        server: server.to_owned(),
        reason,
    };
    let ca = CertificateDer::from_pem_slice(answer.ca_pem.as_bytes())
        .map_err(|_| invalid("the CA is not a PEM certificate"))?;
    if sha256(&ca) != *token.ca_sha256() {
        return Err(JoinError::CaMismatch(server.to_owned()));
    }
    let key = Zeroizing::new(answer.sealing_key);
    let key: &[u8; 32] = (&key[..])
        .try_into()
        .map_err(|_| invalid("the sealing key has not 32 bytes"))?;
    let sealer = Sealer::keep(&paths.sealing_key(), key).map_err(StartError::from)?;
    let sealed = Sealed::new(answer.ca_key_sealed);
    let ca_key = sealer
        .unseal(&Purpose::CaKey, &sealed)
        .map_err(StartError::from)?;
    let authority = Authority::new(answer.ca_pem, &ca_key).map_err(super::identity::pki)?;
    let node = NodeFile {
        id: answer.node_id,
        name: answer.name,
        peers: answer.peers.into_iter().map(peer).collect(),
        group: Some(answer.group).filter(|group| !group.is_empty()),
    };
    paths.write(&paths.ca_key(), sealed.as_bytes(), 0o600)?;
    paths.renew_certificate(&authority, &node, config)?;
    let (_, peers) = super::run::identity(&paths, node.group.as_deref())?;
    let raft = NodeConfig {
        peers: Some(peers),
        ..NodeConfig::new(paths.raft(), NodeId(node.id))
    };
    let made = Node::join(raft).await.map_err(StartError::from)?;
    made.shutdown().await;
    paths.write_node(&node)?;
    Ok((node.id, node.name))
}

fn peer(address: v1::PeerAddress) -> PeerFile {
    PeerFile {
        id: address.node_id,
        raft: address.raft,
    }
}

/// The directory must be there and empty before the token is used.
pub(super) fn prepare(paths: &Paths) -> Result<(), JoinError> {
    let dir = paths.data();
    if let Some(node) = paths.read_node()? {
        return Err(JoinError::AlreadyJoined(dir.display().to_string(), node.id));
    }
    super::directory::make(dir).map_err(|source| StartError::io("create", dir, source))?;
    let unreadable = |source| StartError::io("read", dir, source);
    let mut entries = std::fs::read_dir(dir).map_err(unreadable)?;
    match entries.next().transpose().map_err(unreadable)? {
        None => Ok(()),
        Some(entry) => Err(JoinError::NotEmpty {
            dir: dir.to_owned(),
            found: entry.file_name().to_string_lossy().into_owned(),
        }),
    }
}

async fn ask(
    config: &Config,
    server: &str,
    token: &JoinToken,
) -> Result<v1::JoinResponse, JoinError> {
    if !server.starts_with("https://") {
        return Err(JoinError::Server {
            server: server.to_owned(),
            reason: "it must begin with https://: only TLS can prove the CA".to_owned(),
        });
    }
    let pinned = Arc::new(PinnedCa::new(*token.ca_sha256()));
    let endpoint = Endpoint::from_shared(server.to_owned()).and_then(|endpoint| {
        let endpoint = endpoint
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(CALL_TIMEOUT);
        endpoint.tls_config_with_verifier(ClientTlsConfig::new(), pinned.clone())
    });
    let endpoint = endpoint.map_err(|error| JoinError::Server {
        server: server.to_owned(),
        reason: chain(&error),
    })?;
    let channel = endpoint.connect().await.map_err(|error| {
        if pinned.saw_mismatch() {
            return JoinError::CaMismatch(server.to_owned());
        }
        JoinError::Unreachable {
            server: server.to_owned(),
            reason: chain(&error),
        }
    })?;
    let request = v1::JoinRequest {
        token: token.secret().expose().to_owned(),
        name: config.node.name.clone().unwrap_or_default(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        newest_level: config.node.newest_level(),
    };
    let answer = NodeServiceClient::new(channel).join(request).await;
    answer
        .map(tonic::Response::into_inner)
        .map_err(|status| refused(server, &status))
}

fn refused(server: &str, status: &tonic::Status) -> JoinError {
    let told = |name| {
        status
            .metadata()
            .get(name)?
            .to_str()
            .ok()
            .map(str::to_owned)
    };
    match (told("holdfast-code"), told("holdfast-hint")) {
        (Some(code), Some(hint)) => JoinError::Refused {
            code,
            message: format!("{server} answered: {}", status.message()),
            hint,
        },
        _ => JoinError::Unreachable {
            server: server.to_owned(),
            reason: chain(status),
        },
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        text.push_str(&format!(": {next}"));
        cause = next.source();
    }
    text
}
