//! All pushes of one server into one lineage: each file once at a time, a few
//! at once.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};
use holdfast_repo::{Codec, LineageRepository, WalRepository};
use holdfast_types::{Failure, Name, SegmentSize, WalSegment};
use tokio::sync::{Mutex as AsyncMutex, Semaphore, mpsc};

use super::note::Notes;
use super::put::Newest;
use super::read::Memory;
use super::{PushName, Pushed};
use crate::wal::copies::Shipping;

/// Memory for files on their way, each once as it was read and once sealed.
const MEMORY: u64 = 128 << 20;
/// More at once would wait for the disk or the processor.
const AT_ONCE: u64 = 4;

/// Where a server's WAL goes.
#[derive(Debug, Clone)]
pub(super) struct Destination {
    pub(super) lineage: LineageRepository,
    pub(super) codec: Codec,
    /// The server's data directory.
    pub(super) data_directory: PathBuf,
    /// Where notes are kept.
    pub(super) spool: PathBuf,
    /// The repository's name.
    pub(super) name: Name,
    /// Where what is stored is copied to as well.
    pub(super) shipping: Shipping,
}

type Pushing = Shared<BoxFuture<'static, Result<(), Failure>>>;

/// The pushes of one server.
pub(super) struct Lane {
    pub(super) lineage: LineageRepository,
    pub(super) wal: WalRepository,
    pub(super) pg_wal: PathBuf,
    pub(super) notes: Notes,
    /// What the repository held when it was last looked at.
    pub(super) newest: AsyncMutex<Option<Newest>>,
    /// Told of what became durable.
    pub(super) pushed: Option<mpsc::UnboundedSender<Pushed>>,
    /// The last segment before which nothing is missing that could be had.
    joined: AsyncMutex<Option<WalSegment>>,
    permits: Semaphore,
    pushing: Mutex<HashMap<PushName, Pushing>>,
    pub(super) memory: Memory,
}

impl Lane {
    pub(super) fn new(to: Destination, pushed: Option<mpsc::UnboundedSender<Pushed>>) -> Arc<Self> {
        let size = to.lineage.facts().segment_size.bytes();
        let at_once = (MEMORY / (2 * size)).clamp(1, AT_ONCE);
        Arc::new(Self {
            wal: to
                .shipping
                .on(to.lineage.wal(to.codec), to.lineage.cluster(), &to.name),
            notes: Notes::new(&to.spool, &to.lineage),
            lineage: to.lineage,
            pg_wal: to.data_directory.join("pg_wal"),
            newest: AsyncMutex::default(),
            pushed,
            joined: AsyncMutex::default(),
            permits: Semaphore::new(usize::try_from(at_once).unwrap_or(1)),
            pushing: Mutex::default(),
            memory: Memory::default(),
        })
    }

    pub(super) fn size(&self) -> SegmentSize {
        self.lineage.facts().segment_size
    }

    pub(super) fn path(&self, name: &PushName) -> PathBuf {
        self.pg_wal.join(name.to_string())
    }

    /// Where PostgreSQL says what is ready.
    pub(super) fn archive_status(&self) -> PathBuf {
        self.pg_wal.join("archive_status")
    }

    /// Stores a file, together with whoever else asks for the same one. On
    /// success it is durable (I-07).
    pub(super) async fn push(self: &Arc<Self>, name: &PushName) -> Result<(), Failure> {
        self.begin(name).await
    }

    /// Begins to store a file; it goes on when nobody waits any more, so that
    /// a call that was given up finds it further on the next time.
    pub(super) fn begin(self: &Arc<Self>, name: &PushName) -> Pushing {
        let mut pushing = self.pushing.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(running) = pushing.get(name) {
            return running.clone();
        }
        let (lane, of) = (Arc::clone(self), name.clone());
        let task = tokio::spawn(async move {
            let done = match lane.permits.acquire().await {
                Ok(_permit) => lane.put(&of).await,
                Err(_) => unreachable!("it is never closed"),
            };
            lane.ended(&of);
            done
        });
        let (lane, of) = (Arc::clone(self), name.clone());
        let running = async move {
            task.await.unwrap_or_else(|error| {
                lane.ended(&of);
                Err(Failure::transient(
                    "agent_defect",
                    format!("storing {of} ended badly: {error}"),
                    "this is a defect in Holdfast: please report it",
                ))
            })
        };
        let running = running.boxed().shared();
        self.memory.keep(true);
        pushing.insert(name.clone(), running.clone());
        running
    }

    /// Makes sure that nothing before `segment` is missing that the server
    /// still has.
    pub(super) async fn joins(self: &Arc<Self>, segment: WalSegment) -> Result<(), Failure> {
        let mut joined = self.joined.lock().await;
        let follows = |last: &WalSegment| last.next() == segment || *last == segment;
        if !joined.as_ref().is_some_and(follows) {
            self.backfill(segment).await?;
            let (notes, pg_wal) = (self.notes.clone(), self.pg_wal.clone());
            // Once in the life of a lane, and after every jump.
            let _ = tokio::task::spawn_blocking(move || notes.sweep(&pg_wal)).await;
        }
        *joined = Some(segment);
        Ok(())
    }

    fn ended(&self, name: &PushName) {
        let mut pushing = self.pushing.lock().unwrap_or_else(PoisonError::into_inner);
        pushing.remove(name);
        if pushing.is_empty() {
            self.memory.keep(false);
        }
    }

    pub(super) fn tell(&self, pushed: Pushed) {
        if let Some(listener) = &self.pushed {
            // The duty may have ended; what is stored is stored.
            let _ = listener.send(pushed);
        }
    }

    /// Whether this lane goes to the same place.
    pub(super) fn leads_to(&self, to: &Destination) -> bool {
        let same = |a: &LineageRepository, b: &LineageRepository| {
            a.lineage() == b.lineage()
                && a.cluster() == b.cluster()
                && a.repository().id() == b.repository().id()
        };
        same(&self.lineage, &to.lineage) && self.is_of(&to.data_directory)
    }

    pub(super) fn is_of(&self, data_directory: &Path) -> bool {
        self.pg_wal == data_directory.join("pg_wal")
    }
}
