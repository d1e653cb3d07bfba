//! Offering what a backup puts to copies, as it is put.
//!
//! It is read once: the sealed bytes that the repository has taken are what a copy
//! gets. Nobody waits for a copy, and nothing that it does fails a backup: what a
//! lane has no room for, and everything after its first failure, is left behind,
//! and copied from the repository when the backup is
//! ([`LineageCopy::copy_backup`]). Until that puts the mark, nothing here counts.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::mpsc;

use super::LineageCopy;
use crate::{Error, Result};

/// Objects that may wait for one copy. With the one on its way this is what a copy
/// adds to the memory of a backup, in packs: [`FanOut::PACKS`].
const WAITING: usize = 1;

/// What a backup offers its objects to. Cheap to clone.
///
/// A lane goes on until every clone is dropped and what waits is put, or its
/// runtime ends.
#[derive(Clone, Default)]
pub struct FanOut {
    lanes: Arc<Vec<Lane>>,
}

struct Lane {
    queue: mpsc::Sender<Offered>,
    tally: Arc<Tally>,
}

struct Offered {
    name: String,
    bytes: Bytes,
}

/// What became of the objects that were offered to one copy.
#[derive(Default)]
struct Tally {
    put_bytes: AtomicU64,
    put: AtomicU64,
    left_behind: AtomicU64,
    failed: Mutex<Option<Error>>,
}

impl Tally {
    fn failed(&self) -> MutexGuard<'_, Option<Error>> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How one copy kept up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptUp {
    /// Objects that are in the copy.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Objects that it has yet to fetch.
    pub left_behind: u64,
    /// Why nothing more was put.
    pub failed: Option<String>,
}

impl FanOut {
    /// Packs that one copy may hold in memory.
    pub const PACKS: usize = WAITING + 1;

    /// To these copies of the backup's lineage, each once it is open. Must be called
    /// on the runtime that shall put.
    pub fn to<O>(copies: impl IntoIterator<Item = O>) -> Self
    where
        O: Future<Output = Result<LineageCopy>> + Send + 'static,
    {
        let lanes = copies.into_iter().map(|opening| {
            let (queue, mut waiting) = mpsc::channel(WAITING);
            let tally = Arc::<Tally>::default();
            let lane = Lane {
                queue,
                tally: Arc::clone(&tally),
            };
            tokio::spawn(async move {
                if let Err(error) = put_all(opening, &mut waiting, &tally).await {
                    // Whoever copies the backup meets it again, and says so.
                    *tally.failed() = Some(error);
                    waiting.close();
                    while waiting.recv().await.is_some() {
                        tally.left_behind.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
            lane
        });
        Self {
            lanes: Arc::new(lanes.collect()),
        }
    }

    /// Offers an object that is durable in the repository under `name`.
    pub(crate) fn offer(&self, name: &str, bytes: &Bytes) {
        for lane in &*self.lanes {
            let offered = Offered {
                name: name.to_owned(),
                bytes: bytes.clone(),
            };
            if lane.queue.try_send(offered).is_err() {
                lane.tally.left_behind.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// How each copy has kept up so far, in the order in which they were given.
    pub fn kept_up(&self) -> Vec<KeptUp> {
        let so_far = |lane: &Lane| KeptUp {
            objects: lane.tally.put.load(Ordering::Relaxed),
            bytes: lane.tally.put_bytes.load(Ordering::Relaxed),
            left_behind: lane.tally.left_behind.load(Ordering::Relaxed),
            failed: lane.tally.failed().as_ref().map(ToString::to_string),
        };
        self.lanes.iter().map(so_far).collect()
    }
}

async fn put_all(
    opening: impl Future<Output = Result<LineageCopy>>,
    waiting: &mut mpsc::Receiver<Offered>,
    tally: &Tally,
) -> Result<()> {
    let copy = opening.await?;
    while let Some(Offered { name, bytes }) = waiting.recv().await {
        let length = bytes.len() as u64;
        copy.put(&name, bytes).await.inspect_err(|_| {
            tally.left_behind.fetch_add(1, Ordering::Relaxed);
        })?;
        tally.put.fetch_add(1, Ordering::Relaxed);
        tally.put_bytes.fetch_add(length, Ordering::Relaxed);
    }
    Ok(())
}

impl fmt::Debug for FanOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FanOut(to {} copies)", self.lanes.len())
    }
}
