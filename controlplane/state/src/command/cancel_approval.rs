//! Takes a request for approval back.

use holdfast_types::ApprovalId;
use serde::{Deserialize, Serialize};

use super::ReplicatedCommand;
use super::vote_approval::open;
use crate::column::{Moment, Text};
use crate::context::{ApplyContext, Stop};
use crate::entity::approvals;
use crate::entity::word::ApprovalState;
use crate::schema;

/// Since the level at which there are roles. Whoever may cancel it is asked
/// before it is proposed: taking back never does any harm.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CancelApproval {
    /// The request.
    pub approval: ApprovalId,
}

impl ReplicatedCommand for CancelApproval {
    type Outcome = ();
    const NAME: &'static str = "cancel_approval";

    fn target(&self) -> String {
        format!("approvals/{}", self.approval)
    }

    fn level(&self) -> u32 {
        schema::ACCESS
    }

    async fn apply(self, cx: &mut ApplyContext<'_>) -> Result<(), Stop> {
        let request = open(cx, self.approval).await?;
        cx.changed("approvals", self.approval);
        cx.put(approvals::Model {
            state: Text(ApprovalState::Cancelled),
            decided_at: Some(Moment(cx.now())),
            revision: cx.revision().into(),
            ..request
        })
        .await?;
        Ok(())
    }
}
