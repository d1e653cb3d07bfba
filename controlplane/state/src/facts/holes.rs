//! WAL that is missing, as far as it cuts chains.
//!
//! A hole is what was told to be missing and did not come, and what lies between two
//! runs of a timeline. Before the first byte of a timeline and after its last nothing
//! is known to be missing: it begins somewhere. Holes of all timelines of a lineage
//! count, for nobody has proved that the path of the timelines in use passes them by
//! (I-13).

use std::collections::{BTreeMap, BTreeSet};

use holdfast_compliance::Fact;
use holdfast_types::{Coverage, Lineage, LsnRange, Name};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use super::{Said, are_kept, in_force, write};
use crate::StateError;
use crate::column::{Count, Text};
use crate::context::ApplyContext;
use crate::entity::{wal_gaps, wal_ranges};
use crate::wal::Place;

/// Writes what has become of the holes in the WAL of one place.
pub(crate) async fn holes(cx: &mut ApplyContext<'_>, place: &Place) -> Result<(), StateError> {
    if are_kept(cx).await? {
        settle(cx, place).await?;
    }
    Ok(())
}

/// The same in all places of a cluster.
pub(crate) async fn holes_of_cluster(
    cx: &mut ApplyContext<'_>,
    cluster: &Name,
) -> Result<(), StateError> {
    if are_kept(cx).await? {
        settle_cluster(cx, cluster).await?;
    }
    Ok(())
}

pub(super) async fn settle_cluster(
    cx: &mut ApplyContext<'_>,
    cluster: &Name,
) -> Result<(), StateError> {
    let mut places: BTreeSet<(Name, Lineage)> = BTreeSet::new();
    let held: Vec<(Text<Name>, Text<Lineage>)> = wal_ranges::Entity::find()
        .select_only()
        .column(wal_ranges::Column::Repository)
        .column(wal_ranges::Column::Lineage)
        .distinct()
        .filter(wal_ranges::Column::Cluster.eq(cluster.as_str()))
        .into_tuple()
        .all(cx.tx())
        .await?;
    places.extend(held.into_iter().map(|(name, lineage)| (name.0, lineage.0)));
    for row in in_force(cx, cluster, "hole/").await? {
        if let Fact::HoleOpened {
            repository,
            lineage,
            ..
        } = row.fact.0
        {
            places.insert((repository, lineage));
        }
    }
    for (repository, lineage) in places {
        let place = Place {
            cluster: cluster.clone(),
            repository,
            lineage,
        };
        settle(cx, &place).await?;
    }
    Ok(())
}

fn prefix(place: &Place) -> String {
    format!("hole/{}/{}/", place.repository, place.lineage)
}

async fn settle(cx: &mut ApplyContext<'_>, place: &Place) -> Result<(), StateError> {
    let missing = missing(cx, place).await?;
    let told = in_force(cx, &place.cluster, &prefix(place)).await?;
    let now = cx.now();
    let mut kept = Coverage::default();
    for row in told {
        let Fact::HoleOpened { range, .. } = row.fact.0 else {
            continue;
        };
        if missing.covers(range) {
            kept.insert(range);
            continue;
        }
        let closed = Fact::HoleClosed {
            repository: place.repository.clone(),
            lineage: place.lineage,
            range,
        };
        write(cx, &place.cluster, &row.subject, now, Said::Ends(closed)).await?;
    }
    let new = missing.ranges().iter().flat_map(|hole| kept.gaps(*hole));
    for range in new.collect::<Vec<LsnRange>>() {
        let subject = format!("{}{}-{}", prefix(place), range.from_lsn, range.to_lsn);
        let opened = Fact::HoleOpened {
            repository: place.repository.clone(),
            lineage: place.lineage,
            range,
        };
        write(cx, &place.cluster, &subject, now, Said::Holds(opened)).await?;
    }
    Ok(())
}

/// All that is missing in a place.
async fn missing(cx: &ApplyContext<'_>, place: &Place) -> Result<Coverage, StateError> {
    let mut coverages: BTreeMap<Count, Coverage> = BTreeMap::new();
    let held = wal_ranges::Entity::find()
        .filter(wal_ranges::Column::Cluster.eq(place.cluster.as_str()))
        .filter(wal_ranges::Column::Repository.eq(place.repository.as_str()))
        .filter(wal_ranges::Column::Lineage.eq(Text(place.lineage)))
        .order_by_asc(wal_ranges::Column::Timeline)
        .order_by_asc(wal_ranges::Column::FromLsn)
        .all(cx.tx())
        .await?;
    for row in held {
        if let Some(range) = LsnRange::new(row.from_lsn.0, row.to_lsn.0) {
            coverages.entry(row.timeline).or_default().insert(range);
        }
    }
    let gaps = wal_gaps::Entity::find()
        .filter(wal_gaps::Column::Cluster.eq(place.cluster.as_str()))
        .filter(wal_gaps::Column::Repository.eq(place.repository.as_str()))
        .filter(wal_gaps::Column::Lineage.eq(Text(place.lineage)))
        .order_by_asc(wal_gaps::Column::Timeline)
        .order_by_asc(wal_gaps::Column::FromLsn)
        .all(cx.tx())
        .await?;
    let mut missing = Coverage::default();
    for row in gaps {
        let Some(gap) = LsnRange::new(row.from_lsn.0, row.to_lsn.0) else {
            continue;
        };
        let held = coverages.get(&row.timeline);
        let absent = held.map_or_else(|| vec![gap], |held| held.gaps(gap));
        absent.into_iter().for_each(|gap| missing.insert(gap));
    }
    for held in coverages.values() {
        let (Some(first), Some(last)) = (held.ranges().first(), held.ranges().last()) else {
            continue;
        };
        if let Some(whole) = LsnRange::new(first.from_lsn, last.to_lsn) {
            let inside = held.gaps(whole);
            inside.into_iter().for_each(|gap| missing.insert(gap));
        }
    }
    Ok(missing)
}
