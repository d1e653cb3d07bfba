//! Takes a standing duty back. Its generation moves on, so that what its agent
//! still reports is refused (I-04), and the agent drops its slot (I-15).

use holdfast_types::resource::Kind;
use holdfast_types::{Generation, Name};
use sea_orm::EntityTrait;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::ReplicatedCommand;
use super::place_duty::{duty_key, is_active};
use crate::Effect;
use crate::column::{Count, Moment, Text};
use crate::context::{ApplyContext, Stop};
use crate::entity::assignments;
use crate::entity::word::AssignmentState;
use crate::lookup::Lookup;

/// Since v0.1. Withdrawing what nobody has is fine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WithdrawDuty {
    /// Whose WAL.
    pub cluster: Name,
    /// Into which repository.
    pub repository: Name,
}

impl ReplicatedCommand for WithdrawDuty {
    /// Whether somebody had it.
    type Outcome = bool;
    const NAME: &'static str = "withdraw_duty";

    fn target(&self) -> String {
        format!("clusters/{}", self.cluster)
    }

    fn audit_detail(&self) -> Value {
        json!({"duty": "wal", "repository": self.repository})
    }

    async fn apply(self, cx: &mut ApplyContext<'_>) -> Result<bool, Stop> {
        let key = duty_key(&self.cluster, &self.repository);
        let duty = assignments::Entity::find_by_id(key).only(cx.tx()).await?;
        let Some(duty) = duty.filter(is_active) else {
            return Ok(false);
        };
        withdraw(cx, duty).await?;
        Ok(true)
    }
}

pub(super) async fn withdraw(
    cx: &mut ApplyContext<'_>,
    duty: assignments::Model,
) -> Result<(), Stop> {
    cx.effect(Effect::AgentChanged(duty.agent.0));
    cx.wake_instances(&duty.cluster.0).await?;
    cx.changed(Kind::Cluster.plural(), &duty.cluster.0);
    cx.put(assignments::Model {
        state: Text(AssignmentState::Withdrawn),
        generation: Count(Generation(duty.generation.0).next().0),
        since: Moment(cx.now()),
        ..duty
    })
    .await?;
    Ok(())
}
