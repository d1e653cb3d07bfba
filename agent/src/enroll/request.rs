//! The one call that needs no certificate: a token and a certificate request
//! for a certificate.

use std::sync::Arc;
use std::time::Duration;

use holdfast_proto::join::{PinnedCa, sha256};
use holdfast_proto::v1;
use holdfast_proto::v1::agent_service_client::AgentServiceClient;
use holdfast_types::{AgentId, Failure, Secret};
use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair};
use tonic::transport::{ClientTlsConfig, Endpoint};
use x509_parser::pem::parse_x509_pem;

use super::{Enrol, EnrolError};
use crate::failure::chain;
use crate::status;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const CALL_TIMEOUT: Duration = Duration::from_secs(30);

/// A new private key and the request to certify it.
pub(super) struct Request {
    pub(super) key: Secret,
    csr: String,
    public_key: Vec<u8>,
}

/// What the control plane granted, checked.
#[derive(Debug)]
pub(super) struct Grant {
    pub(super) agent: AgentId,
    pub(super) certificate: String,
    pub(super) ca: String,
    pub(super) region: Option<String>,
}

impl Request {
    pub(super) fn new(enrol: &Enrol) -> Result<Self, rcgen::Error> {
        let key = KeyPair::generate()?;
        let mut parameters = CertificateParams::new(Vec::new())?;
        parameters.distinguished_name = DistinguishedName::new();
        parameters
            .distinguished_name
            .push(DnType::CommonName, enrol.name.as_str());
        let csr = parameters.serialize_request(&key)?.pem()?;
        let public_key = key.public_key_raw().to_vec();
        Ok(Self {
            key: Secret::new(key.serialize_pem()),
            csr,
            public_key,
        })
    }

    /// Sends it and checks what comes back.
    pub(super) async fn send(&self, enrol: &Enrol) -> Result<Grant, EnrolError> {
        let pinned = Arc::new(PinnedCa::new(*enrol.token.ca_sha256()));
        let unreachable = |reason: String| EnrolError::Unreachable {
            server: enrol.server.clone(),
            reason,
        };
        let endpoint = Endpoint::from_shared(enrol.server.clone())
            .and_then(|endpoint| {
                let endpoint = endpoint
                    .connect_timeout(CONNECT_TIMEOUT)
                    .timeout(CALL_TIMEOUT);
                endpoint.tls_config_with_verifier(ClientTlsConfig::new(), pinned.clone())
            })
            .map_err(|error| unreachable(chain(&error)))?;
        let channel = endpoint.connect().await.map_err(|error| {
            if pinned.saw_mismatch() {
                EnrolError::CaMismatch {
                    server: enrol.server.clone(),
                }
            } else {
                unreachable(chain(&error))
            }
        })?;
        let request = v1::EnrollRequest {
            token: enrol.token.secret().expose().to_owned(),
            name: enrol.name.to_string(),
            region: enrol.region.clone().unwrap_or_default(),
            csr_pem: self.csr.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        };
        let answer = AgentServiceClient::new(channel).enroll(request).await;
        let answer = answer.map_err(|status| refusal(enrol, &status))?;
        self.check(enrol, answer.into_inner())
    }

    /// The certificate must be for our key, and the CA the one we trust.
    fn check(&self, enrol: &Enrol, answer: v1::EnrollResponse) -> Result<Grant, EnrolError> {
        let invalid = |reason: &str| EnrolError::InvalidAnswer(reason.to_owned());
        let (_, ca) = parse_x509_pem(answer.ca_pem.as_bytes())
            .map_err(|_| invalid("the CA is not a PEM certificate"))?;
        if sha256(&ca.contents) != *enrol.token.ca_sha256() {
            return Err(EnrolError::CaMismatch {
                server: enrol.server.clone(),
            });
        }
        let (_, certificate) = parse_x509_pem(answer.certificate_pem.as_bytes())
            .map_err(|_| invalid("the certificate is not PEM"))?;
        let certificate = certificate
            .parse_x509()
            .map_err(|_| invalid("the certificate cannot be read"))?;
        if *certificate.public_key().subject_public_key.data != *self.public_key {
            return Err(invalid("the certificate is for another key"));
        }
        let ca = ca
            .parse_x509()
            .map_err(|_| invalid("the CA cannot be read"))?;
        if certificate.issuer() != ca.subject() {
            return Err(invalid("the certificate is not signed by the CA"));
        }
        let agent = answer
            .agent_id
            .parse()
            .map_err(|_| invalid("the agent's id is not one"))?;
        Ok(Grant {
            agent,
            certificate: answer.certificate_pem,
            ca: answer.ca_pem,
            region: Some(answer.region).filter(|region| !region.is_empty()),
        })
    }
}

fn refusal(enrol: &Enrol, status: &tonic::Status) -> EnrolError {
    let failure: Failure = status::failure(status, &enrol.server);
    match status.code() {
        tonic::Code::Unavailable | tonic::Code::DeadlineExceeded | tonic::Code::Unknown => {
            EnrolError::Unreachable {
                server: enrol.server.clone(),
                reason: failure.message,
            }
        }
        _ => EnrolError::Refused(failure),
    }
}
