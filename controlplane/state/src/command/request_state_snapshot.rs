//! Asks for a snapshot of this state. The leader takes it; a new leader takes
//! it when the old one could not.

use holdfast_types::resource::Kind;
use holdfast_types::{Name, StateSnapshotId};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::ReplicatedCommand;
use crate::column::{Moment, Text};
use crate::context::{ApplyContext, Stop};
use crate::entity::state_snapshots::{Column, Entity, Model};
use crate::entity::word::StateSnapshotState;
use crate::state_snapshots::LEVEL;
use crate::{Noun, Refusal, TaskName};

/// Since level 5. One that nobody has begun yet answers for all who ask.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequestStateSnapshot {
    /// Its id.
    pub snapshot: StateSnapshotId,
    /// Into which repository.
    pub repository: Name,
}

impl ReplicatedCommand for RequestStateSnapshot {
    /// The snapshot that answers the request.
    type Outcome = StateSnapshotId;
    const NAME: &'static str = "request_state_snapshot";

    fn target(&self) -> String {
        format!("state-snapshots/{}", self.snapshot)
    }

    fn audit_detail(&self) -> Value {
        json!({"repository": self.repository})
    }

    fn level(&self) -> u32 {
        LEVEL
    }

    async fn apply(self, cx: &mut ApplyContext<'_>) -> Result<StateSnapshotId, Stop> {
        let declared = cx.resource(Kind::Repository, &self.repository).await?;
        if declared.is_none() {
            return Err(Refusal::not_found(Noun::Repository, self.repository).into());
        }
        let repository = Text(self.repository);
        let waiting = Entity::find()
            .filter(Column::Repository.eq(repository.clone()))
            .filter(Column::State.eq(Text(StateSnapshotState::Requested)))
            .order_by_asc(Column::Id)
            .all(cx.tx())
            .await?;
        if let Some(waiting) = waiting.first() {
            cx.activate(TaskName::StateSnapshots);
            return Ok(waiting.id.0);
        }
        let id = Text(self.snapshot);
        let taken = "SELECT 1 FROM state_snapshots WHERE id = ?";
        if cx.exists(taken, [id.into()]).await? {
            return Err(Refusal::already_exists(Noun::StateSnapshot, self.snapshot).into());
        }
        cx.insert(Model {
            id,
            repository,
            state: Text(StateSnapshotState::Requested),
            requested_at: Moment(cx.now()),
            log_index: None,
            taken_at: None,
            stored_bytes: None,
            node: None,
            failure: None,
            revision: cx.revision().into(),
        })
        .await?;
        cx.changed("state-snapshots", self.snapshot);
        cx.activate(TaskName::StateSnapshots);
        Ok(self.snapshot)
    }
}
