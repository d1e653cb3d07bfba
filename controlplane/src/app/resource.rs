//! Reading and deleting declared resources.

use std::collections::{BTreeMap, BTreeSet};

use holdfast_consensus::StateView;
use holdfast_state::command::{DeleteResource, Deleted};
use holdfast_state::query::{self, Page, PageRequest, ResourceFilter};
use holdfast_types::access::Permission;
use holdfast_types::policy::contract;
use holdfast_types::resource::{API_VERSION, Kind, Metadata, Resource};
use holdfast_types::{AgentId, InstanceFacts, Name, RepositoryId, Revision};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::App;
use super::caller::Caller;
use super::code::Code;
use super::error::{AppError, Result};
use super::exposure::Common;

/// A resource as it is shown: the document, and what became of it.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Resource)]
pub struct ResourceView {
    /// `holdfast/v1`
    pub api_version: String,
    /// Its kind.
    pub kind: Kind,
    /// Name and labels.
    pub metadata: Metadata,
    /// What it declares, by kind.
    #[schema(value_type = Object)]
    pub spec: Value,
    /// What the control plane adds.
    pub status: ResourceStatus,
}

/// What the control plane adds to a document.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResourceStatus {
    /// Its revision, which is its `ETag`.
    pub revision: Revision,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it was changed last.
    pub updated_at: Timestamp,
    /// When it was retired.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retired_at: Option<Timestamp>,
    /// Of a cluster.
    #[serde(flatten)]
    pub cluster: Option<ClusterStatus>,
    /// Of a policy: what it promises, in one sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contract: Option<String>,
    /// Of a repository: the id its marker object names, once an agent saw it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub repository_id: Option<RepositoryId>,
}

/// What is known of a cluster.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClusterStatus {
    /// Whether it was deleted while it had backups.
    pub retired: bool,
    /// The policy in force.
    #[schema(value_type = Option<String>)]
    pub policy: Option<Name>,
    /// The system identifier it is known by.
    pub system_identifier: Option<String>,
    /// Its instances as they were seen.
    pub instances: Vec<InstanceStatus>,
}

/// An instance and the agent that sees it.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct InstanceStatus {
    /// The agent.
    #[schema(value_type = Option<String>)]
    pub agent: Option<Name>,
    /// What it saw.
    #[serde(flatten)]
    pub facts: InstanceFacts,
}

/// A resource that was written.
#[derive(Debug, Clone, PartialEq)]
pub struct Written {
    /// As it is now.
    pub resource: ResourceView,
    /// Whether it is new.
    pub created: bool,
}

impl App {
    /// One resource.
    pub async fn resource(&self, by: &Caller, kind: Kind, name: &Name) -> Result<ResourceView> {
        let view = self.read(by).await?;
        let needs = (Permission::to_read(kind), kind);
        self.demand_resource(&view, by, needs, name).await?;
        let found = query::resource(view.connection(), kind, name).await?;
        let found = found.ok_or_else(|| AppError::not_found(kind.as_str().to_lowercase(), name))?;
        self.show(&view, found).await
    }

    /// One resource that was just written through this node, as `revision` or
    /// later. Asking a quorum once more could fail, with a code that says of the
    /// whole request that it was not done.
    ///
    /// A node that could not catch up within the time that a command has knows
    /// nothing of it yet, or what was there before. To show that, or to say that
    /// there is no such thing, would tell the writer that it was not written.
    pub async fn resource_written(
        &self,
        kind: Kind,
        name: &Name,
        revision: Option<Revision>,
    ) -> Result<ResourceView> {
        let view = self.node.read_stale().view;
        let found = query::resource(view.connection(), kind, name).await?;
        match found {
            Some(found) if Some(found.revision) >= revision => self.show(&view, found).await,
            _ => {
                let what = kind.as_str().to_lowercase();
                let message =
                    format!("{what} \"{name}\" was written, and cannot be shown here yet");
                Err(AppError::new(Code::OUTCOME_UNKNOWN, message))
            }
        }
    }

    /// One page of the resources of a kind.
    pub async fn resources(
        &self,
        by: &Caller,
        kind: Kind,
        filter: &ResourceFilter,
        page: &PageRequest,
    ) -> Result<Page<ResourceView>> {
        let view = self.read(by).await?;
        let filter = ResourceFilter {
            visible: self.visible(&view, by, Permission::to_read(kind)).await?,
            ..filter.clone()
        };
        let found = query::resources(view.connection(), kind, &filter, page).await?;
        Ok(Page {
            items: self.show_all(&view, found.items).await?,
            next_cursor: found.next_cursor,
        })
    }

