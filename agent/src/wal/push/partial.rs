//! The end of a timeline that was left in the middle of a segment.
//!
//! A standby that is promoted archives that segment as `.partial`, and writes
//! its beginning again into the first segment of the new timeline. What lies
//! before the switch is WAL like any other: kept as a slice of its own
//! timeline, no hole is left where a timeline ends.

use bytes::Bytes;
use holdfast_types::{Failure, Lsn, LsnRange, Timeline, TimelineHistory, WalSegment};

use super::lane::Lane;
use super::{PushName, Pushed, read};

impl Lane {
    /// Stores what lies before the switch. Without a history that says where
    /// that is, the file alone is kept.
    pub(super) async fn keep_end_of_timeline(
        &self,
        segment: WalSegment,
        bytes: &Bytes,
    ) -> Result<(), Failure> {
        let Some(switch) = self.switch_in(segment).await else {
            return Ok(());
        };
        let Some(range) = LsnRange::new(segment.start(), switch) else {
            return Ok(());
        };
        let length = usize::try_from(range.bytes()).unwrap_or(bytes.len());
        let name = format!("{segment}.partial");
        let timeline = segment.timeline();
        let slice = bytes.slice(..length);
        self.stored(&name, self.wal.put_slice(timeline, range, slice).await)?;
        self.tell(Pushed {
            timeline,
            range,
            asked: false,
        });
        Ok(())
    }

    /// Where a later timeline that the server has the history of left this one.
    async fn switch_in(&self, segment: WalSegment) -> Option<Lsn> {
        let mut histories = Vec::new();
        for entry in std::fs::read_dir(&self.pg_wal).ok()?.flatten() {
            let name = entry.file_name();
            let name = name.to_str().and_then(|name| name.parse().ok());
            if let Some(PushName::History(timeline)) = name
                && timeline > segment.timeline()
            {
                histories.push(timeline);
            }
        }
        histories.sort();
        for timeline in histories {
            let switch = self.switch_of(timeline, segment.timeline()).await;
            let inside = |lsn: &Lsn| *lsn > segment.start() && *lsn < segment.end();
            if let Some(switch) = switch.filter(inside) {
                return Some(switch);
            }
        }
        None
    }

    async fn switch_of(&self, timeline: Timeline, left: Timeline) -> Option<Lsn> {
        let path = self.path(&PushName::History(timeline));
        let (bytes, _) = read::whole(&path, 1 << 20, &self.memory).await.ok()?;
        let history = TimelineHistory::parse(timeline, &String::from_utf8_lossy(&bytes)).ok()?;
        history.switchpoint_of(left)
    }
}
