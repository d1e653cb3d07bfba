//! Whether stored WAL past a switch of timeline means that commits were lost.
//!
//! A standby that is promoted drops the beginning of a record that it had not
//! received whole, and we may have stored that beginning. A whole record in
//! the repository that the new timeline does not have is another matter: that
//! server does not continue what is stored.

use holdfast_pg::wal::{TailScan, WalReader};
use holdfast_repo::{Error, Fetched, WalRepository};
use holdfast_types::{LsnRange, SegmentSize, Timeline, WalSegment};

/// Whether a whole record begins where `overhang`, stored WAL of `timeline`,
/// does.
pub(super) async fn holds_record(
    wal: &WalRepository,
    timeline: Timeline,
    overhang: LsnRange,
    size: SegmentSize,
) -> Result<bool, Error> {
    let mut scan = TailScan::with_reader(WalReader::new(overhang.from_lsn, size));
    let mut segment = WalSegment::containing(timeline, overhang.from_lsn, size);
    while segment.start() < overhang.to_lsn {
        let (bytes, end) = match wal.fetch_segment(segment).await? {
            Fetched::Full(bytes) => (bytes, segment.end()),
            Fetched::Assembled { bytes, valid_to } => (bytes, valid_to),
            Fetched::Absent => break,
        };
        let offset = |lsn: holdfast_types::Lsn| {
            usize::try_from(lsn.bytes_since(segment.start())).expect("inside one segment")
        };
        let from = overhang.from_lsn.max(segment.start());
        let to = overhang.to_lsn.min(end);
        let goes_on = from < to && scan.feed(&bytes[offset(from)..offset(to)]);
        if !goes_on {
            break;
        }
        segment = segment.next();
    }
    Ok(scan.finish().last.is_some())
}
