//! Creates an API token.

use holdfast_types::{Name, TokenId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::ReplicatedCommand;
use crate::column::{Bytes, Moment, Text};
use crate::context::{ApplyContext, Stop};
use crate::entity::api_tokens;
use crate::query::user_row_named;
use crate::{Digest, Noun, Refusal};

/// Since v0.1.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreateApiToken {
    /// Its id.
    pub token: TokenId,
    /// Its name, by which it acts and can be revoked.
    pub name: Name,
    /// The user for whom it acts.
    pub user: Name,
    /// The hash of its secret.
    pub hash: Digest,
    /// When it ends; `None` lasts until it is revoked.
    pub expires_at: Option<Timestamp>,
}

impl ReplicatedCommand for CreateApiToken {
    type Outcome = ();
    const NAME: &'static str = "create_api_token";

    fn target(&self) -> String {
        format!("tokens/{}", self.name)
    }

    fn audit_detail(&self) -> Value {
        json!({"id": self.token, "user": self.user, "expiresAt": self.expires_at})
    }

    async fn apply(self, cx: &mut ApplyContext<'_>) -> Result<(), Stop> {
        let Some(user) = user_row_named(cx.tx(), &self.user).await? else {
            return Err(Refusal::not_found(Noun::User, self.user).into());
        };
        let name = Text(self.name.clone());
        let named = "SELECT 1 FROM api_tokens WHERE name = ? AND revoked_at IS NULL";
        if cx.exists(named, [name.clone().into()]).await? {
            return Err(Refusal::already_exists(Noun::ApiToken, self.name).into());
        }
        let taken = "SELECT 1 FROM api_tokens WHERE id = ? UNION ALL \
                     SELECT 1 FROM api_tokens WHERE hash = ?";
        let (id, hash) = (Text(self.token), Bytes(self.hash));
        if cx.exists(taken, [id.into(), hash.clone().into()]).await? {
            return Err(Refusal::already_exists(Noun::ApiToken, self.token).into());
        }
        let row = api_tokens::Model {
            id,
            name,
            user: user.id,
            hash,
            created_at: Moment(cx.now()),
            expires_at: self.expires_at.map(Moment),
            revoked_at: None,
        };
        cx.insert(row).await?;
        cx.changed("tokens", self.name);
        Ok(())
    }
}
