//! Founds the control plane: its certificate authority, its signing key, the
//! first user, and the fleet `default`.

use holdfast_types::resource::{Document, Fleet, Kind, Metadata, Resource};
use holdfast_types::{Name, UserId};
use sea_orm::EntityTrait;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::ReplicatedCommand;
use super::apply_documents::{DEFAULT_FLEET, resource_row};
use super::create_user::user_row;
use crate::column::{Bytes, Moment};
use crate::context::{ApplyContext, Stop};
use crate::entity::{pki, signing_keys};
use crate::lookup::Lookup;
use crate::{PasswordHash, Refusal, Sealed};

/// Since v0.1. Refused unless the state is empty.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bootstrap {
    /// The CA's certificate, PEM.
    pub ca_certificate: String,
    /// The CA's key.
    pub ca_key: Sealed,
    /// The id (`kid`) of the key that signs access tokens.
    pub signing_key_id: String,
    /// That key.
    pub signing_key: Sealed,
    /// The first user.
    pub admin: UserId,
    /// Its name.
    pub admin_name: Name,
    /// Its password.
    pub admin_password: PasswordHash,
    /// The node that founds it.
    pub node: String,
}

impl ReplicatedCommand for Bootstrap {
    type Outcome = ();
    const NAME: &'static str = "bootstrap";

    fn target(&self) -> String {
        "control-plane".to_owned()
    }

    fn audit_detail(&self) -> Value {
        json!({"node": self.node, "admin": self.admin_name, "signingKey": self.signing_key_id})
    }

    async fn apply(self, cx: &mut ApplyContext<'_>) -> Result<(), Stop> {
        if pki::Entity::find_by_id(1).only(cx.tx()).await?.is_some() {
            return Err(Refusal::AlreadyBootstrapped.into());
        }
        cx.insert(pki::Model {
            id: 1,
            ca_certificate: self.ca_certificate,
            ca_key: Bytes(self.ca_key),
            founder: self.node,
            created_at: Moment(cx.now()),
        })
        .await?;
        cx.insert(signing_keys::Model {
            id: self.signing_key_id,
            sealed: Bytes(self.signing_key),
            created_at: Moment(cx.now()),
        })
        .await?;
        let admin = user_row(cx, self.admin, self.admin_name.clone(), self.admin_password);
        cx.insert(admin).await?;
        cx.changed("users", &self.admin_name);
        let name: Name = DEFAULT_FLEET.parse().expect("it is a name");
        let metadata = Metadata {
            name: name.clone(),
            fleet: None,
            labels: Default::default(),
        };
        let resource = Resource::Fleet(Fleet::default());
        let fleet = resource_row(cx, Document { metadata, resource }, None);
        cx.insert(fleet).await?;
        cx.changed(Kind::Fleet.plural(), name);
        Ok(())
    }
}
