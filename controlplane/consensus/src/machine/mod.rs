//! The replicated state on this node: a SQLite database that committed
//! entries are applied to, and its snapshots.
//!
//! - Rows, last-applied and membership of a batch commit in one transaction;
//!   proposers are answered, and effects are sent, after that commit.
//! - The database is written with `synchronous=NORMAL`: after a power loss it
//!   may fall back, and the log, which is purged only below an fsynced
//!   snapshot, brings it forward again.
//! - Nothing is applied before it is on this node's own disk, however many
//!   others have it: the state is never ahead of the log and the snapshot.
//! - One connection writes. Readers have `query_only` connections of their
//!   own, and see each batch whole or not at all.
//! - Installing a snapshot makes a new database file and swaps to it; readers
//!   in the middle of a query finish on the old one.

mod apply;
mod database;
mod install;
mod restore;
mod roster;
mod snapshot;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use arc_swap::ArcSwap;
use futures_util::Stream;
use holdfast_state::Effect;
use openraft::storage::{EntryResponder, RaftStateMachine};
use openraft::{OptionalSend, RaftSnapshotBuilder};
use sea_orm::DatabaseConnection;
use tokio::sync::{broadcast, watch};
use tokio::task::JoinHandle;

use self::database::Database;
pub(crate) use self::roster::Roster;
pub(crate) use self::snapshot::SnapshotFile;
use self::snapshot::Stored;
use crate::directory::DirectoryLock;
use crate::error::OpenError;
use crate::fault::{Fault, FaultCell, FaultKind};
use crate::held;
use crate::log::LogStore;
use crate::raft::{LogId, SnapshotMeta, StoredMembership, TypeConfig};

/// How many notices a slow listener may be behind before it loses some.
const NOTICES: usize = 4096;

type Snapshot = openraft::alias::SnapshotOf<TypeConfig, SnapshotFile>;

/// What applying set in motion on this node. It wakes things: one that is
/// lost costs latency, never truth.
#[derive(Debug, Clone)]
pub enum Notice {
    /// A batch of entries was applied.
    Applied {
        /// The index of its last entry.
        index: u64,
        /// What its commands set in motion, in order.
        effects: Arc<[Effect]>,
    },
    /// A snapshot took the place of the whole state: anything may have
    /// changed.
    Replaced {
        /// How far the snapshot had applied.
        index: u64,
    },
}

/// The state machine. Cheap to clone; the clones are one machine.
#[derive(Clone)]
pub(crate) struct Machine {
    inner: Arc<Inner>,
}

struct Inner {
    dir: PathBuf,
    database: ArcSwap<Database>,
    snapshot: Mutex<Option<Stored>>,
    /// Held while a snapshot is built or installed: one at a time.
    gate: tokio::sync::Mutex<Gate>,
    /// Stops a snapshot that is being built.
    interrupt: Mutex<Option<rusqlite::InterruptHandle>>,
    /// Databases that were replaced, until their last reader is done.
    retired: Mutex<Vec<JoinHandle<()>>>,
    /// Who is in the group, and who was.
    roster: watch::Sender<Arc<Roster>>,
    /// One more than the index of the last applied entry.
    applied: watch::Sender<u64>,
    notices: broadcast::Sender<Notice>,
    fault: FaultCell,
    /// What is applied is on this node's own disk before; `None` where entries
    /// come from elsewhere.
    log: Option<LogStore>,
    // Held for as long as anything may write the files.
    _lock: Arc<DirectoryLock>,
}

/// Whether snapshots may still be built.
#[derive(Debug, PartialEq, Eq)]
enum Gate {
    Open,
    Closed,
}

impl Machine {
    /// Makes an empty state in `dir`.
    pub(crate) async fn create(dir: &Path) -> Result<(), OpenError> {
        Ok(database::create(dir).await?)
    }

    /// Opens the state in `dir` and checks its snapshot.
    pub(crate) async fn open(
        dir: &Path,
        fault: FaultCell,
        lock: Arc<DirectoryLock>,
        log: Option<LogStore>,
    ) -> Result<Self, OpenError> {
        let database = database::open_current(dir).await?;
        let snapshot = snapshot::open_stored(dir).await?;
        let (applied, _) = database::applied(&database.readers, &database.path).await?;
        let roster = database::roster(&database.readers, &database.path).await?;
        let inner = Inner {
            dir: dir.to_owned(),
            database: ArcSwap::from_pointee(database),
            snapshot: Mutex::new(snapshot),
            gate: tokio::sync::Mutex::new(Gate::Open),
            interrupt: Mutex::new(None),
            retired: Mutex::new(Vec::new()),
            roster: watch::Sender::new(Arc::new(roster)),
            applied: watch::Sender::new(next_index(applied)),
            notices: broadcast::Sender::new(NOTICES),
            fault,
            log,
            _lock: lock,
        };
        let machine = Self {
            inner: Arc::new(inner),
        };
        machine.require_log()?;
        Ok(machine)
    }

