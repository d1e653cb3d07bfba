//! Making the first node of a new group from a copy of an old one's state.

use std::path::Path;
use std::sync::Arc;

use openraft::storage::RaftLogStorage;

use super::open::{BOOTSTRAP_TIMEOUT, For, LOG, prepare};
use super::{Node, NodeConfig, StateView};
use crate::error::OpenError;
use crate::fault::FaultCell;
use crate::log::LogStore;
use crate::machine::Machine;
use crate::raft::{Member, Vote};

impl Node {
    /// Makes, in an empty directory, the only node of a new group, with the
    /// state that the database file `source` holds ([`Node::copy_state`]). Its
    /// id must be one that no node of the old group ever had: those are former
    /// members here, and their certificates open nothing. The log goes on
    /// where the copy ends, in a later term.
    ///
    /// What an earlier attempt left behind is cleared away: until the node is
    /// finished with [`Node::finish`], nothing was acknowledged.
    pub async fn restore(
        config: NodeConfig,
        member: Member,
        source: &Path,
    ) -> Result<Self, OpenError> {
        let lock = prepare(&config.dir, config.node_id, For::Restoring).await?;
        let last = Machine::create_from(&config.dir, source, config.node_id, member).await?;
        let log = LogStore::open(&config.dir.join(LOG), FaultCell::new(), Arc::clone(&lock))?;
        // Every entry of this group sorts behind every entry of the old one.
        let vote = Vote::new(last.leader_id.term, config.node_id);
        let written = log.clone().save_vote(&vote).await;
        log.close().await?;
        let path = config.dir.join(LOG);
        written.map_err(|source| OpenError::io("write", &path, source))?;
        let node = Self::start(config, lock).await?;
        let begun = node.lead_alone().await;
        node.or_shut_down(begun).await
    }

    /// Reads the copy of a state at `source` without changing it.
    pub async fn read_copy(source: &Path) -> Result<StateView, OpenError> {
        let (connection, last) = Machine::read_copy(source).await?;
        let applied = last.index + 1;
        Ok(StateView::new(connection, applied))
    }

    async fn lead_alone(&self) -> Result<(), OpenError> {
        let elected = self.inner.raft.trigger().elect(false).await;
        elected.map_err(|fatal| self.stopped(&fatal))?;
        self.await_leader(BOOTSTRAP_TIMEOUT).await?;
        Ok(())
    }

    /// Records that a node that was begun or restored is complete: from now on
    /// it can be opened.
    pub async fn finish(&self) -> Result<(), OpenError> {
        Ok(self.inner.log.set_prepared().await?)
    }
}
