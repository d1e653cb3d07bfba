//! Headers of WAL pages (`src/include/access/xlog_internal.h`).

use holdfast_types::{Lsn, Timeline};

/// The size of a WAL page in every ordinary build (XLOG_BLCKSZ).
pub const PAGE_SIZE: u64 = 8192;
/// SizeOfXLogShortPHD.
pub(super) const SHORT_HEADER: u64 = 24;
/// SizeOfXLogLongPHD, on the first page of a segment.
pub(super) const LONG_HEADER: u64 = 40;

const FIRST_IS_CONTINUATION: u16 = 0x01;
const LONG: u16 = 0x02;
const ALL_FLAGS: u16 = 0x0F;
const FIRST_IS_OVERWRITE: u16 = 0x08;

/// The major version that wrote a page, known by its magic number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum WalVersion {
    /// PostgreSQL 14.
    V14,
    /// PostgreSQL 15.
    V15,
    /// PostgreSQL 16.
    V16,
    /// PostgreSQL 17.
    V17,
    /// PostgreSQL 18.
    V18,
}

impl WalVersion {
    pub(super) const fn from_magic(magic: u16) -> Option<Self> {
        Some(match magic {
            0xD10D => Self::V14,
            0xD110 => Self::V15,
            0xD113 => Self::V16,
            0xD116 => Self::V17,
            0xD118 => Self::V18,
            _ => return None,
        })
    }

    /// The major version as a number.
    pub const fn major(self) -> u32 {
        match self {
            Self::V14 => 14,
            Self::V15 => 15,
            Self::V16 => 16,
            Self::V17 => 17,
            Self::V18 => 18,
        }
    }
}

/// A page header whose form is right; whether it fits is the reader's question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PageHeader {
    pub(super) version: WalVersion,
    info: u16,
    pub(super) timeline: Timeline,
    pub(super) address: Lsn,
    /// Bytes of a record from earlier pages that are still to come, these
    /// included.
    pub(super) remaining: u32,
    pub(super) long: Option<LongHeader>,
}

/// What only the first page of a segment carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LongHeader {
    pub(super) system_identifier: u64,
    pub(super) segment_bytes: u32,
    pub(super) page_bytes: u32,
}

/// Why bytes are not a page header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HeaderFault {
    Magic(u16),
    Flags(u16),
    Timeline,
}

impl PageHeader {
    /// How long the header is that starts with these bytes.
    pub(super) fn length(first: &[u8; 24]) -> u64 {
        let info = u16::from_le_bytes([first[2], first[3]]);
        if info & LONG == 0 {
            SHORT_HEADER
        } else {
            LONG_HEADER
        }
    }

    /// Reads a header; `bytes` has its [`Self::length`].
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, HeaderFault> {
        let u16_at = |at: usize| u16::from_le_bytes([bytes[at], bytes[at + 1]]);
        let u32_at = |at: usize| u32::from(u16_at(at)) | u32::from(u16_at(at + 2)) << 16;
        let u64_at = |at: usize| u64::from(u32_at(at)) | u64::from(u32_at(at + 4)) << 32;
        let (magic, info) = (u16_at(0), u16_at(2));
        let version = WalVersion::from_magic(magic).ok_or(HeaderFault::Magic(magic))?;
        if info & !ALL_FLAGS != 0 {
            return Err(HeaderFault::Flags(info));
        }
        let long = (info & LONG != 0).then(|| LongHeader {
            system_identifier: u64_at(24),
            segment_bytes: u32_at(32),
            page_bytes: u32_at(36),
        });
        Ok(Self {
            version,
            info,
            timeline: Timeline::new(u32_at(4)).ok_or(HeaderFault::Timeline)?,
            address: Lsn::new(u64_at(8)),
            remaining: u32_at(16),
            long,
        })
    }

    /// Whether the page begins with the rest of a record.
    pub(super) const fn continues(&self) -> bool {
        self.info & FIRST_IS_CONTINUATION != 0
    }

    /// Whether the record that should have continued here was given up after
    /// a crash.
    pub(super) const fn overwrites(&self) -> bool {
        self.info & FIRST_IS_OVERWRITE != 0
    }
}
