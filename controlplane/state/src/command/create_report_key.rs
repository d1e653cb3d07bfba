//! Gives the control plane a key that signs reports, with a certificate of its CA.

use sea_orm::{EntityTrait, QueryOrder, QuerySelect};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::ReplicatedCommand;
use crate::column::{Bytes, Moment};
use crate::context::{ApplyContext, Stop};
use crate::entity::report_keys;
use crate::{Sealed, schema};

/// Since level 26. Where there is a key already, that one stays.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreateReportKey {
    /// Its id: the serial number of the certificate.
    pub id: String,
    /// The certificate, PEM.
    pub certificate: String,
    /// The key, sealed.
    pub sealed: Sealed,
}

impl ReplicatedCommand for CreateReportKey {
    /// The id of the key that signs.
    type Outcome = String;
    const NAME: &'static str = "create_report_key";

    fn target(&self) -> String {
        format!("report-keys/{}", self.id)
    }

    fn audit_detail(&self) -> Value {
        json!({"certificate": self.certificate})
    }

    fn level(&self) -> u32 {
        schema::REPORTS
    }

    async fn apply(self, cx: &mut ApplyContext<'_>) -> Result<String, Stop> {
        // Two nodes may have made one at the same time: all sign with the first.
        let known = report_keys::Entity::find()
            .order_by_asc(report_keys::Column::CreatedAt)
            .order_by_asc(report_keys::Column::Id)
            .limit(1)
            .all(cx.tx())
            .await?;
        if let Some(known) = known.into_iter().next() {
            return Ok(known.id);
        }
        cx.insert(report_keys::Model {
            id: self.id.clone(),
            certificate: self.certificate,
            sealed: Bytes(self.sealed),
            created_at: Moment(cx.now()),
        })
        .await?;
        Ok(self.id)
    }
}
