//! What the first page of a segment says of it: enough to refuse a file that
//! is not what its name claims, before it is stored.

use holdfast_types::{Lsn, Timeline, WalSegment};

use super::WalVersion;
use super::page_header::{LONG_HEADER, PageHeader};

/// The header of a segment's first page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentHeader {
    /// The major version that wrote it.
    pub version: WalVersion,
    /// The timeline it was written on. The segment in which a timeline begins
    /// starts with pages of the one before.
    pub timeline: Timeline,
    /// Where it starts.
    pub address: Lsn,
    /// The system that wrote it.
    pub system_identifier: u64,
    /// The size of its segments.
    pub segment_bytes: u64,
}

/// Why a file is not the segment that its name says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotThatSegment {
    /// Its first bytes are no header of a segment of a version we know.
    #[error("it does not begin like a WAL segment of PostgreSQL 14 to 18")]
    NoHeader,
    /// It belongs to another place in the log.
    #[error("its first page belongs to {0}")]
    Address(Lsn),
    /// Its timeline is later than its name's.
    #[error("its first page was written on timeline {0}")]
    Timeline(Timeline),
    /// The segments of its server have another size.
    #[error("its server has segments of {0} bytes")]
    SegmentSize(u64),
}

impl SegmentHeader {
    /// Reads the header of a segment.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let length = usize::try_from(LONG_HEADER).ok()?;
        let page = PageHeader::parse(bytes.get(..length)?).ok()?;
        let long = page.long?;
        Some(Self {
            version: page.version,
            timeline: page.timeline,
            address: page.address,
            system_identifier: long.system_identifier,
            segment_bytes: u64::from(long.segment_bytes),
        })
    }

    /// The header of a file that must be `segment`; whose it is, is another
    /// question.
    pub fn of(bytes: &[u8], segment: WalSegment) -> Result<Self, NotThatSegment> {
        let header = Self::read(bytes).ok_or(NotThatSegment::NoHeader)?;
        if header.segment_bytes != segment.size().bytes() {
            return Err(NotThatSegment::SegmentSize(header.segment_bytes));
        }
        if header.address != segment.start() {
            return Err(NotThatSegment::Address(header.address));
        }
        if header.timeline > segment.timeline() {
            return Err(NotThatSegment::Timeline(header.timeline));
        }
        Ok(header)
    }
}

#[cfg(test)]
mod tests {
    use holdfast_types::SegmentSize;

    use super::*;

    /// A segment's first page as PostgreSQL 15 writes it.
    fn page(timeline: u32, address: u64) -> Vec<u8> {
        let mut page = vec![0; 8192];
        page[0..2].copy_from_slice(&0xD110u16.to_le_bytes());
        page[2..4].copy_from_slice(&0x02u16.to_le_bytes());
        page[4..8].copy_from_slice(&timeline.to_le_bytes());
        page[8..16].copy_from_slice(&address.to_le_bytes());
        page[24..32].copy_from_slice(&7u64.to_le_bytes());
        page[32..36].copy_from_slice(&(1u32 << 20).to_le_bytes());
        page[36..40].copy_from_slice(&8192u32.to_le_bytes());
        page
    }

    #[test]
    fn a_file_is_the_segment_that_its_name_says_or_refused() {
        let size = SegmentSize::new(1 << 20).unwrap();
        let segment = WalSegment::parse("0000000A0000000000000003", size).unwrap();
        let start = segment.start().get();
        let of = |bytes: &[u8]| SegmentHeader::of(bytes, segment);
        assert_eq!(of(&page(10, start)).unwrap().system_identifier, 7);
        assert!(of(&page(9, start)).is_ok(), "the segment of a switch");
        let later = Timeline::new(11).unwrap();
        assert_eq!(of(&page(11, start)), Err(NotThatSegment::Timeline(later)));
        // A recycled file that was renamed and not yet written.
        assert_eq!(
            of(&page(10, start + (1 << 20))),
            Err(NotThatSegment::Address(segment.end()))
        );
        assert_eq!(of(&[0; 8192]), Err(NotThatSegment::NoHeader));
        assert_eq!(of(b"short"), Err(NotThatSegment::NoHeader));
        let sixteen = WalSegment::parse("0000000A0000000000000003", SegmentSize::DEFAULT).unwrap();
        assert_eq!(
            SegmentHeader::of(&page(10, sixteen.start().get()), sixteen),
            Err(NotThatSegment::SegmentSize(1 << 20))
        );
    }
}
