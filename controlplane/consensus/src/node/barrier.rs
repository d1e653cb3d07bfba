//! One read barrier for many reads.
//!
//! A barrier is a round trip to the leader and one to a quorum. It is good for
//! every read that came before it began, so reads that come while one is under
//! way share the next. That next one does not wait for ever: a barrier that
//! hangs, because the leader it asks is gone, holds up only its own reads.

use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::read::Barrier;
use super::{Node, WeakNode};
use crate::error::ReadError;

/// After this long the next barrier begins beside one that has no answer yet.
const HURRY: Duration = Duration::from_millis(20);

/// A read that waits for its barrier.
pub(super) type Ask = oneshot::Sender<Result<Barrier, ReadError>>;

/// Serves the reads of a node until it is gone.
pub(super) async fn share(node: WeakNode, mut asks: mpsc::UnboundedReceiver<Ask>) {
    while let Some(first) = asks.recv().await {
        let mut waiting = vec![first];
        while let Ok(next) = asks.try_recv() {
            waiting.push(next);
        }
        let Some(node) = node.upgrade() else { return };
        let attempt = tokio::spawn(async move {
            let limit = node.inner.config.timings.read;
            let deadline = Instant::now() + limit;
            let barrier = tokio::time::timeout_at(deadline, node.barrier(deadline)).await;
            let barrier = barrier.unwrap_or(Err(ReadError::Timeout(limit)));
            for ask in waiting {
                // A read whose time was up has gone.
                let _ = ask.send(barrier.clone());
            }
        });
        // Whether or not it is done; a panic in it drops its askers' channels.
        let _ = tokio::time::timeout(HURRY, attempt).await;
    }
}

impl Node {
    /// Where a barrier stands that began after this call.
    pub(super) async fn shared_barrier(&self) -> Result<Barrier, ReadError> {
        let (ask, answer) = oneshot::channel();
        if self.inner.barriers.send(ask).is_err() {
            return Err(ReadError::ShuttingDown);
        }
        answer.await.unwrap_or(Err(ReadError::ShuttingDown))
    }
}
