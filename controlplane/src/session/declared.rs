//! What sessions need of the documents, parsed once for all of them.
//!
//! Each agent's node works out what the agent is to do whenever something of it
//! changes. With thousands of agents, reading and parsing the same policies and
//! unsealing the same credentials for each was most of what that cost.
//!
//! What an applied command changed is forgotten before any session is woken by
//! it (the tasks' driver hands effects on in that order), so a session that is
//! woken by a change sees it. Unsealed credentials are in memory only (I-10).

use std::sync::Arc;

use holdfast_consensus::StateView;
use holdfast_proto::RepositoryAccess;
use holdfast_state::{Effect, policy, query};
use holdfast_types::Name;
use holdfast_types::resource::{Cluster, Kind, Labels, Policy, Resource};

use super::access;
use super::shelf::Shelf;
use crate::app::App;
use crate::app::error::Result;

type Policies = Vec<(Name, Policy)>;

/// A cluster as its document declares it.
#[derive(Debug)]
pub(super) struct DeclaredCluster {
    /// Its instances and relays.
    pub(super) cluster: Cluster,
    labels: Labels,
    retired: bool,
}

/// Documents as this node has applied them.
#[derive(Debug, Default)]
pub(crate) struct Declared {
    policies: Shelf<(), Policies>,
    clusters: Shelf<Name, DeclaredCluster>,
    repositories: Shelf<Name, RepositoryAccess>,
}

impl Declared {
    /// Forgets what an applied command changed.
    pub(crate) fn heed(&self, effect: &Effect) {
        let Effect::Changed { plural, key, .. } = effect else {
            return;
        };
        let is = |kind: Kind| *plural == kind.plural();
        if *plural == "secrets" {
            self.repositories.forget_all();
        } else if is(Kind::Policy) {
            self.policies.forget(());
        } else if let Ok(name) = key.parse::<Name>() {
            if is(Kind::Cluster) {
                self.clusters.forget(name);
            } else if is(Kind::Repository) {
                self.repositories.forget(name);
            }
        }
    }

    /// Forgets everything: anything may have changed.
    pub(crate) fn forget_all(&self) {
        self.policies.forget_all();
        self.clusters.forget_all();
        self.repositories.forget_all();
    }

    /// A cluster that is declared, retired or not.
    pub(super) async fn cluster(
        &self,
        view: &StateView,
        name: &Name,
    ) -> Result<Option<Arc<DeclaredCluster>>> {
        let ticket = match self.clusters.get(name) {
            Ok(known) => return Ok(Some(known)),
            Err(ticket) => ticket,
        };
        let found = query::resource(view.connection(), Kind::Cluster, name).await?;
        let Some(found) = found else {
            return Ok(None);
        };
        let (labels, retired) = (found.labels().clone(), found.retired_at.is_some());
        let Resource::Cluster(cluster) = found.document.resource else {
            return Ok(None);
        };
        let found = DeclaredCluster {
            cluster,
            labels,
            retired,
        };
        Ok(Some(self.clusters.put(name.clone(), ticket, found)))
    }

    /// The policy in force for a cluster.
    pub(super) async fn policy_of(
        &self,
        view: &StateView,
        cluster: &DeclaredCluster,
    ) -> Result<Option<Policy>> {
        if cluster.retired {
            return Ok(None);
        }
        let policies = match self.policies.get(&()) {
            Ok(known) => known,
            Err(ticket) => {
                let found = query::policies(view.connection()).await?;
                self.policies.put((), ticket, found)
            }
        };
        let pairs = policies.iter().map(|(name, policy)| (name, policy));
        let found = policy::effective(pairs, &cluster.labels);
        Ok(found.map(|(_, policy)| policy.clone()))
    }

    /// Access to a repository.
    pub(super) async fn repository(
        &self,
        app: &App,
        view: &StateView,
        name: &Name,
    ) -> Result<Arc<RepositoryAccess>> {
        let ticket = match self.repositories.get(name) {
            Ok(known) => return Ok(known),
            Err(ticket) => ticket,
        };
        let found = access::repository(app, view, name).await?;
        Ok(self.repositories.put(name.clone(), ticket, found))
    }
}

impl DeclaredCluster {
    /// Whether it is no longer looked after.
    pub(super) const fn is_retired(&self) -> bool {
        self.retired
    }
}
