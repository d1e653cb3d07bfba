//! The WAL between a backup and a target: which timelines lead there, which
//! ranges of them the repository holds, and their records.
//!
//! The segment in which a timeline begins starts with a copy of its parent's
//! bytes, and PostgreSQL reads the newest timeline that has a segment. So do
//! we: what is held is judged as PostgreSQL will find it.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use bytes::Bytes;
use futures_util::stream::{self, StreamExt};
use holdfast_pg::wal::Detail;
use holdfast_pg::wal::{Record, TransactionEnd, WalReader};
use holdfast_repo::{Codec, Fetched, LineageRepository, WalRepository};
use holdfast_types::{
    Coverage, Failure, Lsn, LsnRange, SegmentSize, Timeline, TimelineHistory, WalSegment,
};

use crate::failure::of_repository;

/// Segments that are fetched ahead of the one that is read.
const AHEAD: usize = 3;
/// How far back a last commit is looked for. An idle server writes only a
/// little WAL, so the last commit lies close to the end or does not matter.
const BACK_SEGMENTS: u64 = 16;

/// The way from a backup to the newest timeline that descends from it.
pub(super) struct Chain {
    wal: WalRepository,
    size: SegmentSize,
    system_identifier: u64,
    history: TimelineHistory,
    /// What each timeline of the way holds.
    held: BTreeMap<Timeline, Coverage>,
    /// What is held of the way as a whole.
    coverage: Coverage,
}

/// What a scan saw last.
#[derive(Debug, Clone, Default)]
pub(super) struct Seen {
    /// The last complete record.
    pub(super) last: Option<Record>,
    /// The last commit.
    pub(super) commit: Option<TransactionEnd>,
}

impl Seen {
    fn observe(&mut self, record: &Record) {
        if let Detail::Commit(end) = record.detail {
            self.commit = Some(end);
        }
        self.last = Some(record.clone());
    }
}

impl Chain {
    /// Looks at what `lineage` holds from `start` on, on the way to the newest
    /// timeline whose history contains `(timeline, stop)`.
    pub(super) async fn open(
        lineage: &LineageRepository,
        timeline: Timeline,
        start: Lsn,
        stop: Lsn,
    ) -> Result<Self, Failure> {
        // It only reads: the codec is for writing.
        let wal = lineage.wal(Codec::DEFAULT);
        let history = newest_history(&wal, timeline, stop).await?;
        Self::look(lineage, wal, history, timeline, start).await
    }

    /// The same on the way to the timeline `target`.
    pub(super) async fn open_on(
        lineage: &LineageRepository,
        target: Timeline,
        timeline: Timeline,
        start: Lsn,
        stop: Lsn,
    ) -> Result<Self, Failure> {
        let wal = lineage.wal(Codec::DEFAULT);
        let history = wal
            .history(target)
            .await
            .map_err(|error| of_repository(&error))?;
        if !history.contains(timeline, stop) {
            return Err(Failure::permanent(
                "timeline_unreachable",
                format!("timeline {target} does not descend from {stop} of timeline {timeline}"),
                "plan the restore again",
            ));
        }
        Self::look(lineage, wal, history, timeline, start).await
    }

    async fn look(
        lineage: &LineageRepository,
        wal: WalRepository,
        history: TimelineHistory,
        timeline: Timeline,
        start: Lsn,
    ) -> Result<Self, Failure> {
        let size = lineage.facts().segment_size;
        let mut held = BTreeMap::new();
        let mut coverage = Coverage::default();
        for leg in legs(&history, timeline, start) {
            let first = size.start_of(leg.from);
            let listed = wal.list_from(leg.timeline, first).await;
            let listed = listed.map_err(|error| of_repository(&error))?.coverage();
            for range in listed.ranges() {
                let to = leg.to.map_or(range.to_lsn, |to| range.to_lsn.min(to));
                if let Some(range) = LsnRange::new(range.from_lsn.max(first), to) {
                    coverage.insert(range);
                }
            }
            held.insert(leg.timeline, listed);
        }
        let system_identifier = lineage.lineage().system_identifier;
        Ok(Self {
            wal,
            size,
            system_identifier,
            history,
            held,
            coverage,
        })
    }

    /// The timeline on which the way ends.
    pub(super) const fn timeline(&self) -> Timeline {
        self.history.timeline
    }

    /// The size of its segments.
    pub(super) const fn segment_size(&self) -> SegmentSize {
        self.size
    }

    /// Where the WAL that is held without a hole from `from` on ends.
    pub(super) fn contiguous_end(&self, from: Lsn) -> Lsn {
        self.coverage.contiguous_end(from)
    }

