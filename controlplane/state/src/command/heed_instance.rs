//! Takes back that a PostgreSQL server needs no protection.

use holdfast_types::Name;
use sea_orm::{EntityTrait, ModelTrait};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::ReplicatedCommand;
use crate::context::{ApplyContext, Stop};
use crate::entity::ignored_instances;
use crate::lookup::Lookup;
use crate::{Noun, Refusal, schema};

/// Since level 22.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeedInstance {
    /// The agent on its host.
    pub agent: Name,
    /// Its data directory.
    pub data_directory: String,
}

impl ReplicatedCommand for HeedInstance {
    type Outcome = ();
    const NAME: &'static str = "heed_instance";

    fn target(&self) -> String {
        format!("agents/{}", self.agent)
    }

    fn audit_detail(&self) -> Value {
        json!({"dataDirectory": self.data_directory})
    }

    fn level(&self) -> u32 {
        schema::INVENTORY
    }

    async fn apply(self, cx: &mut ApplyContext<'_>) -> Result<(), Stop> {
        let agent = cx.live_agent_named(&self.agent).await?;
        let key = (agent.id, self.data_directory.clone());
        let found = ignored_instances::Entity::find_by_id(key)
            .only(cx.tx())
            .await?;
        let found = found.ok_or_else(|| {
            let wanted = format!("{}:{}", self.agent, self.data_directory);
            Refusal::not_found(Noun::Instance, wanted)
        })?;
        found.delete(cx.tx()).await?;
        cx.changed("agents", self.agent);
        Ok(())
    }
}
