//! WAL in repositories, its gaps, and how far it is complete.

use std::collections::{BTreeMap, BTreeSet};

use holdfast_types::{Coverage, Frontier, Lineage, LsnRange, Name, Timeline};
use jiff::Timestamp;
use sea_orm::{ColumnTrait, DatabaseConnection, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use serde::Serialize;

use super::many::among;
use crate::column::{Count, Moment, Position, Text, timeline};
use crate::entity::{
    condemned_wal, exposure_facts as fact_rows, frontiers as frontier_rows, wal_gaps, wal_ranges,
};
use crate::{StateError, schema};

/// The WAL of one timeline in one repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TimelineView {
    /// Where it is.
    pub repository: Name,
    /// Its lineage.
    pub lineage: Lineage,
    /// The timeline.
    pub timeline: Timeline,
    /// What is there.
    pub coverage: Coverage,
    /// Holes that were reported, ascending.
    pub gaps: Vec<GapView>,
    /// What is condemned or was deleted, whether or not it is still there.
    pub condemned: Coverage,
}

/// A hole that was reported.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GapView {
    /// What was missing.
    pub range: LsnRange,
    /// Why.
    pub reason: String,
    /// When that was recorded.
    pub recorded_at: Timestamp,
    /// Whether all of it came in the end.
    pub filled: bool,
}

impl GapView {
    /// Whether it is WAL that was there, is there no more, and was not found
    /// again.
    pub fn is_lost(&self) -> bool {
        self.reason == crate::WAL_LOST && !self.filled
    }
}

/// The clusters of which WAL, or a gap in it, is recorded in a repository, by
/// name.
pub async fn clusters_with_wal(
    conn: &DatabaseConnection,
    repository: &Name,
) -> Result<Vec<Name>, StateError> {
    let held: Vec<Text<Name>> = wal_ranges::Entity::find()
        .select_only()
        .column(wal_ranges::Column::Cluster)
        .distinct()
        .filter(wal_ranges::Column::Repository.eq(repository.as_str()))
        .into_tuple()
        .all(conn)
        .await?;
    let missing: Vec<Text<Name>> = wal_gaps::Entity::find()
        .select_only()
        .column(wal_gaps::Column::Cluster)
        .distinct()
        .filter(wal_gaps::Column::Repository.eq(repository.as_str()))
        .into_tuple()
        .all(conn)
        .await?;
    let mut gone: Vec<Text<Name>> = Vec::new();
    if schema::version(conn).await? >= schema::EXPIRY {
        gone = condemned_wal::Entity::find()
            .select_only()
            .column(condemned_wal::Column::Cluster)
            .distinct()
            .filter(condemned_wal::Column::Repository.eq(repository.as_str()))
            .into_tuple()
            .all(conn)
            .await?;
    }
    let names = held.into_iter().chain(missing).chain(gone);
    let names: BTreeSet<Name> = names.map(|name| name.0).collect();
    Ok(names.into_iter().collect())
}

/// The clusters of which gaps were ever recorded, by name.
pub async fn clusters_with_gaps(conn: &DatabaseConnection) -> Result<Vec<Name>, StateError> {
    let names: Vec<Text<Name>> = wal_gaps::Entity::find()
        .select_only()
        .column(wal_gaps::Column::Cluster)
        .distinct()
        .order_by_asc(wal_gaps::Column::Cluster)
        .into_tuple()
        .all(conn)
        .await?;
    Ok(names.into_iter().map(|name| name.0).collect())
}

/// The WAL of a cluster, by repository, lineage and timeline.
pub async fn wal_of_cluster(
    conn: &DatabaseConnection,
    cluster: &Name,
) -> Result<Vec<TimelineView>, StateError> {
    let mut all = wal_of_clusters(conn, std::slice::from_ref(cluster)).await?;
    Ok(all.remove(cluster).unwrap_or_default())
}

/// The WAL of each of these clusters that has any.
pub async fn wal_of_clusters(
    conn: &DatabaseConnection,
    clusters: &[Name],
) -> Result<BTreeMap<Name, Vec<TimelineView>>, StateError> {
    type Key = (Name, Name, Lineage, Count);
    let mut coverages: BTreeMap<Key, Coverage> = BTreeMap::new();
    let ranges = wal_ranges::Entity::find()
        .filter(among("cluster", clusters)?)
        .all(conn)
        .await?;
    for row in ranges {
        let key = (row.cluster.0, row.repository.0, row.lineage.0, row.timeline);
        let range = range(row.from_lsn, row.to_lsn)?;
        coverages.entry(key).or_default().insert(range);
    }
    let mut gaps: BTreeMap<Key, Vec<wal_gaps::Model>> = BTreeMap::new();
    let found = wal_gaps::Entity::find()
        .filter(among("cluster", clusters)?)
        .order_by_asc(wal_gaps::Column::FromLsn)
        .order_by_asc(wal_gaps::Column::ToLsn)
        .all(conn)
        .await?;
    for row in found {
        let place = (row.cluster.0.clone(), row.repository.0.clone());
        let key = (place.0, place.1, row.lineage.0, row.timeline);
        coverages.entry(key.clone()).or_default();
        gaps.entry(key).or_default().push(row);
    }
    let mut gone: BTreeMap<Key, Coverage> = BTreeMap::new();
    if schema::version(conn).await? >= schema::EXPIRY {
        let found = condemned_wal::Entity::find()
            .filter(among("cluster", clusters)?)
            .all(conn)
            .await?;
        for row in found {
            let key = (row.cluster.0, row.repository.0, row.lineage.0, row.timeline);
            coverages.entry(key.clone()).or_default();
            let range = range(row.from_lsn, row.to_lsn)?;
            gone.entry(key).or_default().insert(range);
        }
    }
    let mut views: BTreeMap<Name, Vec<TimelineView>> = BTreeMap::new();
    for (key, coverage) in coverages {
        let condemned = gone.remove(&key).unwrap_or_default();
        let gaps = gaps.remove(&key).unwrap_or_default();
        let gaps: Result<Vec<GapView>, StateError> =
            gaps.into_iter().map(|row| gap(row, &coverage)).collect();
        views.entry(key.0).or_default().push(TimelineView {
            repository: key.1,
            lineage: key.2,
            timeline: timeline(key.3)?,
            gaps: gaps?,
            coverage,
            condemned,
        });
    }
    Ok(views)
}

