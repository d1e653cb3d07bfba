//! A backup that carries its own WAL: with `wal.mode: none` nobody receives
//! any, so this job does, from before PostgreSQL enters backup mode until what
//! makes the copy consistent is proved to be in the repository (I-05).
//!
//! Its slot is temporary: it goes with the connection, so a job that is killed
//! leaves nothing behind that keeps WAL (I-15).

use holdfast_proto::{BackupWork, WalWork};
use holdfast_types::resource::{MaxRetained, WalMode, WhenFull};
use holdfast_types::{AssignmentId, Generation, Span};
use uuid::Uuid;

use crate::host::Host;
use crate::wal::{Duty, DutyOptions};

/// The end of the WAL is waited for: it is stored soon.
const FLUSH_EVERY: Span = Span::from_millis(500);

/// Begins to receive.
pub(super) fn begin(work: &BackupWork, host: &Host) -> Duty {
    let wal = WalWork {
        cluster: work.cluster.clone(),
        repository: work.repository.clone(),
        instance: work.instance.clone(),
        instance_agent: None,
        volume_bytes: None,
        flush_every: FLUSH_EVERY,
        compression: work.compression,
        incarnation: work.incarnation,
        mode: WalMode::Streaming,
        copies: Vec::new(),
        max_retained: MaxRetained::default(),
        when_full: WhenFull::Drop,
    };
    let id = AssignmentId::from_uuid(Uuid::now_v7());
    let options = DutyOptions {
        for_one_backup: true,
    };
    Duty::start_with(id, Generation(1), wal, host.clone(), options)
}
