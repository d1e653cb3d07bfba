//! What comparing a repository with the catalog found of WAL: what is there
//! and was not known, and what was known and is there no more.
//!
//! WAL that is lost counts no longer (I-05, I-13): its range is cut out of what
//! is recorded, and a gap stands in its place until a later comparison finds
//! it again. Its receiver, who remembers having stored it, does not bring it
//! back.

use holdfast_types::resource::Kind;
use holdfast_types::{Coverage, Lineage, LsnRange, Name, Timeline};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::ReplicatedCommand;
use super::record_wal::TimelineWal;
use crate::context::{ApplyContext, Stop};
use crate::schema::REBUILDS;
use crate::{Noun, Refusal, TaskName, facts, wal};

/// Since level 7. Recording the same again changes nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordFoundWal {
    /// Whose WAL.
    pub cluster: Name,
    /// Where.
    pub repository: Name,
    /// Its lineage.
    pub lineage: Lineage,
    /// By timeline.
    pub timelines: Vec<FoundWal>,
}

/// WAL of one timeline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FoundWal {
    /// The timeline.
    pub timeline: Timeline,
    /// What is there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub found: Vec<LsnRange>,
    /// What is not there any more.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lost: Vec<LsnRange>,
}

/// By how much the catalog changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FoundWalOutcome {
    /// Bytes of WAL that count now.
    pub added_bytes: u64,
    /// Bytes of WAL that count no longer.
    pub lost_bytes: u64,
}

impl ReplicatedCommand for RecordFoundWal {
    type Outcome = FoundWalOutcome;
    const NAME: &'static str = "record_found_wal";

    fn target(&self) -> String {
        format!("clusters/{}", self.cluster)
    }

    fn audit_detail(&self) -> Value {
        json!({"repository": self.repository, "lineage": self.lineage})
    }

    fn level(&self) -> u32 {
        REBUILDS
    }

    async fn apply(self, cx: &mut ApplyContext<'_>) -> Result<FoundWalOutcome, Stop> {
        for (kind, noun, name) in [
            (Kind::Cluster, Noun::Cluster, &self.cluster),
            (Kind::Repository, Noun::Repository, &self.repository),
        ] {
            if cx.resource(kind, name).await?.is_none() {
                return Err(Refusal::not_found(noun, name).into());
            }
        }
        for timeline in &self.timelines {
            wal::refuse_absurd_timeline(&of(timeline.timeline, &timeline.found))?;
            wal::refuse_absurd_timeline(&of(timeline.timeline, &timeline.lost))?;
        }
        let place = wal::Place {
            cluster: self.cluster.clone(),
            repository: self.repository,
            lineage: self.lineage,
        };
        let mut outcome = FoundWalOutcome::default();
        for FoundWal {
            timeline,
            found,
            lost,
        } in self.timelines
        {
            let before = wal::coverage(cx.tx(), &place, timeline).await?;
            wal::forget_lost(cx, &place, timeline, &found).await?;
            wal::record(cx, &place, &of(timeline, &found)).await?;
            wal::lose(cx, &place, timeline, &lost).await?;
            let after = wal::coverage(cx.tx(), &place, timeline).await?;
            outcome.added_bytes += beyond(&after, &before);
            outcome.lost_bytes += beyond(&before, &after);
        }
        facts::holes(cx, &place).await?;
        cx.changed("exposure", &self.cluster);
        cx.activate(TaskName::Exposure);
        Ok(outcome)
    }
}

fn of(timeline: Timeline, ranges: &[LsnRange]) -> TimelineWal {
    TimelineWal {
        timeline,
        ranges: ranges.to_vec(),
        gaps: Vec::new(),
    }
}

/// How many bytes one holds that the other does not.
fn beyond(one: &Coverage, other: &Coverage) -> u64 {
    let gaps = one.ranges().iter().flat_map(|range| other.gaps(*range));
    gaps.map(LsnRange::bytes).sum()
}