    /// Deletes a resource, or retires a cluster that has backups.
    pub async fn delete_resource(
        &self,
        by: &Caller,
        kind: Kind,
        name: Name,
        expected: Option<Revision>,
    ) -> Result<Deleted> {
        let view = self.node.read().await?;
        let needs = (Permission::to_write(kind), kind);
        self.demand_resource(&view, by, needs, &name).await?;
        let command = DeleteResource {
            kind,
            name,
            expected,
        };
        self.propose_or_ask(by, command).await
    }

    async fn show(&self, view: &StateView, found: query::ResourceView) -> Result<ResourceView> {
        let mut statuses = self
            .cluster_statuses(view, std::slice::from_ref(&found))
            .await?;
        let cluster = statuses.remove(found.name());
        self.show_with(view, found, cluster).await
    }

    async fn show_all(
        &self,
        view: &StateView,
        found: Vec<query::ResourceView>,
    ) -> Result<Vec<ResourceView>> {
        let mut statuses = self.cluster_statuses(view, &found).await?;
        let mut items = Vec::with_capacity(found.len());
        for item in found {
            let cluster = statuses.remove(item.name());
            items.push(self.show_with(view, item, cluster).await?);
        }
        Ok(items)
    }

    async fn show_with(
        &self,
        view: &StateView,
        found: query::ResourceView,
        cluster: Option<ClusterStatus>,
    ) -> Result<ResourceView> {
        let kind = found.document.kind();
        let name = found.document.metadata.name.clone();
        let repository_id = match kind {
            Kind::Repository => query::repository_identity(view.connection(), &name).await?,
            Kind::Cluster
            | Kind::Fleet
            | Kind::Policy
            | Kind::DrillPlan
            | Kind::RoleBinding
            | Kind::NotificationChannel => None,
        };
        let promised = match &found.document.resource {
            Resource::Policy(policy) => Some(contract(policy)),
            Resource::Repository(_)
            | Resource::Fleet(_)
            | Resource::Cluster(_)
            | Resource::DrillPlan(_)
            | Resource::RoleBinding(_)
            | Resource::NotificationChannel(_) => None,
        };
        let mut document = found.document.to_value();
        let spec = document
            .get_mut("spec")
            .map(Value::take)
            .unwrap_or_default();
        Ok(ResourceView {
            api_version: API_VERSION.to_owned(),
            kind,
            metadata: found.document.metadata,
            spec,
            status: ResourceStatus {
                revision: found.revision,
                created_at: found.created_at,
                updated_at: found.updated_at,
                retired_at: found.retired_at,
                cluster,
                contract: promised,
                repository_id,
            },
        })
    }

    /// What is known of those of them that are clusters: a constant number of statements.
    async fn cluster_statuses(
        &self,
        view: &StateView,
        found: &[query::ResourceView],
    ) -> Result<BTreeMap<Name, ClusterStatus>> {
        let of_kind = |one: &&query::ResourceView| one.document.kind() == Kind::Cluster;
        let clusters: Vec<&query::ResourceView> = found.iter().filter(of_kind).collect();
        if clusters.is_empty() {
            return Ok(BTreeMap::new());
        }
        let conn = view.connection();
        let names: Vec<Name> = clusters.iter().map(|one| one.name().clone()).collect();
        let common = Common::read(view).await?;
        let identifiers = self.known_identifiers(view, &names).await?;
        let seen = query::agents_that_see(conn, &names).await?;
        let agents: BTreeSet<AgentId> = seen.values().flatten().copied().collect();
        let agents: Vec<AgentId> = agents.into_iter().collect();
        let agents = query::agent_names(conn, &agents).await?;
        let pairs = seen.iter();
        let pairs = pairs.flat_map(|(name, by)| by.iter().map(|one| (*one, name.clone())));
        let pairs: Vec<(AgentId, Name)> = pairs.collect();
        let mut recorded = query::facts_seen(conn, &pairs).await?;
        let mut statuses = BTreeMap::new();
        for cluster in clusters {
            let name = cluster.name();
            let by = seen.get(name).into_iter().flatten();
            let instances = by.filter_map(|agent| {
                let live = self.facts.live(*agent, name);
                let recorded = recorded.remove(&(*agent, name.clone()));
                Some(InstanceStatus {
                    agent: agents.get(agent).cloned(),
                    facts: live.or(recorded)?,
                })
            });
            let status = ClusterStatus {
                retired: cluster.retired_at.is_some(),
                instances: instances.collect(),
                policy: common.policy_of(cluster).map(|(name, _)| name.clone()),
                system_identifier: identifiers.get(name).map(ToString::to_string),
            };
            statuses.insert(name.clone(), status);
        }
        Ok(statuses)
    }
}
