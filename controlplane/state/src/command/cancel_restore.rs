//! Ends a restore: at once while nobody works on it, else by its agent. What was restored
//! is there, and stays.

use holdfast_types::RestoreId;
use holdfast_types::restoring::RestoreState;
use serde::{Deserialize, Serialize};

use super::ReplicatedCommand;
use super::request_cancel::cancel;
use crate::column::{Moment, Text};
use crate::context::{ApplyContext, Stop};
use crate::entity::approvals;
use crate::entity::word::ApprovalState;
use crate::restores::{advance, found, job_of};
use crate::{Refusal, row, schema};

/// Since the level at which restores are rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CancelRestore {
    /// The restore.
    pub restore: RestoreId,
}

impl ReplicatedCommand for CancelRestore {
    /// Where it is now.
    type Outcome = RestoreState;
    const NAME: &'static str = "cancel_restore";

    fn target(&self) -> String {
        format!("restores/{}", self.restore)
    }

    fn level(&self) -> u32 {
        schema::RESTORES
    }

    async fn apply(self, cx: &mut ApplyContext<'_>) -> Result<RestoreState, Stop> {
        let restore = found(cx, self.restore).await?;
        let state = restore.state.0;
        match state {
            RestoreState::Planned | RestoreState::AwaitingApproval => {
                if let Some(approval) = restore.approval {
                    take_back(cx, approval).await?;
                }
                advance(cx, restore, RestoreState::Cancelled).await?;
                Ok(RestoreState::Cancelled)
            }
            RestoreState::Placing | RestoreState::Running => {
                let job = cx.open_job(job_of(self.restore)).await?;
                cancel(cx, job).await?;
                Ok(state)
            }
            RestoreState::Validating
            | RestoreState::HandingOver
            | RestoreState::Done
            | RestoreState::Failed
            | RestoreState::Cancelled
            | RestoreState::Expired
            | RestoreState::Rejected => {
                let restore = self.restore;
                Err(Refusal::RestoreState { restore, state }.into())
            }
        }
    }
}

/// Nobody has to consent any more.
async fn take_back(
    cx: &mut ApplyContext<'_>,
    approval: Text<holdfast_types::ApprovalId>,
) -> Result<(), Stop> {
    let request = row::read::<approvals::Entity>(cx.tx(), approval).await?;
    let Some(request) = request.filter(|row| row.state.0 == ApprovalState::Pending) else {
        return Ok(());
    };
    cx.changed("approvals", request.id.0);
    cx.put(approvals::Model {
        state: Text(ApprovalState::Cancelled),
        decided_at: Some(Moment(cx.now())),
        revision: cx.revision().into(),
        ..request
    })
    .await?;
    Ok(())
}
