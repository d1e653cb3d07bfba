//! Revokes an API token.

use holdfast_types::TokenId;
use sea_orm::EntityTrait;
use serde::{Deserialize, Serialize};

use super::ReplicatedCommand;
use crate::column::{Moment, Text};
use crate::context::{ApplyContext, Stop};
use crate::entity::api_tokens;
use crate::lookup::Lookup;
use crate::{Noun, Refusal};

/// Since v0.1. Revoking what is revoked is fine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RevokeApiToken {
    /// The token.
    pub token: TokenId,
}

impl ReplicatedCommand for RevokeApiToken {
    type Outcome = ();
    const NAME: &'static str = "revoke_api_token";

    fn target(&self) -> String {
        format!("tokens/{}", self.token)
    }

    async fn apply(self, cx: &mut ApplyContext<'_>) -> Result<(), Stop> {
        let found = api_tokens::Entity::find_by_id(Text(self.token));
        let Some(token) = found.only(cx.tx()).await? else {
            return Err(Refusal::not_found(Noun::ApiToken, self.token).into());
        };
        if token.revoked_at.is_none() {
            cx.changed("tokens", &token.name.0);
            let revoked_at = Some(Moment(cx.now()));
            cx.put(api_tokens::Model {
                revoked_at,
                ..token
            })
            .await?;
        }
        Ok(())
    }
}
