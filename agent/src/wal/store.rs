//! Putting received WAL into the repository, in order, behind the receiver's
//! back: a slow put does not stop receiving until the bound of the queue.
//!
//! Only here a position becomes durable, and only after the put answered
//! (I-07). A failed put is repeated for ever; one that met other bytes stops
//! everything, for nothing may be overwritten.

use std::time::Duration;

use bytes::Bytes;
use holdfast_repo::{Error, WalRepository, failpoint};
use holdfast_types::{Failure, LsnRange, Timeline, WalSegment};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use super::Position;
use super::backoff::Backoff;
use super::cleaner::Cleaner;
use super::status::{Part, Status};
use super::trouble;
use crate::failure;
use crate::host::Host;

/// WAL to be stored.
#[derive(Debug)]
pub(super) enum Item {
    /// Part of the segment that is being received.
    Slice {
        /// Of which timeline.
        timeline: Timeline,
        /// Which part.
        range: LsnRange,
        /// Its bytes.
        bytes: Bytes,
    },
    /// A whole segment.
    Segment {
        /// Which.
        segment: WalSegment,
        /// Its bytes.
        bytes: Bytes,
    },
}

impl Item {
    pub(super) fn bytes(&self) -> u64 {
        let (Self::Slice { bytes, .. } | Self::Segment { bytes, .. }) = self;
        bytes.len() as u64
    }

    fn timeline(&self) -> Timeline {
        match self {
            Self::Slice { timeline, .. } => *timeline,
            Self::Segment { segment, .. } => segment.timeline(),
        }
    }

    fn range(&self) -> LsnRange {
        match self {
            Self::Slice { range, .. } => *range,
            Self::Segment { segment, .. } => LsnRange {
                from_lsn: segment.start(),
                to_lsn: segment.end(),
            },
        }
    }
}

/// Where the queue stands.
#[derive(Debug, Clone, Default)]
pub(super) struct StoreState {
    /// Items that are not durable yet.
    pub(super) items: usize,
    /// Their bytes.
    pub(super) bytes: u64,
    /// Up to where the stream's WAL is durable without a gap.
    pub(super) durable: Option<Position>,
    /// Why nothing will be stored any more.
    pub(super) halted: Option<Failure>,
}

/// The queue. Dropping it ends its work where it is.
#[derive(Debug)]
pub(super) struct Store {
    queue: mpsc::UnboundedSender<Item>,
    state: watch::Sender<StoreState>,
    /// Bytes that may wait.
    room: u64,
    task: JoinHandle<()>,
    cleaner: Cleaner,
}

impl Store {
    /// Starts storing into `wal`.
    pub(super) fn start(wal: WalRepository, status: Status, host: Host, room: u64) -> Self {
        let (queue, items) = mpsc::unbounded_channel();
        let state = watch::Sender::new(StoreState::default());
        let cleaner = Cleaner::start(wal.clone(), host.clone(), state.clone());
        let worker = Worker {
            wal,
            status,
            host,
            state: state.clone(),
            segments: cleaner.segments(),
        };
        let task = tokio::spawn(worker.run(items));
        Self {
            queue,
            state,
            room,
            task,
            cleaner,
        }
    }

    /// Where the queue stands, and every change of it.
    pub(super) fn state(&self) -> watch::Receiver<StoreState> {
        self.state.subscribe()
    }

    /// Up to where the stream's WAL is durable.
    pub(super) fn durable(&self) -> Option<Position> {
        self.state.borrow().durable
    }

    /// Takes what a listing and a repeated put have proved durable.
    pub(super) fn assume_durable(&self, position: Position) {
        self.state
            .send_modify(|state| state.durable = Some(position));
    }

    /// Segments that are there in full and in slices.
    pub(super) fn clean(&self, segments: impl IntoIterator<Item = WalSegment>) {
        for segment in segments {
            self.cleaner.add(segment);
        }
    }

