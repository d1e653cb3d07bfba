//! What the assignments of one agent need: looked up once for all of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use holdfast_consensus::StateView;
use holdfast_proto::{InstanceAccess, RepositoryAccess};
use holdfast_state::query::AgentView;
use holdfast_types::Name;
use holdfast_types::resource::{Cluster, Compression, Policy};

use super::access;
use super::assign::{instance_at, through_relay};
use super::declared::DeclaredCluster;
use crate::app::App;
use crate::app::error::{AppError, Result};

/// What was looked up for one agent.
pub(super) struct Known<'a> {
    pub(super) app: &'a App,
    pub(super) view: &'a StateView,
    clusters: BTreeMap<Name, KnownCluster>,
}

/// A cluster and what is known of it.
pub(super) struct KnownCluster {
    document: Arc<DeclaredCluster>,
    /// The policy in force.
    pub(super) policy: Option<Policy>,
    identifier: Option<u64>,
}

impl KnownCluster {
    /// Its document.
    pub(super) fn declared(&self) -> &Cluster {
        &self.document.cluster
    }

    /// Whether its policy has no WAL received.
    pub(super) fn lacks_wal(&self) -> bool {
        let policy = self.policy.as_ref();
        policy.is_some_and(|policy| !policy.receives_wal())
    }

    /// How what is taken of it is compressed.
    pub(super) fn compression(&self) -> Compression {
        let policy = self.policy.as_ref();
        policy.map_or(Compression::DEFAULT, Policy::compression)
    }
}

impl<'a> Known<'a> {
    /// Nothing yet.
    pub(super) const fn new(app: &'a App, view: &'a StateView) -> Self {
        Self {
            app,
            view,
            clusters: BTreeMap::new(),
        }
    }

    /// A cluster, retired or not.
    pub(super) async fn cluster(&mut self, name: &Name) -> Result<&KnownCluster> {
        if !self.clusters.contains_key(name) {
            let declared = &self.app.declared;
            let document = declared.cluster(self.view, name).await?;
            let document = document.ok_or_else(|| AppError::not_found("cluster", name))?;
            let policy = declared.policy_of(self.view, &document).await?;
            let identifier = self.app.known_identifier(self.view, name).await?;
            let known = KnownCluster {
                document,
                policy,
                identifier,
            };
            self.clusters.insert(name.clone(), known);
        }
        let known = self.clusters.get(name);
        known.ok_or_else(|| AppError::not_found("cluster", name))
    }

    /// A cluster that is there and not retired.
    pub(super) async fn in_force(&mut self, name: &Name) -> Result<Option<&KnownCluster>> {
        let found = self.app.declared.cluster(self.view, name).await?;
        match found.filter(|cluster| !cluster.is_retired()) {
            Some(_) => self.cluster(name).await.map(Some),
            None => Ok(None),
        }
    }

    /// Access to the agent's instance of a cluster.
    pub(super) async fn instance(
        &mut self,
        cluster: &Name,
        agent: &AgentView,
    ) -> Result<InstanceAccess> {
        let (app, view) = (self.app, self.view);
        let known = self.cluster(cluster).await?;
        let declared = instance_at(known.declared(), agent)?;
        access::instance(app, view, declared, known.identifier).await
    }

    /// Access to an instance as a relay reaches it.
    pub(super) async fn through_relay(
        &mut self,
        cluster: &Name,
        agent: &AgentView,
        instance: &Name,
    ) -> Result<InstanceAccess> {
        let (app, view) = (self.app, self.view);
        let known = self.cluster(cluster).await?;
        let reached = through_relay(known.declared(), agent, instance)?;
        access::instance(app, view, &reached, known.identifier).await
    }

    /// Access to a repository for what a cluster's jobs put there, no faster than its
    /// policy allows.
    pub(super) async fn paced(
        &mut self,
        cluster: &Name,
        repository: &Name,
    ) -> Result<RepositoryAccess> {
        let policy = &self.cluster(cluster).await?.policy;
        let bandwidth = policy.as_ref().and_then(|policy| policy.bandwidth());
        let access = self.repository(repository).await?;
        Ok(RepositoryAccess {
            bandwidth,
            ..access
        })
    }

    /// Access to a repository.
    pub(super) async fn repository(&self, name: &Name) -> Result<RepositoryAccess> {
        let found = self
            .app
            .declared
            .repository(self.app, self.view, name)
            .await?;
        Ok(RepositoryAccess::clone(&found))
    }
}
