//! Ends a silence before its time. What is still open is told then.

use holdfast_types::SilenceId;
use sea_orm::EntityTrait;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::ReplicatedCommand;
use crate::column::Text;
use crate::context::{ApplyContext, AuditItem, Stop};
use crate::entity::silences;
use crate::{Noun, Refusal, TaskName, row, schema};

/// Since the level at which there are notices.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EndSilence {
    /// The silence.
    pub silence: SilenceId,
}

impl ReplicatedCommand for EndSilence {
    type Outcome = ();
    const NAME: &'static str = "end_silence";

    fn target(&self) -> String {
        format!("silences/{}", self.silence)
    }

    fn level(&self) -> u32 {
        schema::NOTICES
    }

    async fn apply(self, cx: &mut ApplyContext<'_>) -> Result<(), Stop> {
        let key = Text(self.silence);
        let found = row::read::<silences::Entity>(cx.tx(), key).await?;
        let found = found.ok_or_else(|| Refusal::not_found(Noun::Silence, self.silence))?;
        silences::Entity::delete_by_id(key).exec(cx.tx()).await?;
        // What it was is in no table any more (I-11).
        let detail: Value = json!({
            "rule": found.rule.map(|rule| rule.0),
            "fleet": found.fleet.map(|fleet| fleet.0),
            "cluster": found.cluster.map(|cluster| cluster.0),
            "reason": found.reason,
            "until": found.until.0,
        });
        let target = self.target();
        cx.audit_instead(vec![AuditItem { target, detail }]);
        cx.changed("silences", self.silence);
        cx.activate(TaskName::Alarms);
        Ok(())
    }
}
