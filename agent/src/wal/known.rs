//! What the repository holds of the segment that streaming begins with.

use bytes::Bytes;
use holdfast_repo::{Error, Fetched, WalRepository};
use holdfast_types::{Lsn, LsnRange, WalSegment};

use super::Position;
use super::buffer::SegmentBuffer;

/// The stored beginning of a segment. The server sends it again, and it must
/// agree byte for byte.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// Stored without a gap from the segment's start to here.
    pub(super) durable_to: Lsn,
    /// Those bytes; shorter where a hole keeps them from being read.
    pub(super) expected: Bytes,
    /// The slice that ends there. Put again it is compared by the repository,
    /// and made durable if its writer died between writing and syncing. Those
    /// before it need no such care: slices are put one after the other.
    pub(super) last_slice: Option<LsnRange>,
}

impl Known {
    /// Looks at the repository, unless `kept`, the buffer of the stream that
    /// broke, has the bytes and `durable` says how far they are stored.
    pub(super) async fn load(
        wal: &WalRepository,
        segment: WalSegment,
        durable: Option<Position>,
        kept: Option<SegmentBuffer>,
    ) -> Result<Self, Error> {
        let (timeline, start) = (segment.timeline(), segment.start());
        if let Some(durable) = durable
            && let Some(kept) = kept.filter(|kept| kept.segment() == segment)
            && durable.timeline == timeline
            && (start..=kept.received()).contains(&durable.lsn)
        {
            let mut expected = kept.into_bytes();
            expected.truncate(length(durable.lsn.bytes_since(start)));
            return Ok(Self {
                durable_to: durable.lsn,
                expected,
                last_slice: None,
            });
        }
        let listed = wal.list_from(timeline, start).await?;
        let durable_to = listed.coverage().contiguous_end(start).min(segment.end());
        if durable_to == start {
            return Ok(Self {
                durable_to,
                ..Self::default()
            });
        }
        let last_slice = listed
            .slices
            .iter()
            .find(|slice| slice.to_lsn == durable_to)
            .copied();
        let mut expected = match wal.fetch_segment(segment).await {
            Ok(Fetched::Full(bytes) | Fetched::Assembled { bytes, .. }) => bytes,
            // Behind a hole nothing can be compared now; the hashes of all
            // slices are, when the full segment is there.
            Ok(Fetched::Absent) | Err(Error::WalHole { .. }) => Bytes::new(),
            Err(error) => return Err(error),
        };
        expected.truncate(length(durable_to.bytes_since(start)));
        Ok(Self {
            durable_to,
            expected,
            last_slice,
        })
    }

    /// Whether `received`, which begins at `offset` of the segment, is what is
    /// stored, as far as something is.
    pub(super) fn agrees(&self, offset: u64, received: &[u8]) -> bool {
        let offset = length(offset).min(self.expected.len());
        let stored = &self.expected[offset..];
        let common = stored.len().min(received.len());
        stored[..common] == received[..common]
    }
}

fn length(bytes: u64) -> usize {
    usize::try_from(bytes).expect("a segment fits into memory")
}
