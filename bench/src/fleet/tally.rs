//! What happens to a fleet, counted.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;

/// A job that an agent was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// Of which cluster.
    pub cluster: String,
    /// Into which repository.
    pub repository: String,
    /// When the agent heard of it.
    pub at: Instant,
    /// When the agent had finished it.
    pub ended: Option<Instant>,
}

/// What happened to a fleet.
#[derive(Debug, Default)]
pub struct Tally {
    connected: AtomicUsize,
    connects: AtomicU64,
    lost: AtomicU64,
    answered: AtomicU64,
    refused: AtomicU64,
    duties: AtomicUsize,
    reasons: Mutex<BTreeMap<String, u64>>,
    times: Mutex<Vec<Duration>>,
    leases: Mutex<BTreeMap<(String, u64), Lease>>,
    changes: watch::Sender<()>,
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Tally {
    pub(super) fn up(&self) {
        self.connected.fetch_add(1, Ordering::Relaxed);
        self.connects.fetch_add(1, Ordering::Relaxed);
        self.changes.send_replace(());
    }

    pub(super) fn down(&self, reason: String) {
        self.connected.fetch_sub(1, Ordering::Relaxed);
        self.lost.fetch_add(1, Ordering::Relaxed);
        *held(&self.reasons).entry(reason).or_default() += 1;
        self.changes.send_replace(());
    }

    pub(super) fn unreachable(&self, reason: String) {
        *held(&self.reasons).entry(reason).or_default() += 1;
    }

    pub(super) fn heartbeat_answered(&self) {
        self.answered.fetch_add(1, Ordering::Relaxed);
    }

    /// A report was answered after this time; `driven` when it was one of those
    /// that are measured.
    pub(super) fn report_answered(&self, after: Duration, refusal: &str, driven: bool) {
        if !refusal.is_empty() {
            self.refused.fetch_add(1, Ordering::Relaxed);
            *held(&self.reasons)
                .entry(format!("refused: {refusal}"))
                .or_default() += 1;
        } else if driven {
            held(&self.times).push(after);
        }
    }

    pub(super) fn leased(&self, key: (String, u64), lease: Lease) {
        held(&self.leases).entry(key).or_insert(lease);
        self.changes.send_replace(());
    }

    pub(super) fn ended(&self, key: &(String, u64)) {
        if let Some(lease) = held(&self.leases).get_mut(key) {
            lease.ended = Some(Instant::now());
        }
        self.changes.send_replace(());
    }

    pub(super) fn duty(&self) {
        self.duties.fetch_add(1, Ordering::Relaxed);
        self.changes.send_replace(());
    }

    /// How many were given a standing duty.
    pub fn duties(&self) -> usize {
        self.duties.load(Ordering::Relaxed)
    }

    /// How many have a session.
    pub fn connected(&self) -> usize {
        self.connected.load(Ordering::Relaxed)
    }

    /// Sessions that ended.
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    /// Heartbeats that were answered.
    pub fn heartbeats(&self) -> u64 {
        self.answered.load(Ordering::Relaxed)
    }

    /// Reports that were refused.
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// The times of the reports that were answered since this was last asked.
    pub fn take_times(&self) -> Vec<Duration> {
        std::mem::take(&mut held(&self.times))
    }

    /// The jobs that were given out, by assignment and generation.
    pub fn leases(&self) -> Vec<Lease> {
        held(&self.leases).values().cloned().collect()
    }

    /// How many there are.
    pub fn leased_count(&self) -> usize {
        held(&self.leases).len()
    }

    /// Tells that something has changed.
    pub fn changes(&self) -> watch::Receiver<()> {
        self.changes.subscribe()
    }

    /// Everything, for people.
    pub fn describe(&self) -> String {
        format!(
            "{} connected, {} sessions lost, {} jobs leased, {:?}",
            self.connected(),
            self.lost(),
            self.leased_count(),
            held(&self.reasons)
        )
    }
}
