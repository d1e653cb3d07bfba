//! Enrolling many agents: each with a join token, a key and a certificate of
//! its own, all over one connection per node.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use futures_util::{StreamExt, TryStreamExt};
use holdfast_proto::join::{JoinToken, PinnedCa};
use holdfast_proto::v1::EnrollRequest;
use holdfast_proto::v1::agent_service_client::AgentServiceClient;
use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair};
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity as TlsIdentity};

use super::Nodes;
use crate::rest::Rest;

/// Enrolments under way at once.
const AT_ONCE: usize = 64;

/// What proves an agent's identity.
#[derive(Clone)]
pub struct Identity {
    certificate: Arc<str>,
    key: Arc<str>,
    ca: Arc<str>,
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Identity")
    }
}

impl Identity {
    /// TLS in both directions.
    pub(super) fn tls(&self) -> ClientTlsConfig {
        ClientTlsConfig::new()
            .ca_certificate(Certificate::from_pem(self.ca.as_bytes()))
            .identity(TlsIdentity::from_pem(
                self.certificate.as_bytes(),
                self.key.as_bytes(),
            ))
    }
}

/// Enrols agents of these names.
pub async fn enrol(nodes: &Nodes, rest: &Rest, names: Vec<String>) -> Result<Vec<Identity>> {
    let tokens = rest.join_tokens(names.len()).await?;
    let mut clients = Vec::new();
    for (node, token) in nodes.0.iter().zip(tokens.iter().cycle()) {
        clients.push(dial(node, token).await?);
    }
    let asked = names.into_iter().zip(tokens).enumerate();
    let enrolled = asked.map(|(number, (name, token))| {
        let client = clients[number % clients.len()].clone();
        one(client, name, token)
    });
    futures_util::stream::iter(enrolled)
        .buffered(AT_ONCE)
        .try_collect()
        .await
}

async fn dial(node: &str, token: &str) -> Result<AgentServiceClient<Channel>> {
    let token: JoinToken = token.parse()?;
    let pinned = Arc::new(PinnedCa::new(*token.ca_sha256()));
    let endpoint = Endpoint::from_shared(node.to_owned())?
        .timeout(Duration::from_secs(60))
        .tls_config_with_verifier(ClientTlsConfig::new(), pinned)?;
    let channel = endpoint.connect().await;
    Ok(AgentServiceClient::new(
        channel.with_context(|| format!("dial {node}"))?,
    ))
}

async fn one(
    mut client: AgentServiceClient<Channel>,
    name: String,
    token: String,
) -> Result<Identity> {
    let key = KeyPair::generate()?;
    let mut parameters = CertificateParams::new(Vec::new())?;
    parameters.distinguished_name = DistinguishedName::new();
    parameters
        .distinguished_name
        .push(DnType::CommonName, name.as_str());
    let csr = parameters.serialize_request(&key)?.pem()?;
    let request = EnrollRequest {
        token: token.parse::<JoinToken>()?.secret().expose().to_owned(),
        name,
        region: String::new(),
        csr_pem: csr,
        version: env!("CARGO_PKG_VERSION").to_owned(),
    };
    let answer = client.enroll(request).await?.into_inner();
    Ok(Identity {
        certificate: answer.certificate_pem.into(),
        key: key.serialize_pem().into(),
        ca: answer.ca_pem.into(),
    })
}
