//! Says into which repository snapshots of this state go, how often, and how
//! many are kept; or that none are taken.

use std::time::Duration;

use holdfast_types::Revision;
use holdfast_types::resource::Kind;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::ReplicatedCommand;
use crate::context::{ApplyContext, Stop};
use crate::state_snapshots::{LEVEL, Settings, write_settings};
use crate::{Noun, Refusal, TaskName};

const EVERY_MIN: Duration = Duration::from_secs(60);
const EVERY_MAX: Duration = Duration::from_secs(7 * 24 * 3600);
const KEEP_MAX: u32 = 10_000;

/// Since level 5.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetStateSnapshots {
    /// `None` takes none any more; those there are stay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settings: Option<Settings>,
}

impl ReplicatedCommand for SetStateSnapshots {
    type Outcome = Revision;
    const NAME: &'static str = "set_state_snapshots";

    fn target(&self) -> String {
        "control-plane".to_owned()
    }

    fn audit_detail(&self) -> Value {
        json!({"stateSnapshots": self.settings})
    }

    fn level(&self) -> u32 {
        LEVEL
    }

    async fn apply(self, cx: &mut ApplyContext<'_>) -> Result<Revision, Stop> {
        if let Some(settings) = &self.settings {
            check(cx, settings).await?;
        }
        write_settings(cx.tx(), self.settings.as_ref()).await?;
        cx.changed("state-snapshots", "settings");
        cx.activate(TaskName::StateSnapshots);
        Ok(cx.revision())
    }
}

async fn check(cx: &ApplyContext<'_>, settings: &Settings) -> Result<(), Stop> {
    let repository = cx.resource(Kind::Repository, &settings.repository).await?;
    if repository.is_none() {
        return Err(Refusal::not_found(Noun::Repository, &settings.repository).into());
    }
    if !(EVERY_MIN..=EVERY_MAX).contains(&settings.every.get()) {
        return Err(Refusal::invalid("every", "it is 1m to 7d").into());
    }
    if !(1..=KEEP_MAX).contains(&settings.keep) {
        let message = format!("1 to {KEEP_MAX} snapshots are kept");
        return Err(Refusal::invalid("keep", message).into());
    }
    Ok(())
}
