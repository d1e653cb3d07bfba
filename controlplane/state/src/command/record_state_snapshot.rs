//! Records what became of a snapshot of this state, or what was found of it in
//! its repository.

use holdfast_types::{Failure, Name, Revision, StateSnapshotId};
use jiff::Timestamp;
use sea_orm::EntityTrait;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::ReplicatedCommand;
use crate::column::{Count, Json, Moment, Text};
use crate::context::{ApplyContext, Stop};
use crate::entity::state_snapshots::{Entity, Model};
use crate::entity::word::StateSnapshotState;
use crate::lookup::Lookup;
use crate::state_snapshots::LEVEL;

/// Since level 5. Recording what is known is fine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordStateSnapshot {
    /// The snapshot.
    pub snapshot: StateSnapshotId,
    /// Where it is, or should have been put.
    pub repository: Name,
    /// What became of it.
    pub outcome: StateSnapshotOutcome,
}

/// What became of a snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StateSnapshotOutcome {
    /// Its mark is in the repository.
    Stored {
        /// The last log entry that is in it.
        index: u64,
        /// When it was taken.
        taken_at: Timestamp,
        /// What it takes there.
        stored_bytes: u64,
        /// The node that took it.
        node: String,
    },
    /// It could not be taken.
    Failed(Failure),
    /// It was there, and its mark is there no more.
    Missing(Failure),
}

impl ReplicatedCommand for RecordStateSnapshot {
    type Outcome = Revision;
    const NAME: &'static str = "record_state_snapshot";

    fn target(&self) -> String {
        format!("state-snapshots/{}", self.snapshot)
    }

    fn audit_detail(&self) -> Value {
        json!({"repository": self.repository})
    }

    fn level(&self) -> u32 {
        LEVEL
    }

    async fn apply(self, cx: &mut ApplyContext<'_>) -> Result<Revision, Stop> {
        let id = Text(self.snapshot);
        let known = Entity::find_by_id(id).only(cx.tx()).await?;
        let state = known.as_ref().map(|known| known.state.0);
        let Some(row) = next(cx, self, known) else {
            return Ok(cx.revision());
        };
        if state == Some(row.state.0) && state == Some(StateSnapshotState::Available) {
            return Ok(cx.revision());
        }
        cx.put(row).await?;
        cx.changed("state-snapshots", id.0);
        Ok(cx.revision())
    }
}

/// The row as it is from now on; `None` when it stays as it is. What is
/// condemned never comes back (I-06), and a late failure takes nothing back
/// from what is there (I-14).
fn next(cx: &ApplyContext<'_>, told: RecordStateSnapshot, known: Option<Model>) -> Option<Model> {
    use StateSnapshotState::{Available, Condemned};

    let state = known.as_ref().map(|known| known.state.0);
    if state == Some(Condemned) {
        return None;
    }
    let row = known.unwrap_or(Model {
        id: Text(told.snapshot),
        repository: Text(told.repository),
        state: Text(StateSnapshotState::Requested),
        requested_at: Moment(cx.now()),
        log_index: None,
        taken_at: None,
        stored_bytes: None,
        node: None,
        failure: None,
        revision: cx.revision().into(),
    });
    let row = Model {
        revision: cx.revision().into(),
        ..row
    };
    let failed = |row: Model, failure| Model {
        state: Text(StateSnapshotState::Failed),
        failure: Some(Json(failure)),
        ..row
    };
    match told.outcome {
        StateSnapshotOutcome::Stored {
            index,
            taken_at,
            stored_bytes,
            node,
        } => Some(Model {
            state: Text(Available),
            requested_at: Moment(row.requested_at.0.min(taken_at)),
            log_index: Some(Count(index)),
            taken_at: Some(Moment(taken_at)),
            stored_bytes: Some(Count(stored_bytes)),
            node: Some(node),
            failure: None,
            ..row
        }),
        StateSnapshotOutcome::Failed(_) if state == Some(Available) => None,
        StateSnapshotOutcome::Failed(failure) | StateSnapshotOutcome::Missing(failure) => {
            Some(failed(row, failure))
        }
    }
}
