//! Which other users of this host may ask the agent at its local socket.

use std::collections::BTreeSet;

use tokio::sync::watch;

/// The owners of the data directories that this agent works for.
#[derive(Debug)]
pub struct Peers {
    allowed: watch::Sender<BTreeSet<u32>>,
}

impl Peers {
    pub(super) fn new() -> Self {
        Self {
            allowed: watch::Sender::new(BTreeSet::new()),
        }
    }

    /// Lets the user with this id ask: the owner of a data directory that is
    /// observed, or that a restore made.
    pub fn allow(&self, uid: u32) {
        self.allowed.send_if_modified(|allowed| allowed.insert(uid));
    }

    /// Whether that user may ask.
    pub fn is_allowed(&self, uid: u32) -> bool {
        self.allowed.borrow().contains(&uid)
    }

    /// All of them, and every change: they are kept over restarts, because a
    /// restored server may still be fetching WAL.
    pub fn subscribe(&self) -> watch::Receiver<BTreeSet<u32>> {
        self.allowed.subscribe()
    }
}
