//! WAL in repositories, kept as the fewest ranges that describe it.

use holdfast_types::{Coverage, Lineage, Lsn, LsnRange, Name, Timeline};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder};

use crate::column::{Count, Moment, Position, Text};
use crate::command::TimelineWal;
use crate::context::ApplyContext;
use crate::entity::{wal_gaps, wal_ranges};
use crate::lookup::Lookup;
use crate::{Refusal, StateError};

/// Where WAL is, and whose it is.
pub(crate) struct Place {
    pub(crate) cluster: Name,
    pub(crate) repository: Name,
    pub(crate) lineage: Lineage,
}

/// Refuses positions that no server reaches and no column holds.
pub(crate) fn refuse_absurd(field: &str, lsn: Lsn) -> Result<(), Refusal> {
    if i64::try_from(lsn.get()).is_ok() {
        return Ok(());
    }
    let message = format!("{lsn} is beyond any position that PostgreSQL reaches");
    Err(Refusal::invalid(field, message))
}

/// The same for the WAL of a timeline, whose ranges must not be empty either.
pub(crate) fn refuse_absurd_timeline(wal: &TimelineWal) -> Result<(), Refusal> {
    let gaps = wal.gaps.iter().map(|gap| gap.range);
    for range in wal.ranges.iter().copied().chain(gaps) {
        refuse_absurd("timelines.ranges", range.to_lsn)?;
        if range.from_lsn >= range.to_lsn {
            let message = format!("from {} to {} is nothing", range.from_lsn, range.to_lsn);
            return Err(Refusal::invalid("timelines.ranges", message));
        }
    }
    Ok(())
}

/// Records what is durable and what is missing.
pub(crate) async fn record(
    cx: &ApplyContext<'_>,
    place: &Place,
    wal: &TimelineWal,
) -> Result<(), StateError> {
    let coverage: Coverage = wal.ranges.iter().copied().collect();
    for range in coverage.ranges() {
        extend(cx, place, wal.timeline, *range).await?;
    }
    for gap in &wal.gaps {
        let key = (
            Text(place.cluster.clone()),
            Text(place.repository.clone()),
            Text(place.lineage),
            Count::from(wal.timeline),
            Position(gap.range.from_lsn),
            Position(gap.range.to_lsn),
        );
        let known = wal_gaps::Entity::find_by_id(key).only(cx.tx()).await?;
        if known.is_none() {
            cx.insert(wal_gaps::Model {
                cluster: Text(place.cluster.clone()),
                repository: Text(place.repository.clone()),
                lineage: Text(place.lineage),
                timeline: wal.timeline.into(),
                from_lsn: Position(gap.range.from_lsn),
                to_lsn: Position(gap.range.to_lsn),
                reason: gap.reason.clone(),
                recorded_at: Moment(cx.now()),
            })
            .await?;
        }
    }
    Ok(())
}

async fn extend(
    cx: &ApplyContext<'_>,
    place: &Place,
    timeline: Timeline,
    range: LsnRange,
) -> Result<(), StateError> {
    use wal_ranges::{Column, Entity};
    let touched = of_timeline(place, timeline)
        .filter(Column::FromLsn.lte(Position(range.to_lsn)))
        .filter(Column::ToLsn.gte(Position(range.from_lsn)))
        .order_by_asc(Column::FromLsn)
        .all(cx.tx())
        .await?;
    let mut joined = range;
    if let (Some(first), Some(last)) = (touched.first(), touched.last()) {
        joined.from_lsn = joined.from_lsn.min(first.from_lsn.0);
        joined.to_lsn = joined.to_lsn.max(last.to_lsn.0);
    }
    for row in &touched {
        // The one that stays is overwritten below.
        if row.from_lsn.0 != joined.from_lsn {
            let key = (
                row.cluster.clone(),
                row.repository.clone(),
                row.lineage,
                row.timeline,
                row.from_lsn,
            );
            Entity::delete_by_id(key).exec(cx.tx()).await?;
        }
    }
    cx.put(wal_ranges::Model {
        cluster: Text(place.cluster.clone()),
        repository: Text(place.repository.clone()),
        lineage: Text(place.lineage),
        timeline: timeline.into(),
        from_lsn: Position(joined.from_lsn),
        to_lsn: Position(joined.to_lsn),
    })
    .await
}

/// What is recorded of one timeline.
pub(crate) async fn coverage(
    conn: &impl ConnectionTrait,
    place: &Place,
    timeline: Timeline,
) -> Result<Coverage, StateError> {
    let rows = of_timeline(place, timeline).all(conn).await?;
    let range = |row: wal_ranges::Model| LsnRange::new(row.from_lsn.0, row.to_lsn.0);
    Ok(rows.into_iter().filter_map(range).collect())
}

fn of_timeline(place: &Place, timeline: Timeline) -> sea_orm::Select<wal_ranges::Entity> {
    use wal_ranges::{Column, Entity};
    Entity::find()
        .filter(Column::Cluster.eq(place.cluster.as_str()))
        .filter(Column::Repository.eq(place.repository.as_str()))
        .filter(Column::Lineage.eq(Text(place.lineage)))
        .filter(Column::Timeline.eq(Count::from(timeline)))
}
