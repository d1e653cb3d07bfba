//! Stretches of claims: how far each repository was complete, and when.
//!
//! Rows of one repository do not overlap. A closed row never changes: what is said of
//! the time after it begins another.

use holdfast_compliance::{Claim, Stretch};
use holdfast_types::Name;
use jiff::{SignedDuration, Timestamp};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use super::are_kept;
use crate::column::{Flag, Json, Moment, Text};
use crate::context::ApplyContext;
use crate::entity::{compliance_stretches as rows, frontiers};
use crate::wal::{self, Place};
use crate::{Refusal, StateError};

/// More are not told at once: whoever has more tells the rest later.
const MOST: usize = 1000;

/// Refuses stretches that say nothing sensible.
pub(crate) fn refuse_absurd(stretches: &[Stretch]) -> Result<(), Refusal> {
    let invalid = |message: &str| Err(Refusal::invalid("stretches", message));
    if stretches.len() > MOST {
        return invalid("there are too many at once");
    }
    for stretch in stretches {
        let (first, last) = (stretch.first, stretch.last);
        if last.at < first.at || last.time < first.time || last.lsn < first.lsn {
            return invalid("a stretch ends after it begins");
        }
        if first.time > first.at || last.time > last.at {
            return invalid("nobody knows of commits that are to come");
        }
        if first.lineage != last.lineage {
            return invalid("a stretch is of one lineage");
        }
        wal::refuse_absurd("stretches.lsn", last.lsn)?;
    }
    Ok(())
}

/// Takes stretches in, in their order; the last one may go on.
pub(crate) async fn claims(
    cx: &ApplyContext<'_>,
    place: &Place,
    stretches: Vec<Stretch>,
) -> Result<(), StateError> {
    if !are_kept(cx).await? {
        return Ok(());
    }
    for stretch in stretches {
        take(cx, (&place.cluster, &place.repository), exact(stretch)).await?;
    }
    Ok(())
}

/// To the microsecond, as columns keep times.
fn exact(stretch: Stretch) -> Stretch {
    let exact = |claim: Claim| Claim {
        at: Moment::truncate(claim.at),
        time: Moment::truncate(claim.time),
        ..claim
    };
    Stretch {
        first: exact(stretch.first),
        last: exact(stretch.last),
        ..stretch
    }
}

async fn take(
    cx: &ApplyContext<'_>,
    key: (&Name, &Name),
    mut stretch: Stretch,
) -> Result<(), StateError> {
    let Some(newest) = newest(cx, key).await? else {
        return put(cx, key, stretch, cx.now(), false).await;
    };
    let known = &newest.stretch.0;
    if stretch.last.at <= known.last.at {
        return Ok(());
    }
    // Who told of it may know of an earlier beginning, which is closed here.
    if !newest.closed.0 && stretch.first.at <= known.first.at {
        stretch.first = known.first;
        return put(cx, key, stretch, newest.known_from.0, false).await;
    }
    if !newest.closed.0 {
        cx.put(rows::Model {
            closed: Flag(true),
            ..newest.clone()
        })
        .await?;
    }
    // What is closed is not told again: the rest of it begins just behind where that
    // ended, for a row is known by its first moment and a closed one stays as it is. Its
    // peak is that of the whole, which errs to the side of exposure (I-13).
    if stretch.first.at <= known.last.at {
        let behind = known.last.at.checked_add(SignedDuration::from_micros(1));
        stretch.first = Claim {
            at: behind.unwrap_or(known.last.at),
            ..known.last
        };
    }
    put(cx, key, stretch, cx.now(), false).await
}

async fn put(
    cx: &ApplyContext<'_>,
    (cluster, repository): (&Name, &Name),
    stretch: Stretch,
    known_from: Timestamp,
    closed: bool,
) -> Result<(), StateError> {
    cx.put(rows::Model {
        cluster: Text(cluster.clone()),
        repository: Text(repository.clone()),
        first_at: Moment(stretch.first.at),
        last_at: Moment(stretch.last.at),
        known_from: Moment(known_from),
        known_to: Moment(cx.now()),
        closed: Flag(closed),
        stretch: Json(stretch),
    })
    .await
}

async fn newest(
    cx: &ApplyContext<'_>,
    (cluster, repository): (&Name, &Name),
) -> Result<Option<rows::Model>, StateError> {
    use rows::{Column, Entity};
    let found = Entity::find()
        .filter(Column::Cluster.eq(cluster.as_str()))
        .filter(Column::Repository.eq(repository.as_str()))
        .order_by_desc(Column::FirstAt)
        .limit(1)
        .all(cx.tx())
        .await?;
    Ok(found.into_iter().next())
}

/// Ends the stretches of a cluster that go on: what comes begins others.
pub(crate) async fn cut(cx: &ApplyContext<'_>, cluster: &Name) -> Result<(), StateError> {
    let sql = "UPDATE compliance_stretches SET closed = 1 WHERE cluster = ? AND closed = 0";
    cx.execute(sql, [Text(cluster.clone()).into()]).await?;
    Ok(())
}

/// The frontiers that are known when facts begin.
pub(super) async fn seed(cx: &ApplyContext<'_>, cluster: &Name) -> Result<(), StateError> {
    let found = frontiers::Entity::find()
        .filter(frontiers::Column::Cluster.eq(cluster.as_str()))
        .order_by_asc(frontiers::Column::Repository)
        .all(cx.tx())
        .await?;
    for row in found {
        let claim = Claim {
            at: row.recorded_time.0.max(row.event_time.0),
            time: row.event_time.0,
            lineage: row.lineage.0,
            lsn: row.lsn.0,
        };
        let key = (cluster, &row.repository.0);
        put(cx, key, Stretch::begin(claim), cx.now(), true).await?;
    }
    Ok(())
}
