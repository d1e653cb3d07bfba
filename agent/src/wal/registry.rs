//! The duties of this process, as others in it need to know them: where
//! `wal-fetch` finds a cluster's WAL, and when something new became durable.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use holdfast_proto::RepositoryAccess;
use holdfast_repo::Codec;
use holdfast_types::{AssignmentId, Lineage, Name};
use tokio::sync::{mpsc, watch};

use super::copies::Shipping;
use super::fetch::Prefetches;
use super::push::{Lanes, Pushed};

/// Where a cluster's WAL is.
#[derive(Debug, Clone)]
pub struct Source {
    /// The cluster.
    pub cluster: Name,
    /// The repository its WAL is put into.
    pub repository: RepositoryAccess,
    /// Its lineage, once PostgreSQL said who it is.
    pub lineage: Option<Lineage>,
    /// The instance's data directory, as far as it is known.
    pub data_directory: Option<PathBuf>,
    /// How its WAL is compressed.
    pub codec: Codec,
    /// Told of WAL that `wal-push` has made durable.
    pub(super) pushed: Option<mpsc::UnboundedSender<Pushed>>,
}

/// All duties of the process.
#[derive(Debug, Default)]
pub struct Registry {
    sources: Mutex<BTreeMap<AssignmentId, Source>>,
    progress: watch::Sender<()>,
    lanes: Lanes,
    prefetches: Prefetches,
    shipping: Shipping,
}

impl Registry {
    /// The source of a cluster, by its name or by an instance's directory.
    pub fn find(&self, cluster: Option<&Name>, directory: Option<&Path>) -> Option<Source> {
        self.with(|sources| {
            let by_name = |source: &&Source| cluster == Some(&source.cluster);
            let by_directory = |source: &&Source| {
                cluster.is_none()
                    && directory.is_some()
                    && source.data_directory.as_deref() == directory
            };
            let matching = |source: &&Source| by_name(source) || by_directory(source);
            // One that knows its lineage is worth more than one still starting.
            let mut found = sources.values().filter(matching);
            found
                .clone()
                .find(|source| source.lineage.is_some())
                .or_else(|| found.next())
                .cloned()
        })
    }

    /// Whether a cluster's WAL comes by `archive_command`.
    pub fn archives(&self, cluster: &Name) -> bool {
        self.with(|sources| {
            let mut ours = sources.values().filter(|source| source.cluster == *cluster);
            ours.any(|source| source.pushed.is_some())
        })
    }

    /// Wakes whenever WAL became durable somewhere.
    pub fn progress(&self) -> watch::Receiver<()> {
        self.progress.subscribe()
    }

    /// What `wal-push` is doing.
    pub(super) const fn lanes(&self) -> &Lanes {
        &self.lanes
    }

    /// What `wal-fetch` has fetched ahead.
    pub(super) const fn prefetches(&self) -> &Prefetches {
        &self.prefetches
    }

    /// Where copies take what is stored.
    pub(super) const fn shipping(&self) -> &Shipping {
        &self.shipping
    }

    pub(super) fn announce(&self) {
        self.progress.send_replace(());
    }

    pub(super) fn add(&self, duty: AssignmentId, source: Source) {
        self.with(|sources| sources.insert(duty, source));
    }

    pub(super) fn update(&self, duty: AssignmentId, change: impl FnOnce(&mut Source)) {
        self.with(|sources| sources.get_mut(&duty).map(change));
    }

    pub(super) fn remove(&self, duty: AssignmentId) {
        self.with(|sources| sources.remove(&duty));
    }

    fn with<T>(&self, act: impl FnOnce(&mut BTreeMap<AssignmentId, Source>) -> T) -> T {
        act(&mut self.sources.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
