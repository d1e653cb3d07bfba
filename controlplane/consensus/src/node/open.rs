//! Making a node, and starting it again.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use openraft::errors::{Fatal, RaftError};
use tokio::sync::mpsc;

use super::{Inner, Node, NodeConfig, barrier, leadership};
use crate::directory::{self, DirectoryLock};
use crate::error::OpenError;
use crate::fault::{Fault, FaultCell, FaultKind};
use crate::log::LogStore;
use crate::machine::Machine;
use crate::network::{Desk, Freshness, Network};
use crate::raft::{Member, NodeId, Raft, TypeConfig};

pub(super) const LOG: &str = "log.db";
/// How long the first node of a group may take to lead itself.
pub(super) const BOOTSTRAP_TIMEOUT: Duration = Duration::from_secs(30);

impl Node {
    /// Makes the first node of a new control plane, reached at `member`, in an
    /// empty directory. What an earlier attempt left behind is cleared away:
    /// until this returned, nothing was acknowledged.
    pub async fn bootstrap(config: NodeConfig, member: Member) -> Result<Self, OpenError> {
        let node = Self::begin(config, member).await?;
        let finished = node.finish().await;
        node.or_shut_down(finished).await
    }

    /// The same, but the node is not complete before [`Node::finish`]: until
    /// then it cannot be opened, and a later attempt clears it away. What is
    /// put into its state meanwhile is there as a whole or not at all.
    pub async fn begin(config: NodeConfig, member: Member) -> Result<Self, OpenError> {
        let lock = prepare(&config.dir, config.node_id, For::Founding).await?;
        let node = Self::start(config, lock).await?;
        let begun = node.begin_group(member).await;
        node.or_shut_down(begun).await
    }

    /// Makes a node in an empty directory that waits to be added to a control
    /// plane by its leader ([`Node::add_member`]): [`Node::prepare_join`],
    /// then [`Node::open`].
    pub async fn join(config: NodeConfig) -> Result<Self, OpenError> {
        Self::prepare_join(&config.dir, config.node_id).await?;
        Self::open(config).await
    }

    /// Makes the files of a node that will join, in an empty directory, and
    /// starts nothing. [`Node::open`] starts the node, which waits to be added.
    ///
    /// `id` must be one that never was a node's. Opening never makes files:
    /// a node that was a member and finds its directory empty is refused
    /// ([`OpenError::NotPrepared`]), because it has forgotten for whom it
    /// voted and what it acknowledged. What an earlier attempt to join left
    /// behind is cleared away, unless a leader has written to it.
    pub async fn prepare_join(dir: &Path, id: NodeId) -> Result<(), OpenError> {
        let lock = prepare(dir, id, For::Joining).await?;
        let log = LogStore::open(&dir.join(LOG), FaultCell::new(), lock)?;
        log.set_prepared().await?;
        Ok(log.close().await?)
    }

    /// Starts the node that is in the directory.
    pub async fn open(config: NodeConfig) -> Result<Self, OpenError> {
        let dir = &config.dir;
        if !dir.join(LOG).is_file() {
            return Err(OpenError::NotPrepared { dir: dir.clone() });
        }
        let lock = DirectoryLock::take(dir)?;
        let node = Self::start(config, Arc::new(lock)).await?;
        let resumed = node.resume().await;
        node.or_shut_down(resumed).await
    }

    /// The node, or, when it could not be made, nothing that still runs.
    pub(super) async fn or_shut_down(self, made: Result<(), OpenError>) -> Result<Self, OpenError> {
        match made {
            Ok(()) => Ok(self),
            Err(error) => {
                self.shutdown().await;
                Err(error)
            }
        }
    }

    async fn begin_group(&self, member: Member) -> Result<(), OpenError> {
        let members = BTreeMap::from([(self.inner.id, member)]);
        match self.inner.raft.initialize(members).await {
            Ok(()) => {}
            Err(RaftError::Fatal(fatal)) => return Err(self.stopped(&fatal).into()),
            Err(RaftError::APIError(error)) => {
                return Err(OpenError::Configuration(error.to_string()));
            }
        }
        self.await_leader(BOOTSTRAP_TIMEOUT).await?;
        Ok(())
    }

    async fn resume(&self) -> Result<(), OpenError> {
        if !self.inner.log.is_prepared()? {
            let dir = self.inner.config.dir.clone();
            return Err(OpenError::Unfinished { dir });
        }
        // A single node need not wait for an election timeout.
        let voters: Vec<_> = self.inner.raft.voter_ids().collect();
        if voters != [self.inner.id] {
            return Ok(());
        }
        let elected = self.inner.raft.trigger().elect(false).await;
        elected.map_err(|fatal| self.stopped(&fatal).into())
    }

