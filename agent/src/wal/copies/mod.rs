//! Copies of WAL: what was just stored goes to other repositories too.
//!
//! It is read once: the sealed bytes that the repository has taken are what a copy
//! gets. Nobody waits for that, neither PostgreSQL nor whoever stores the next
//! (I-07 counts the place that the policy names, and no copy). So what waits for a
//! copy is bounded: beyond the bound it is dropped, and fetched from the repository
//! later, as is everything that was stored before.

mod ship;
mod tracker;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use holdfast_repo::{SealedWal, WalRepository};
use holdfast_types::{AssignmentId, Name};
use tokio::sync::mpsc;

pub(super) use self::ship::Shippers;
pub(super) use self::tracker::CopyState;

/// Bytes that may wait for one copy, beside the object that is on its way.
const ROOM: u64 = 64 << 20;

/// Where the copies of this process take what is stored. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(super) struct Shipping(Arc<Mutex<BTreeMap<AssignmentId, Route>>>);

/// Of whose WAL, and to which copies.
#[derive(Debug, Clone)]
struct Route {
    cluster: Name,
    repository: Name,
    lanes: Vec<Lane>,
}

/// The way to one copy. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Lane {
    queue: mpsc::UnboundedSender<SealedWal>,
    waiting: Arc<AtomicU64>,
    missed: Arc<AtomicBool>,
}

impl Shipping {
    /// The same WAL, and whatever is put into it is offered to its copies.
    pub(super) fn on(&self, wal: WalRepository, cluster: &Name, into: &Name) -> WalRepository {
        let (shipping, cluster, into) = (self.clone(), cluster.clone(), into.clone());
        wal.with_tap(move |object| shipping.offer(&cluster, &into, &object))
    }

    fn offer(&self, cluster: &Name, into: &Name, object: &SealedWal) {
        let routes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let ours = routes
            .values()
            .filter(|route| route.cluster == *cluster && route.repository == *into);
        for lane in ours.flat_map(|route| &route.lanes) {
            lane.offer(object);
        }
    }

    fn add(&self, duty: AssignmentId, route: Route) {
        let mut routes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        routes.insert(duty, route);
    }

    fn remove(&self, duty: AssignmentId) {
        let mut routes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        routes.remove(&duty);
    }
}

impl Lane {
    fn new() -> (Self, mpsc::UnboundedReceiver<SealedWal>) {
        let (queue, waiting) = mpsc::unbounded_channel();
        let lane = Self {
            queue,
            waiting: Arc::default(),
            missed: Arc::default(),
        };
        (lane, waiting)
    }

    /// Takes an object along, if there is room. After one that was left behind all
    /// others are: a copy grows at its end only.
    fn offer(&self, object: &SealedWal) {
        let bytes = object.bytes().len() as u64;
        let before = self.waiting.fetch_add(bytes, Ordering::SeqCst);
        let full = before > 0 && before + bytes > ROOM;
        if full || self.missed.load(Ordering::SeqCst) || self.queue.send(object.clone()).is_err() {
            self.waiting.fetch_sub(bytes, Ordering::SeqCst);
            self.missed.store(true, Ordering::SeqCst);
        }
    }

    fn taken(&self, object: &SealedWal) {
        let bytes = object.bytes().len() as u64;
        self.waiting.fetch_sub(bytes, Ordering::SeqCst);
    }

    fn has_missed(&self) -> bool {
        self.missed.load(Ordering::SeqCst)
    }

    /// From now on objects are taken along; what was stored before is listed next.
    fn begin(&self) {
        self.missed.store(false, Ordering::SeqCst);
    }
}
