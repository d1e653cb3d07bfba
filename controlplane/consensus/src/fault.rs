//! What stops a node: its own storage failed, or holds what it never wrote.
//!
//! A node with a fault takes no further part: skipping an entry, or going on
//! after a failed fsync, would let it acknowledge what it does not hold
//! (I-01). The first fault is kept, so that what follows from it does not
//! hide it.

use std::error::Error;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::watch;

/// What kind of thing went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultKind {
    /// The log file could not be written or fsynced.
    LogUnwritable,
    /// The log file could not be read.
    LogUnreadable,
    /// The log file holds something other than what was written to it.
    LogDamaged,
    /// The state database could not be read or written.
    StateUnusable,
    /// A committed entry could not be applied.
    ApplyFailed,
    /// A snapshot file holds something other than what was written to it.
    SnapshotDamaged,
    /// A snapshot could not be built or installed.
    SnapshotFailed,
    /// A bug: a task of the node panicked.
    Panicked,
}

/// Why a node stopped.
#[derive(Debug, Clone)]
pub struct Fault {
    kind: FaultKind,
    path: PathBuf,
    what: String,
    source: Option<Arc<dyn Error + Send + Sync>>,
}

impl Fault {
    pub(crate) fn new(kind: FaultKind, path: &Path, what: impl Into<String>) -> Self {
        Self {
            kind,
            path: path.to_owned(),
            what: what.into(),
            source: None,
        }
    }

    pub(crate) fn caused_by(mut self, source: impl Error + Send + Sync + 'static) -> Self {
        self.source = Some(Arc::new(source));
        self
    }

    /// What kind of thing went wrong.
    pub fn kind(&self) -> FaultKind {
        self.kind
    }

    /// The file it happened to.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Stable, snake_case.
    pub fn code(&self) -> &'static str {
        match self.kind {
            FaultKind::LogUnwritable => "node_log_unwritable",
            FaultKind::LogUnreadable => "node_log_unreadable",
            FaultKind::LogDamaged => "node_log_damaged",
            FaultKind::StateUnusable => "node_state_unusable",
            FaultKind::ApplyFailed => "node_apply_failed",
            FaultKind::SnapshotDamaged => "node_snapshot_damaged",
            FaultKind::SnapshotFailed => "node_snapshot_failed",
            FaultKind::Panicked => "node_panicked",
        }
    }

    /// What to do next.
    pub fn hint(&self) -> &'static str {
        match self.kind {
            FaultKind::LogUnwritable | FaultKind::SnapshotFailed => {
                "check that the volume has space and is writable, then start the node again; \
                 nothing it acknowledged is lost"
            }
            FaultKind::LogUnreadable | FaultKind::StateUnusable => {
                "check that the volume has space and is writable, and the kernel's log for I/O \
                 errors, then start the node again; nothing it acknowledged is lost"
            }
            FaultKind::LogDamaged => {
                "the volume returned other bytes than were written: check it; in a group of \
                 three or five remove this node and add it again under a new id, a single node \
                 is restored with `holdfastd restore-state`"
            }
            FaultKind::ApplyFailed => {
                "an older program cannot apply what a newer one proposed: run the same version on \
                 every node; otherwise check the volume and report this as a bug"
            }
            FaultKind::SnapshotDamaged => {
                "the volume returned other bytes than were written: check it, then move the \
                 snapshot file and SNAPSHOT away and start the node again: it builds a new one"
            }
            FaultKind::Panicked => "this is a bug: report it with the lines logged before it",
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.what, self.path.display())
    }
}

impl Error for Fault {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source
            .as_ref()
            .map(|source| source.as_ref() as &(dyn Error + 'static))
    }
}

impl From<Fault> for io::Error {
    fn from(fault: Fault) -> Self {
        Self::other(fault)
    }
}

/// Where the parts of a node report a fault, and where its owner sees it.
#[derive(Debug, Clone)]
pub(crate) struct FaultCell(watch::Sender<Option<Fault>>);

impl FaultCell {
    pub(crate) fn new() -> Self {
        Self(watch::Sender::new(None))
    }

    /// Keeps the first fault, logs it, and gives back the one that was kept.
    pub(crate) fn report(&self, fault: Fault) -> Fault {
        let mut kept = fault.clone();
        self.0.send_if_modified(|first| {
            if let Some(earlier) = first {
                kept = earlier.clone();
                return false;
            }
            let cause = fault.source().map(ToString::to_string);
            tracing::error!(
                fault.code = fault.code(), fault.path = %fault.path.display(), fault.cause = cause,
                fault.hint = fault.hint(), "the node stops: {fault}",
            );
            *first = Some(fault);
            true
        });
        kept
    }

    pub(crate) fn get(&self) -> Option<Fault> {
        self.0.borrow().clone()
    }

    pub(crate) fn watch(&self) -> watch::Receiver<Option<Fault>> {
        self.0.subscribe()
    }
}
