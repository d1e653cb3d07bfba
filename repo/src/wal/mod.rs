//! The WAL of a lineage: full segments, slices of the segment being written,
//! and timeline histories.
//!
//! Everything is put once and compared when it is there already. What is not
//! there is told apart from what cannot be read: [`Fetched::Absent`] is a
//! proof, never a guess, because PostgreSQL takes it for the end of WAL.

mod aside;
mod expired;
mod fetch;
mod list;
mod prune;

use bytes::Bytes;
use holdfast_types::{LsnRange, Timeline, TimelineHistory, WalSegment};

pub use self::aside::AsideFile;
pub use self::fetch::Fetched;
pub use self::list::TimelineWal;
pub(crate) use self::list::WalObject;
use crate::codec::Codec;
use crate::envelope::Kind;
use crate::lineage::Put;
use crate::{Error, LineageRepository, Result};

/// The WAL of one lineage. Cheap to clone.
#[derive(Debug, Clone)]
pub struct WalRepository {
    lineage: LineageRepository,
    codec: Codec,
}

impl LineageRepository {
    /// Its WAL; what is new is compressed with `codec`.
    pub fn wal(&self, codec: Codec) -> WalRepository {
        WalRepository {
            lineage: self.clone(),
            codec,
        }
    }
}

impl WalRepository {
    /// Puts a full segment. On success it is durable (I-07).
    pub async fn put_segment(&self, segment: WalSegment, plain: Bytes) -> Result<Put> {
        self.check_size(segment)?;
        if plain.len() as u64 != segment.size().bytes() {
            return Err(Error::Invalid {
                what: "a WAL segment",
                reason: format!("{segment} has {} bytes", plain.len()),
            });
        }
        self.lineage
            .put(Kind::Segment, &segment_name(segment), self.codec, plain)
            .await
    }

    /// Puts part of a segment. On success it is durable (I-07).
    pub async fn put_slice(
        &self,
        timeline: Timeline,
        range: LsnRange,
        plain: Bytes,
    ) -> Result<Put> {
        let segment = self.segment_of(timeline, range)?;
        if plain.len() as u64 != range.bytes() {
            return Err(Error::Invalid {
                what: "a WAL slice",
                reason: format!("{} bytes for a range in {segment}", plain.len()),
            });
        }
        self.lineage
            .put(Kind::Slice, &slice_name(timeline, range), self.codec, plain)
            .await
    }

    /// Puts the history file of a timeline, as PostgreSQL wrote it.
    pub async fn put_history(&self, timeline: Timeline, text: Bytes) -> Result<Put> {
        let utf8 = String::from_utf8_lossy(&text);
        TimelineHistory::parse(timeline, &utf8).map_err(|error| Error::Invalid {
            what: "a timeline history",
            reason: error.to_string(),
        })?;
        self.lineage
            .put(Kind::History, &history_name(timeline), self.codec, text)
            .await
    }

    fn check_size(&self, segment: WalSegment) -> Result<()> {
        let stored = self.lineage.facts().segment_size;
        if segment.size() == stored {
            return Ok(());
        }
        Err(Error::LineageMismatch {
            lineage: self.lineage.lineage(),
            field: "WAL segment size",
            stored: stored.bytes(),
            given: segment.size().bytes(),
        })
    }

    /// The segment that holds all of `range`.
    fn segment_of(&self, timeline: Timeline, range: LsnRange) -> Result<WalSegment> {
        let size = self.lineage.facts().segment_size;
        let segment = WalSegment::containing(timeline, range.from_lsn, size);
        if range.from_lsn < range.to_lsn && range.to_lsn <= segment.end() {
            return Ok(segment);
        }
        Err(Error::Invalid {
            what: "a WAL slice",
            reason: format!(
                "{} to {} is not inside one segment",
                range.from_lsn, range.to_lsn
            ),
        })
    }
}

pub(crate) fn timeline_directory(timeline: Timeline) -> String {
    format!("wal/{:08X}", timeline.get())
}

pub(crate) fn segment_name(segment: WalSegment) -> String {
    format!("{}/{segment}", timeline_directory(segment.timeline()))
}

pub(crate) fn history_name(timeline: Timeline) -> String {
    format!(
        "{}/{}",
        timeline_directory(timeline),
        timeline.history_file()
    )
}

pub(crate) fn aside_name(file: AsideFile) -> String {
    let timeline = file.segment().timeline();
    format!("{}/{file}", timeline_directory(timeline))
}

fn slices_directory(timeline: Timeline) -> String {
    format!("{}/slices", timeline_directory(timeline))
}

pub(crate) fn slice_name(timeline: Timeline, range: LsnRange) -> String {
    let (from, to) = (range.from_lsn.get(), range.to_lsn.get());
    format!("{}/{from:016X}-{to:016X}", slices_directory(timeline))
}
