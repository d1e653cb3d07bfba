//! Whether anything happened behind the WAL that is archived.
//!
//! After a switch of segments an idle server still writes a few records for
//! its standbys, and never archives them, for nothing of importance came. No
//! transaction ended in them, so the claim about commits that is proved up to
//! their beginning holds behind them too. They are read from `pg_wal`; whatever
//! cannot be read there proves nothing.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use bytes::Bytes;
use holdfast_pg::wal::WalReader;
use holdfast_types::{Lsn, SegmentSize, WalSegment};

use super::Position;

/// More than this, and it is no longer idle.
const MOST: u64 = 256 << 10;

/// SizeOfXLogLongPHD.
const SEGMENT_HEADER: u64 = 40;

/// Whether no transaction wrote anything from `from`, the start of a segment,
/// to `to`.
pub(super) fn is_quiet(data_directory: &Path, from: Position, to: Lsn, size: SegmentSize) -> bool {
    read(data_directory, from, to, size)
        .is_some_and(|bytes| holds_nothing(&bytes, from.lsn, to, size))
}

fn read(data_directory: &Path, from: Position, to: Lsn, size: SegmentSize) -> Option<Bytes> {
    let length = to.get().checked_sub(from.lsn.get())?;
    if size.start_of(from.lsn) != from.lsn || length > MOST.min(size.bytes()) {
        return None;
    }
    let segment = WalSegment::containing(from.timeline, from.lsn, size);
    let path = data_directory.join("pg_wal").join(segment.to_string());
    let mut file = File::open(path).ok()?;
    file.seek(SeekFrom::Start(0)).ok()?;
    let mut bytes = vec![0; usize::try_from(length).ok()?];
    file.read_exact(&mut bytes).ok()?;
    Some(bytes.into())
}

fn holds_nothing(bytes: &Bytes, from: Lsn, to: Lsn, size: SegmentSize) -> bool {
    let mut reader = WalReader::new(from, size);
    reader.feed(bytes);
    let mut reached = from;
    loop {
        match reader.next_record() {
            Ok(Some(record)) if record.xid != 0 => return false,
            // The rest of a record from the segment before may be a commit.
            Ok(Some(record)) if reached == from && record.start > first_record(from) => {
                return false;
            }
            Ok(Some(record)) => reached = record.end,
            // The rest of the bytes is no whole record, or none at all.
            Ok(None) | Err(_) => return reached >= to,
        }
    }
}

/// Where the first record starts when no other reaches into the segment.
const fn first_record(segment: Lsn) -> Lsn {
    Lsn::new(segment.get() + SEGMENT_HEADER)
}
