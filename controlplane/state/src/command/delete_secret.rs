//! Deletes a secret that nothing uses.

use holdfast_types::Name;
use sea_orm::EntityTrait;
use serde::{Deserialize, Serialize};

use super::ReplicatedCommand;
use super::document_check::refuse_if_named;
use crate::column::Text;
use crate::context::{ApplyContext, Stop};
use crate::entity::secrets;
use crate::entity::word::ReferenceKind;
use crate::lookup::Lookup;
use crate::{Noun, Refusal};

/// Since v0.1.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeleteSecret {
    /// Its name.
    pub name: Name,
}

impl ReplicatedCommand for DeleteSecret {
    type Outcome = ();
    const NAME: &'static str = "delete_secret";

    fn target(&self) -> String {
        format!("secrets/{}", self.name)
    }

    async fn apply(self, cx: &mut ApplyContext<'_>) -> Result<(), Stop> {
        let key = Text(self.name.clone());
        let found = secrets::Entity::find_by_id(key.clone());
        if found.only(cx.tx()).await?.is_none() {
            return Err(Refusal::not_found(Noun::Secret, self.name).into());
        }
        refuse_if_named(cx, Noun::Secret, ReferenceKind::Secret, &self.name).await?;
        secrets::Entity::delete_by_id(key).exec(cx.tx()).await?;
        cx.changed("secrets", self.name);
        Ok(())
    }
}
