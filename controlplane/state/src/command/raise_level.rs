//! Raises the group's feature level by one: its tables, and with them the
//! commands that may be proposed.
//!
//! The leader proposes it once every node runs a program that knows the level;
//! a node that does not know it all the same stops rather than skip it.

use sea_orm::EntityTrait;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::ReplicatedCommand;
use super::role_bindings::keep_powers;
use crate::column::{Moment, Text};
use crate::context::{ApplyContext, Stop};
use crate::entity::word::NodeState;
use crate::entity::{nodes, pki};
use crate::lookup::Lookup;
use crate::{StateError, TaskName, facts, revisions, schedules, schema};

/// Since v0.1.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RaiseLevel {
    /// The level to reach.
    pub level: u32,
}

impl ReplicatedCommand for RaiseLevel {
    /// The level that is reached: a repeat changes nothing.
    type Outcome = u32;
    const NAME: &'static str = "raise_level";

    fn target(&self) -> String {
        "control-plane".to_owned()
    }

    fn audit_detail(&self) -> Value {
        json!({"level": self.level})
    }

    async fn apply(self, cx: &mut ApplyContext<'_>) -> Result<u32, Stop> {
        let now = schema::version(cx.tx()).await?;
        if self.level > schema::NEWEST {
            return Err(StateError::TooNew { level: self.level }.into());
        }
        for level in now + 1..=self.level {
            schema::raise(cx.tx(), level).await?;
            if level == 2 {
                record_founder(cx).await?;
            }
            if level == schema::ACCESS {
                keep_powers(cx).await?;
            }
            if level == schedules::LEVEL {
                // No schedule reaches back to before there were any.
                schedules::touched(cx, true).await?;
                cx.activate(TaskName::Schedules);
            }
            if level == schema::COMPLIANCE {
                facts::seed(cx).await?;
            }
            if level == schema::POLICY_REVISIONS {
                revisions::record_those_there(cx).await?;
            }
        }
        cx.activate(TaskName::Members);
        Ok(now.max(self.level))
    }
}

/// Before level 2 there was one node: the founder, with the id 1.
async fn record_founder(cx: &ApplyContext<'_>) -> Result<(), StateError> {
    let Some(pki) = pki::Entity::find_by_id(1).only(cx.tx()).await? else {
        return Ok(());
    };
    cx.insert(nodes::Model {
        id: 1,
        name: pki.founder,
        state: Text(NodeState::Member),
        since: Moment(cx.now()),
        joined_at: pki.created_at,
        revision: cx.revision().into(),
    })
    .await
}
