//! Segments that PostgreSQL never asks to be archived, although nobody has
//! them: a standby marks what it received as done, and once it is promoted
//! they are only in its `pg_wal` (pitfall 18). Before a segment counts as the
//! next one, the way back to what is stored is closed from there.

use std::collections::BTreeMap;
use std::sync::Arc;

use holdfast_types::{Coverage, Failure, Lsn, LsnRange, Timeline, WalSegment};

use super::lane::Lane;
use super::{PushName, Pushed};

/// The longest way back: 64 GiB of WAL in segments of the usual size.
const FARTHEST: u64 = 4096;

impl Lane {
    /// Stores what lies between the WAL that is stored and `asked`, as far as
    /// the server still has it. An error means that it is to be tried again.
    pub(super) async fn backfill(self: &Arc<Self>, asked: WalSegment) -> Result<(), Failure> {
        for segment in self.stranded(asked).await? {
            let name = PushName::Segment(segment.to_string());
            self.push(&name).await?;
            self.notes.remove(&name);
            tracing::info!(wal.segment = %segment, "stored from pg_wal: it was never archived");
            self.tell(Pushed::whole(segment, false));
        }
        Ok(())
    }

    /// The segments before `asked` that are missing and that the server has,
    /// in order. Nothing, where nothing is stored before them: then this is
    /// where the archive begins.
    async fn stranded(&self, asked: WalSegment) -> Result<Vec<WalSegment>, Failure> {
        let history = self.history_of(asked.timeline()).await?;
        let ready = self.ready();
        let mut stored: BTreeMap<Timeline, Coverage> = BTreeMap::new();
        let mut found = Vec::new();
        let first = asked.number().saturating_sub(FARTHEST);
        for number in (first..asked.number()).rev() {
            let last = Lsn::new((number + 1) * asked.size().bytes() - 1);
            let timeline = history.timeline_at(last);
            let segment = WalSegment::containing(timeline, last, asked.size());
            let coverage = match stored.remove(&timeline) {
                Some(coverage) => coverage,
                None => {
                    let listed = self.wal.list(timeline).await;
                    self.stored(&segment.to_string(), listed)?.coverage()
                }
            };
            let whole = LsnRange {
                from_lsn: segment.start(),
                to_lsn: segment.end(),
            };
            let is_there = coverage.covers(whole);
            stored.insert(timeline, coverage);
            if is_there {
                found.reverse();
                return Ok(found);
            }
            let name = segment.to_string();
            if ready.contains(&name) {
                continue;
            }
            if !self.pg_wal.join(&name).exists() {
                break;
            }
            found.push(segment);
        }
        found.reverse();
        let begins_before = |segment: &WalSegment| {
            let before = |coverage: &Coverage| {
                let first = coverage.ranges().first();
                first.is_some_and(|range| range.from_lsn < segment.start())
            };
            stored.values().any(before)
        };
        found.retain(begins_before);
        Ok(found)
    }
}
