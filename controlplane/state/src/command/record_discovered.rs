//! Records which PostgreSQL servers an agent finds on its host.
//!
//! The proposer sends it when the set or what is known of one has changed, not at
//! every look.

use std::collections::BTreeMap;

use holdfast_types::{AgentId, DISCOVERED_MAX, DiscoveredInstance};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder};
use serde::{Deserialize, Serialize};

use super::ReplicatedCommand;
use crate::column::{Json, Moment};
use crate::context::{ApplyContext, Stop};
use crate::entity::discovered_instances as rows;
use crate::{Refusal, schema};

/// Since level 22.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordDiscovered {
    /// The agent.
    pub agent: AgentId,
    /// All it finds: what is not in it is forgotten.
    pub instances: Vec<DiscoveredInstance>,
}

impl ReplicatedCommand for RecordDiscovered {
    type Outcome = ();
    const NAME: &'static str = "record_discovered";

    fn target(&self) -> String {
        format!("agents/{}", self.agent)
    }

    fn level(&self) -> u32 {
        schema::INVENTORY
    }

    async fn apply(self, cx: &mut ApplyContext<'_>) -> Result<(), Stop> {
        let agent = cx.live_agent(self.agent).await?;
        let problem = self.instances.iter().find_map(DiscoveredInstance::problem);
        if let Some(problem) = problem {
            return Err(Refusal::invalid("instances", problem).into());
        }
        if self.instances.len() > DISCOVERED_MAX {
            let message = format!("a host with more than {DISCOVERED_MAX} servers is a mistake");
            return Err(Refusal::invalid("instances", message).into());
        }
        let known = rows::Entity::find()
            .filter(rows::Column::Agent.eq(agent.id))
            .order_by_asc(rows::Column::DataDirectory)
            .all(cx.tx())
            .await?;
        let first_seen: BTreeMap<String, Moment> = known
            .into_iter()
            .map(|row| (row.data_directory, row.first_seen))
            .collect();
        rows::Entity::delete_many()
            .filter(rows::Column::Agent.eq(agent.id))
            .exec(cx.tx())
            .await?;
        let by_directory: BTreeMap<_, _> = self
            .instances
            .into_iter()
            .map(|instance| (instance.data_directory.clone(), instance))
            .collect();
        let now = Moment(cx.now());
        for (data_directory, instance) in by_directory {
            let first_seen = first_seen.get(&data_directory).copied().unwrap_or(now);
            cx.insert(rows::Model {
                agent: agent.id,
                data_directory,
                instance: Json(instance),
                first_seen,
                recorded_at: now,
            })
            .await?;
        }
        cx.changed("agents", agent.name.0);
        Ok(())
    }
}
