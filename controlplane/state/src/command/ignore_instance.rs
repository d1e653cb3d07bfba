//! Says that a PostgreSQL server needs no protection, and why.

use holdfast_types::Name;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::ReplicatedCommand;
use crate::column::Moment;
use crate::context::{ApplyContext, Stop};
use crate::entity::{discovered_instances, ignored_instances};
use crate::{Noun, Refusal, row, schema};

/// A reason is read by people, not a file.
const REASON_MAX: usize = 500;

/// Since level 22. Doing it again replaces the reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IgnoreInstance {
    /// The agent on its host.
    pub agent: Name,
    /// Its data directory.
    pub data_directory: String,
    /// Why it needs none.
    pub reason: String,
}

impl ReplicatedCommand for IgnoreInstance {
    type Outcome = ();
    const NAME: &'static str = "ignore_instance";

    fn target(&self) -> String {
        format!("agents/{}", self.agent)
    }

    fn audit_detail(&self) -> Value {
        json!({"dataDirectory": self.data_directory, "reason": self.reason})
    }

    fn level(&self) -> u32 {
        schema::INVENTORY
    }

    async fn apply(self, cx: &mut ApplyContext<'_>) -> Result<(), Stop> {
        let agent = cx.live_agent_named(&self.agent).await?;
        let reason = self.reason.trim();
        if reason.is_empty() || reason.chars().count() > REASON_MAX {
            let message = format!("say in 1 to {REASON_MAX} characters why it needs no protection");
            return Err(Refusal::invalid("reason", message).into());
        }
        let key = (agent.id, self.data_directory.clone());
        let found = row::read::<discovered_instances::Entity>(cx.tx(), key).await?;
        if found.is_none() {
            let wanted = format!("{}:{}", self.agent, self.data_directory);
            return Err(Refusal::not_found(Noun::Instance, wanted).into());
        }
        let by = cx.principal().map(ToString::to_string);
        cx.put(ignored_instances::Model {
            agent: agent.id,
            data_directory: self.data_directory,
            reason: reason.to_owned(),
            ignored_by: by.unwrap_or_default(),
            ignored_at: Moment(cx.now()),
        })
        .await?;
        cx.changed("agents", self.agent);
        Ok(())
    }
}
