//! Excuses a cluster from its RPO for a while. Nobody excuses himself: another person
//! has to consent, whatever policies say.

use holdfast_compliance::Exemption;
use holdfast_types::resource::Kind;
use holdfast_types::{ExemptionId, Name, Revision};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::ReplicatedCommand;
use super::consent::{Need, demand};
use crate::column::{Json, Moment, Text};
use crate::context::{ApplyContext, Stop};
use crate::entity::exemptions;
use crate::{Noun, Refusal, StateError, facts, row, schema};

/// A reason is read by people, not a file.
const REASON_MAX: usize = 500;
/// What is to be excused for longer is another promise.
const LONGEST: SignedDuration = SignedDuration::from_hours(366 * 24);

/// Since level 23.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GrantExemption {
    /// Its id.
    pub exemption: ExemptionId,
    /// Which cluster.
    pub cluster: Name,
    /// When it ends by itself.
    pub until: Timestamp,
    /// Why.
    pub reason: String,
}

impl ReplicatedCommand for GrantExemption {
    type Outcome = Revision;
    const NAME: &'static str = "grant_exemption";

    fn target(&self) -> String {
        format!("exemptions/{}", self.exemption)
    }

    fn audit_detail(&self) -> Value {
        json!({"cluster": self.cluster, "until": self.until, "reason": self.reason})
    }

    fn level(&self) -> u32 {
        schema::COMPLIANCE
    }

    async fn apply(self, cx: &mut ApplyContext<'_>) -> Result<Revision, Stop> {
        self.check(cx).await?;
        demand(cx, &self.need())?;
        let by = cx.principal().cloned();
        let by = by.ok_or_else(|| StateError::corrupt("an exemption was asked for by nobody"))?;
        let approvers = cx.approvers().to_vec();
        let names: Vec<String> = approvers.iter().map(ToString::to_string).collect();
        let granted = Exemption {
            id: self.exemption,
            until: Moment::truncate(self.until),
            reason: self.reason.clone(),
            approved_by: names.join(", "),
        };
        facts::exempted(cx, &self.cluster, granted).await?;
        cx.changed("exemptions", self.exemption);
        cx.changed("exposure", &self.cluster);
        cx.insert(exemptions::Model {
            id: Text(self.exemption),
            cluster: Text(self.cluster),
            reason: self.reason,
            requested_by: Text(by),
            approved_by: Json(approvers),
            granted_at: Moment(cx.now()),
            until: Moment(self.until),
            ended_at: None,
            ended_by: None,
            revision: cx.revision().into(),
        })
        .await?;
        Ok(cx.revision())
    }
}

impl GrantExemption {
    /// Who must consent: one other, always.
    pub(super) fn need(&self) -> Need {
        Need {
            needed: 1,
            because: vec![format!(
                "an exemption of \"{}\" takes the consent of another person",
                self.cluster
            )],
            clusters: Some([self.cluster.clone()].into()),
        }
    }

    /// Refuses what could not be granted, before anybody is asked.
    pub(super) async fn check(&self, cx: &ApplyContext<'_>) -> Result<(), Stop> {
        if cx.resource(Kind::Cluster, &self.cluster).await?.is_none() {
            return Err(Refusal::not_found(Noun::Cluster, &self.cluster).into());
        }
        let known = row::read::<exemptions::Entity>(cx.tx(), Text(self.exemption)).await?;
        if known.is_some() {
            return Err(Refusal::already_exists(Noun::Exemption, self.exemption).into());
        }
        let reason = self.reason.trim();
        if reason.is_empty() || reason.chars().count() > REASON_MAX {
            let message = format!("a reason has 1 to {REASON_MAX} characters");
            return Err(Refusal::invalid("reason", message).into());
        }
        let length = self.until.duration_since(cx.now());
        if !length.is_positive() || length > LONGEST {
            let message = "an exemption ends after now and within a year";
            return Err(Refusal::invalid("until", message).into());
        }
        Ok(())
    }
}
