//! Gives an agent its next certificate.
//!
//! Two count at most: the one that the agent showed when it asked, and the new
//! one, in case the answer is lost. Asking with the newer ends the older.

use holdfast_types::AgentId;
use sea_orm::EntityTrait;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Certificate, ReplicatedCommand};
use crate::column::{Bytes, Moment, Text};
use crate::context::{ApplyContext, Stop};
use crate::entity::{agent_certificates, agents};
use crate::lookup::Lookup;
use crate::{Digest, Noun, Refusal};

/// Since level 2.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RenewAgent {
    /// The agent.
    pub agent: AgentId,
    /// The SHA-256 of the certificate it showed.
    pub used: Digest,
    /// The certificate it is given.
    pub certificate: Certificate,
}

impl ReplicatedCommand for RenewAgent {
    type Outcome = ();
    const NAME: &'static str = "renew_agent";

    fn target(&self) -> String {
        format!("agents/{}", self.agent)
    }

    fn audit_detail(&self) -> Value {
        let certificate = &self.certificate;
        json!({"certificate": {"serial": certificate.serial, "expiresAt": certificate.expires_at}})
    }

    fn level(&self) -> u32 {
        2
    }

    async fn apply(self, cx: &mut ApplyContext<'_>) -> Result<(), Stop> {
        let mut agent = cx.live_agent(self.agent).await?;
        let next = agent_certificates::Entity::find_by_id(Text(self.agent));
        let next = next.only(cx.tx()).await?;
        match next.filter(|next| next.fingerprint.0 == self.used) {
            Some(shown) => {
                agent.fingerprint = shown.fingerprint;
                agent.serial = shown.serial;
                agent.certificate_expires_at = shown.expires_at;
            }
            None if agent.fingerprint.0 == self.used => {}
            // Renewed meanwhile, and shown: this one is worth nothing any more.
            None => return Err(Refusal::not_found(Noun::Agent, self.agent).into()),
        }
        let name = agent.name.0.clone();
        cx.put(agents::Model {
            revision: cx.revision().into(),
            ..agent
        })
        .await?;
        cx.put(agent_certificates::Model {
            agent: Text(self.agent),
            fingerprint: Bytes(self.certificate.fingerprint),
            serial: self.certificate.serial,
            expires_at: Moment(self.certificate.expires_at),
        })
        .await?;
        cx.changed("agents", name);
        Ok(())
    }
}
