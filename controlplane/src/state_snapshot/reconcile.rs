//! Bringing the rows to what the repository holds: a state that was restored
//! does not know the snapshots that were taken since, and somebody may have
//! deleted one.

use holdfast_consensus::ProposeContext;
use holdfast_repo::Repository;
use holdfast_state::command::{RecordStateSnapshot, StateSnapshotOutcome};
use holdfast_state::query::{self, StateSnapshotState};
use holdfast_types::{Failure, Name, StateSnapshotId};

use super::open::failure_of;
use super::take::stored;
use crate::app::App;
use crate::app::error::Result;

/// Looks at what is there, and records what differs.
pub(super) async fn reconcile(app: &App, opened: &Repository, name: &Name) -> Result<()> {
    let snapshots = opened.state_snapshots(app.authority.control_plane());
    let listed = match snapshots.list().await {
        Ok(listed) => listed,
        Err(error) => {
            let failure = failure_of(&error);
            tracing::warn!(repository = %name, "its snapshots cannot be listed: {}", failure.message);
            return Ok(());
        }
    };
    let view = app.node.read().await?;
    let rows = query::state_snapshots(view.connection()).await?;
    for id in &listed {
        let known = rows.iter().find(|row| row.id == *id);
        let settled = known.is_some_and(|row| row.state != StateSnapshotState::Failed);
        if settled {
            continue;
        }
        match snapshots.mark(*id).await {
            Ok(mark) => record(app, *id, name, stored(&mark)).await?,
            Err(error) => {
                let failure = failure_of(&error);
                tracing::warn!(snapshot = %id, "it cannot be restored from: {}", failure.message);
                // Shown, and never taken for one that can be restored from.
                if known.is_none() {
                    record(app, *id, name, StateSnapshotOutcome::Failed(failure)).await?;
                }
            }
        }
    }
    let here = |row: &&query::StateSnapshotView| {
        row.repository == *name && row.state == StateSnapshotState::Available
    };
    for row in rows.iter().filter(here) {
        if !listed.contains(&row.id) {
            let message = format!("the mark of {} is in \"{name}\" no more", row.id);
            let hint = "somebody deleted it outside Holdfast: find out who may write there";
            let failure = Failure::permanent("repository_object_missing", message, hint);
            tracing::error!(snapshot = %row.id, repository = %name, "a snapshot is missing");
            record(app, row.id, name, StateSnapshotOutcome::Missing(failure)).await?;
        }
    }
    Ok(())
}

async fn record(
    app: &App,
    snapshot: StateSnapshotId,
    repository: &Name,
    outcome: StateSnapshotOutcome,
) -> Result<()> {
    let command = RecordStateSnapshot {
        snapshot,
        repository: repository.clone(),
        outcome,
    };
    app.propose_as(ProposeContext::internal(), command).await?;
    Ok(())
}
