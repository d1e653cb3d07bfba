//! Enrols an agent with a one-time token.

use holdfast_types::{AgentId, JoinTokenId, Name};
use jiff::Timestamp;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::ReplicatedCommand;
use crate::column::{Bytes, Moment, Text};
use crate::context::{ApplyContext, Stop};
use crate::entity::{agent_certificates, agents, instances, join_tokens};
use crate::lookup::Lookup;
use crate::{Digest, Noun, Refusal, TaskName, schema};

/// Since v0.1.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EnrollAgent {
    /// The token it came with.
    pub token: JoinTokenId,
    /// The hash of the secret it showed.
    pub hash: Digest,
    /// Its id.
    pub agent: AgentId,
    /// Its name.
    pub name: Name,
    /// The region it says it is in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// The certificate it is given.
    pub certificate: Certificate,
}

/// What is kept of a certificate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Certificate {
    /// Its serial number, hexadecimal.
    pub serial: String,
    /// The SHA-256 of its DER form.
    pub fingerprint: Digest,
    /// When it ends.
    pub expires_at: Timestamp,
}

/// An enrolled agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Enrolled {
    /// Its id.
    pub agent: AgentId,
    /// Its region: the token's, or what it said.
    pub region: Option<String>,
}

impl ReplicatedCommand for EnrollAgent {
    type Outcome = Enrolled;
    const NAME: &'static str = "enroll_agent";

    fn target(&self) -> String {
        format!("agents/{}", self.name)
    }

    fn audit_detail(&self) -> Value {
        json!({
            "agent": self.agent,
            "token": self.token,
            "region": self.region,
            "certificate": {"serial": self.certificate.serial, "expiresAt": self.certificate.expires_at},
        })
    }

    async fn apply(self, cx: &mut ApplyContext<'_>) -> Result<Enrolled, Stop> {
        let token = usable_token(cx, self.token, self.hash).await?;
        let region = match (token.region.clone(), self.region.clone()) {
            (Some(token), Some(agent)) if token != agent => {
                return Err(Refusal::RegionMismatch { token, agent }.into());
            }
            (token, agent) => token.or(agent),
        };
        let predecessor = agents::Entity::find()
            .filter(agents::Column::Name.eq(self.name.as_str()))
            .only(cx.tx())
            .await?;
        if predecessor
            .as_ref()
            .is_some_and(|old| old.revoked_at.is_none())
        {
            let name = self.name;
            return Err(Refusal::AgentNameTaken { name }.into());
        }
        let fingerprint = Bytes(self.certificate.fingerprint);
        let known = "SELECT 1 FROM agents WHERE id = ? UNION ALL \
                     SELECT 1 FROM agents WHERE fingerprint = ?";
        let values = [Text(self.agent).into(), fingerprint.clone().into()];
        if cx.exists(known, values).await? {
            return Err(Refusal::already_exists(Noun::Agent, self.agent).into());
        }
        if let Some(old) = predecessor {
            // The new one takes the place of the revoked one.
            instances::Entity::delete_many()
                .filter(instances::Column::Agent.eq(old.id))
                .exec(cx.tx())
                .await?;
            if schema::version(cx.tx()).await? >= 2 {
                agent_certificates::Entity::delete_by_id(old.id)
                    .exec(cx.tx())
                    .await?;
            }
            agents::Entity::delete_by_id(old.id).exec(cx.tx()).await?;
        }
        cx.put(join_tokens::Model {
            used_at: Some(Moment(cx.now())),
            used_by: Some(Text(self.agent)),
            ..token
        })
        .await?;
        cx.insert(agents::Model {
            id: Text(self.agent),
            name: Text(self.name.clone()),
            region: region.clone(),
            serial: self.certificate.serial,
            fingerprint,
            certificate_expires_at: Moment(self.certificate.expires_at),
            enrolled_at: Moment(cx.now()),
            revoked_at: None,
            revision: cx.revision().into(),
        })
        .await?;
        cx.changed("agents", self.name);
        cx.activate(TaskName::Duties);
        let agent = self.agent;
        Ok(Enrolled { agent, region })
    }
}

async fn usable_token(
    cx: &ApplyContext<'_>,
    token: JoinTokenId,
    hash: Digest,
) -> Result<join_tokens::Model, Stop> {
    let found = join_tokens::Entity::find_by_id(Text(token));
    // A wrong secret answers as an unknown token does: it tells nothing.
    let token = found.only(cx.tx()).await?;
    let token = token
        .filter(|token| token.hash.0 == hash)
        .ok_or(Refusal::TokenUnknown)?;
    if token.used_at.is_some() {
        return Err(Refusal::TokenUsed.into());
    }
    if token.expires_at.0 <= cx.now() {
        return Err(Refusal::TokenExpired.into());
    }
    Ok(token)
}
