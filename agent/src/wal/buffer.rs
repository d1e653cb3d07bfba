//! The segment that is being received, in memory.

use bytes::Bytes;
use holdfast_types::{Lsn, LsnRange, WalSegment};

/// One segment from its start to what has been received, and how much of that
/// was handed over to be stored.
#[derive(Debug)]
pub(super) struct SegmentBuffer {
    segment: WalSegment,
    bytes: Vec<u8>,
    handed: usize,
}

impl SegmentBuffer {
    /// Nothing of `segment` yet.
    pub(super) fn new(segment: WalSegment) -> Self {
        // Reserved, not touched: memory follows what is received.
        Self {
            segment,
            bytes: Vec::with_capacity(length(segment.size().bytes())),
            handed: 0,
        }
    }

    pub(super) const fn segment(&self) -> WalSegment {
        self.segment
    }

    /// The position after the last byte received.
    pub(super) fn received(&self) -> Lsn {
        self.at(self.bytes.len())
    }

    /// The position after the last byte handed over.
    pub(super) fn handed(&self) -> Lsn {
        self.at(self.handed)
    }

    fn at(&self, offset: usize) -> Lsn {
        Lsn::new(self.segment.start().get() + offset as u64)
    }

    fn offset(&self, lsn: Lsn) -> usize {
        length(lsn.bytes_since(self.segment.start()))
    }

    /// Takes what fits into the segment, and says how much that was.
    pub(super) fn append(&mut self, data: &[u8]) -> usize {
        let room = length(self.segment.size().bytes()) - self.bytes.len();
        let taken = room.min(data.len());
        self.bytes.extend_from_slice(&data[..taken]);
        taken
    }

    pub(super) fn is_full(&self) -> bool {
        self.received() == self.segment.end()
    }

    /// The bytes of a range that has been received.
    pub(super) fn range(&self, range: LsnRange) -> &[u8] {
        &self.bytes[self.offset(range.from_lsn)..self.offset(range.to_lsn)]
    }

    /// Notes that everything before `lsn` needs no handing over.
    pub(super) fn skip_to(&mut self, lsn: Lsn) {
        self.handed = self.handed.max(self.offset(lsn).min(self.bytes.len()));
    }

    /// What was received and not handed over; `None` when there is nothing.
    pub(super) fn take_slice(&mut self) -> Option<(LsnRange, Bytes)> {
        let range = LsnRange::new(self.handed(), self.received())?;
        let bytes = Bytes::copy_from_slice(self.range(range));
        self.handed = self.bytes.len();
        Some((range, bytes))
    }

    /// The whole segment; the buffer goes on with the next one.
    pub(super) fn take_full(&mut self) -> (WalSegment, Bytes) {
        assert!(self.is_full(), "only a whole segment is put as one");
        let next = Self::new(self.segment.next());
        let full = std::mem::replace(self, next);
        (full.segment, Bytes::from(full.bytes))
    }

    /// All that was received.
    pub(super) fn into_bytes(self) -> Bytes {
        Bytes::from(self.bytes)
    }
}

/// A segment has at most 1 GiB.
fn length(bytes: u64) -> usize {
    usize::try_from(bytes).expect("a segment fits into memory")
}

#[cfg(test)]
mod tests {
    use holdfast_types::{SegmentSize, Timeline};

    use super::*;

    fn buffer() -> SegmentBuffer {
        let size = SegmentSize::new(1 << 20).unwrap();
        let start: Lsn = "0/300000".parse().unwrap();
        SegmentBuffer::new(WalSegment::containing(Timeline::FIRST, start, size))
    }

    #[test]
    fn slices_continue_where_the_last_one_ended() {
        let mut buffer = buffer();
        assert!(
            buffer.take_slice().is_none(),
            "only when there are new bytes"
        );
        buffer.append(b"abc");
        let (first, bytes) = buffer.take_slice().unwrap();
        assert_eq!(bytes.as_ref(), b"abc");
        assert!(buffer.take_slice().is_none());
        buffer.append(b"de");
        let (second, bytes) = buffer.take_slice().unwrap();
        assert_eq!(
            (second.from_lsn, bytes.as_ref()),
            (first.to_lsn, b"de".as_ref())
        );
    }

    #[test]
    fn what_was_stored_before_is_not_handed_over_again() {
        let mut buffer = buffer();
        buffer.append(b"abcde");
        buffer.skip_to("0/300003".parse().unwrap());
        assert_eq!(buffer.take_slice().unwrap().1.as_ref(), b"de");
    }

    #[test]
    fn a_full_segment_leaves_the_rest_to_the_next() {
        let mut buffer = buffer();
        buffer.append(b"begin");
        buffer.take_slice();
        let data = vec![7; 1 << 20];
        let taken = buffer.append(&data);
        assert_eq!(taken, (1 << 20) - 5);
        let (segment, bytes) = buffer.take_full();
        assert_eq!(
            (bytes.len() as u64, &bytes[..5]),
            (segment.size().bytes(), b"begin".as_ref())
        );
        assert_eq!(buffer.append(&data[taken..]), 5);
        assert_eq!(buffer.take_slice().unwrap().0.from_lsn, segment.end());
    }
}
