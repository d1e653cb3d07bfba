//! Agents.

use std::collections::BTreeMap;

use holdfast_consensus::StateView;
use holdfast_state::command::RevokeAgent;
use holdfast_state::query::{self, Page, PageRequest};
use holdfast_types::access::{Permission, Visible};
use holdfast_types::{AgentId, InstanceFacts, Name, Observation};
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::App;
use super::caller::Caller;
use super::error::{AppError, Result};

/// Whether an agent works.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum AgentState {
    /// It has a session.
    Online,
    /// It has none.
    Offline,
    /// It may have none.
    Revoked,
}

/// An agent as it is shown.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Agent)]
pub struct AgentView {
    /// Its id.
    #[schema(value_type = String)]
    pub id: AgentId,
    /// Its name.
    #[schema(value_type = String)]
    pub name: Name,
    /// Its region.
    pub region: Option<String>,
    /// Whether it works.
    pub state: AgentState,
    /// When it last spoke to a node; null when no node remembers.
    pub last_seen_at: Option<Timestamp>,
    /// The version it runs, once it has spoken.
    pub version: Option<String>,
    /// When its certificate ends.
    pub certificate_expires_at: Timestamp,
    /// When it was enrolled.
    pub enrolled_at: Timestamp,
    /// What it sees.
    pub instances: Vec<InstanceFacts>,
}

impl App {
    /// Every agent.
    pub async fn agents(&self, by: &Caller, page: &PageRequest) -> Result<Page<AgentView>> {
        let view = self.read(by).await?;
        let visible = self.visible(&view, by, Permission::AgentsRead).await?;
        let found = query::agents(view.connection(), page).await?;
        let mut items = Vec::with_capacity(found.items.len());
        for agent in found.items {
            if self.sees_agent(&view, &visible, &agent.name).await? {
                items.push(self.show_seen(&view, &visible, agent).await?);
            }
        }
        Ok(Page {
            items,
            next_cursor: found.next_cursor,
        })
    }

    /// One agent.
    pub async fn agent(&self, by: &Caller, name: &Name) -> Result<AgentView> {
        let view = self.read(by).await?;
        let found = query::agent_named(view.connection(), name).await?;
        let found = found.ok_or_else(|| AppError::not_found("agent", name))?;
        let visible = self.visible(&view, by, Permission::AgentsRead).await?;
        if !self.sees_agent(&view, &visible, name).await? {
            return Err(AppError::not_found("agent", name));
        }
        self.show_seen(&view, &visible, found).await
    }

    /// An agent with those of its instances that are of clusters that are seen.
    async fn show_seen(
        &self,
        view: &StateView,
        visible: &Visible,
        agent: query::AgentView,
    ) -> Result<AgentView> {
        let mut shown = self.show_agent(agent);
        if !visible.is_everything() {
            let mut seen = Vec::new();
            for instance in shown.instances {
                if query::sees_cluster(view.connection(), visible, &instance.cluster).await? {
                    seen.push(instance);
                }
            }
            shown.instances = seen;
        }
        Ok(shown)
    }

    /// Revokes an agent: its session ends and its certificate counts no more.
    pub async fn revoke_agent(&self, by: &Caller, name: Name) -> Result<()> {
        let agent = self.propose(by, RevokeAgent { name }).await?;
        self.sessions.disconnect(agent);
        Ok(())
    }

    fn show_agent(&self, agent: query::AgentView) -> AgentView {
        let status = self.sessions.status(agent.id);
        let state = match (&agent.revoked_at, &status) {
            (Some(_), _) => AgentState::Revoked,
            (None, Some(status)) if status.online => AgentState::Online,
            (None, _) => AgentState::Offline,
        };
        let live =
            |facts: InstanceFacts| self.facts.live(agent.id, &facts.cluster).unwrap_or(facts);
        AgentView {
            id: agent.id,
            name: agent.name,
            region: agent.region,
            state,
            last_seen_at: status.as_ref().map(|status| status.last_seen_at),
            version: status.map(|status| status.version),
            certificate_expires_at: agent.certificate_expires_at,
            enrolled_at: agent.enrolled_at,
            instances: agent.instances.into_iter().map(live).collect(),
        }
    }

    /// The system identifier a cluster is known by: that of the WAL and the
    /// backups that are kept, else that of an instance that was seen.
    pub(crate) async fn known_identifier(
        &self,
        view: &StateView,
        cluster: &Name,
    ) -> Result<Option<u64>> {
        let known = self
            .known_identifiers(view, std::slice::from_ref(cluster))
            .await?;
        Ok(known.into_values().next())
    }

    /// The same of many clusters.
    pub(crate) async fn known_identifiers(
        &self,
        view: &StateView,
        clusters: &[Name],
    ) -> Result<BTreeMap<Name, u64>> {
        let conn = view.connection();
        let lineages = query::newest_lineages(conn, clusters).await?.into_iter();
        let mut known: BTreeMap<Name, u64> = lineages
            .map(|(name, lineage)| (name, lineage.system_identifier))
            .collect();
        let unknown = |known: &BTreeMap<Name, u64>| -> Vec<Name> {
            let unknown = clusters.iter().filter(|name| !known.contains_key(*name));
            unknown.cloned().collect()
        };
        for (name, timelines) in query::wal_of_clusters(conn, &unknown(&known)).await? {
            let last = timelines.last();
            known.extend(last.map(|last| (name, last.lineage.system_identifier)));
        }
        let seen = query::agents_that_see(conn, &unknown(&known)).await?;
        let pairs = seen.into_iter();
        let pairs = pairs.flat_map(|(name, by)| by.into_iter().map(move |one| (one, name.clone())));
        let pairs: Vec<(AgentId, Name)> = pairs.collect();
        let facts = query::facts_seen(conn, &pairs).await?;
        // In the order of the agents, of which the first counts.
        for (agent, name) in pairs {
            let seen = facts.get(&(agent, name.clone()));
            if let Some(Observation::Reachable(server)) = seen.map(|facts| &facts.observation) {
                known.entry(name).or_insert(server.system_identifier);
            }
        }
        Ok(known)
    }
}
