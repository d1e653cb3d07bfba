//! Records what came out when a report was made: who made it and its hash are in the
//! audit log.

use holdfast_types::ReportId;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::ReplicatedCommand;
use crate::column::{Bytes, Text};
use crate::context::{ApplyContext, Stop};
use crate::entity::reports;
use crate::{Digest, Noun, Refusal, row, schema};

/// Since level 26.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SealReport {
    /// The report.
    pub report: ReportId,
    /// What it was written as.
    pub format: String,
    /// SHA-256 of its body.
    pub body: Digest,
    /// SHA-256 of the document that was signed.
    pub document: Digest,
}

impl ReplicatedCommand for SealReport {
    type Outcome = ();
    const NAME: &'static str = "seal_report";

    fn target(&self) -> String {
        format!("reports/{}", self.report)
    }

    fn audit_detail(&self) -> Value {
        json!({
            "format": self.format,
            "bodySha256": self.body,
            "documentSha256": self.document,
        })
    }

    fn level(&self) -> u32 {
        schema::REPORTS
    }

    async fn apply(self, cx: &mut ApplyContext<'_>) -> Result<(), Stop> {
        let known = row::read::<reports::Entity>(cx.tx(), Text(self.report)).await?;
        let known = known.ok_or_else(|| Refusal::not_found(Noun::Report, self.report))?;
        // The same report is the same bytes: what was said of it is not said anew.
        if let Some(before) = &known.body_hash {
            return if before.0 == self.body {
                Ok(())
            } else {
                Err(Refusal::invalid("body", "the report had another body before").into())
            };
        }
        cx.changed("reports", self.report);
        cx.put(reports::Model {
            body_hash: Some(Bytes(self.body)),
            revision: cx.revision().into(),
            ..known
        })
        .await?;
        Ok(())
    }
}
