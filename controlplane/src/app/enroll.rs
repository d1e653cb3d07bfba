//! Enrolling agents, and recognising them again.

use std::net::IpAddr;

use holdfast_consensus::ProposeContext;
use holdfast_state::command::{Certificate, EnrollAgent, RenewAgent};
use holdfast_state::query::{self, AgentView};
use holdfast_state::{Cause, Digest, Principal};
use holdfast_types::{AgentId, Name, RequestId};
use jiff::Timestamp;
use uuid::Uuid;

use super::App;
use super::code::Code;
use super::error::{AppError, Result};
use crate::secure::{Issued, parse_join_token};

/// An agent that wants to be enrolled.
#[derive(Debug)]
pub struct EnrollRequest {
    /// Its join token.
    pub token: String,
    /// The name it wants.
    pub name: String,
    /// Its region; `None` takes the token's.
    pub region: Option<String>,
    /// Its certificate request.
    pub csr_pem: String,
    /// From where it comes.
    pub remote: Option<IpAddr>,
    /// The trace.
    pub traceparent: Option<String>,
}

/// An agent that was enrolled.
#[derive(Debug)]
pub struct Enrollment {
    /// Its id.
    pub agent: AgentId,
    /// Its certificate.
    pub certificate: Issued,
    /// The CA's.
    pub ca_pem: String,
    /// Its region.
    pub region: Option<String>,
}

impl App {
    /// Exchanges a join token and a certificate request for a certificate. The
    /// certificate counts only once its fingerprint is in the state.
    pub async fn enroll(&self, request: EnrollRequest) -> Result<Enrollment> {
        let name: Name = request
            .name
            .parse()
            .map_err(|error| AppError::invalid("name", format!("{error}")))?;
        let token = parse_join_token(&request.token);
        let token = token.map_err(|_| AppError::from(holdfast_state::Refusal::TokenUnknown))?;
        let agent = AgentId::from_uuid(Uuid::now_v7());
        let lasts = self.config.access.agent_certificate.get();
        let now = Timestamp::now();
        let certificate =
            self.authority
                .sign_agent(&request.csr_pem, (agent, &name), now, lasts)?;
        let cause = Cause {
            principal: Principal::agent(&name),
            request: RequestId::from_uuid(Uuid::now_v7()),
            remote: request.remote.map(|remote| remote.to_string()),
        };
        let context = ProposeContext {
            traceparent: request.traceparent,
            ..ProposeContext::caused_by(cause)
        };
        let command = EnrollAgent {
            token: token.id,
            hash: token.secret.digest(),
            agent,
            name,
            region: request.region,
            certificate: Certificate {
                serial: certificate.serial.clone(),
                fingerprint: certificate.fingerprint,
                expires_at: certificate.expires_at,
            },
        };
        let enrolled = self.propose_as(context, command).await?;
        Ok(Enrollment {
            agent: enrolled.agent,
            certificate,
            ca_pem: self.authority.certificate_pem().to_owned(),
            region: enrolled.region,
        })
    }

    /// Gives an agent, known by the certificate it shows, its next one. The one
    /// it shows counts until it asks with the new one.
    pub async fn renew(&self, used: Digest, csr_pem: &str) -> Result<Enrollment> {
        let agent = self.recognise(used).await?;
        let lasts = self.config.access.agent_certificate.get();
        let now = Timestamp::now();
        let certificate =
            self.authority
                .sign_agent(csr_pem, (agent.id, &agent.name), now, lasts)?;
        let cause = Cause {
            principal: Principal::agent(&agent.name),
            request: RequestId::from_uuid(Uuid::now_v7()),
            remote: None,
        };
        let command = RenewAgent {
            agent: agent.id,
            used,
            certificate: Certificate {
                serial: certificate.serial.clone(),
                fingerprint: certificate.fingerprint,
                expires_at: certificate.expires_at,
            },
        };
        self.propose_as(ProposeContext::caused_by(cause), command)
            .await?;
        Ok(Enrollment {
            agent: agent.id,
            certificate,
            ca_pem: self.authority.certificate_pem().to_owned(),
            region: agent.region,
        })
    }

    /// The agent that a certificate belongs to, unless it was revoked.
    pub async fn recognise(&self, fingerprint: Digest) -> Result<AgentView> {
        let view = self.node.read().await?;
        let agent = query::agent_by_fingerprint(view.connection(), fingerprint).await?;
        let unknown = || AppError::new(Code::AGENT_UNKNOWN, "the agent's certificate is not known");
        let agent = agent.ok_or_else(unknown)?;
        if agent.revoked_at.is_some() {
            return Err(holdfast_state::Refusal::AgentRevoked { name: agent.name }.into());
        }
        Ok(agent)
    }
}
