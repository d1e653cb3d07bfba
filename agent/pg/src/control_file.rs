//! `global/pg_control` of PostgreSQL 14 to 18, read from its bytes.
//!
//! The layout is `ControlFileData` of `src/include/catalog/pg_control.h`,
//! little-endian with 8-byte alignment, which is every platform we run on.
//! Versions 14 to 17 share it; 18 adds one flag before the nonce. A server may
//! be writing the file while we read it: on [`InvalidControlFile::BadCrc`]
//! read it again before believing that it is damaged.

use std::fmt;

use holdfast_types::{Lsn, SegmentSize, Timeline};
use jiff::Timestamp;

/// Relative to the data directory.
pub const PATH: &str = "global/pg_control";
/// The file is padded to this, whatever its version.
pub const FILE_SIZE: usize = 8192;

/// Why bytes are not a control file that we can use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidControlFile {
    /// Cut off.
    #[error("pg_control has only {0} bytes")]
    TooShort(usize),
    /// Not a version we know.
    #[error("pg_control has version {0}: PostgreSQL 14 to 18 write 1300, 1700 or 1800")]
    UnknownVersion(u32),
    /// Torn by a concurrent write, or damaged: read it again.
    #[error(
        "pg_control has CRC {found:08X}, its content {computed:08X}: it was being written, or is damaged"
    )]
    BadCrc {
        /// In the file.
        found: u32,
        /// Of the content.
        computed: u32,
    },
    /// A value that cannot be, although the CRC is right.
    #[error("pg_control holds an impossible {0}")]
    Impossible(&'static str),
}

/// What the server was doing when it last wrote the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClusterState {
    /// Starting up.
    StartingUp,
    /// Cleanly stopped.
    ShutDown,
    /// A standby that was cleanly stopped.
    ShutDownInRecovery,
    /// Stopping.
    ShuttingDown,
    /// Recovering from a crash.
    InCrashRecovery,
    /// Recovering from an archive or a primary.
    InArchiveRecovery,
    /// Running as a primary.
    InProduction,
}

impl ClusterState {
    fn from_number(number: u32) -> Option<Self> {
        Some(match number {
            0 => Self::StartingUp,
            1 => Self::ShutDown,
            2 => Self::ShutDownInRecovery,
            3 => Self::ShuttingDown,
            4 => Self::InCrashRecovery,
            5 => Self::InArchiveRecovery,
            6 => Self::InProduction,
            _ => return None,
        })
    }

    /// Whether a copy of the stopped data directory is consistent by itself.
    pub const fn is_cleanly_stopped(self) -> bool {
        matches!(self, Self::ShutDown | Self::ShutDownInRecovery)
    }
}

impl fmt::Display for ClusterState {
    /// As pg_controldata prints it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::StartingUp => "starting up",
            Self::ShutDown => "shut down",
            Self::ShutDownInRecovery => "shut down in recovery",
            Self::ShuttingDown => "shutting down",
            Self::InCrashRecovery => "in crash recovery",
            Self::InArchiveRecovery => "in archive recovery",
            Self::InProduction => "in production",
        })
    }
}

/// Settings of the primary that a standby or a restored copy must not undercut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequiredSettings {
    /// `max_connections`.
    pub max_connections: u32,
    /// `max_worker_processes`.
    pub max_worker_processes: u32,
    /// `max_wal_senders`.
    pub max_wal_senders: u32,
    /// `max_prepared_transactions`.
    pub max_prepared_transactions: u32,
    /// `max_locks_per_transaction`.
    pub max_locks_per_transaction: u32,
}

