//! Begins to delete what was condemned long enough: from now on objects of it may
//! be gone (I-06). Committing this is the proof of a quorum at this moment (I-04).

use holdfast_types::{BackupId, Lineage, LsnRange, Name, Timeline};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::ReplicatedCommand;
use super::condemn_wal::coverage;
use crate::column::Text;
use crate::context::{ApplyContext, Stop};
use crate::entity::word::Deletion;
use crate::entity::{condemned, condemned_wal};
use crate::refusal::Refusal;
use crate::wal::{self, refuse_absurd};
use crate::{expiry, schema};

/// Since level 15. What is not condemned, or not for long enough, is passed over;
/// while a restore of the cluster is under way nothing is begun.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BeginDeletion {
    /// Where.
    pub repository: Name,
    /// Of which cluster.
    pub cluster: Name,
    /// Of which lineage.
    pub lineage: Lineage,
    /// Backups, and what attempts left.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub backups: Vec<BackupId>,
    /// WAL.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub wal: Vec<DeletableWal>,
}

/// WAL of one timeline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeletableWal {
    /// The timeline.
    pub timeline: Timeline,
    /// Ranges of it.
    pub ranges: Vec<LsnRange>,
}

impl DeletableWal {
    pub(super) fn refuse_absurd(&self) -> Result<(), Refusal> {
        for range in &self.ranges {
            refuse_absurd("timelines.ranges", range.to_lsn)?;
            if range.from_lsn >= range.to_lsn {
                let message = format!("from {} to {} is nothing", range.from_lsn, range.to_lsn);
                return Err(Refusal::invalid("timelines.ranges", message));
            }
        }
        Ok(())
    }
}

/// What may be deleted.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Deletable {
    /// Backups, and what attempts left.
    pub backups: Vec<BackupId>,
    /// WAL.
    pub wal: Vec<DeletableWal>,
}

impl ReplicatedCommand for BeginDeletion {
    /// What of it may be deleted.
    type Outcome = Deletable;
    const NAME: &'static str = "begin_deletion";

    fn target(&self) -> String {
        format!("repositories/{}", self.repository)
    }

    fn audit_detail(&self) -> Value {
        json!({"cluster": self.cluster, "backups": self.backups, "wal": self.wal})
    }

    fn level(&self) -> u32 {
        schema::EXPIRY
    }

    async fn apply(self, cx: &mut ApplyContext<'_>) -> Result<Deletable, Stop> {
        let mut begun = Deletable::default();
        if expiry::is_restored_from(cx, &self.cluster).await? {
            return Ok(begun);
        }
        for backup in self.backups {
            let Some(row) = expiry::row_of(cx, backup, &self.repository).await? else {
                continue;
            };
            let due = row.delete_after.0 <= cx.now();
            match row.state.0 {
                Deletion::Condemned if due => {
                    let state = Text(Deletion::Deleting);
                    cx.put(condemned::Model { state, ..row }).await?;
                }
                // Begun before: it goes on.
                Deletion::Deleting => {}
                Deletion::Condemned | Deletion::Deleted => continue,
            }
            begun.backups.push(backup);
        }
        let place = wal::Place {
            cluster: self.cluster,
            repository: self.repository,
            lineage: self.lineage,
        };
        for DeletableWal { timeline, ranges } in self.wal {
            let wanted = coverage(&ranges);
            let mut found = Vec::new();
            for row in expiry::condemned_wal(cx.tx(), &place, timeline, None).await? {
                let Some(range) = LsnRange::new(row.from_lsn.0, row.to_lsn.0) else {
                    continue;
                };
                let due = row.delete_after.0 <= cx.now();
                match row.state.0 {
                    _ if !wanted.covers(range) => continue,
                    Deletion::Condemned if due => {
                        let state = Text(Deletion::Deleting);
                        cx.put(condemned_wal::Model { state, ..row }).await?;
                    }
                    Deletion::Deleting => {}
                    Deletion::Condemned | Deletion::Deleted => continue,
                }
                found.push(range);
            }
            if !found.is_empty() {
                let ranges = coverage(&found).ranges().to_vec();
                begun.wal.push(DeletableWal { timeline, ranges });
            }
        }
        Ok(begun)
    }
}
