//! The WAL of a lineage, as it is listed and as it can be read.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::TryStreamExt;
use futures_util::stream::{self, StreamExt};
use holdfast_types::{Coverage, Lsn, LsnRange, SegmentSize, Timeline, TimelineHistory, WalSegment};
use jiff::Timestamp;

use super::{Problem, VerifyProgress};
use crate::codec::Codec;
use crate::crypto::TAG;
use crate::envelope::{HEADER, Kind};
use crate::error::Damage;
use crate::wal::{WalObject, segment_name};
use crate::{Error, LineageRepository, Result};

/// WAL per timeline.
pub(super) type Held = BTreeMap<Timeline, Coverage>;

pub(super) struct WalView {
    pub(super) segment_size: SegmentSize,
    /// What object names say is there.
    pub(super) listed: Held,
    /// What of it can be read.
    pub(super) held: Held,
    pub(super) histories: BTreeMap<Timeline, TimelineHistory>,
    /// What was deleted because nothing kept needed it.
    pub(super) expired: Held,
    /// When the store got the WAL up to a position, per timeline, by position.
    pub(super) times: BTreeMap<Timeline, Vec<(Lsn, Timestamp)>>,
}

/// A problem with a WAL object, and the WAL in it.
type WalProblem = (Problem, Option<(Timeline, LsnRange)>);

impl WalView {
    pub(super) async fn read(
        lineage: &LineageRepository,
        deep: bool,
        progress: &Arc<VerifyProgress>,
    ) -> Result<(Self, Vec<WalProblem>)> {
        let wal = lineage.wal(Codec::DEFAULT);
        let mut objects = Vec::new();
        let mut listed = lineage.repository.store.list(&lineage.name("wal"));
        while let Some(item) = listed.try_next().await? {
            if let Some(object) = wal.recognise(&item.name) {
                objects.push((object, item.size, item.modified_micros));
            }
        }
        let mut view = Self {
            segment_size: lineage.facts().segment_size,
            listed: Held::new(),
            held: Held::new(),
            histories: BTreeMap::new(),
            expired: Held::new(),
            times: BTreeMap::new(),
        };
        let check = |(object, size, modified): (WalObject, u64, i64)| async move {
            let problem = check(lineage, object, size, deep, progress).await?;
            Ok::<_, Error>((object, modified, problem))
        };
        let mut checks = stream::iter(objects).map(check).buffer_unordered(4);
        let mut problems = Vec::new();
        let (mut listed, mut held): (Ranges, Ranges) = Default::default();
        while let Some((object, modified, problem)) = checks.try_next().await? {
            let range = object.range();
            if let Some((timeline, range)) = range {
                listed.entry(timeline).or_default().push(range);
                if problem.is_none() {
                    held.entry(timeline).or_default().push(range);
                }
                if let Ok(time) = Timestamp::from_microsecond(modified) {
                    view.times
                        .entry(timeline)
                        .or_default()
                        .push((range.to_lsn, time));
                }
            } else if let (WalObject::History(timeline), None) = (object, &problem) {
                view.histories
                    .insert(timeline, wal.history(timeline).await?);
            }
            problems.extend(problem.map(|problem| (problem, range)));
        }
        drop(checks);
        // After the listing: what was deleted since is marked by now.
        view.expired = wal.expired().await?;
        view.listed = joined(listed);
        view.held = joined(held);
        view.times
            .values_mut()
            .for_each(|times| times.sort_unstable());
        problems.sort_by(|(a, _), (b, _)| a.object.cmp(&b.object));
        Ok((view, problems))
    }
}

type Ranges = BTreeMap<Timeline, Vec<LsnRange>>;

fn joined(ranges: Ranges) -> Held {
    let join = |(timeline, mut ranges): (Timeline, Vec<LsnRange>)| {
        ranges.sort_unstable();
        (timeline, ranges.into_iter().collect())
    };
    ranges.into_iter().map(join).collect()
}

impl WalObject {
    fn range(self) -> Option<(Timeline, LsnRange)> {
        match self {
            Self::Segment(segment) => Some((
                segment.timeline(),
                LsnRange::new(segment.start(), segment.end())?,
            )),
            Self::Slice(timeline, range) => Some((timeline, range)),
            // What stands aside is no WAL that a restore reads.
            Self::History(_) | Self::Aside(_) => None,
        }
    }
}

async fn check(
    lineage: &LineageRepository,
    object: WalObject,
    size: u64,
    deep: bool,
    progress: &Arc<VerifyProgress>,
) -> Result<Option<Problem>> {
    progress.object();
    let below = object.name();
    if size < (HEADER + TAG) as u64 {
        let problem = Damage::Truncated.to_string();
        return Ok(Some(Problem {
            object: lineage.name(&below),
            problem,
        }));
    }
    // Histories are small and decide which WAL belongs together.
    let is_large = object.range().is_some() || matches!(object, WalObject::Aside(_));
    if !deep && is_large {
        return Ok(None);
    }
    let opened = match lineage.get(object.kind(), &below).await {
        Ok(Some((_, plain))) => plain,
        // Covered slices are deleted while we look; a segment never is.
        Ok(None) if matches!(object, WalObject::Slice(..)) => return Ok(None),
        Ok(None) => {
            return Problem::of(Error::Missing {
                object: lineage.name(&below),
            })
            .map(Some);
        }
        Err(error) => return Problem::of(error).map(Some),
    };
    progress.checked(opened.len() as u64);
    let fits = match object {
        WalObject::History(timeline) => {
            TimelineHistory::parse(timeline, &String::from_utf8_lossy(&opened)).is_ok()
        }
        WalObject::Aside(file) => file.fits(opened.len() as u64),
        _ => object
            .range()
            .is_some_and(|(_, range)| range.bytes() == opened.len() as u64),
    };
    let reason = if !fits {
        "its content does not fit its name"
    } else if let WalObject::Slice(timeline, range) = object
        && !agrees(lineage, timeline, range, &opened).await?
    {
        "its bytes differ from those of its segment"
    } else {
        return Ok(None);
    };
    let problem = Damage::Structure(reason.into()).to_string();
    Ok(Some(Problem {
        object: lineage.name(&below),
        problem,
    }))
}

/// Whether a slice holds what its full segment holds, if that is there. A
/// segment that cannot be read has a finding of its own.
async fn agrees(
    lineage: &LineageRepository,
    timeline: Timeline,
    range: LsnRange,
    slice: &[u8],
) -> Result<bool> {
    let segment = WalSegment::containing(timeline, range.from_lsn, lineage.facts().segment_size);
    let full = match lineage.get(Kind::Segment, &segment_name(segment)).await {
        Ok(Some((_, full))) => full,
        Ok(None) | Err(Error::Damaged { .. }) => return Ok(true),
        Err(error) => return Err(error),
    };
    let from = usize::try_from(range.from_lsn.bytes_since(segment.start())).unwrap_or(usize::MAX);
    Ok(full.get(from..).is_some_and(|rest| rest.starts_with(slice)))
}
