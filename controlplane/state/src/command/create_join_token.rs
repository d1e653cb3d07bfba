//! Creates a one-time token with which an agent enrols.

use holdfast_types::JoinTokenId;
use jiff::Timestamp;
use sea_orm::EntityTrait;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::ReplicatedCommand;
use crate::column::{Bytes, Moment, Text};
use crate::context::{ApplyContext, Stop};
use crate::entity::join_tokens;
use crate::lookup::Lookup;
use crate::{Digest, Noun, Refusal};

/// Since v0.1.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreateJoinToken {
    /// Its id.
    pub token: JoinTokenId,
    /// The hash of its secret.
    pub hash: Digest,
    /// When it ends.
    pub expires_at: Timestamp,
    /// The only region it may be used for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
}

impl ReplicatedCommand for CreateJoinToken {
    type Outcome = ();
    const NAME: &'static str = "create_join_token";

    fn target(&self) -> String {
        format!("join-tokens/{}", self.token)
    }

    fn audit_detail(&self) -> Value {
        json!({"region": self.region, "expiresAt": self.expires_at})
    }

    async fn apply(self, cx: &mut ApplyContext<'_>) -> Result<(), Stop> {
        let found = join_tokens::Entity::find_by_id(Text(self.token));
        if found.only(cx.tx()).await?.is_some() {
            return Err(Refusal::already_exists(Noun::JoinToken, self.token).into());
        }
        cx.insert(join_tokens::Model {
            id: Text(self.token),
            hash: Bytes(self.hash),
            region: self.region,
            created_at: Moment(cx.now()),
            expires_at: Moment(self.expires_at),
            used_at: None,
            used_by: None,
        })
        .await?;
        Ok(())
    }
}
