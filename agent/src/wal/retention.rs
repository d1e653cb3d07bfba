//! I-15: WAL kept for us must never fill the database's volume.

use std::path::Path;

use holdfast_pg::control_file::{self, ControlFile};
use holdfast_types::Failure;

/// How much WAL PostgreSQL may keep for a duty's slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RetentionBound {
    /// A fifth of the volume that holds `pg_wal`; without a bound where the
    /// volume cannot be seen.
    #[default]
    FifthOfVolume,
    /// So many bytes.
    Bytes(u64),
}

/// The bound was passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Exceeded {
    pub(super) retained_bytes: u64,
    pub(super) bound_bytes: u64,
}

impl RetentionBound {
    /// The bound in bytes for the server with `system_identifier` whose data
    /// directory is said to be `directory`. `told` is the size of its volume as
    /// somebody saw it who could.
    pub(super) fn bytes(
        self,
        directory: Option<&Path>,
        system_identifier: u64,
        told: Option<u64>,
    ) -> Option<u64> {
        match self {
            Self::Bytes(bytes) => Some(bytes),
            Self::FifthOfVolume => {
                let seen = directory.and_then(|path| volume(path, system_identifier));
                Some(seen.or(told)? / 5)
            }
        }
    }
}

/// The size of the volume that fills up. A server on another host names paths
/// that may exist here too, so its control file must be there.
fn volume(directory: &Path, system_identifier: u64) -> Option<u64> {
    let control = std::fs::read(directory.join(control_file::PATH)).ok()?;
    let control = ControlFile::parse(&control).ok()?;
    if control.system_identifier != system_identifier {
        return None;
    }
    // pg_wal may be a link to a volume of its own.
    let volume = rustix::fs::statvfs(directory.join("pg_wal")).ok()?;
    volume.f_blocks.checked_mul(volume.f_frsize)
}

impl Exceeded {
    /// What is reported.
    pub(super) fn failure(self) -> Failure {
        let Self {
            retained_bytes,
            bound_bytes,
        } = self;
        Failure::permanent(
            "wal_retention_bound",
            format!(
                "PostgreSQL kept {retained_bytes} bytes of WAL that could not be stored, more \
                 than the {bound_bytes} allowed, so the replication slot was dropped"
            ),
            "find out why WAL could not be stored (the repository, the network); receiving \
             begins again by itself when it can, WAL lost meanwhile is recorded as a gap, and a \
             new backup is needed",
        )
    }

    /// Why a gap came to be.
    pub(super) fn reason(self) -> String {
        let Self {
            retained_bytes,
            bound_bytes,
        } = self;
        format!(
            "the replication slot was dropped at its bound: {retained_bytes} of {bound_bytes} \
             bytes kept (wal_retention_bound)"
        )
    }
}