    /// The first hole behind `from` that WAL follows.
    pub(super) fn hole_after(&self, from: Lsn) -> Option<LsnRange> {
        let hole = self.contiguous_end(from);
        let next = self
            .coverage
            .ranges()
            .iter()
            .find(|range| range.from_lsn > hole)?;
        LsnRange::new(hole, next.from_lsn)
    }

    /// Segments from the one that holds `from` to the one before `to`.
    pub(super) fn segments(&self, from: Lsn, to: Lsn) -> u64 {
        let last = Lsn::new(to.get().saturating_sub(1));
        (self.size.number_of(last) + 1).saturating_sub(self.size.number_of(from))
    }

    /// The segment of this number as PostgreSQL will ask for it: of the newest
    /// timeline of the way that has begun by then and is held.
    pub(super) fn segment(&self, number: u64) -> Option<WalSegment> {
        let start = Lsn::new(number * self.size.bytes());
        let newest_first = self.held.iter().rev();
        newest_first
            .map(|(timeline, coverage)| {
                (
                    WalSegment::containing(*timeline, start, self.size),
                    coverage,
                )
            })
            .filter(|(segment, _)| self.has_begun(*segment))
            .find(|(segment, coverage)| {
                let overlaps = |range: &LsnRange| {
                    range.from_lsn < segment.end() && range.to_lsn > segment.start()
                };
                coverage.ranges().iter().any(overlaps)
            })
            .map(|(segment, _)| segment)
    }

    fn has_begun(&self, segment: WalSegment) -> bool {
        let began = self.history.ancestors.iter().rev().find_map(|switch| {
            let child = self.child_of(switch.timeline);
            (child == segment.timeline()).then_some(switch.switchpoint)
        });
        began.is_none_or(|began| self.size.number_of(began) <= segment.number())
    }

    fn child_of(&self, parent: Timeline) -> Timeline {
        let ancestors = &self.history.ancestors;
        let at = ancestors
            .iter()
            .position(|switch| switch.timeline == parent);
        let child = at
            .and_then(|at| ancestors.get(at + 1))
            .map(|switch| switch.timeline);
        child.unwrap_or(self.history.timeline)
    }

    /// Fetches a segment of the way; what is not known of it is zero.
    pub(super) async fn fetch(&self, number: u64) -> Result<(WalSegment, Bytes), Failure> {
        let start = Lsn::new(number * self.size.bytes());
        let missing = || {
            let to = start.checked_add(self.size.bytes()).unwrap_or(start);
            wal_missing(
                LsnRange {
                    from_lsn: start,
                    to_lsn: to,
                },
                self.timeline(),
            )
        };
        let segment = self.segment(number).ok_or_else(missing)?;
        match self
            .wal
            .fetch_segment(segment)
            .await
            .map_err(|error| of_repository(&error))?
        {
            Fetched::Full(bytes) | Fetched::Assembled { bytes, .. } => Ok((segment, bytes)),
            Fetched::Absent => Err(missing()),
        }
    }

    /// Reads the records from `from` to `to` until `observe` breaks. `from` is
    /// the start of a record or of a page; `to` lies in what is held.
    pub(super) async fn scan<O>(&self, from: Lsn, to: Lsn, observe: O) -> Result<O, Failure>
    where
        O: FnMut(&Record) -> ControlFlow<()> + Send + 'static,
    {
        Ok(self.read(from, to, observe).await?.0)
    }

    /// Whether all that is held from `last`, a whole record, to `to` is that record and
    /// the beginning of one more: what is written last may end in the middle of one.
    pub(super) async fn only_begins(&self, last: Lsn, to: Lsn) -> Result<bool, Failure> {
        let all = |_: &Record| ControlFlow::Continue(());
        let (_, reader) = self.read(last, to, all).await?;
        Ok(reader.fed_to() >= to && reader.incomplete().is_some_and(|begun| begun > last))
    }

    async fn read<O>(&self, from: Lsn, to: Lsn, mut observe: O) -> Result<(O, WalReader), Failure>
    where
        O: FnMut(&Record) -> ControlFlow<()> + Send + 'static,
    {
        let first = self.size.number_of(from);
        let numbers = first..first + self.segments(from, to);
        let mut fetched = stream::iter(numbers)
            .map(|number| self.fetch(number))
            .buffered(AHEAD);
        let mut reader = WalReader::new(from, self.size).of_system(self.system_identifier);
        while let Some(next) = fetched.next().await {
            let (segment, bytes) = next?;
            let skip = usize_of(from.bytes_since(segment.start()));
            let end = usize_of(to.min(segment.end()).bytes_since(segment.start()));
            // Decoding is work for a processor, not for an async thread.
            let read = tokio::task::spawn_blocking(move || {
                let go_on = read_records(&mut reader, &bytes[skip.min(end)..end], &mut observe);
                (reader, observe, go_on)
            });
            let go_on;
            (reader, observe, go_on) = match read.await {
                Ok(done) => done,
                Err(error) => std::panic::resume_unwind(error.into_panic()),
            };
            if !go_on {
                break;
            }
        }
        Ok((observe, reader))
    }

