//! What only the leader can say and do about the group.

use std::time::Duration;

use holdfast_consensus::{CallFault, MembershipChange, MembershipError, NodeId};

use super::{LEAD, PREVIEW, PeerError, ask_leader};
use crate::app::{App, QuorumView};

const PATIENCE: Duration = Duration::from_secs(10);

/// What removing a node would leave, asked of the leader.
pub(crate) async fn preview(app: &App, node: u64) -> Result<QuorumView, PeerError> {
    ask_leader(app, PREVIEW, &node, PATIENCE).await
}

/// Has the leader make a node lead.
pub(crate) async fn lead(app: &App, node: u64) -> Result<(), PeerError> {
    ask_leader(app, LEAD, &node, PATIENCE).await
}

pub(super) fn previewed(app: &App, node: u64) -> Result<QuorumView, CallFault> {
    let id = NodeId(node);
    let status = app.node.status();
    if !status.members.iter().any(|member| member.id == id) {
        // One that never took part: without it all stays as it is.
        let voters = status.members.iter().filter(|member| member.voter);
        let voters: Vec<u64> = voters.map(|member| member.id.0).collect();
        return Ok(QuorumView {
            needed: voters.len() as u64 / 2 + 1,
            reachable: voters.clone(),
            voters_after: voters.clone(),
            voters_now: voters,
            keeps_quorum: true,
        });
    }
    let change = MembershipChange::Remove(id);
    let preview = app.node.quorum_preview(&change).map_err(fault)?;
    let numbers = |ids: &std::collections::BTreeSet<NodeId>| ids.iter().map(|id| id.0).collect();
    Ok(QuorumView {
        voters_now: numbers(&preview.voters_now),
        voters_after: numbers(&preview.voters_after),
        needed: preview.needed as u64,
        reachable: numbers(&preview.reachable),
        keeps_quorum: preview.keeps_quorum(),
    })
}

/// Hands the leadership over, and waits until it has moved.
pub(super) async fn hand_over(app: &App, node: u64) -> Result<(), CallFault> {
    let id = NodeId(node);
    app.node.transfer_leadership(id).await.map_err(fault)?;
    let mut leader = app.node.leader();
    let moved = leader.wait_for(|leader| leader.as_ref().is_some_and(|leader| leader.id == id));
    match tokio::time::timeout(PATIENCE / 2, moved).await {
        Ok(Ok(_)) => Ok(()),
        _ => Err(CallFault::failed(
            "no_leader",
            "the leadership has not moved in time; look who leads and try again",
        )),
    }
}

fn fault(error: MembershipError) -> CallFault {
    CallFault::failed(error.code(), error.to_string())
}
