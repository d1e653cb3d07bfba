//! Records what an agent sees of its PostgreSQL servers.
//!
//! The proposer sends it when something that matters has changed, not at every
//! heartbeat: liveness stays out of the log.

use std::collections::BTreeMap;

use holdfast_types::{AgentId, InstanceFacts};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use serde::{Deserialize, Serialize};

use super::ReplicatedCommand;
use crate::column::{Json, Moment, Text};
use crate::context::{ApplyContext, Stop};
use crate::entity::instances;
use crate::{TaskName, schema};

/// Since v0.1.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordInstances {
    /// The agent.
    pub agent: AgentId,
    /// All it sees: what is not in it is forgotten.
    pub instances: Vec<InstanceFacts>,
}

impl ReplicatedCommand for RecordInstances {
    type Outcome = ();
    const NAME: &'static str = "record_instances";

    fn target(&self) -> String {
        format!("agents/{}", self.agent)
    }

    fn level(&self) -> u32 {
        let patroni = self.instances.iter().any(|facts| facts.patroni.is_some());
        if patroni {
            schema::RECEIVERS
        } else {
            schema::VERSION
        }
    }

    async fn apply(self, cx: &mut ApplyContext<'_>) -> Result<(), Stop> {
        let agent = cx.live_agent(self.agent).await?;
        instances::Entity::delete_many()
            .filter(instances::Column::Agent.eq(agent.id))
            .exec(cx.tx())
            .await?;
        let by_cluster: BTreeMap<_, _> = self
            .instances
            .into_iter()
            .map(|facts| (facts.cluster.clone(), facts))
            .collect();
        for (cluster, facts) in by_cluster {
            cx.changed("clusters", &cluster);
            cx.insert(instances::Model {
                agent: agent.id,
                cluster: Text(cluster),
                facts: Json(facts),
                recorded_at: Moment(cx.now()),
            })
            .await?;
        }
        cx.changed("agents", agent.name.0);
        // A primary may have become a standby: its duties may belong elsewhere.
        cx.activate(TaskName::Duties);
        Ok(())
    }
}