    /// Refuses a state that is ahead of both its log and its snapshot: entries
    /// that this node had acknowledged are gone, and when the state falls back
    /// after a power loss nothing would bring it forward again (I-01).
    fn require_log(&self) -> Result<(), Fault> {
        let Some(log) = &self.inner.log else {
            return Ok(());
        };
        // A state that is being restored comes from a copy, and its log begins
        // after it. Such a node cannot be opened before it is finished.
        if !log.is_prepared()? {
            return Ok(());
        }
        let applied = *self.inner.applied.borrow();
        let snapshot = self.newest_snapshot().map_or(0, |(last, _)| last + 1);
        let held = log.next_index();
        if applied <= held.max(snapshot) {
            return Ok(());
        }
        let what = format!(
            "entries below {applied} were applied, and the log ends before {held}: \
             it has lost what this node acknowledged"
        );
        Err(self.report(FaultKind::LogDamaged, &self.inner.dir, what))
    }

    /// Connections that may only read.
    pub(crate) fn readers(&self) -> DatabaseConnection {
        self.inner.database.load().readers.clone()
    }

    /// A connection that may only read, and does it on the calling thread.
    pub(crate) fn lookup(&self) -> DatabaseConnection {
        self.inner.database.load().lookup()
    }

    /// Who is in the group, and who was.
    pub(crate) fn roster(&self) -> Arc<Roster> {
        Arc::clone(&self.inner.roster.borrow())
    }

    /// The same, as it changes.
    pub(crate) fn watch_roster(&self) -> watch::Receiver<Arc<Roster>> {
        self.inner.roster.subscribe()
    }

    /// One more than the index of the last applied entry.
    pub(crate) fn applied(&self) -> watch::Receiver<u64> {
        self.inner.applied.subscribe()
    }

    pub(crate) fn notices(&self) -> broadcast::Receiver<Notice> {
        self.inner.notices.subscribe()
    }

    /// The newest snapshot, and the last entry in it.
    pub(crate) fn newest_snapshot(&self) -> Option<(u64, SnapshotFile)> {
        let stored = held(&self.inner.snapshot).clone()?;
        let last = stored.meta.last_log_id?;
        Some((last.index, stored.file))
    }

    /// Where a snapshot may be received.
    pub(crate) fn directory(&self) -> &Path {
        &self.inner.dir
    }

    /// Stops snapshots, closes the files, and waits for both.
    pub(crate) async fn close(&self) {
        if let Some(handle) = held(&self.inner.interrupt).as_ref() {
            handle.interrupt();
        }
        *self.inner.gate.lock().await = Gate::Closed;
        let retired = std::mem::take(&mut *held(&self.inner.retired));
        for closing in retired {
            // It logs what went wrong itself.
            let _ = closing.await;
        }
        self.inner.database.load_full().close().await;
    }

    fn report(&self, kind: FaultKind, path: &Path, what: impl Into<String>) -> Fault {
        self.inner.fault.report(Fault::new(kind, path, what))
    }
}

fn next_index(applied: Option<LogId>) -> u64 {
    applied.map_or(0, |id| id.index + 1)
}

impl RaftSnapshotBuilder<TypeConfig> for Machine {
    type SnapshotData = SnapshotFile;

    async fn build_snapshot(&mut self) -> io::Result<Snapshot> {
        self.build().await
    }
}

impl RaftStateMachine<TypeConfig> for Machine {
    type SnapshotData = SnapshotFile;
    type SnapshotBuilder = Self;

    async fn applied_state(&mut self) -> io::Result<(Option<LogId>, StoredMembership)> {
        let database = self.inner.database.load_full();
        let applied = database::applied(&database.readers, &database.path).await;
        Ok(applied.map_err(|fault| self.inner.fault.report(fault))?)
    }

    async fn apply<S>(&mut self, entries: S) -> io::Result<()>
    where
        S: Stream<Item = io::Result<EntryResponder<TypeConfig>>> + Unpin + OptionalSend,
    {
        self.apply_all(entries).await
    }

    async fn try_create_snapshot_builder(&mut self, force: bool) -> Option<Self> {
        (force || self.has_room_for_snapshot()).then(|| self.clone())
    }

    async fn get_snapshot_builder(&mut self) -> Self {
        self.clone()
    }

    async fn install_snapshot(
        &mut self,
        meta: &SnapshotMeta,
        snapshot: SnapshotFile,
    ) -> io::Result<()> {
        self.install(meta, snapshot).await
    }

    async fn get_current_snapshot(&mut self) -> io::Result<Option<Snapshot>> {
        Ok(held(&self.inner.snapshot).as_ref().map(Stored::snapshot))
    }
}
