//! Ends an exemption before its time. That makes nothing weaker, so nobody else has to
//! consent.

use holdfast_types::{ExemptionId, Revision};
use serde::{Deserialize, Serialize};

use super::ReplicatedCommand;
use crate::column::{Moment, Text};
use crate::context::{ApplyContext, Stop};
use crate::entity::exemptions;
use crate::{Noun, Refusal, facts, row, schema};

/// Since level 23. Ending again, or what is over, changes nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EndExemption {
    /// Which.
    pub exemption: ExemptionId,
}

impl ReplicatedCommand for EndExemption {
    type Outcome = Revision;
    const NAME: &'static str = "end_exemption";

    fn target(&self) -> String {
        format!("exemptions/{}", self.exemption)
    }

    fn level(&self) -> u32 {
        schema::COMPLIANCE
    }

    async fn apply(self, cx: &mut ApplyContext<'_>) -> Result<Revision, Stop> {
        let key = Text(self.exemption);
        let found = row::read::<exemptions::Entity>(cx.tx(), key).await?;
        let found = found.ok_or_else(|| Refusal::not_found(Noun::Exemption, self.exemption))?;
        if found.ended_at.is_some() || found.until.0 <= cx.now() {
            return Ok(found.revision.into());
        }
        let cluster = found.cluster.0.clone();
        facts::exemption_ended(cx, &cluster, self.exemption).await?;
        cx.changed("exemptions", self.exemption);
        cx.changed("exposure", &cluster);
        cx.put(exemptions::Model {
            ended_at: Some(Moment(cx.now())),
            ended_by: cx.principal().cloned().map(Text),
            revision: cx.revision().into(),
            ..found
        })
        .await?;
        Ok(cx.revision())
    }
}
