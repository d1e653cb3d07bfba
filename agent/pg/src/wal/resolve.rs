//! Which position belongs to a time.
//!
//! A time stops before the first commit record whose timestamp exceeds it;
//! exclusive: that reaches it. Commit timestamps are not monotone in WAL order
//! (a transaction takes its time before it gets its place), so "the first in
//! the log" decides and not the nearest in time.

use holdfast_types::{Lsn, SegmentSize};
use jiff::Timestamp;

use super::{Detail, Record, TransactionEnd, WalReader};

/// A time to stop at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeTarget {
    /// The time.
    pub at: Timestamp,
    /// Whether a commit at exactly that time is left out.
    pub exclusive: bool,
}

impl TimeTarget {
    /// Whether a commit at `time` comes after the target.
    pub fn is_passed_by(self, time: Timestamp) -> bool {
        if self.exclusive {
            time >= self.at
        } else {
            time > self.at
        }
    }
}

/// Looks for the record at which a time target stops.
#[derive(Debug, Clone)]
pub struct TimeResolver {
    target: TimeTarget,
    last_record: Option<Record>,
    last_commit: Option<(Record, TransactionEnd)>,
    stop: Option<(Record, TransactionEnd)>,
}

impl TimeResolver {
    /// Resolves `target`.
    pub const fn new(target: TimeTarget) -> Self {
        Self {
            target,
            last_record: None,
            last_commit: None,
            stop: None,
        }
    }

    /// Takes the next record of the log; `true` once the stop is found.
    pub fn observe(&mut self, record: &Record) -> bool {
        if self.stop.is_some() {
            return true;
        }
        if let Detail::Commit(end) = record.detail {
            if self.target.is_passed_by(end.at) {
                self.stop = Some((record.clone(), end));
                return true;
            }
            self.last_commit = Some((record.clone(), end));
        }
        self.last_record = Some(record.clone());
        false
    }

    /// The commit to stop before; `None` while none passed the target. If the
    /// log then ends and the frontier reaches the target, everything belongs
    /// to it.
    pub const fn stop(&self) -> Option<&(Record, TransactionEnd)> {
        self.stop.as_ref()
    }

    /// The last commit that belongs to the target.
    pub const fn last_commit(&self) -> Option<&(Record, TransactionEnd)> {
        self.last_commit.as_ref()
    }

    /// The last record that belongs to the target: replay ends with it.
    pub const fn last_record(&self) -> Option<&Record> {
        self.last_record.as_ref()
    }
}

/// Resolves `target` in WAL that is in memory, from `start`. Reading ends at
/// the stop or where valid WAL does; whether the log was long enough to
/// answer, the frontier says.
pub fn resolve_time<'a>(
    start: Lsn,
    segment: SegmentSize,
    pieces: impl IntoIterator<Item = &'a [u8]>,
    target: TimeTarget,
) -> TimeResolver {
    let mut resolver = TimeResolver::new(target);
    let mut reader = WalReader::new(start, segment);
    for piece in pieces {
        reader.feed(piece);
        loop {
            match reader.next_record() {
                Ok(Some(record)) if resolver.observe(&record) => return resolver,
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(_) => return resolver,
            }
        }
    }
    resolver
}