/// A control file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ControlFile {
    /// Who the cluster is.
    pub system_identifier: u64,
    /// The format: 1300, 1700 or 1800.
    pub control_version: u32,
    /// The catalog's version: it names the directory inside a tablespace.
    pub catalog_version: u32,
    /// What the server was doing.
    pub state: ClusterState,
    /// When the file was last written.
    pub modified_at: Timestamp,
    /// The last checkpoint record.
    pub checkpoint_lsn: Lsn,
    /// Where replay from that checkpoint starts.
    pub redo_lsn: Lsn,
    /// The timeline of that checkpoint.
    pub checkpoint_timeline: Timeline,
    /// The timeline before it, when it ended a recovery; else the same.
    pub previous_timeline: Timeline,
    /// When that checkpoint was made.
    pub checkpoint_at: Timestamp,
    /// A copy in recovery is consistent only after this; `INVALID` otherwise.
    pub min_recovery_lsn: Lsn,
    /// The timeline of that position.
    pub min_recovery_timeline: Option<Timeline>,
    /// The start of the base backup that is being replayed, if one is.
    pub backup_start_lsn: Lsn,
    /// The end of it, for a backup from a standby.
    pub backup_end_lsn: Lsn,
    /// Whether the backup's end record must still be replayed.
    pub backup_end_required: bool,
    /// What a copy must be configured with at least.
    pub required: RequiredSettings,
    /// `wal_log_hints`.
    pub wal_log_hints: bool,
    /// `track_commit_timestamp`.
    pub track_commit_timestamp: bool,
    /// The size of data pages.
    pub block_size: u32,
    /// Pages in one file of a relation.
    pub blocks_per_segment: u32,
    /// The size of pages of WAL.
    pub wal_block_size: u32,
    /// The size of WAL segments.
    pub segment_size: SegmentSize,
    /// 0 without page checksums, else the version of the algorithm.
    pub data_checksum_version: u32,
}

/// Where the CRC is, by version; it covers everything before it.
const fn crc_offset(control_version: u32) -> Option<usize> {
    match control_version {
        1300 | 1700 => Some(288),
        1800 => Some(292),
        _ => None,
    }
}

impl ControlFile {
    /// Reads and checks the content of the file.
    pub fn parse(bytes: &[u8]) -> Result<Self, InvalidControlFile> {
        let too_short = || InvalidControlFile::TooShort(bytes.len());
        let fields = Fields(bytes);
        let control_version = fields.u32(8).ok_or_else(too_short)?;
        let crc_at = crc_offset(control_version)
            .ok_or(InvalidControlFile::UnknownVersion(control_version))?;
        let found = fields.u32(crc_at).ok_or_else(too_short)?;
        let computed = crc32c::crc32c(&bytes[..crc_at]);
        if found != computed {
            return Err(InvalidControlFile::BadCrc { found, computed });
        }
        // The CRC lies behind every field that is read here.
        Self::read(&fields, control_version).unwrap_or_else(|| Err(too_short()))
    }

    /// Whether pages carry checksums.
    pub const fn has_data_checksums(&self) -> bool {
        self.data_checksum_version != 0
    }

    fn read(f: &Fields<'_>, control_version: u32) -> Option<Result<Self, InvalidControlFile>> {
        let (Some(state), Some(checkpoint_timeline), Some(previous_timeline)) = (
            ClusterState::from_number(f.u32(16)?),
            Timeline::new(f.u32(48)?),
            Timeline::new(f.u32(52)?),
        ) else {
            return Some(Err(InvalidControlFile::Impossible("state or timeline")));
        };
        let (Ok(modified_at), Ok(checkpoint_at)) = (
            Timestamp::from_second(f.i64(24)?),
            Timestamp::from_second(f.i64(104)?),
        ) else {
            return Some(Err(InvalidControlFile::Impossible("time")));
        };
        let Ok(segment_size) = SegmentSize::new(f.u32(228)?.into()) else {
            return Some(Err(InvalidControlFile::Impossible("WAL segment size")));
        };
        Some(Ok(Self {
            system_identifier: f.u64(0)?,
            control_version,
            catalog_version: f.u32(12)?,
            state,
            modified_at,
            checkpoint_lsn: Lsn::new(f.u64(32)?),
            redo_lsn: Lsn::new(f.u64(40)?),
            checkpoint_timeline,
            previous_timeline,
            checkpoint_at,
            min_recovery_lsn: Lsn::new(f.u64(136)?),
            min_recovery_timeline: Timeline::new(f.u32(144)?),
            backup_start_lsn: Lsn::new(f.u64(152)?),
            backup_end_lsn: Lsn::new(f.u64(160)?),
            backup_end_required: f.flag(168)?,
            required: RequiredSettings {
                max_connections: f.u32(180)?,
                max_worker_processes: f.u32(184)?,
                max_wal_senders: f.u32(188)?,
                max_prepared_transactions: f.u32(192)?,
                max_locks_per_transaction: f.u32(196)?,
            },
            wal_log_hints: f.flag(176)?,
            track_commit_timestamp: f.flag(200)?,
            block_size: f.u32(216)?,
            blocks_per_segment: f.u32(220)?,
            wal_block_size: f.u32(224)?,
            segment_size,
            data_checksum_version: f.u32(252)?,
        }))
    }
}

