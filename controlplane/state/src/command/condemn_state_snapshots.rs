//! Decides that snapshots of this state are deleted. It is the only licence to
//! delete one (I-06), given by a quorum (I-04), and never for the newest that
//! can be restored from.

use holdfast_types::StateSnapshotId;
use sea_orm::EntityTrait;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::ReplicatedCommand;
use crate::column::Text;
use crate::context::{ApplyContext, Stop};
use crate::entity::state_snapshots::{Entity, Model};
use crate::entity::word::StateSnapshotState;
use crate::lookup::Lookup;
use crate::state_snapshots::{LEVEL, newest};
use crate::{Noun, Refusal, TaskName};

/// Since level 5. All of them or none; condemning again is fine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CondemnStateSnapshots {
    /// Which.
    pub snapshots: Vec<StateSnapshotId>,
}

impl ReplicatedCommand for CondemnStateSnapshots {
    /// How many are condemned that were not.
    type Outcome = u64;
    const NAME: &'static str = "condemn_state_snapshots";

    fn target(&self) -> String {
        "state-snapshots".to_owned()
    }

    fn audit_detail(&self) -> Value {
        json!({"snapshots": self.snapshots})
    }

    fn level(&self) -> u32 {
        LEVEL
    }

    async fn apply(self, cx: &mut ApplyContext<'_>) -> Result<u64, Stop> {
        let mut rows = Vec::new();
        for id in self.snapshots {
            let row = Entity::find_by_id(Text(id)).only(cx.tx()).await?;
            let row = row.ok_or_else(|| Refusal::not_found(Noun::StateSnapshot, id))?;
            match row.state.0 {
                StateSnapshotState::Condemned => continue,
                StateSnapshotState::Requested => {
                    let message = format!("{id} may be under way");
                    return Err(Refusal::invalid("snapshots", message).into());
                }
                StateSnapshotState::Available | StateSnapshotState::Failed => {}
            }
            let newest = newest(cx.tx(), &row.repository).await?;
            if newest.is_some_and(|newest| newest.id == row.id) {
                let message = format!("{id} is the newest of its repository");
                return Err(Refusal::invalid("snapshots", message).into());
            }
            rows.push(row);
        }
        let mut condemned = 0;
        for row in rows {
            cx.changed("state-snapshots", row.id.0);
            cx.put(Model {
                state: Text(StateSnapshotState::Condemned),
                revision: cx.revision().into(),
                ..row
            })
            .await?;
            condemned += 1;
        }
        cx.activate(TaskName::StateSnapshots);
        Ok(condemned)
    }
}
