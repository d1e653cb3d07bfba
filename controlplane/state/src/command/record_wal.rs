//! WAL has become durable in a repository.
//!
//! Ranges are joined to what is known, never kept as a row per segment. A gap
//! stays recorded for good; whether it was filled since is read from the
//! ranges.

use holdfast_compliance::Stretch;
use holdfast_types::{
    AssignmentId, Frontier, Generation, Lineage, LsnRange, Name, Revision, Timeline,
};
use sea_orm::EntityTrait;
use serde::{Deserialize, Serialize};

use super::ReplicatedCommand;
use super::place_duty::{duty_key, is_active};
use crate::column::{Count, Moment, Position, Text};
use crate::context::{ApplyContext, Stop};
use crate::entity::{assignments, exposure_facts, frontiers};
use crate::lookup::Lookup;
use crate::{Noun, Refusal, TaskName, facts, schema, wal};

/// Since v0.1. Only the holder of the duty may report (I-04); reporting the
/// same again changes nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordWal {
    /// The duty under which it was received.
    pub assignment: AssignmentId,
    /// Its generation.
    pub generation: Generation,
    /// Whose WAL.
    pub cluster: Name,
    /// Where it is.
    pub repository: Name,
    /// Its lineage.
    pub lineage: Lineage,
    /// What is there now.
    pub timelines: Vec<TimelineWal>,
    /// How far it is complete.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frontier: Option<FrontierCheckpoint>,
    /// How far it was complete when, since level 23; the last one goes on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stretches: Vec<Stretch>,
}

/// WAL of one timeline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TimelineWal {
    /// The timeline.
    pub timeline: Timeline,
    /// Ranges that are durable.
    pub ranges: Vec<LsnRange>,
    /// Holes that will not be filled by themselves.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gaps: Vec<WalGap>,
}

/// A hole in the WAL.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WalGap {
    /// What is missing.
    pub range: LsnRange,
    /// Why.
    pub reason: String,
}

/// The frontier at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FrontierCheckpoint {
    /// The timeline of its position.
    pub timeline: Timeline,
    /// The claim.
    pub frontier: Frontier,
}

impl ReplicatedCommand for RecordWal {
    type Outcome = Revision;
    const NAME: &'static str = "record_wal";

    fn target(&self) -> String {
        format!("clusters/{}", self.cluster)
    }

    fn level(&self) -> u32 {
        level_of(&self.stretches)
    }

    async fn apply(self, cx: &mut ApplyContext<'_>) -> Result<Revision, Stop> {
        let key = (&self.cluster, &self.repository);
        refuse_stranger(cx, key, (self.assignment, self.generation)).await?;
        for timeline in &self.timelines {
            wal::refuse_absurd_timeline(timeline)?;
        }
        if let Some(checkpoint) = &self.frontier {
            wal::refuse_absurd("frontier.lsn", checkpoint.frontier.lsn)?;
        }
        let place = wal::Place {
            cluster: self.cluster.clone(),
            repository: self.repository.clone(),
            lineage: self.lineage,
        };
        facts::refuse_absurd(&self.stretches)?;
        for timeline in &self.timelines {
            let there = wal::still_there(cx, &place, timeline).await?;
            wal::record(cx, &place, &there).await?;
        }
        facts::holes(cx, &place).await?;
        facts::claims(cx, &place, self.stretches).await?;
        if let Some(checkpoint) = self.frontier {
            advance_frontier(cx, &place, checkpoint).await?;
        }
        Ok(cx.revision())
    }
}

/// The level of what is told of claims. A node of an earlier one would refuse the
/// field.
pub(super) fn level_of(stretches: &[Stretch]) -> u32 {
    match stretches {
        [] => schema::VERSION,
        _ => schema::COMPLIANCE,
    }
}

/// Refuses all but the holder of the duty to receive a cluster's WAL into a
/// repository (I-04).
pub(super) async fn refuse_stranger(
    cx: &ApplyContext<'_>,
    (cluster, repository): (&Name, &Name),
    (assignment, generation): (AssignmentId, Generation),
) -> Result<(), Stop> {
    let key = duty_key(cluster, repository);
    let duty = assignments::Entity::find_by_id(key).only(cx.tx()).await?;
    let Some(duty) = duty else {
        return Err(Refusal::not_found(Noun::Assignment, assignment).into());
    };
    let current = Generation(duty.generation.0);
    if !is_active(&duty) || current != generation || duty.id.0 != assignment {
        return Err(Refusal::StaleGeneration { current }.into());
    }
    Ok(())
}

/// A frontier only moves forward: a report that was long under way proves
/// nothing new.
pub(super) async fn advance_frontier(
    cx: &mut ApplyContext<'_>,
    place: &wal::Place,
    FrontierCheckpoint { timeline, frontier }: FrontierCheckpoint,
) -> Result<(), Stop> {
    let (cluster, repository) = (Text(place.cluster.clone()), Text(place.repository.clone()));
    let event_time = Moment(Moment::truncate(frontier.time));
    let known = frontiers::Entity::find_by_id((cluster.clone(), repository.clone()));
    if let Some(known) = known.only(cx.tx()).await?
        && known.event_time >= event_time
    {
        return Ok(());
    }
    let (lineage, timeline) = (Text(place.lineage), Count::from(timeline));
    let (lsn, recorded_time) = (Position(frontier.lsn), Moment(cx.now()));
    // Since there are stretches, they say it, and exactly.
    if !facts::are_kept(cx).await? {
        cx.put(exposure_facts::Model {
            cluster: cluster.clone(),
            repository: repository.clone(),
            log_index: Count(cx.index()),
            lineage,
            timeline,
            lsn,
            event_time,
            recorded_time,
        })
        .await?;
    }
    cx.put(frontiers::Model {
        cluster,
        repository,
        lineage,
        timeline,
        lsn,
        event_time,
        recorded_time,
    })
    .await?;
    cx.changed("exposure", &place.cluster);
    cx.activate(TaskName::Exposure);
    Ok(())
}
