//! Says of which alarms nobody is told for a while. They are opened and closed as ever.

use holdfast_types::alarm::AlarmRule;
use holdfast_types::resource::Kind;
use holdfast_types::{Name, SilenceId};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::ReplicatedCommand;
use super::apply_documents::DEFAULT_FLEET;
use crate::column::{Moment, Text};
use crate::context::{ApplyContext, Stop};
use crate::entity::silences;
use crate::{Noun, Refusal, TaskName, row, schema};

/// A reason is read by people, not a file.
const REASON_MAX: usize = 500;
/// Who silences for longer forgets it.
const LONGEST: SignedDuration = SignedDuration::from_hours(31 * 24);

/// Since the level at which there are notices. What is not said does not narrow it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SilenceAlarms {
    /// Its id.
    pub silence: SilenceId,
    /// Only alarms of this rule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<AlarmRule>,
    /// Only alarms of this fleet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fleet: Option<Name>,
    /// Only alarms of this cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<Name>,
    /// Why.
    pub reason: String,
    /// When it ends by itself.
    pub until: Timestamp,
}

impl ReplicatedCommand for SilenceAlarms {
    /// Its id: of a repeat that of the first.
    type Outcome = SilenceId;
    const NAME: &'static str = "silence_alarms";

    fn target(&self) -> String {
        format!("silences/{}", self.silence)
    }

    fn level(&self) -> u32 {
        schema::NOTICES
    }

    fn audit_detail(&self) -> Value {
        json!({
            "rule": self.rule,
            "fleet": self.fleet,
            "cluster": self.cluster,
            "reason": self.reason,
            "until": self.until,
        })
    }

    async fn apply(self, cx: &mut ApplyContext<'_>) -> Result<SilenceId, Stop> {
        self.check(cx).await?;
        let by = cx.principal().cloned();
        let by = by.ok_or_else(|| Refusal::invalid("principal", "nobody silences it"))?;
        cx.changed("silences", self.silence);
        cx.insert(silences::Model {
            id: Text(self.silence),
            rule: self.rule.map(Text),
            fleet: self.fleet.map(Text),
            cluster: self.cluster.map(Text),
            reason: self.reason.trim().to_owned(),
            until: Moment(self.until),
            created_by: Text(by),
            created_at: Moment(cx.now()),
            revision: cx.revision().into(),
        })
        .await?;
        cx.activate(TaskName::Alarms);
        Ok(self.silence)
    }
}

impl SilenceAlarms {
    async fn check(&self, cx: &ApplyContext<'_>) -> Result<(), Stop> {
        if row::read::<silences::Entity>(cx.tx(), Text(self.silence))
            .await?
            .is_some()
        {
            return Err(Refusal::already_exists(Noun::Silence, self.silence).into());
        }
        let length = self.reason.trim().chars().count();
        if !(1..=REASON_MAX).contains(&length) {
            let message = format!("say in 1 to {REASON_MAX} characters why nobody is told");
            return Err(Refusal::invalid("reason", message).into());
        }
        let lasts = self.until.duration_since(cx.now());
        if !lasts.is_positive() || lasts > LONGEST {
            let message = "a silence ends within 31 days";
            return Err(Refusal::invalid("until", message).into());
        }
        if let Some(cluster) = &self.cluster
            && cx.resource(Kind::Cluster, cluster).await?.is_none()
        {
            return Err(Refusal::not_found(Noun::Cluster, cluster).into());
        }
        if let Some(fleet) = &self.fleet
            && fleet.as_str() != DEFAULT_FLEET
            && cx.resource(Kind::Fleet, fleet).await?.is_none()
        {
            return Err(Refusal::not_found(Noun::Fleet, fleet).into());
        }
        Ok(())
    }
}
