//! Files that PostgreSQL archives beside its WAL and never asks for again:
//! `.backup`, which says that some backup ended, and `.partial`, the segment
//! in which a timeline was left. They are kept as they were handed over, and
//! count as no WAL.

use std::fmt;

use bytes::Bytes;
use holdfast_types::{SegmentSize, WalSegment};

use super::{WalObject, WalRepository, aside_name};
use crate::envelope::Kind;
use crate::lineage::Put;
use crate::{Error, Result};

/// PostgreSQL writes a dozen lines; more than this is not one of its files.
const BACKUP_MAX: u64 = 1 << 20;

/// A file beside the WAL, by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AsideFile {
    /// `<segment>.<offset>.backup`: a backup that began at this offset of the
    /// segment.
    BackupHistory(WalSegment, u32),
    /// `<segment>.partial`: the segment in which a timeline was left, whole in
    /// length; what lies behind the switch means nothing.
    Partial(WalSegment),
}

impl AsideFile {
    /// Reads its name; `None` for any other.
    pub fn parse(name: &str, size: SegmentSize) -> Option<Self> {
        let (segment, suffix) = name.split_once('.')?;
        let segment = WalSegment::parse(segment, size).ok()?;
        let file = match suffix.split_once('.') {
            None if suffix == "partial" => Self::Partial(segment),
            Some((offset, "backup")) => {
                Self::BackupHistory(segment, u32::from_str_radix(offset, 16).ok()?)
            }
            _ => return None,
        };
        // One spelling only.
        (file.to_string() == name).then_some(file)
    }

    /// The segment that it is named after.
    pub const fn segment(self) -> WalSegment {
        match self {
            Self::BackupHistory(segment, _) | Self::Partial(segment) => segment,
        }
    }

    /// Whether a file of so many bytes can be it.
    pub const fn fits(self, bytes: u64) -> bool {
        match self {
            Self::BackupHistory(..) => bytes <= BACKUP_MAX,
            Self::Partial(segment) => bytes == segment.size().bytes(),
        }
    }

    pub(crate) const fn kind(self) -> Kind {
        match self {
            Self::BackupHistory(..) => Kind::BackupHistory,
            Self::Partial(_) => Kind::Partial,
        }
    }
}

impl fmt::Display for AsideFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BackupHistory(segment, offset) => write!(f, "{segment}.{offset:08X}.backup"),
            Self::Partial(segment) => write!(f, "{segment}.partial"),
        }
    }
}

impl WalRepository {
    /// Puts a file beside the WAL. On success it is durable (I-07).
    pub async fn put_aside(&self, file: AsideFile, plain: Bytes) -> Result<Put> {
        self.check_size(file.segment())?;
        if !file.fits(plain.len() as u64) {
            return Err(Error::Invalid {
                what: "a file of PostgreSQL's archive",
                reason: format!("{file} has {} bytes", plain.len()),
            });
        }
        self.put(WalObject::Aside(file), plain).await
    }

    /// Fetches a file beside the WAL, or `None` when it is proved not to be
    /// there.
    pub async fn fetch_aside(&self, file: AsideFile) -> Result<Option<Bytes>> {
        self.check_size(file.segment())?;
        match self.lineage.get(file.kind(), &aside_name(file)).await? {
            Some((_, plain)) => Ok(Some(plain.into())),
            None => {
                self.lineage.prove_present().await?;
                Ok(None)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use holdfast_types::{Lsn, Timeline};
    use proptest::prelude::*;

    use super::*;

    // Pitfall 14: timelines from 0x0A on, and segments of another size.
    proptest! {
        #[test]
        fn names_round_trip(number in 0u64..1 << 30, shift in 20u32..=30, timeline in 1u32.., offset: u32) {
            let size = SegmentSize::new(1 << shift).unwrap();
            let timeline = Timeline::new(timeline).unwrap();
            let lsn = Lsn::new((number << shift) & (u64::MAX >> 1));
            let segment = WalSegment::containing(timeline, lsn, size);
            for file in [AsideFile::Partial(segment), AsideFile::BackupHistory(segment, offset)] {
                prop_assert_eq!(AsideFile::parse(&file.to_string(), size), Some(file));
            }
        }
    }

    #[test]
    fn other_names_are_none_of_these() {
        for name in [
            "0000000A0000000100000003",
            "0000000A0000000100000003.PARTIAL",
            "0000000A0000000100000003.28.backup",
            "0000000A0000000100000003.0000002g.backup",
            "0000000A0000000100000003.00000028.backup.partial",
            "0000000a0000000100000003.partial",
            "0000000A.history",
        ] {
            assert_eq!(AsideFile::parse(name, SegmentSize::DEFAULT), None, "{name}");
        }
    }
}
