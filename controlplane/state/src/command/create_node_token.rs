//! Creates a one-time token with which a node joins the control plane.

use holdfast_types::NodeTokenId;
use jiff::Timestamp;
use sea_orm::EntityTrait;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::ReplicatedCommand;
use crate::column::{Bytes, Moment, Text};
use crate::context::{ApplyContext, Stop};
use crate::entity::node_tokens;
use crate::lookup::Lookup;
use crate::{Digest, Noun, Refusal};

/// Since level 2.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreateNodeToken {
    /// Its id.
    pub token: NodeTokenId,
    /// The hash of its secret.
    pub hash: Digest,
    /// When it ends.
    pub expires_at: Timestamp,
}

impl ReplicatedCommand for CreateNodeToken {
    type Outcome = ();
    const NAME: &'static str = "create_node_token";

    fn target(&self) -> String {
        format!("node-tokens/{}", self.token)
    }

    fn audit_detail(&self) -> Value {
        json!({"expiresAt": self.expires_at})
    }

    fn level(&self) -> u32 {
        2
    }

    async fn apply(self, cx: &mut ApplyContext<'_>) -> Result<(), Stop> {
        let found = node_tokens::Entity::find_by_id(Text(self.token));
        if found.only(cx.tx()).await?.is_some() {
            return Err(Refusal::already_exists(Noun::NodeToken, self.token).into());
        }
        cx.insert(node_tokens::Model {
            id: Text(self.token),
            hash: Bytes(self.hash),
            created_at: Moment(cx.now()),
            expires_at: Moment(self.expires_at),
            used_at: None,
            used_by: None,
        })
        .await?;
        Ok(())
    }
}
