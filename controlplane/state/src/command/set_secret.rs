//! Sets a secret.

use holdfast_types::resource::Kind;
use holdfast_types::{Name, Revision};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder};
use serde::{Deserialize, Serialize};

use super::ReplicatedCommand;
use super::document_check::holds_data;
use crate::column::{Bytes, Moment, Text};
use crate::context::{ApplyContext, Stop};
use crate::entity::word::ReferenceKind;
use crate::entity::{resource_references, secrets};
use crate::lookup::Lookup;
use crate::{Noun, Refusal, Sealed};

/// Since v0.1.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetSecret {
    /// Its name.
    pub name: Name,
    /// Its value.
    pub sealed: Sealed,
}

/// A secret that was set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecretSet {
    /// Whether it is new.
    pub created: bool,
    /// Its revision.
    pub revision: Revision,
}

impl ReplicatedCommand for SetSecret {
    type Outcome = SecretSet;
    const NAME: &'static str = "set_secret";

    fn target(&self) -> String {
        format!("secrets/{}", self.name)
    }

    async fn apply(self, cx: &mut ApplyContext<'_>) -> Result<SecretSet, Stop> {
        refuse_to_lose_a_repository(cx, &self.name).await?;
        let old = secrets::Entity::find_by_id(Text(self.name.clone()));
        let old = old.only(cx.tx()).await?;
        cx.put(secrets::Model {
            name: Text(self.name.clone()),
            sealed: Bytes(self.sealed),
            created_at: old.as_ref().map_or(Moment(cx.now()), |old| old.created_at),
            updated_at: Moment(cx.now()),
            revision: cx.revision().into(),
        })
        .await?;
        cx.changed("secrets", self.name);
        cx.wake_working_agents().await?;
        Ok(SecretSet {
            created: old.is_none(),
            revision: cx.revision(),
        })
    }
}

/// The key of a repository that holds data can never be another one: nothing
/// in it could be read any more. (Rotation adds a wrap inside the repository.)
async fn refuse_to_lose_a_repository(cx: &ApplyContext<'_>, secret: &Name) -> Result<(), Stop> {
    use resource_references::{Column, Entity};
    let keys = Entity::find()
        .filter(Column::TargetKind.eq(Text(ReferenceKind::Secret)))
        .filter(Column::Target.eq(secret.as_str()))
        .filter(Column::Kind.eq(Text(Kind::Repository)))
        .filter(Column::Field.eq(super::document_check::KEY_FIELD))
        .order_by_asc(Column::Name)
        .all(cx.tx())
        .await?;
    for key in keys {
        if holds_data(cx, &key.name.0).await? {
            return Err(Refusal::InUse {
                what: Noun::Secret,
                name: secret.to_string(),
                by: vec![format!("{}/{}", Kind::Repository.plural(), key.name.0)],
            }
            .into());
        }
    }
    Ok(())
}
