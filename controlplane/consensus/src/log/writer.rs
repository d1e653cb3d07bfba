//! The one thread that writes the log file. It takes every operation that has
//! gathered, writes them in one transaction, and answers after the commit: so
//! one fsync serves many (I-01).

use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use openraft::storage::IOFlushed;
use rusqlite::{Connection, Transaction, TransactionBehavior};
use tokio::sync::{oneshot, watch};

use super::file::{self, Fact};
use super::record::Record;
use super::tail::{Sequence, Tail};
use crate::fault::{Fault, FaultCell};
use crate::raft::{LogId, TypeConfig, Vote};
use crate::wire::{self, pb};

/// At most this much is written in one transaction.
const BATCH_BYTES_MAX: usize = 32 << 20;
/// How long the record of how far the log is committed may wait for an entry
/// to share its fsync with. It is a convenience for restarts, not a promise.
const COMMITTED_DELAY: Duration = Duration::from_millis(50);

/// Told when an operation is on disk.
pub(super) type Done = oneshot::Sender<Result<(), Fault>>;

pub(super) enum Operation {
    Append(Vec<Record>, IOFlushed<TypeConfig>),
    Vote(Vote, Done),
    Committed(LogId),
    /// Keep the entries before this index.
    Truncate(u64),
    Purge(LogId),
    Prepared(Done),
    /// Flush, close the file and end.
    Close(Done),
}

impl Operation {
    fn bytes(&self) -> usize {
        match self {
            Self::Append(records, _) => records.iter().map(|record| record.body.len()).sum(),
            _ => 0,
        }
    }

    fn finish(self, outcome: &Result<(), Fault>) {
        match self {
            Self::Append(_, callback) => callback.io_completed(outcome.clone().map_err(Into::into)),
            Self::Vote(_, done) | Self::Prepared(done) | Self::Close(done) => {
                // Nobody waiting any more is no failure of the write.
                let _ = done.send(outcome.clone());
            }
            Self::Committed(_) | Self::Truncate(_) | Self::Purge(_) => {}
        }
    }
}

pub(super) struct Writer {
    pub(super) connection: Connection,
    pub(super) path: PathBuf,
    pub(super) tail: Arc<Mutex<Tail>>,
    pub(super) operations: Receiver<(Sequence, Operation)>,
    pub(super) fault: FaultCell,
    /// Rings when something reached the disk, or nothing will any more.
    pub(super) written: watch::Sender<()>,
}

impl Writer {
    /// Until closed, or until every handle to the log is gone.
    pub(super) fn run(self) {
        let mut committed = None;
        loop {
            let first = match committed {
                None => self.operations.recv().map_err(RecvTimeoutError::from),
                Some(_) => self.operations.recv_timeout(COMMITTED_DELAY),
            };
            let (last, batch) = match first {
                Ok(first) => self.gather(first, &mut committed),
                Err(RecvTimeoutError::Disconnected) if committed.is_none() => return,
                Err(_) => (None, Vec::new()),
            };
            if batch.is_empty() && last.is_some() {
                // Only a note of the commit: it waits for company.
                continue;
            }
            let outcome = self.write(&batch, committed.take());
            if let (Ok(()), Some(last)) = (&outcome, last) {
                let mut tail = self.tail.lock().unwrap_or_else(PoisonError::into_inner);
                tail.flushed(last);
            }
            self.written.send_replace(());
            if matches!(batch.last(), Some(Operation::Close(_))) {
                // The answer means that the file is closed.
                drop(self.connection);
                finish(batch, &outcome);
                return;
            }
            finish(batch, &outcome);
        }
    }

    /// Everything that is waiting, up to a limit, and the last operation of it.
    fn gather(
        &self,
        first: (Sequence, Operation),
        committed: &mut Option<LogId>,
    ) -> (Option<Sequence>, Vec<Operation>) {
        let mut batch = Vec::new();
        let mut bytes = 0;
        let mut last = None;
        let mut next = Some(first);
        while let Some((sequence, operation)) = next {
            last = Some(sequence);
            bytes += operation.bytes();
            let closing = matches!(operation, Operation::Close(_));
            match operation {
                Operation::Committed(id) => *committed = Some(id),
                other => batch.push(other),
            }
            let full = closing || bytes >= BATCH_BYTES_MAX;
            next = if full {
                None
            } else {
                self.operations.try_recv().ok()
            };
        }
        (last, batch)
    }

    fn write(&self, batch: &[Operation], committed: Option<LogId>) -> Result<(), Fault> {
        // After a failed write the file may hold less than memory says, and
        // after a failed fsync nobody knows: nothing is written on top of that.
        if let Some(earlier) = self.fault.get() {
            return Err(earlier);
        }
        self.try_write(batch, committed)
            .map_err(|error| self.fault.report(file::unwritable(&self.path, error)))
    }

    fn try_write(&self, batch: &[Operation], committed: Option<LogId>) -> rusqlite::Result<()> {
        let transaction =
            Transaction::new_unchecked(&self.connection, TransactionBehavior::Immediate)?;
        for operation in batch {
            apply(&transaction, operation)?;
        }
        if let Some(id) = committed {
            file::write_fact(&transaction, Fact::Committed, &wire::log_id_message(&id))?;
        }
        transaction.commit()
    }
}

fn finish(batch: Vec<Operation>, outcome: &Result<(), Fault>) {
    for operation in batch {
        operation.finish(outcome);
    }
}

fn apply(connection: &Connection, operation: &Operation) -> rusqlite::Result<()> {
    match operation {
        Operation::Append(records, _) => records
            .iter()
            .try_for_each(|record| file::insert(connection, record)),
        Operation::Vote(vote, _) => {
            file::write_fact(connection, Fact::Vote, &wire::vote_message(vote))
        }
        Operation::Truncate(start) => file::delete_from(connection, *start),
        Operation::Purge(upto) => {
            file::write_fact(connection, Fact::Purged, &wire::log_id_message(upto))?;
            file::delete_upto(connection, upto.index)
        }
        Operation::Prepared(_) => file::write_fact(connection, Fact::Prepared, &pb::RaftBlank {}),
        Operation::Committed(_) | Operation::Close(_) => Ok(()),
    }
}
