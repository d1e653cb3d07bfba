//! I-15: WAL kept for us must never fill the database's volume.

use std::path::Path;

use holdfast_pg::control_file::{self, ControlFile};
use holdfast_types::Failure;
use holdfast_types::resource::{MaxRetained, WhenFull};

/// How much WAL PostgreSQL may keep for a slot, and what happens then. A part
/// of a volume that cannot be seen is no bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RetentionBound {
    pub(super) max: MaxRetained,
    pub(super) when_full: WhenFull,
}

/// The bound was passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Exceeded {
    pub(super) retained_bytes: u64,
    pub(super) bound_bytes: u64,
}

/// What a look at a slot amounts to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Retained {
    /// It keeps no more than it may.
    Within,
    /// It must go: the database comes first.
    Drop(Exceeded),
    /// It stays because somebody said so.
    Stall(Exceeded),
}

impl RetentionBound {
    /// Judges what a slot keeps.
    pub(super) fn judge(self, retained_bytes: Option<u64>, bound_bytes: Option<u64>) -> Retained {
        match retained_bytes.zip(bound_bytes) {
            Some((retained_bytes, bound_bytes)) if retained_bytes > bound_bytes => {
                let exceeded = Exceeded {
                    retained_bytes,
                    bound_bytes,
                };
                match self.when_full {
                    WhenFull::Drop => Retained::Drop(exceeded),
                    WhenFull::Stall => Retained::Stall(exceeded),
                }
            }
            _ => Retained::Within,
        }
    }

    /// The bound in bytes for the server with `system_identifier` whose data
    /// directory is said to be `directory`. `told` is the size of its volume as
    /// somebody saw it who could.
    pub(super) fn bytes(
        self,
        directory: Option<&Path>,
        system_identifier: u64,
        told: Option<u64>,
    ) -> Option<u64> {
        let seen = directory.and_then(|path| volume(path, system_identifier));
        self.max.of_volume(seen.or(told))
    }
}

/// Whether a directory on this host is the data directory of that system. A
/// server on another host names paths that may exist here too, so its control
/// file must be there.
pub(super) fn is_of(directory: &Path, system_identifier: u64) -> bool {
    let control = std::fs::read(directory.join(control_file::PATH)).ok();
    let control = control.and_then(|control| ControlFile::parse(&control).ok());
    control.is_some_and(|control| control.system_identifier == system_identifier)
}

/// The size of the volume that fills up.
fn volume(directory: &Path, system_identifier: u64) -> Option<u64> {
    if !is_of(directory, system_identifier) {
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
             new backup is ordered",
        )
    }

    /// The same where the slot stays.
    pub(super) fn stalled(self) -> Failure {
        let Self {
            retained_bytes,
            bound_bytes,
        } = self;
        Failure::transient(
            "wal_retention_stalled",
            format!(
                "PostgreSQL keeps {retained_bytes} bytes of WAL that could not be stored, more \
                 than the {bound_bytes} allowed, and the policy says to keep the replication slot"
            ),
            "the volume fills up until the database stops: find out why WAL cannot be stored (the \
             repository, the network), make room, or set wal.whenFull to drop",
        )
    }

    /// The same where no slot is made because it would have to go at once.
    pub(super) fn waits(self) -> Failure {
        let Self {
            retained_bytes,
            bound_bytes,
        } = self;
        Failure::transient(
            "wal_retention_waiting",
            format!(
                "no replication slot is made at this instance yet: it would keep WAL from the \
                 last restartpoint on, {retained_bytes} bytes, more than the {bound_bytes} allowed"
            ),
            "it is made after the next restartpoint or checkpoint that brings it within its \
             bound; raise wal.maxRetained, or have checkpoints made more often, where that is \
             too seldom. Until then a failover to this instance may lose WAL that was not stored \
             yet",
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