    pub(super) async fn start(
        config: NodeConfig,
        lock: Arc<DirectoryLock>,
    ) -> Result<Self, OpenError> {
        let raft_config = Arc::new(config.raft()?);
        let fault = FaultCell::new();
        let dir = &config.dir;
        let log = LogStore::open(&dir.join(LOG), fault.clone(), Arc::clone(&lock))?;
        if log.node() != config.node_id {
            return Err(OpenError::WrongNode {
                dir: dir.clone(),
                found: log.node(),
                wanted: config.node_id,
            });
        }
        let machine =
            Machine::open(dir, fault.clone(), Arc::clone(&lock), Some(log.clone())).await?;
        let network = Network::new(config.peers.clone());
        let raft = Raft::new(
            config.node_id,
            raft_config,
            network.clone(),
            log.clone(),
            machine.clone(),
        )
        .await
        .map_err(|fatal| fault_of(&fault, dir, &fatal))?;
        let leader = leadership::follow(&raft, fault.clone(), dir);
        let (barriers, asks) = mpsc::unbounded_channel();
        let inner = Inner {
            id: config.node_id,
            raft,
            log,
            machine,
            network,
            freshness: Arc::new(Freshness::default()),
            desk: Arc::new(Desk::new()),
            fault,
            leader,
            barriers,
            listener: Mutex::new(None),
            stopping: AtomicBool::new(false),
            lock,
            config,
        };
        let node = Self {
            inner: Arc::new(inner),
        };
        tokio::spawn(barrier::share(node.downgrade(), asks));
        Ok(node)
    }

    /// What stopped the node, as its own storage said it if it did.
    pub(super) fn stopped(&self, fatal: &Fatal<TypeConfig>) -> Fault {
        fault_of(&self.inner.fault, &self.inner.config.dir, fatal)
    }
}

/// The fault behind openraft's error: what our storage reported first, or
/// else what openraft found.
pub(super) fn fault_of(cell: &FaultCell, dir: &Path, fatal: &Fatal<TypeConfig>) -> Fault {
    if let Some(fault) = cell.get() {
        return fault;
    }
    let kind = match fatal {
        Fatal::StorageError(_) => FaultKind::LogDamaged,
        Fatal::Panicked | Fatal::Stopped => FaultKind::Panicked,
    };
    let fault = Fault::new(kind, dir, "the consensus task has stopped");
    cell.report(fault.caused_by(io::Error::other(fatal.to_string())))
}

/// What a directory is prepared for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum For {
    Founding,
    Joining,
    /// Its state comes from a copy.
    Restoring,
}

/// Makes the files of a new node in a directory that holds none, or only the
/// remains of an attempt that did not finish.
pub(super) async fn prepare(
    dir: &Path,
    id: NodeId,
    purpose: For,
) -> Result<Arc<DirectoryLock>, OpenError> {
    let failed = |source| OpenError::io("prepare", dir, source);
    directory::create(dir).map_err(failed)?;
    let lock = Arc::new(DirectoryLock::take(dir)?);
    let found = directory::contents(dir).map_err(failed)?;
    if let Some(foreign) = found.iter().find(|name| !directory::is_ours(name)) {
        return Err(OpenError::NotEmpty {
            dir: dir.to_owned(),
            found: foreign.clone(),
        });
    }
    let path = dir.join(LOG);
    if path.exists() {
        may_clear(&path, dir, &lock, purpose).await?;
    } else if found.iter().any(|name| name == "SNAPSHOT") {
        // A node whose log is gone is damaged, not unfinished.
        return Err(OpenError::NotEmpty {
            dir: dir.to_owned(),
            found: "a snapshot".to_owned(),
        });
    }
    for name in found {
        directory::remove_database(&dir.join(name)).map_err(failed)?;
    }
    if purpose != For::Restoring {
        Machine::create(dir).await?;
    }
    LogStore::create(&path, id)?;
    directory::sync_directory(dir).map_err(failed)?;
    Ok(lock)
}

/// Whether the node whose log is at `path` may be cleared away: its
/// preparation did not finish, or it was prepared to join and nobody has
/// written to it, so that it neither voted nor acknowledged anything.
async fn may_clear(
    path: &Path,
    dir: &Path,
    lock: &Arc<DirectoryLock>,
    purpose: For,
) -> Result<(), OpenError> {
    // What cannot be opened may be a damaged node: it is not cleared away.
    let log = LogStore::open(path, FaultCell::new(), Arc::clone(lock))?;
    let (prepared, untouched) = (log.is_prepared()?, log.is_untouched());
    log.close().await?;
    if prepared && !(purpose == For::Joining && untouched) {
        return Err(OpenError::NotEmpty {
            dir: dir.to_owned(),
            found: format!("node {}", log.node()),
        });
    }
    Ok(())
}
