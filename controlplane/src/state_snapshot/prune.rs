//! Deleting what is condemned.

use std::collections::BTreeMap;

use holdfast_consensus::{ProposeContext, StateView};
use holdfast_state::command::ForgetStateSnapshots;
use holdfast_state::query::{StateSnapshotState, StateSnapshotView};
use holdfast_types::{Name, StateSnapshotId};

use super::open::{Absent, failure_of, open};
use crate::app::App;
use crate::app::error::Result;

/// Deletes the snapshots that the rows of `view`, which a quorum has confirmed
/// (I-04), say are condemned (I-06), and forgets those that are gone. What
/// cannot be deleted now is tried again by the next activation.
pub(crate) async fn delete_condemned(
    app: &App,
    view: &StateView,
    rows: &[StateSnapshotView],
) -> Result<u64> {
    let mut condemned: BTreeMap<&Name, Vec<StateSnapshotId>> = BTreeMap::new();
    for row in rows {
        if row.state == StateSnapshotState::Condemned {
            condemned.entry(&row.repository).or_default().push(row.id);
        }
    }
    let mut forgotten = 0;
    for (name, ids) in condemned {
        let opened = match open(app, view, name, Absent::Refuse).await {
            Ok(opened) => opened,
            Err(failure) => {
                tracing::warn!(repository = %name, "nothing is deleted: {}", failure.message);
                continue;
            }
        };
        let snapshots = opened.state_snapshots(app.authority.control_plane());
        let mut gone = Vec::new();
        for id in ids {
            match snapshots.delete(id).await {
                Ok(()) => gone.push(id),
                Err(error) => {
                    let failure = failure_of(&error);
                    tracing::warn!(snapshot = %id, "it is not deleted: {}", failure.message);
                }
            }
        }
        if !gone.is_empty() {
            let command = ForgetStateSnapshots { snapshots: gone };
            forgotten += app.propose_as(ProposeContext::internal(), command).await?;
        }
    }
    Ok(forgotten)
}
