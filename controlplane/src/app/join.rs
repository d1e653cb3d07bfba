//! Letting nodes in: tokens, and handing over what a node needs.

use std::net::IpAddr;

use holdfast_consensus::ProposeContext;
use holdfast_state::command::{AdmitNode, CreateNodeToken};
use holdfast_state::{Cause, Principal, Refusal, query, schema};
use holdfast_types::{Name, NodeTokenId, RequestId, Span};
use uuid::Uuid;
use zeroize::Zeroizing;

use super::App;
use super::caller::Caller;
use super::code::Code;
use super::error::{AppError, Result};
use super::token::{NewJoinToken, after, shown_once};
use crate::secure::{Sealer, TokenSecret, join_token, parse_node_token};

/// A node that wants to join.
#[derive(Debug)]
pub struct JoinRequest {
    /// Its node token.
    pub token: String,
    /// The name it wants; empty for any.
    pub name: String,
    /// The newest feature level it knows.
    pub newest_level: u32,
    /// From where it comes.
    pub remote: Option<IpAddr>,
    /// The trace.
    pub traceparent: Option<String>,
}

/// What a node gets that was let in.
pub struct Welcome {
    /// Its id.
    pub node: u64,
    /// Its name.
    pub name: String,
    /// Opens what the replicated state holds sealed.
    pub sealing_key: Zeroizing<[u8; 32]>,
    /// The CA's certificate.
    pub ca_pem: String,
    /// The CA's key, sealed.
    pub ca_key: Vec<u8>,
    /// The nodes and their Raft addresses.
    pub peers: Vec<(u64, String)>,
    /// By what the group is told from an earlier one; `None` for the first.
    pub group: Option<String>,
}

impl std::fmt::Debug for Welcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Welcome({})", self.node)
    }
}

impl App {
    /// Makes a token with which one node joins.
    pub async fn create_node_token(&self, by: &Caller, ttl: Option<Span>) -> Result<NewJoinToken> {
        let id = NodeTokenId::from_uuid(Uuid::now_v7());
        let secret = TokenSecret::generate()?;
        let expires_at = after("ttl", ttl.unwrap_or(self.config.access.join_token))?;
        let command = CreateNodeToken {
            token: id,
            hash: secret.digest(),
            expires_at,
        };
        self.propose(by, command).await?;
        // A repeat is answered from memory, which does not hold the secret.
        if by.idempotency.is_some() {
            let view = self.node.read().await?;
            if !query::node_token_exists(view.connection(), id).await? {
                return Err(shown_once());
            }
        }
        let token = join_token(id, &secret, &self.authority.fingerprint());
        Ok(NewJoinToken { token, expires_at })
    }

    /// Exchanges a node token for a place among the nodes.
    ///
    /// The sealing key leaves this node here and nowhere else: over TLS that
    /// the token's hash of the CA proves, to whoever shows the token's secret,
    /// once.
    pub async fn join(&self, request: JoinRequest) -> Result<Welcome> {
        let name = match request.name.as_str() {
            "" => None,
            name => Some(
                name.parse::<Name>()
                    .map_err(|error| AppError::invalid("name", error.to_string()))?,
            ),
        };
        let token = parse_node_token(&request.token);
        let token = token.map_err(|_| AppError::from(Refusal::TokenUnknown))?;
        let view = self.node.read().await?;
        let level = schema::version(view.connection()).await?;
        if request.newest_level < level {
            let (knows, needs) = (request.newest_level, level);
            let message = format!(
                "the control plane is at feature level {needs}, and the node knows {knows}"
            );
            return Err(AppError::new(Code::NODE_TOO_OLD, message));
        }
        // Everything that can fail here does so before the token is used.
        let pki = query::pki(view.connection()).await?;
        let pki = pki.ok_or_else(|| AppError::failed("the CA is gone"))?;
        let group = query::group(view.connection()).await?;
        let path = crate::server::sealing_key(&self.config.node.data);
        let sealing_key = Sealer::read_key(&path)?;
        let joiner = name.as_ref().map_or("node", Name::as_str);
        let cause = Cause {
            principal: Principal::node(joiner),
            request: RequestId::from_uuid(Uuid::now_v7()),
            remote: request.remote.map(|remote| remote.to_string()),
        };
        let context = ProposeContext {
            traceparent: request.traceparent,
            ..ProposeContext::caused_by(cause)
        };
        let command = AdmitNode {
            token: token.id,
            hash: token.secret.digest(),
            name,
        };
        let admitted = self.propose_as(context, command).await?;
        let members = self.node.status().members;
        let peers = members
            .into_iter()
            .map(|member| (member.id.0, member.member.raft));
        Ok(Welcome {
            node: admitted.node,
            name: admitted.name,
            sealing_key,
            ca_pem: pki.ca_certificate,
            ca_key: pki.ca_key.as_bytes().to_vec(),
            peers: peers.filter(|(_, address)| !address.is_empty()).collect(),
            group,
        })
    }
}
