//! Decides that WAL is deleted (I-06). From then on it counts for nothing: it is
//! cut out of what is recorded, and nobody who remembers having stored it brings
//! it back.

use holdfast_types::{Coverage, Lineage, LsnRange, Name};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::ReplicatedCommand;
use super::begin_deletion::DeletableWal;
use super::condemn_backups::Basis;
use crate::column::{Count, Moment, Position, Text};
use crate::context::{ApplyContext, Stop};
use crate::entity::condemned_wal;
use crate::entity::word::Deletion;
use crate::{TaskName, expiry, facts, schema, wal};

/// Since level 15. Condemning again is fine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CondemnWal {
    /// Whose WAL.
    pub cluster: Name,
    /// Where.
    pub repository: Name,
    /// Its lineage.
    pub lineage: Lineage,
    /// Which.
    pub timelines: Vec<DeletableWal>,
    /// What was planned on.
    pub basis: Basis,
    /// How long nothing of it is deleted.
    pub grace_millis: u64,
}

impl ReplicatedCommand for CondemnWal {
    /// How many bytes of WAL.
    type Outcome = u64;
    const NAME: &'static str = "condemn_wal";

    fn target(&self) -> String {
        format!("clusters/{}", self.cluster)
    }

    fn audit_detail(&self) -> Value {
        json!({
            "repository": self.repository, "lineage": self.lineage, "timelines": self.timelines,
        })
    }

    fn level(&self) -> u32 {
        schema::EXPIRY
    }

    async fn apply(self, cx: &mut ApplyContext<'_>) -> Result<u64, Stop> {
        expiry::refuse_blind(cx).await?;
        let after = expiry::delete_after(cx, self.grace_millis)?;
        self.basis.check(cx).await?;
        let place = wal::Place {
            cluster: self.cluster.clone(),
            repository: self.repository,
            lineage: self.lineage,
        };
        for timeline in &self.timelines {
            timeline.refuse_absurd()?;
            for range in &timeline.ranges {
                expiry::refuse_needed(cx, &place, *range).await?;
            }
        }
        let mut bytes = 0;
        for DeletableWal { timeline, ranges } in self.timelines {
            let before = expiry::gone(cx, &place, timeline).await?;
            let held = wal::coverage(cx.tx(), &place, timeline).await?;
            let cut = wal::cut(cx, &place, timeline, &held, &ranges).await?;
            bytes += cut.ranges().iter().map(|range| range.bytes()).sum::<u64>();
            wal::forget_gaps(cx, &place, timeline, &ranges).await?;
            // Holes as well: what comes late for one is needed by nobody either.
            for range in coverage(&ranges).ranges() {
                for new in before.gaps(*range) {
                    put(cx, &place, timeline.into(), new, after).await?;
                }
            }
        }
        facts::holes(cx, &place).await?;
        if bytes > 0 {
            cx.changed("exposure", &self.cluster);
            cx.activate(TaskName::Exposure);
            cx.activate(TaskName::Expiry);
        }
        Ok(bytes)
    }
}

async fn put(
    cx: &ApplyContext<'_>,
    place: &wal::Place,
    timeline: Count,
    range: LsnRange,
    after: jiff::Timestamp,
) -> Result<(), Stop> {
    cx.insert(condemned_wal::Model {
        cluster: Text(place.cluster.clone()),
        repository: Text(place.repository.clone()),
        lineage: Text(place.lineage),
        timeline,
        from_lsn: Position(range.from_lsn),
        to_lsn: Position(range.to_lsn),
        state: Text(Deletion::Condemned),
        condemned_at: Moment(cx.now()),
        delete_after: Moment(after),
    })
    .await?;
    Ok(())
}

/// Ranges as coverage.
pub(super) fn coverage(ranges: &[LsnRange]) -> Coverage {
    ranges.iter().copied().collect()
}