fn gap(row: wal_gaps::Model, coverage: &Coverage) -> Result<GapView, StateError> {
    let range = range(row.from_lsn, row.to_lsn)?;
    Ok(GapView {
        range,
        reason: row.reason,
        recorded_at: row.recorded_at.0,
        filled: coverage.covers(range),
    })
}

fn range(from: Position, to: Position) -> Result<LsnRange, StateError> {
    let empty = || StateError::corrupt(format!("WAL from {} to {} is nothing", from.0, to.0));
    LsnRange::new(from.0, to.0).ok_or_else(empty)
}

/// How far a repository is proved complete for a cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FrontierView {
    /// The cluster.
    pub cluster: Name,
    /// The repository.
    pub repository: Name,
    /// The lineage of the position.
    pub lineage: Lineage,
    /// The timeline of the position.
    pub timeline: Timeline,
    /// The claim.
    pub frontier: Frontier,
    /// When it was recorded.
    pub recorded_at: Timestamp,
}

fn frontier(row: frontier_rows::Model) -> Result<FrontierView, StateError> {
    Ok(FrontierView {
        cluster: row.cluster.0,
        repository: row.repository.0,
        lineage: row.lineage.0,
        timeline: timeline(row.timeline)?,
        frontier: Frontier {
            time: row.event_time.0,
            lsn: row.lsn.0,
        },
        recorded_at: row.recorded_time.0,
    })
}

/// The frontiers of a cluster, by repository.
pub async fn frontiers_of(
    conn: &DatabaseConnection,
    cluster: &Name,
) -> Result<Vec<FrontierView>, StateError> {
    let rows = frontier_rows::Entity::find()
        .filter(frontier_rows::Column::Cluster.eq(cluster.as_str()))
        .order_by_asc(frontier_rows::Column::Repository)
        .all(conn)
        .await?;
    rows.into_iter().map(frontier).collect()
}

/// The frontiers of these clusters, by cluster and repository.
pub async fn frontiers_of_clusters(
    conn: &DatabaseConnection,
    clusters: &[Name],
) -> Result<Vec<FrontierView>, StateError> {
    let rows = frontier_rows::Entity::find()
        .filter(among("cluster", clusters)?)
        .order_by_asc(frontier_rows::Column::Cluster)
        .order_by_asc(frontier_rows::Column::Repository)
        .all(conn)
        .await?;
    rows.into_iter().map(frontier).collect()
}

/// Every frontier, by cluster and repository.
pub async fn frontiers(conn: &DatabaseConnection) -> Result<Vec<FrontierView>, StateError> {
    let rows = frontier_rows::Entity::find()
        .order_by_asc(frontier_rows::Column::Cluster)
        .order_by_asc(frontier_rows::Column::Repository)
        .all(conn)
        .await?;
    rows.into_iter().map(frontier).collect()
}

/// A checkpoint of a frontier: what was known, and since when.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ExposureFact {
    /// The claim, with its own time.
    pub frontier: Frontier,
    /// When the control plane learned of it.
    pub recorded_at: Timestamp,
}

/// Checkpoints recorded from `from` to before `to`, in that order, at most
/// `limit`.
pub async fn exposure_facts(
    conn: &DatabaseConnection,
    cluster: &Name,
    repository: &Name,
    (from, to): (Timestamp, Timestamp),
    limit: u64,
) -> Result<Vec<ExposureFact>, StateError> {
    use fact_rows::{Column, Entity};
    let rows = Entity::find()
        .filter(Column::Cluster.eq(cluster.as_str()))
        .filter(Column::Repository.eq(repository.as_str()))
        .filter(Column::RecordedTime.gte(Moment(from)))
        .filter(Column::RecordedTime.lt(Moment(to)))
        .order_by_asc(Column::RecordedTime)
        .order_by_asc(Column::LogIndex)
        .limit(limit)
        .all(conn)
        .await?;
    let fact = |row: fact_rows::Model| ExposureFact {
        frontier: Frontier {
            time: row.event_time.0,
            lsn: row.lsn.0,
        },
        recorded_at: row.recorded_time.0,
    };
    Ok(rows.into_iter().map(fact).collect())
}
