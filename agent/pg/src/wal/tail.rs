//! Where WAL ends: the last complete record and nothing past it.
//!
//! A restore to `latest` is resolved to this before it starts (DESIGN 5.2),
//! so the answer must be what PostgreSQL's recovery would find: the end of the
//! last record whose pages, links and CRC are right.

use holdfast_types::{Lsn, SegmentSize};

use super::{Detail, Invalid, Record, WalReader};

/// How the reading ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// All bytes were used up, between records.
    Complete,
    /// All bytes were used up inside the record that starts there.
    InsideRecord(Lsn),
    /// The next record lies past the limit.
    AtLimit,
    /// The bytes go on, valid WAL does not.
    Invalid(Invalid),
}

/// The end of WAL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tail {
    /// The last complete record; `None` when there was not one.
    pub last: Option<Record>,
    /// Why it is the last.
    pub ending: Ending,
}

impl Tail {
    /// Where the last complete record ends: the end of what can be replayed.
    pub fn end(&self) -> Option<Lsn> {
        Some(self.last.as_ref()?.end)
    }
}

/// Finds the tail of WAL that is fed piece by piece.
#[derive(Debug)]
pub struct TailScan {
    reader: WalReader,
    limit: Option<Lsn>,
    last: Option<Record>,
    ending: Ending,
}

impl TailScan {
    /// Reads from `start` (see [`WalReader::new`]).
    pub fn new(start: Lsn, segment: SegmentSize) -> Self {
        Self::with_reader(WalReader::new(start, segment))
    }

    /// Uses a reader that was made with more conditions.
    pub const fn with_reader(reader: WalReader) -> Self {
        Self {
            reader,
            limit: None,
            last: None,
            ending: Ending::Complete,
        }
    }

    /// Counts no record that ends after `limit`: the switchpoint, when the
    /// timeline that follows is what is restored. A switch record counts up
    /// to its own bytes, since what it skips is empty.
    #[must_use]
    pub const fn up_to(mut self, limit: Lsn) -> Self {
        self.limit = Some(limit);
        self
    }

    /// Adds the bytes that follow; `false` when more cannot change the answer.
    pub fn feed(&mut self, bytes: &[u8]) -> bool {
        if !self.is_open() {
            return false;
        }
        self.reader.feed(bytes);
        loop {
            match self.reader.next_record() {
                Ok(Some(record)) if self.is_past_limit(&record) => {
                    self.ending = Ending::AtLimit;
                    return false;
                }
                Ok(Some(record)) => self.last = Some(record),
                Ok(None) => {
                    let start = self.reader.incomplete();
                    self.ending = start.map_or(Ending::Complete, Ending::InsideRecord);
                    return true;
                }
                Err(invalid) => {
                    self.ending = Ending::Invalid(invalid);
                    return false;
                }
            }
        }
    }

    const fn is_open(&self) -> bool {
        matches!(self.ending, Ending::Complete | Ending::InsideRecord(_))
    }

    fn is_past_limit(&self, record: &Record) -> bool {
        let Some(limit) = self.limit else {
            return false;
        };
        let own_end = if record.detail == Detail::Switch {
            Lsn::new(
                record
                    .start
                    .get()
                    .saturating_add(record.total_length.into()),
            )
        } else {
            record.end
        };
        own_end > limit
    }

    /// The answer so far.
    pub fn finish(self) -> Tail {
        Tail {
            last: self.last,
            ending: self.ending,
        }
    }
}

/// The tail of WAL that is in memory, from `start`.
pub fn tail<'a>(
    start: Lsn,
    segment: SegmentSize,
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> Tail {
    let mut scan = TailScan::new(start, segment);
    for piece in pieces {
        if !scan.feed(piece) {
            break;
        }
    }
    scan.finish()
}
