//! WAL in repositories, kept as the fewest ranges that describe it.

use holdfast_types::{Coverage, Lineage, Lsn, LsnRange, Name, Timeline};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder};

use crate::column::{Count, Moment, Position, Text};
use crate::command::{TimelineWal, WalGap};
use crate::context::ApplyContext;
use crate::entity::{wal_gaps, wal_ranges};
use crate::lookup::Lookup;
use crate::{Refusal, StateError, expiry};

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
    // Whoever reports remembers having stored it; what is condemned counts no more
    // (I-06).
    let gone = expiry::gone(cx, place, wal.timeline).await?;
    let ranges = wal.ranges.iter().flat_map(|range| gone.gaps(*range));
    let coverage: Coverage = ranges.collect();
    for range in coverage.ranges() {
        extend(cx, place, wal.timeline, *range).await?;
    }
    for gap in wal.gaps.iter().filter(|gap| !gone.covers(gap.range)) {
        let key = gap_key(place, wal.timeline, gap.range);
        let known = wal_gaps::Entity::find_by_id(key).only(cx.tx()).await?;
        if known.is_none() {
            cx.insert(gap_row(cx, place, wal.timeline, gap)).await?;
        }
    }
    Ok(())
}

fn gap_row(
    cx: &ApplyContext<'_>,
    place: &Place,
    timeline: Timeline,
    gap: &WalGap,
) -> wal_gaps::Model {
    wal_gaps::Model {
        cluster: Text(place.cluster.clone()),
        repository: Text(place.repository.clone()),
        lineage: Text(place.lineage),
        timeline: timeline.into(),
        from_lsn: Position(gap.range.from_lsn),
        to_lsn: Position(gap.range.to_lsn),
        reason: gap.reason.clone(),
        recorded_at: Moment(cx.now()),
    }
}

type GapKey = (
    Text<Name>,
    Text<Name>,
    Text<Lineage>,
    Count,
    Position,
    Position,
);

fn gap_key(place: &Place, timeline: Timeline, range: LsnRange) -> GapKey {
    (
        Text(place.cluster.clone()),
        Text(place.repository.clone()),
        Text(place.lineage),
        Count::from(timeline),
        Position(range.from_lsn),
        Position(range.to_lsn),
    )
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

/// The reason of a gap that is WAL which was there and is there no more.
pub const LOST: &str = "wal_lost";

/// Cuts ranges out of what is recorded, and records that they are lost.
pub(crate) async fn lose(
    cx: &ApplyContext<'_>,
    place: &Place,
    timeline: Timeline,
    lost: &[LsnRange],
) -> Result<(), StateError> {
    if lost.is_empty() {
        return Ok(());
    }
    let held = coverage(cx.tx(), place, timeline).await?;
    let gone = cut(cx, place, timeline, &held, lost).await?;
    mark_lost(cx, place, timeline, gone.ranges().to_vec()).await
}

/// Cuts ranges out of what is recorded, `held`, and answers what of it that was.
pub(crate) async fn cut(
    cx: &ApplyContext<'_>,
    place: &Place,
    timeline: Timeline,
    held: &Coverage,
    ranges: &[LsnRange],
) -> Result<Coverage, StateError> {
    let rest = without(held.ranges(), ranges);
    // Only what was held can be lost: what never came is a gap of another kind.
    let gone = without(held.ranges(), &rest);
    if gone.is_empty() {
        return Ok(Coverage::default());
    }
    let sql = "DELETE FROM wal_ranges \
               WHERE cluster = ? AND repository = ? AND lineage = ? AND timeline = ?";
    let key = (
        Text(place.cluster.clone()),
        Text(place.repository.clone()),
        Text(place.lineage),
    );
    let values = [
        key.0.into(),
        key.1.into(),
        key.2.into(),
        Count::from(timeline).into(),
    ];
    cx.execute(sql, values).await?;
    for range in rest {
        extend(cx, place, timeline, range).await?;
    }
    Ok(gone.into_iter().collect())
}

/// Forgets the gaps inside of these ranges.
pub(crate) async fn forget_gaps(
    cx: &ApplyContext<'_>,
    place: &Place,
    timeline: Timeline,
    ranges: &[LsnRange],
) -> Result<(), StateError> {
    let sql = "DELETE FROM wal_gaps WHERE cluster = ? AND repository = ? AND lineage = ? \
               AND timeline = ? AND from_lsn >= ? AND to_lsn <= ?";
    for range in ranges {
        let values = [
            Text(place.cluster.clone()).into(),
            Text(place.repository.clone()).into(),
            Text(place.lineage).into(),
            Count::from(timeline).into(),
            Position(range.from_lsn).into(),
            Position(range.to_lsn).into(),
        ];
        cx.execute(sql, values).await?;
    }
    Ok(())
}

/// A gap of these bounds that was recorded for another reason, and filled
/// since, gives its place: what counts is what is missing now.
async fn mark_lost(
    cx: &ApplyContext<'_>,
    place: &Place,
    timeline: Timeline,
    gone: Vec<LsnRange>,
) -> Result<(), StateError> {
    for range in gone {
        let gap = WalGap {
            range,
            reason: LOST.to_owned(),
        };
        cx.put(gap_row(cx, place, timeline, &gap)).await?;
    }
    Ok(())
}

/// What is found again is lost no more.
pub(crate) async fn forget_lost(
    cx: &ApplyContext<'_>,
    place: &Place,
    timeline: Timeline,
    found: &[LsnRange],
) -> Result<(), StateError> {
    let found: Coverage = found.iter().copied().collect();
    let touched = |gap: &LsnRange| found.gaps(*gap) != [*gap];
    let lost = lost(cx, place, timeline).await?;
    for gap in lost.into_iter().filter(touched) {
        let key = gap_key(place, timeline, gap);
        wal_gaps::Entity::delete_by_id(key).exec(cx.tx()).await?;
        mark_lost(cx, place, timeline, found.gaps(gap)).await?;
    }
    Ok(())
}

/// The ranges of a report without what was found lost since: who reports
/// remembers having stored it, and the repository counts.
pub(crate) async fn still_there(
    cx: &ApplyContext<'_>,
    place: &Place,
    wal: &TimelineWal,
) -> Result<TimelineWal, StateError> {
    let lost = lost(cx, place, wal.timeline).await?;
    let mut wal = wal.clone();
    if !lost.is_empty() {
        wal.ranges = without(&wal.ranges, &lost);
    }
    Ok(wal)
}

async fn lost(
    cx: &ApplyContext<'_>,
    place: &Place,
    timeline: Timeline,
) -> Result<Vec<LsnRange>, StateError> {
    use wal_gaps::{Column, Entity};
    let rows = Entity::find()
        .filter(Column::Cluster.eq(place.cluster.as_str()))
        .filter(Column::Repository.eq(place.repository.as_str()))
        .filter(Column::Lineage.eq(Text(place.lineage)))
        .filter(Column::Timeline.eq(Count::from(timeline)))
        .filter(Column::Reason.eq(LOST))
        .order_by_asc(Column::FromLsn)
        .all(cx.tx())
        .await?;
    let range = |row: wal_gaps::Model| LsnRange::new(row.from_lsn.0, row.to_lsn.0);
    Ok(rows.into_iter().filter_map(range).collect())
}

/// What of `ranges` is not in `cut`.
fn without(ranges: &[LsnRange], cut: &[LsnRange]) -> Vec<LsnRange> {
    let cut: Coverage = cut.iter().copied().collect();
    let rest = ranges.iter().flat_map(|range| cut.gaps(*range));
    rest.collect()
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