    /// Whether another item of that size may be put without going over the
    /// bound. One item may always be.
    pub(super) fn has_room(&self, bytes: u64) -> bool {
        let state = self.state.borrow();
        state.items == 0 || state.bytes + bytes <= self.room
    }

    /// Whether nothing waits.
    pub(super) fn is_idle(&self) -> bool {
        self.state.borrow().items == 0
    }

    /// Queues an item behind the others.
    pub(super) fn put(&self, item: Item) {
        let bytes = item.bytes();
        self.state.send_modify(|state| {
            state.items += 1;
            state.bytes += bytes;
        });
        // A halted worker takes nothing more; its state says so.
        let _ = self.queue.send(item);
    }

    /// Waits until nothing waits, or nothing will be stored any more.
    pub(super) async fn drained(&self) -> Result<(), Failure> {
        let mut state = self.state();
        let settled = state.wait_for(|state| state.items == 0 || state.halted.is_some());
        match settled.await {
            Ok(state) => state.halted.clone().map_or(Ok(()), Err),
            Err(_) => unreachable!("the sender is ours"),
        }
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Worker {
    wal: WalRepository,
    status: Status,
    host: Host,
    state: watch::Sender<StoreState>,
    segments: mpsc::UnboundedSender<WalSegment>,
}

impl Worker {
    async fn run(self, mut items: mpsc::UnboundedReceiver<Item>) {
        let mut sliced = None;
        while let Some(item) = items.recv().await {
            if let Err(failure) = self.store(&item).await {
                self.status.trouble(Part::Store, failure.clone());
                self.state.send_modify(|state| state.halted = Some(failure));
                return;
            }
            self.became_durable(&item);
            match item {
                Item::Slice {
                    timeline, range, ..
                } => sliced = Some((timeline, range.from_lsn)),
                Item::Segment { segment, .. } => {
                    let has_slices = sliced.take().is_some_and(|(timeline, from)| {
                        timeline == segment.timeline() && from >= segment.start()
                    });
                    if has_slices {
                        // Nobody listens only when the duty ends.
                        let _ = self.segments.send(segment);
                    }
                }
            }
        }
    }

    /// Puts until it is there. Only what repeating cannot cure is an error.
    async fn store(&self, item: &Item) -> Result<(), Failure> {
        let mut backoff = Backoff::patient();
        loop {
            let put = match item {
                Item::Slice {
                    timeline,
                    range,
                    bytes,
                } => self.wal.put_slice(*timeline, *range, bytes.clone()).await,
                Item::Segment { segment, bytes } => {
                    self.wal.put_segment(*segment, bytes.clone()).await
                }
            };
            match put {
                Ok(_) => {
                    match item {
                        Item::Slice { .. } => failpoint!("receive::slice::put"),
                        Item::Segment { .. } => failpoint!("receive::segment::put"),
                    }
                    return Ok(());
                }
                Err(Error::Conflict { object }) => return Err(trouble::conflict(&object)),
                Err(error @ (Error::LineageMismatch { .. } | Error::Invalid { .. })) => {
                    return Err(failure::of_repository(&error));
                }
                Err(error) => self
                    .status
                    .trouble(Part::Store, failure::of_repository(&error)),
            }
            tokio::time::sleep(backoff.pause()).await;
        }
    }

    fn became_durable(&self, item: &Item) {
        let (timeline, range) = (item.timeline(), item.range());
        let position = Position {
            timeline,
            lsn: range.to_lsn,
        };
        self.status.stored(timeline, range);
        self.status.durable(position);
        self.status.well(Part::Store);
        self.state.send_modify(|state| {
            state.items -= 1;
            state.bytes -= item.bytes();
            state.durable = Some(position);
        });
        self.host.wal().announce();
    }
}

/// How long a duty that ends waits for what it has received to be stored.
pub(super) const LAST_WORDS: Duration = Duration::from_secs(5);
