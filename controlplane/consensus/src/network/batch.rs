//! Proposals on their way to the leader, many in one request.
//!
//! What comes while requests are under way is sent together in the next one:
//! alone, a proposal travels at once; under load, the cost of a request is
//! shared. A leader of an older release, which takes one at a time, gets one
//! at a time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use futures_util::future::join_all;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::Instant;

use super::client::{Peer, RpcError, answered, frame};
use super::request::milliseconds;
use crate::wire::pb;

/// Requests under way to one leader.
const UNDER_WAY: usize = 4;
/// Proposals of one request.
const TOGETHER: usize = 256;
/// Bytes of one request, about.
const TOGETHER_BYTES: usize = 1 << 20;

/// What became of a proposal. Those that travelled together share an error.
pub(crate) type Outcome = Result<pb::RaftProposeReply, Arc<RpcError>>;

/// A proposal that waits to be sent.
#[derive(Debug)]
pub(super) struct Ask {
    pub(super) entry: Bytes,
    pub(super) deadline: Instant,
    pub(super) answer: oneshot::Sender<Outcome>,
}

/// Sends proposals to `peer` until nobody can ask any more.
pub(super) async fn send(peer: Peer, mut asks: mpsc::UnboundedReceiver<Ask>) {
    let under_way = Arc::new(Semaphore::new(UNDER_WAY));
    let singly = Arc::new(AtomicBool::new(false));
    while let Some(first) = asks.recv().await {
        // Never closed.
        let Ok(permit) = Arc::clone(&under_way).acquire_owned().await else {
            return;
        };
        let batch = gather(first, &mut asks);
        let (peer, singly) = (peer.clone(), Arc::clone(&singly));
        tokio::spawn(async move {
            let _permit = permit;
            deliver(&peer, batch, &singly).await;
        });
    }
}

fn gather(first: Ask, asks: &mut mpsc::UnboundedReceiver<Ask>) -> Vec<Ask> {
    let mut bytes = first.entry.len();
    let mut batch = vec![first];
    while batch.len() < TOGETHER && bytes < TOGETHER_BYTES {
        let Ok(next) = asks.try_recv() else { break };
        bytes += next.entry.len();
        batch.push(next);
    }
    // Whoever gave up already sends nothing: it was told so.
    batch.retain(|ask| !ask.answer.is_closed());
    batch
}

async fn deliver(peer: &Peer, batch: Vec<Ask>, singly: &AtomicBool) {
    if batch.len() > 1 && !singly.load(Ordering::Relaxed) {
        let sent = together(peer, &batch).await;
        match sent {
            // It has done none of them.
            Err(error) if error.is_unknown_method() => singly.store(true, Ordering::Relaxed),
            Err(error) => {
                let error = Arc::new(error);
                for ask in batch {
                    tell(ask, Err(Arc::clone(&error)));
                }
                return;
            }
            Ok(replies) => {
                // What has no reply may be in a log or not.
                let unknown = pb::raft_propose_reply::Outcome::Unknown(pb::RaftBlank {});
                let unknown = pb::RaftProposeReply {
                    outcome: Some(unknown),
                };
                let replies = replies.replies.into_iter();
                let replies = replies.chain(std::iter::repeat(unknown));
                for (ask, reply) in batch.into_iter().zip(replies) {
                    tell(ask, Ok(reply));
                }
                return;
            }
        }
    }
    join_all(batch.into_iter().map(|ask| alone(peer, ask))).await;
}

async fn together(peer: &Peer, batch: &[Ask]) -> Result<pb::RaftProposeManyReply, RpcError> {
    let last = batch.iter().map(|ask| ask.deadline).max();
    let patience = last.unwrap_or_else(Instant::now);
    let patience = patience.saturating_duration_since(Instant::now());
    let mut client = peer.client()?;
    let request = frame(&pb::RaftProposeManyRequest {
        to: peer.id.0,
        entries: batch.iter().map(|ask| ask.entry.clone()).collect(),
        patience_ms: milliseconds(patience),
    });
    answered(patience, async move { client.propose_many(request).await }).await
}

async fn alone(peer: &Peer, ask: Ask) {
    let patience = ask.deadline.saturating_duration_since(Instant::now());
    let entry = ask.entry.clone();
    let sent = async {
        let mut client = peer.client()?;
        let request = frame(&pb::RaftProposeRequest {
            to: peer.id.0,
            entry,
            patience_ms: milliseconds(patience),
        });
        answered(patience, async move { client.propose(request).await }).await
    };
    let outcome = sent.await.map_err(Arc::new);
    tell(ask, outcome);
}

fn tell(ask: Ask, outcome: Outcome) {
    // Whoever asked may have given up.
    let _ = ask.answer.send(outcome);
}