    /// The last complete record between `from` and `to`, and the last commit
    /// close before it. It reads the end only, however much lies between.
    pub(super) async fn last_before(&self, from: Lsn, to: Lsn) -> Result<Seen, Failure> {
        let mut found = Seen::default();
        let mut until = to;
        let mut segments = 0;
        while until > from {
            let start = self.size.start_of(Lsn::new(until.get() - 1)).max(from);
            let seen = self.collect(start, until_for(&found, to, until)).await?;
            found.last = found.last.or(seen.last);
            found.commit = found.commit.or(seen.commit);
            segments += 1;
            if found.last.is_some() && (found.commit.is_some() || segments >= BACK_SEGMENTS) {
                break;
            }
            until = start;
        }
        Ok(found)
    }

    /// What lies between two positions, the first of which begins a page or a
    /// record.
    async fn collect(&self, from: Lsn, to: Lsn) -> Result<Seen, Failure> {
        let seen = std::sync::Arc::new(std::sync::Mutex::new(Seen::default()));
        let into = std::sync::Arc::clone(&seen);
        let observe = move |record: &Record| {
            let mut seen = into
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner);
            seen.observe(record);
            ControlFlow::Continue(())
        };
        drop(self.scan(from, to, observe).await?);
        let seen = seen
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        Ok(seen.clone())
    }
}

/// While no record was found, a record may begin in an older segment and end
/// in a newer one: it is read to the very end.
const fn until_for(found: &Seen, to: Lsn, until: Lsn) -> Lsn {
    if found.last.is_none() { to } else { until }
}

/// `false` when the reading is over: `observe` broke, or valid WAL ended.
fn read_records(
    reader: &mut WalReader,
    bytes: &[u8],
    observe: &mut impl FnMut(&Record) -> ControlFlow<()>,
) -> bool {
    // A piece at a time, so that the reader's buffer stays small.
    for piece in bytes.chunks(1 << 20) {
        reader.feed(piece);
        loop {
            match reader.next_record() {
                Ok(Some(record)) if observe(&record).is_break() => return false,
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(_) => return false,
            }
        }
    }
    true
}

struct Leg {
    timeline: Timeline,
    from: Lsn,
    to: Option<Lsn>,
}

/// The timelines from `first` to the newest, and what each contributes.
fn legs(history: &TimelineHistory, first: Timeline, start: Lsn) -> Vec<Leg> {
    let mut legs = Vec::new();
    let mut from = start;
    for switch in history
        .ancestors
        .iter()
        .filter(|switch| switch.timeline >= first)
    {
        legs.push(Leg {
            timeline: switch.timeline,
            from,
            to: Some(switch.switchpoint),
        });
        from = switch.switchpoint;
    }
    legs.push(Leg {
        timeline: history.timeline,
        from,
        to: None,
    });
    legs
}

async fn newest_history(
    wal: &WalRepository,
    timeline: Timeline,
    stop: Lsn,
) -> Result<TimelineHistory, Failure> {
    let failed = |error: holdfast_repo::Error| of_repository(&error);
    let mut timelines = wal.timelines().await.map_err(failed)?;
    timelines.retain(|candidate| *candidate > timeline);
    for candidate in timelines.into_iter().rev() {
        let history = wal.history(candidate).await.map_err(failed)?;
        if history.contains(timeline, stop) {
            return Ok(history);
        }
    }
    wal.history(timeline).await.map_err(failed)
}

/// WAL that the way needs is not there.
pub(super) fn wal_missing(hole: LsnRange, timeline: Timeline) -> Failure {
    Failure::permanent(
        "wal_missing",
        format!(
            "WAL from {} to {} on the way to timeline {timeline} is not in the repository",
            hole.from_lsn, hole.to_lsn
        ),
        format!(
            "restore to a point before {} (for instance with lsn:{}), start from a backup taken \
             after the hole, or put the missing segments into the repository",
            hole.from_lsn, hole.from_lsn
        ),
    )
}

fn usize_of(bytes: u64) -> usize {
    usize::try_from(bytes).expect("a segment is at most 1 GiB")
}
