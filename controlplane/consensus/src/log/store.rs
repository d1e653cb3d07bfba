//! The log as openraft uses it.

use std::fmt::Debug;
use std::io;
use std::ops::{Bound, Range, RangeBounds};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use openraft::storage::{IOFlushed, RaftLogStorage};
use openraft::{LogState, OptionalSend, RaftLogReader};
use rusqlite::Connection;
use tokio::sync::{oneshot, watch};

use super::file::{self, Fact};
use super::record::Record;
use super::tail::{Sequence, Tail};
use super::writer::{Operation, Writer};
use crate::directory::{self, DirectoryLock};
use crate::error::OpenError;
use crate::fault::{Fault, FaultCell, FaultKind};
use crate::raft::{Entry, LogId, NodeId, TypeConfig, Vote};
use crate::wire::pb;

/// The log. Cheap to clone; the clones are one log.
#[derive(Clone)]
pub(crate) struct LogStore {
    shared: Arc<Shared>,
}

struct Shared {
    path: PathBuf,
    node: NodeId,
    tail: Arc<Mutex<Tail>>,
    operations: Sender<(Sequence, Operation)>,
    written: watch::Receiver<()>,
    /// For entries that memory no longer holds.
    reader: Mutex<Connection>,
    fault: FaultCell,
    // Held for as long as anything may write the file.
    _lock: Arc<DirectoryLock>,
}

impl LogStore {
    /// Makes the log of node `id`, not yet prepared.
    pub(crate) fn create(path: &Path, id: NodeId) -> Result<(), OpenError> {
        file::require_sqlite()?;
        file::create(path, id)
    }

    /// Opens the log and checks every entry in it.
    pub(crate) fn open(
        path: &Path,
        fault: FaultCell,
        lock: Arc<DirectoryLock>,
    ) -> Result<Self, OpenError> {
        file::require_sqlite()?;
        directory::settle_database(path)
            .map_err(|source| OpenError::io("make durable", path, source))?;
        let connection = file::open(path)?;
        let node = file::node(&connection, path)?;
        let tail = Arc::new(Mutex::new(file::load(&connection, path)?));
        let reader = Mutex::new(file::open(path)?);
        let (operations, received) = mpsc::channel();
        let (ring, written) = watch::channel(());
        let writer = Writer {
            connection,
            path: path.to_owned(),
            tail: Arc::clone(&tail),
            operations: received,
            fault: fault.clone(),
            written: ring,
        };
        thread::Builder::new()
            .name("raft-log".to_owned())
            .spawn(move || writer.run())
            .map_err(|source| OpenError::io("start the writer of", path, source))?;
        let shared = Shared {
            path: path.to_owned(),
            node,
            tail,
            operations,
            written,
            reader,
            fault,
            _lock: lock,
        };
        Ok(Self {
            shared: Arc::new(shared),
        })
    }

    /// Whose log this is.
    pub(crate) fn node(&self) -> NodeId {
        self.shared.node
    }

    /// Whether the directory was prepared to its end.
    pub(crate) fn is_prepared(&self) -> Result<bool, Fault> {
        let reader = self.reader();
        let mark: Option<pb::RaftBlank> =
            file::read_fact(&reader, &self.shared.path, Fact::Prepared)?;
        Ok(mark.is_some())
    }

    /// Whether nothing of Raft was ever written to it: no vote, no entry.
    pub(crate) fn is_untouched(&self) -> bool {
        let tail = self.tail();
        tail.vote.is_none() && tail.last.is_none() && tail.committed.is_none()
    }

    /// Records, durably, that the directory is prepared.
    pub(crate) async fn set_prepared(&self) -> Result<(), Fault> {
        let (done, answer) = oneshot::channel();
        self.make(|_| Operation::Prepared(done))?;
        self.await_written(answer).await
    }

    /// Writes what is left and closes the file.
    pub(crate) async fn close(&self) -> Result<(), Fault> {
        let (done, answer) = oneshot::channel();
        match self.make(|_| Operation::Close(done)) {
            Ok(()) => self.await_written(answer).await,
            // Closed before, or failed, which its owner was told already.
            Err(_) => Ok(()),
        }
    }

    /// Waits until the entry at `index` is on this node's own disk.
    pub(crate) async fn await_on_disk(&self, index: u64) -> Result<(), Fault> {
        let mut written = self.shared.written.clone();
        loop {
            written.borrow_and_update();
            if self.tail().is_on_disk(index) {
                return Ok(());
            }
            if let Some(fault) = self.shared.fault.get() {
                return Err(fault);
            }
            if written.changed().await.is_err() {
                return Err(self.closed());
            }
        }
    }

    /// One more than the index of the last entry.
    pub(crate) fn next_index(&self) -> u64 {
        self.tail().next_index().unwrap_or(0)
    }

    fn tail(&self) -> MutexGuard<'_, Tail> {
        self.shared
            .tail
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn reader(&self) -> MutexGuard<'_, Connection> {
        self.shared
            .reader
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes memory and queues the write, under one lock, so that the file
    /// sees operations in the order in which memory saw them.
    fn make(&self, change: impl FnOnce(&mut Tail) -> Operation) -> Result<(), Fault> {
        if let Some(fault) = self.shared.fault.get() {
            return Err(fault);
        }
        let mut tail = self.tail();
        let operation = change(&mut tail);
        let sequence = tail.operation();
        self.shared
            .operations
            .send((sequence, operation))
            .map_err(|_| self.closed())
    }

