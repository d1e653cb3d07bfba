//! What nobody protects: servers that agents found and no cluster declares, and
//! clusters that no policy covers. Whatever else is fine, this is shown first.

use std::collections::{BTreeMap, BTreeSet};

use holdfast_consensus::StateView;
use holdfast_state::command::{HeedInstance, IgnoreInstance};
use holdfast_state::query::{self, DiscoveredView, IgnoredView, Page, PageRequest, ResourceView};
use holdfast_types::access::{Permission, Visible};
use holdfast_types::resource::Resource;
use holdfast_types::{AgentId, DiscoveredInstance, Name};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::App;
use super::caller::Caller;
use super::error::Result;
use super::exposure::{Declared, is_seen};
use crate::plan::inventory::{
    DeclaredInstances, declare, declared_as, per_agent, resembles, suggested_name,
};

/// Why something is not protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum NotProtected {
    /// A server that runs on a host with an agent, and no cluster declares it.
    NotDeclared,
    /// A cluster that no policy covers.
    NoPolicy,
}

/// Something that nobody protects.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Unprotected)]
pub struct UnprotectedView {
    /// Why.
    pub reason: NotProtected,
    /// The agent on its host.
    #[schema(value_type = String)]
    pub agent: Name,
    /// The server, as it was found; null of a cluster.
    pub instance: Option<DiscoveredInstance>,
    /// The cluster that no policy covers; of a server, the one whose data it seems to
    /// hold: a standby of it that is not declared, or a copy.
    #[schema(value_type = Option<String>)]
    pub cluster: Option<Name>,
    /// The fleet of that cluster.
    #[schema(value_type = Option<String>)]
    pub fleet: Option<Name>,
    /// When the server was found first; null of a cluster.
    pub first_seen_at: Option<Timestamp>,
    /// Who said that it needs no protection; null: nobody.
    pub ignored: Option<IgnoredInstance>,
    /// What to apply, once the name is right; null of a cluster.
    #[schema(value_type = Option<Object>)]
    pub document: Option<Value>,
}

/// That a server needs no protection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct IgnoredInstance {
    /// Why.
    pub reason: String,
    /// Who said so.
    pub by: String,
    /// When.
    pub at: Timestamp,
}

impl From<IgnoredView> for IgnoredInstance {
    fn from(view: IgnoredView) -> Self {
        let IgnoredView { reason, by, at } = view;
        Self { reason, by, at }
    }
}

/// How much nobody protects.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = UnprotectedCounts)]
pub struct UnprotectedCounts {
    /// Servers that no cluster declares and nobody ignores.
    pub instances: u64,
    /// Clusters that no policy covers.
    pub clusters: u64,
}

impl UnprotectedView {
    /// What it is sorted by: servers that run, then those that rest, then clusters.
    fn key(&self) -> (u8, String, String) {
        let rank = match &self.instance {
            Some(instance) if instance.running => 0,
            Some(_) => 1,
            None => 2,
        };
        let directory = self.instance.as_ref().map(|one| one.data_directory.clone());
        let cluster = self.cluster.as_ref().map(ToString::to_string);
        let within = directory.or(cluster).unwrap_or_default();
        (rank, self.agent.to_string(), within)
    }
}

impl App {
    /// What nobody protects; with `ignored`, also what somebody said needs none.
    pub async fn unprotected(
        &self,
        by: &Caller,
        ignored: bool,
        page: &PageRequest,
    ) -> Result<Page<UnprotectedView>> {
        let view = self.read(by).await?;
        let visible = self.visible(&view, by, Permission::ClustersRead).await?;
        let declared = self.declared(&view).await?;
        let sight = Sight::of(&view, &visible, &declared.clusters).await?;
        let mut items = self.find_unprotected(&view, &declared, &sight).await?;
        items.retain(|item| ignored || item.ignored.is_none());
        Ok(Page::of(items, page, UnprotectedView::key)?)
    }

    /// How much of what the caller sees nobody protects.
    pub(super) async fn unprotected_counts(
        &self,
        view: &StateView,
        declared: &Declared,
        sight: &Sight<'_>,
    ) -> Result<UnprotectedCounts> {
        let mut counts = UnprotectedCounts::default();
        for item in self.find_unprotected(view, declared, sight).await? {
            match item.reason {
                NotProtected::NotDeclared if item.ignored.is_none() => counts.instances += 1,
                NotProtected::NotDeclared => {}
                NotProtected::NoPolicy => counts.clusters += 1,
            }
        }
        Ok(counts)
    }

    /// Says that a server needs no protection.
    pub async fn ignore_instance(
        &self,
        by: &Caller,
        (agent, data_directory): (Name, String),
        reason: String,
    ) -> Result<()> {
        let command = IgnoreInstance {
            agent,
            data_directory,
            reason,
        };
        self.propose(by, command).await
    }