/// Where no checkpoint is: a position that a record may have, in a segment that no
/// server gets to.
const NOWHERE: u64 = 0x7FFF_FFFF_0000_0028;
const CHECKPOINT_AT: usize = 32;

/// The same control file, which knows no checkpoint to begin at: only `backup_label` says
/// from where a server recovers, and without it the server does not start.
///
/// As it was copied, it knows the last checkpoint of its server, from after the copy of the
/// other files began: a recovery from there lacks what was written to them before.
pub fn without_checkpoint(bytes: &[u8]) -> Result<Vec<u8>, InvalidControlFile> {
    let control = ControlFile::parse(bytes)?;
    let crc_at = crc_offset(control.control_version)
        .ok_or(InvalidControlFile::UnknownVersion(control.control_version))?;
    let mut bytes = bytes.to_vec();
    bytes[CHECKPOINT_AT..CHECKPOINT_AT + 8].copy_from_slice(&NOWHERE.to_le_bytes());
    let crc = crc32c::crc32c(&bytes[..crc_at]);
    bytes[crc_at..crc_at + 4].copy_from_slice(&crc.to_le_bytes());
    Ok(bytes)
}

struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn array<const N: usize>(&self, at: usize) -> Option<[u8; N]> {
        self.0.get(at..)?.first_chunk::<N>().copied()
    }

    fn u32(&self, at: usize) -> Option<u32> {
        self.array(at).map(u32::from_le_bytes)
    }

    fn u64(&self, at: usize) -> Option<u64> {
        self.array(at).map(u64::from_le_bytes)
    }

    fn i64(&self, at: usize) -> Option<i64> {
        self.array(at).map(i64::from_le_bytes)
    }

    fn flag(&self, at: usize) -> Option<bool> {
        self.0.get(at).map(|&byte| byte != 0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    // Pitfall 4
    #[test]
    fn refuses_what_it_does_not_know() {
        assert_eq!(
            ControlFile::parse(&[0; 10]),
            Err(InvalidControlFile::TooShort(10))
        );
        let mut bytes = vec![0; FILE_SIZE];
        bytes[8..12].copy_from_slice(&1200u32.to_le_bytes());
        assert_eq!(
            ControlFile::parse(&bytes),
            Err(InvalidControlFile::UnknownVersion(1200))
        );
        bytes[8..12].copy_from_slice(&1800u32.to_le_bytes());
        let error = ControlFile::parse(&bytes).unwrap_err();
        assert!(
            matches!(error, InvalidControlFile::BadCrc { found: 0, .. }),
            "{error}"
        );
    }

    proptest! {
        /// Also behind a right CRC: a hostile file must not crash the agent.
        #[test]
        fn never_panics(mut bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = ControlFile::parse(&bytes);
            if bytes.len() >= 292 {
                bytes[8..12].copy_from_slice(&1300u32.to_le_bytes());
                let crc = crc32c::crc32c(&bytes[..288]);
                bytes[288..292].copy_from_slice(&crc.to_le_bytes());
                let outcome = ControlFile::parse(&bytes);
                let crc_failed = matches!(outcome, Err(InvalidControlFile::BadCrc { .. }));
                prop_assert!(!crc_failed);
            }
        }
    }
}