    fn closed(&self) -> Fault {
        let what = "the log is closed";
        Fault::new(FaultKind::LogUnwritable, &self.shared.path, what)
    }

    async fn await_written(
        &self,
        answer: oneshot::Receiver<Result<(), Fault>>,
    ) -> Result<(), Fault> {
        answer.await.unwrap_or_else(|_| Err(self.closed()))
    }

    /// The entries of `wanted` that the log holds.
    async fn read(&self, wanted: Range<u64>) -> io::Result<Vec<Entry>> {
        let located = self.tail().locate(&wanted);
        if located.on_disk.is_empty() {
            return Ok(located.in_memory);
        }
        let store = self.clone();
        let on_disk = located.on_disk;
        let read = tokio::task::spawn_blocking(move || store.read_from_disk(&on_disk));
        let mut entries = read.await.map_err(io::Error::other)??;
        // What was purged or cut off meanwhile leaves nothing to append to.
        let next = entries.last().map(|entry| entry.log_id.index + 1);
        let adjoining = located.in_memory.first().map(|entry| entry.log_id.index);
        if next.is_none() || adjoining.is_none() || next == adjoining {
            entries.extend(located.in_memory);
        }
        Ok(entries)
    }

    fn read_from_disk(&self, on_disk: &Range<u64>) -> Result<Vec<Entry>, Fault> {
        let entries = file::read_entries(&self.reader(), &self.shared.path, on_disk);
        let entries = entries.map_err(|fault| self.shared.fault.report(fault))?;
        let Some(missing) = file::first_missing(&entries, on_disk) else {
            return Ok(entries);
        };
        // Only what left the log since it was located may be missing.
        let still_held = self.tail().clamp(on_disk);
        let kept: Vec<Entry> = entries
            .into_iter()
            .filter(|entry| still_held.contains(&entry.log_id.index))
            .collect();
        if file::first_missing(&kept, &still_held).is_none() {
            return Ok(kept);
        }
        let what = format!("entry {missing} of the log is missing");
        let fault = Fault::new(FaultKind::LogDamaged, &self.shared.path, what);
        Err(self.shared.fault.report(fault))
    }
}

fn bounds(range: &impl RangeBounds<u64>) -> Range<u64> {
    let start = match range.start_bound() {
        Bound::Included(index) => *index,
        Bound::Excluded(index) => index.saturating_add(1),
        Bound::Unbounded => 0,
    };
    let end = match range.end_bound() {
        Bound::Included(index) => index.saturating_add(1),
        Bound::Excluded(index) => *index,
        Bound::Unbounded => u64::MAX,
    };
    start..end
}

impl RaftLogReader<TypeConfig> for LogStore {
    async fn try_get_log_entries<RB: RangeBounds<u64> + Clone + Debug + OptionalSend>(
        &mut self,
        range: RB,
    ) -> io::Result<Vec<Entry>> {
        self.read(bounds(&range)).await
    }

    async fn read_vote(&mut self) -> io::Result<Option<Vote>> {
        Ok(self.tail().vote)
    }
}

impl RaftLogStorage<TypeConfig> for LogStore {
    type LogReader = Self;

    async fn get_log_state(&mut self) -> io::Result<LogState<TypeConfig>> {
        let tail = self.tail();
        Ok(LogState {
            last_purged_log_id: tail.purged,
            last_log_id: tail.last,
        })
    }

    async fn get_log_reader(&mut self) -> Self {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote) -> io::Result<()> {
        let (done, answer) = oneshot::channel();
        self.make(|tail| {
            tail.vote = Some(*vote);
            Operation::Vote(*vote, done)
        })?;
        Ok(self.await_written(answer).await?)
    }

    async fn save_committed(&mut self, committed: Option<LogId>) -> io::Result<()> {
        let Some(id) = committed else {
            return Ok(());
        };
        Ok(self.make(|tail| {
            tail.committed = Some(id);
            Operation::Committed(id)
        })?)
    }

    async fn read_committed(&mut self) -> io::Result<Option<LogId>> {
        Ok(self.tail().committed)
    }

    async fn append<I>(&mut self, entries: I, callback: IOFlushed<TypeConfig>) -> io::Result<()>
    where
        I: IntoIterator<Item = Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        // Hashed before the lock is taken.
        let entries: Vec<(Record, Entry)> = entries
            .into_iter()
            .map(|entry| (Record::new(&entry), entry))
            .collect();
        let mut records = Vec::with_capacity(entries.len());
        Ok(self.make(|tail| {
            let operation = tail.next_operation();
            for (record, entry) in entries {
                let expected = tail.next_index().unwrap_or(entry.log_id.index);
                // A hole would be found only when it is too late to fill it.
                assert_eq!(expected, entry.log_id.index, "the log must not have a hole");
                records.push(record);
                tail.append(operation, entry);
            }
            Operation::Append(records, callback)
        })?)
    }

    async fn truncate_after(&mut self, last: Option<LogId>) -> io::Result<()> {
        Ok(self.make(|tail| {
            tail.truncate_after(last);
            Operation::Truncate(last.map_or(0, |last| last.index + 1))
        })?)
    }

    async fn purge(&mut self, upto: LogId) -> io::Result<()> {
        Ok(self.make(|tail| {
            tail.purge(upto);
            Operation::Purge(upto)
        })?)
    }
}