    /// Takes that back.
    pub async fn heed_instance(
        &self,
        by: &Caller,
        (agent, data_directory): (Name, String),
    ) -> Result<()> {
        let command = HeedInstance {
            agent,
            data_directory,
        };
        self.propose(by, command).await
    }

    async fn find_unprotected(
        &self,
        view: &StateView,
        Declared {
            clusters, common, ..
        }: &Declared,
        sight: &Sight<'_>,
    ) -> Result<Vec<UnprotectedView>> {
        let agents = agent_names(view).await?;
        let ids: BTreeMap<&Name, AgentId> = agents.iter().map(|(id, name)| (name, *id)).collect();
        // A server is known as declared whoever may see the cluster.
        let mut declared = DeclaredInstances::new();
        for one in clusters {
            let Resource::Cluster(cluster) = &one.document.resource else {
                continue;
            };
            declare(&mut declared, (one.name(), cluster), |agent| {
                let id = ids.get(agent)?;
                self.facts.live(*id, one.name())
            });
        }
        let found = query::discovered(view.connection()).await?;
        let there = per_agent(found.iter().map(|one| &one.agent));
        let mut items = Vec::new();
        for one in found {
            let Some(agent) = agents.get(&one.agent) else {
                continue;
            };
            let several = there.get(&one.agent).is_some_and(|count| *count > 1);
            let known = declared_as(&declared, agent, &one.instance).is_some();
            if !known && sight.sees_agent(agent) {
                // Whose data it is, is told to those who may know of that cluster.
                let like = resembles(&declared, &one.instance);
                let like = like.filter(|cluster| sight.sees_cluster(cluster));
                items.push(undeclared(agent, one, like, several));
            }
        }
        let bare = clusters
            .iter()
            .filter(|one| common.policy_of(one).is_none() && sight.sees_cluster(one.name()));
        items.extend(bare.filter_map(without_policy));
        items.sort_by_cached_key(UnprotectedView::key);
        Ok(items)
    }
}

/// What somebody sees, of clusters and of agents.
pub(super) struct Sight<'a> {
    /// `None` is everything.
    clusters: Option<BTreeSet<&'a Name>>,
    at_agents: BTreeMap<Name, BTreeSet<Name>>,
}

impl<'a> Sight<'a> {
    /// Of one who sees this, among the clusters that are declared.
    pub(super) async fn of(
        view: &StateView,
        visible: &Visible,
        clusters: &'a [ResourceView],
    ) -> Result<Self> {
        if visible.is_everything() {
            return Ok(Self {
                clusters: None,
                at_agents: BTreeMap::new(),
            });
        }
        let seen = clusters.iter().filter(|one| is_seen(visible, one));
        Ok(Self {
            clusters: Some(seen.map(ResourceView::name).collect()),
            at_agents: query::clusters_at_agents(view.connection()).await?,
        })
    }

    fn sees_cluster(&self, cluster: &Name) -> bool {
        self.clusters
            .as_ref()
            .is_none_or(|clusters| clusters.contains(cluster))
    }

    /// Whether an agent serves a cluster that is seen, or none.
    pub(super) fn sees_agent(&self, agent: &Name) -> bool {
        let serves = self.at_agents.get(agent);
        serves.is_none_or(|serves| serves.iter().any(|cluster| self.sees_cluster(cluster)))
    }
}

/// A cluster that no policy covers.
fn without_policy(found: &ResourceView) -> Option<UnprotectedView> {
    let Resource::Cluster(cluster) = &found.document.resource else {
        return None;
    };
    Some(UnprotectedView {
        reason: NotProtected::NoPolicy,
        agent: cluster.instances.first()?.agent.clone(),
        instance: None,
        cluster: Some(found.name().clone()),
        fleet: found.fleet.clone(),
        first_seen_at: None,
        ignored: None,
        document: None,
    })
}

fn undeclared(
    agent: &Name,
    found: DiscoveredView,
    like: Option<&Name>,
    several: bool,
) -> UnprotectedView {
    let name = suggested_name(agent, &found.instance, several);
    let document = json!({
        "apiVersion": "holdfast/v1", "kind": "Cluster", "metadata": {"name": name},
        "spec": {"instances": [
            {"agent": agent, "connection": found.instance.connection()}]},
    });
    UnprotectedView {
        reason: NotProtected::NotDeclared,
        agent: agent.clone(),
        cluster: like.cloned(),
        fleet: None,
        first_seen_at: Some(found.first_seen),
        ignored: found.ignored.map(Into::into),
        document: Some(document),
        instance: Some(found.instance),
    }
}

/// The agents that may act, by id.
async fn agent_names(view: &StateView) -> Result<BTreeMap<AgentId, Name>> {
    let all = query::agent_directory(view.connection()).await?;
    let live = all.into_iter().filter(|(_, agent)| !agent.revoked);
    Ok(live.map(|(name, agent)| (agent.id, name)).collect())
}
