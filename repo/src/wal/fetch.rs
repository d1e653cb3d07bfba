//! Bringing one segment back.

use bytes::Bytes;
use holdfast_types::{Coverage, Lsn, LsnRange, WalSegment};

use super::{WalRepository, segment_name, slice_name};
use crate::envelope::Kind;
use crate::error::Damage;
use crate::{Error, Result};

/// A segment as the repository has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fetched {
    /// The whole segment.
    Full(Bytes),
    /// The beginning of a segment that was still being written.
    Assembled {
        /// A whole segment's length: what is known, then zeros.
        bytes: Bytes,
        /// The first position that is not known.
        valid_to: Lsn,
    },
    /// Proved not to be there: neither the segment nor any slice of it, while
    /// the repository and the lineage are.
    Absent,
}

impl WalRepository {
    /// Fetches a segment, from its slices if it has not been completed.
    pub async fn fetch_segment(&self, segment: WalSegment) -> Result<Fetched> {
        self.check_size(segment)?;
        if let Some(full) = self.full(segment).await? {
            return Ok(Fetched::Full(full));
        }
        let slices = self.slices_in(segment).await?;
        let assembled = self.assemble(segment, &slices).await;
        // Slices are deleted once the full segment is durable. That may have
        // begun since our first look, and then the list of slices lacks any of
        // them, also the last: what they say counts only if the segment is
        // still absent after them.
        if let Some(full) = self.full(segment).await? {
            return Ok(Fetched::Full(full));
        }
        match assembled? {
            Some((bytes, valid_to)) => Ok(Fetched::Assembled { bytes, valid_to }),
            None => {
                self.lineage.prove_present().await?;
                Ok(Fetched::Absent)
            }
        }
    }

    /// [`WalRepository::fetch_segment`] for a recovery of which nobody knows
    /// where it must end: where WAL goes on behind what is missing of the
    /// segment, that is a hole and an error, for PostgreSQL would take zeros
    /// or absence for the end of WAL and stop short of what follows (I-12).
    pub async fn fetch_or_hole(&self, segment: WalSegment) -> Result<Fetched> {
        let fetched = self.fetch_segment(segment).await?;
        let (missing, begun) = match &fetched {
            Fetched::Full(_) => return Ok(fetched),
            Fetched::Assembled { valid_to, .. } => (LsnRange::new(*valid_to, segment.end()), true),
            Fetched::Absent => (LsnRange::new(segment.start(), segment.end()), false),
        };
        let Some(missing) = missing else {
            return Ok(fetched);
        };
        // A timeline begins somewhere, and before that nothing is missing.
        let is_hole =
            self.goes_on_after(segment).await? && (begun || self.begins_before(segment).await?);
        if !is_hole {
            return Ok(fetched);
        }
        // Segments may be stored out of their order: what was missing may have
        // come since.
        match self.full(segment).await? {
            Some(full) => Ok(Fetched::Full(full)),
            None => Err(Error::WalHole {
                segment,
                gaps: vec![missing],
            }),
        }
    }

    /// Whether anything is stored behind `segment` on its timeline.
    async fn goes_on_after(&self, segment: WalSegment) -> Result<bool> {
        let later = self.list_from(segment.timeline(), segment.end()).await?;
        let after = |range: &LsnRange| range.to_lsn > segment.end();
        Ok(later.coverage().ranges().iter().any(after))
    }

    /// Whether anything is stored before it.
    async fn begins_before(&self, segment: WalSegment) -> Result<bool> {
        let all = self.list(segment.timeline()).await?.coverage();
        let first = all.ranges().first();
        Ok(first.is_some_and(|first| first.from_lsn < segment.start()))
    }

    /// A full segment as it is stored, sealed; `None` when it is not there,
    /// which proves nothing. Nobody need trust who keeps it meanwhile:
    /// [`WalRepository::open_sealed`] checks it.
    pub async fn read_sealed(&self, segment: WalSegment) -> Result<Option<Bytes>> {
        self.check_size(segment)?;
        let name = self.lineage.name(&segment_name(segment));
        self.lineage.repository.store.read(&name).await
    }

    /// Opens what [`WalRepository::read_sealed`] has read. What is not that
    /// segment of this lineage, whole and unchanged, is damage.
    pub async fn open_sealed(&self, segment: WalSegment, sealed: Bytes) -> Result<Bytes> {
        self.check_size(segment)?;
        let name = segment_name(segment);
        let opened = self.lineage.open_object(Kind::Segment, &name, sealed);
        let (_, plain) = opened.await?;
        if plain.len() as u64 != segment.size().bytes() {
            let reason = "its content does not fit its name".to_owned();
            return Err(Error::damaged(
                self.lineage.name(&name),
                Damage::Structure(reason),
            ));
        }
        Ok(plain.into())
    }

    async fn full(&self, segment: WalSegment) -> Result<Option<Bytes>> {
        let found = self
            .lineage
            .get(Kind::Segment, &segment_name(segment))
            .await?;
        Ok(found.map(|(_, plain)| Bytes::from(plain)))
    }

    async fn assemble(
        &self,
        segment: WalSegment,
        slices: &[LsnRange],
    ) -> Result<Option<(Bytes, Lsn)>> {
        let coverage: Coverage = slices.iter().copied().collect();
        let Some(last) = coverage.ranges().last() else {
            return Ok(None);
        };
        let valid_to = last.to_lsn;
        let gaps = LsnRange::new(segment.start(), valid_to).map(|range| coverage.gaps(range));
        if let Some(gaps) = gaps.filter(|gaps| !gaps.is_empty()) {
            // Handing out the part before the hole would let PostgreSQL take
            // the hole for the end of WAL.
            return Err(Error::WalHole { segment, gaps });
        }
        let length = usize::try_from(segment.size().bytes()).expect("a segment is at most 1 GiB");
        let mut bytes = vec![0; length];
        let mut known = segment.start();
        for slice in slices {
            let name = slice_name(segment.timeline(), *slice);
            let Some((_, plain)) = self.lineage.get(Kind::Slice, &name).await? else {
                return Err(Error::Missing {
                    object: self.lineage.name(&name),
                });
            };
            let offset = |lsn: Lsn| {
                usize::try_from(lsn.bytes_since(segment.start())).expect("inside one segment")
            };
            let place = offset(slice.from_lsn)..offset(slice.to_lsn);
            // Slices may overlap; where they do they must agree.
            let common = offset(known.min(slice.to_lsn)).saturating_sub(place.start);
            if plain.len() != place.len()
                || bytes[place.start..place.start + common] != plain[..common]
            {
                return Err(Error::Conflict {
                    object: self.lineage.name(&name),
                });
            }
            bytes[place].copy_from_slice(&plain);
            known = known.max(slice.to_lsn);
        }
        Ok(Some((Bytes::from(bytes), valid_to)))
    }
}
