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

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use holdfast_types::{LsnRange, Timeline, TimelineHistory, WalSegment};

pub use self::aside::AsideFile;
pub use self::fetch::Fetched;
pub use self::list::TimelineWal;
pub(crate) use self::list::WalObject;
use crate::codec::Codec;
use crate::lineage::Put;
use crate::{Error, LineageRepository, Result, failpoint};

/// The WAL of one lineage. Cheap to clone.
#[derive(Debug, Clone)]
pub struct WalRepository {
    lineage: LineageRepository,
    codec: Codec,
    /// Told of each object that is durable.
    tap: Option<WalTap>,
}

/// Told of each object that was put, sealed as it is stored, before the one who
/// put it hears of it. It must not wait.
#[derive(Clone)]
struct WalTap(Arc<dyn Fn(SealedWal) + Send + Sync>);

/// A WAL object as it is stored. Cheap to clone.
#[derive(Debug, Clone)]
pub struct SealedWal {
    below: String,
    bytes: Bytes,
    timeline: Timeline,
    range: Option<LsnRange>,
}

impl SealedWal {
    /// Its name below the lineage.
    pub(crate) fn below(&self) -> &str {
        &self.below
    }

    /// What is stored.
    pub const fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Its timeline.
    pub const fn timeline(&self) -> Timeline {
        self.timeline
    }

    /// The WAL it holds, if it counts as such.
    pub const fn range(&self) -> Option<LsnRange> {
        self.range
    }
}

impl fmt::Debug for WalTap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WalTap")
    }
}

impl LineageRepository {
    /// Its WAL; what is new is compressed with `codec`.
    pub fn wal(&self, codec: Codec) -> WalRepository {
        WalRepository {
            lineage: self.clone(),
            codec,
            tap: None,
        }
    }
}

impl WalRepository {
    /// The same, with somebody who is told of each object that was put.
    #[must_use]
    pub fn with_tap(self, tell: impl Fn(SealedWal) + Send + Sync + 'static) -> Self {
        Self {
            tap: Some(WalTap(Arc::new(tell))),
            ..self
        }
    }

    async fn put(&self, object: WalObject, plain: Bytes) -> Result<Put> {
        let below = object.name();
        let kind = object.kind();
        failpoint!("put::wal::before");
        let (put, bytes) = self.lineage.put(kind, &below, self.codec, plain).await?;
        // PostgreSQL deletes what it is told that we have (I-07). Not so for a slice:
        // until its segment is whole, the server keeps all of it.
        if put == Put::Created && !matches!(object, WalObject::Slice(..)) {
            let (store, name) = (&self.lineage.repository.store, self.lineage.name(&below));
            store.prove_stored(&name, bytes.len() as u64).await?;
        }
        failpoint!("put::wal::after");
        let Some(WalTap(tell)) = &self.tap else {
            return Ok(put);
        };
        let (timeline, range) = match object {
            WalObject::Segment(segment) => {
                let range = LsnRange::new(segment.start(), segment.end());
                (segment.timeline(), range)
            }
            WalObject::Slice(timeline, range) => (timeline, Some(range)),
            WalObject::History(timeline) => (timeline, None),
            WalObject::Aside(file) => (file.segment().timeline(), None),
        };
        tell(SealedWal {
            below,
            bytes,
            timeline,
            range,
        });
        Ok(put)
    }

    /// Puts a full segment. On success it is durable (I-07).
    pub async fn put_segment(&self, segment: WalSegment, plain: Bytes) -> Result<Put> {
        self.check_size(segment)?;
        if plain.len() as u64 != segment.size().bytes() {
            return Err(Error::Invalid {
                what: "a WAL segment",
                reason: format!("{segment} has {} bytes", plain.len()),
            });
        }
        self.put(WalObject::Segment(segment), plain).await
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
        self.put(WalObject::Slice(timeline, range), plain).await
    }

    /// Puts the history file of a timeline, as PostgreSQL wrote it.
    pub async fn put_history(&self, timeline: Timeline, text: Bytes) -> Result<Put> {
        let utf8 = String::from_utf8_lossy(&text);
        TimelineHistory::parse(timeline, &utf8).map_err(|error| Error::Invalid {
            what: "a timeline history",
            reason: error.to_string(),
        })?;
        self.put(WalObject::History(timeline), text).await
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
