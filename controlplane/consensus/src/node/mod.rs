//! A member of the control plane's Raft group, as the rest of the program
//! uses it.

mod address;
mod barrier;
mod call;
mod config;
mod leadership;
mod members;
mod open;
mod propose;
mod quorum;
mod read;
mod restore;
mod snapshot;
mod status;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Weak};

use tokio::net::TcpListener;
use tokio::sync::{broadcast, mpsc, watch};

pub use self::config::{NodeConfig, Timings};
pub use self::propose::ProposeContext;
pub use self::quorum::{MembershipChange, QuorumPreview};
pub use self::read::{Age, StaleView, StateView};
pub use self::snapshot::StateCopy;
pub use self::status::{MemberStatus, Role, Status};
use crate::directory::DirectoryLock;
use crate::error::{Leader, OpenError};
use crate::fault::{Fault, FaultCell};
use crate::held;
use crate::log::LogStore;
use crate::machine::{Machine, Notice};
use crate::network::{Desk, Freshness, Listener, Network, Services, serve};
use crate::raft::{NodeId, Raft};

/// One member of the group. Cheap to clone; the clones are one node.
///
/// It works until [`Node::shutdown`], also when every clone was dropped. Ending
/// the process without is as good as a crash: nothing acknowledged is lost.
#[derive(Clone)]
pub struct Node {
    inner: Arc<Inner>,
}

/// A node that may be gone: what a part of it holds without holding it.
struct WeakNode(Weak<Inner>);

impl WeakNode {
    fn upgrade(&self) -> Option<Node> {
        self.0.upgrade().map(|inner| Node { inner })
    }
}

struct Inner {
    id: NodeId,
    config: NodeConfig,
    raft: Raft,
    log: LogStore,
    machine: Machine,
    network: Network,
    freshness: Arc<Freshness>,
    desk: Arc<Desk>,
    fault: FaultCell,
    leader: watch::Receiver<Option<Leader>>,
    barriers: mpsc::UnboundedSender<barrier::Ask>,
    listener: Mutex<Option<Listener>>,
    stopping: AtomicBool,
    lock: Arc<DirectoryLock>,
}

impl Node {
    /// Its id.
    pub fn id(&self) -> NodeId {
        self.inner.id
    }

    /// Answers the other nodes on `listener`, until the node is shut down. A
    /// node that runs alone needs no listener.
    pub fn listen(&self, listener: TcpListener) -> Result<SocketAddr, OpenError> {
        let Some(tls) = self.inner.config.peers.clone() else {
            let what = "a listener for other nodes needs certificates";
            return Err(OpenError::Configuration(what.to_owned()));
        };
        let address = listener.local_addr().map_err(|error| {
            let what = format!("the listener for other nodes has no address: {error}");
            OpenError::Configuration(what)
        })?;
        let services = Services {
            id: self.inner.id,
            raft: self.inner.raft.clone(),
            machine: self.inner.machine.clone(),
            freshness: Arc::clone(&self.inner.freshness),
            desk: Arc::clone(&self.inner.desk),
        };
        self.answer_own_calls();
        let serving = serve(listener, tls, services);
        *held(&self.inner.listener) = Some(serving);
        Ok(address)
    }

    /// How far entries are applied here: one more than the index of the last.
    /// It changes after the transaction has committed.
    pub fn applied(&self) -> watch::Receiver<u64> {
        self.inner.machine.applied()
    }

    /// What applied commands set in motion on this node. A listener that falls
    /// far behind loses the oldest and is told so.
    pub fn effects(&self) -> broadcast::Receiver<Notice> {
        self.inner.machine.notices()
    }

    /// Who leads, as this node knows it.
    pub fn leader(&self) -> watch::Receiver<Option<Leader>> {
        self.inner.leader.clone()
    }

    /// Why this node stopped by itself; `None` while it works.
    pub fn fatal(&self) -> Option<Fault> {
        self.inner.fault.get()
    }

    /// Waits until the node stops by itself. Its owner should then end the
    /// process: the node does nothing more.
    pub async fn failed(&self) -> Fault {
        let mut fault = self.inner.fault.watch();
        loop {
            if let Some(fault) = fault.borrow_and_update().clone() {
                return fault;
            }
            if fault.changed().await.is_err() {
                // Unreachable while `self` holds the sender; wait rather than
                // report what did not happen.
                std::future::pending::<()>().await;
            }
        }
    }

    /// Stops taking part, makes everything durable and gives the directory
    /// back. Later calls on any clone fail with `ShuttingDown`.
    pub async fn shutdown(&self) {
        if self.inner.stopping.swap(true, Ordering::SeqCst) {
            return;
        }
        let listener = held(&self.inner.listener).take();
        if let Some(listener) = listener {
            listener.stop().await;
        }
        self.inner.network.close();
        self.inner.desk.set_handler(None);
        if let Err(error) = self.inner.raft.shutdown().await {
            tracing::error!("the consensus task did not end cleanly: {error}");
        }
        self.inner.machine.close().await;
        if let Err(fault) = self.inner.log.close().await {
            tracing::error!(
                fault.code = fault.code(),
                "failed to close the log: {fault}"
            );
        }
        self.inner.lock.release();
    }

    fn downgrade(&self) -> WeakNode {
        WeakNode(Arc::downgrade(&self.inner))
    }

    fn is_stopping(&self) -> bool {
        self.inner.stopping.load(Ordering::SeqCst)
    }
}
