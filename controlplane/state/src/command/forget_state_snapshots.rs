//! Forgets snapshots of this state that were condemned, and of which nothing is
//! in the repository any more.

use holdfast_types::StateSnapshotId;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::ReplicatedCommand;
use crate::column::Text;
use crate::context::{ApplyContext, Stop};
use crate::state_snapshots::LEVEL;

/// Since level 5. What is not condemned stays.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ForgetStateSnapshots {
    /// Which.
    pub snapshots: Vec<StateSnapshotId>,
}

impl ReplicatedCommand for ForgetStateSnapshots {
    /// How many are forgotten.
    type Outcome = u64;
    const NAME: &'static str = "forget_state_snapshots";

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
        let mut forgotten = 0;
        for id in self.snapshots {
            let sql = "DELETE FROM state_snapshots WHERE id = ? AND state = 'condemned'";
            let deleted = cx.execute(sql, [Text(id).into()]).await?;
            if deleted > 0 {
                cx.changed("state-snapshots", id);
            }
            forgotten += deleted;
        }
        Ok(forgotten)
    }
}
