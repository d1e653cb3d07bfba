//! Deleting slices that a full segment has made superfluous: the one deletion
//! that needs no decision of the catalog (I-06), because nothing is lost.

use holdfast_types::{LsnRange, WalSegment};

use super::{WalRepository, segment_name, slice_name};
use crate::envelope::{HEADER, Header, Kind};
use crate::{Error, Result};

impl WalRepository {
    /// Deletes the slices of `segment` whose bytes the durable full segment
    /// holds, and returns how many. Without the full segment nothing happens.
    /// A slice that differs is a [`Error::Conflict`] and stays.
    ///
    /// Only the holder of the WAL duty may call this, in a live session.
    pub async fn delete_covered_slices(&self, segment: WalSegment) -> Result<usize> {
        self.check_size(segment)?;
        let slices = self.slices_in(segment).await?;
        if slices.is_empty() {
            return Ok(0);
        }
        let Some((_, full)) = self
            .lineage
            .get(Kind::Segment, &segment_name(segment))
            .await?
        else {
            return Ok(0);
        };
        let mut conflict = None;
        let mut deleted = 0;
        for slice in slices {
            let name = slice_name(segment.timeline(), slice);
            if self.agrees(&name, segment, slice, &full).await? {
                self.lineage
                    .repository
                    .store
                    .delete(&self.lineage.name(&name))
                    .await?;
                deleted += 1;
            } else {
                conflict.get_or_insert(self.lineage.name(&name));
            }
        }
        conflict.map_or(Ok(deleted), |object| Err(Error::Conflict { object }))
    }

    /// The slice's header says the hash of its bytes, so they need not be read.
    async fn agrees(
        &self,
        name: &str,
        segment: WalSegment,
        slice: LsnRange,
        full: &[u8],
    ) -> Result<bool> {
        let object = self.lineage.name(name);
        let header = match self
            .lineage
            .repository
            .store
            .read_range(&object, 0..HEADER as u64)
            .await
        {
            // The former holder of the duty may have deleted it just now.
            Err(Error::Missing { .. }) => return Ok(true),
            header => header?,
        };
        let header = Header::decode(&header, Kind::Slice)
            .map_err(|damage| Error::damaged(&object, damage))?;
        let offset = |lsn: holdfast_types::Lsn| {
            usize::try_from(lsn.bytes_since(segment.start())).expect("inside one segment")
        };
        let part = full.get(offset(slice.from_lsn)..offset(slice.to_lsn));
        Ok(part.is_some_and(|part| self.lineage.hash_key().hash(part) == header.plain_hash))
    }
}
