//! Somebody has taken an alarm on: it escalates no further.

use holdfast_types::{AlarmId, Revision};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::ReplicatedCommand;
use crate::column::{Moment, Text};
use crate::context::{ApplyContext, Stop};
use crate::entity::alarms;
use crate::{Noun, Refusal, TaskName, row, schema};

/// A note is read by people, not a file.
const NOTE_MAX: usize = 500;

/// Since the level at which there are notices. Who did it first stays on record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AcknowledgeAlarm {
    /// The alarm.
    pub alarm: AlarmId,
    /// What there is to say to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

impl ReplicatedCommand for AcknowledgeAlarm {
    type Outcome = Revision;
    const NAME: &'static str = "acknowledge_alarm";

    fn target(&self) -> String {
        format!("alarms/{}", self.alarm)
    }

    fn level(&self) -> u32 {
        schema::NOTICES
    }

    fn audit_detail(&self) -> Value {
        json!({"note": self.note})
    }

    async fn apply(self, cx: &mut ApplyContext<'_>) -> Result<Revision, Stop> {
        let alarm = self.alarm;
        let found = row::read::<alarms::Entity>(cx.tx(), Text(alarm)).await?;
        let found = found.ok_or_else(|| Refusal::not_found(Noun::Alarm, alarm))?;
        let length = self.note.as_ref().map_or(0, |note| note.chars().count());
        if length > NOTE_MAX {
            let message = format!("a note has {NOTE_MAX} characters at most");
            return Err(Refusal::invalid("note", message).into());
        }
        if found.closed_at.is_some() {
            return Err(Refusal::AlarmClosed { alarm }.into());
        }
        if found.acknowledged_at.is_some() {
            return Ok(found.revision.into());
        }
        let by = cx.principal().cloned();
        let by = by.ok_or_else(|| Refusal::invalid("principal", "nobody takes it on"))?;
        cx.changed("alarms", alarm);
        cx.put(alarms::Model {
            acknowledged_at: Some(Moment(cx.now())),
            acknowledged_by: Some(Text(by)),
            note: self.note,
            revision: cx.revision().into(),
            ..found
        })
        .await?;
        cx.activate(TaskName::Alarms);
        Ok(cx.revision())
    }
}
