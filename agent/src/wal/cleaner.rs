//! Deleting slices that a full segment has made superfluous.
//!
//! It is the one deletion without a decision of the catalog (I-06): nothing is
//! lost by it. Still it deletes, so it waits for a live session with a quorum
//! (I-04), and the repository compares hashes before each one goes.

use std::collections::BTreeMap;
use std::time::Duration;

use holdfast_repo::{Error, WalRepository};
use holdfast_types::{Timeline, WalSegment};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use super::backoff::Backoff;
use super::store::StoreState;
use super::trouble;
use crate::failure;
use crate::host::Host;

/// A quorum proved longer ago proves nothing about now: the time after which
/// an agent counts as lost.
const QUORUM_AGE: Duration = Duration::from_secs(15);

/// The task that deletes. It ends with its owner.
#[derive(Debug)]
pub(super) struct Cleaner {
    segments: mpsc::UnboundedSender<WalSegment>,
    task: JoinHandle<()>,
}

impl Cleaner {
    pub(super) fn start(wal: WalRepository, host: Host, state: watch::Sender<StoreState>) -> Self {
        let (segments, incoming) = mpsc::unbounded_channel();
        let task = tokio::spawn(run(wal, host, state, incoming));
        Self { segments, task }
    }

    /// Where others name segments.
    pub(super) fn segments(&self) -> mpsc::UnboundedSender<WalSegment> {
        self.segments.clone()
    }

    /// A segment that is there in full and in slices.
    pub(super) fn add(&self, segment: WalSegment) {
        // The task ends only with us, or when it found a conflict.
        let _ = self.segments.send(segment);
    }
}

impl Drop for Cleaner {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn run(
    wal: WalRepository,
    host: Host,
    state: watch::Sender<StoreState>,
    mut incoming: mpsc::UnboundedReceiver<WalSegment>,
) {
    let mut waiting: BTreeMap<(Timeline, u64), WalSegment> = BTreeMap::new();
    let mut backoff = Backoff::patient();
    loop {
        if waiting.is_empty() {
            let Some(segment) = incoming.recv().await else {
                return;
            };
            waiting.insert((segment.timeline(), segment.number()), segment);
        }
        while let Ok(segment) = incoming.try_recv() {
            waiting.insert((segment.timeline(), segment.number()), segment);
        }
        if host
            .session()
            .wait_for(|session| session.has_quorum_within(QUORUM_AGE))
            .await
            .is_err()
        {
            return;
        }
        let Some((key, segment)) = waiting.first_key_value().map(|(key, value)| (*key, *value))
        else {
            continue;
        };
        match wal.delete_covered_slices(segment).await {
            Ok(deleted) => {
                tracing::debug!(wal.segment = %segment, deleted, "slices covered and deleted");
                waiting.remove(&key);
                backoff.reset();
            }
            Err(Error::Conflict { object }) => {
                // A slice says other than its segment: an incident (DESIGN 5.1).
                let conflict = trouble::conflict(&object);
                state.send_modify(|state| state.halted = Some(conflict));
                return;
            }
            Err(error) => {
                let failure = failure::of_repository(&error);
                tracing::debug!(wal.segment = %segment, %failure, "slices stay for now");
                tokio::time::sleep(backoff.pause()).await;
            }
        }
    }
}
