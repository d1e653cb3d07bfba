//! Reading and deleting declared resources.

use holdfast_state::command::{DeleteResource, Deleted};
use holdfast_state::query::{self, Page, PageRequest, ResourceFilter};
use holdfast_types::access::Permission;
use holdfast_types::policy::contract;
use holdfast_types::resource::{API_VERSION, Kind, Metadata, Policy, Resource};
use holdfast_types::{InstanceFacts, Name, RepositoryId, Revision};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::App;
use super::caller::Caller;
use super::code::Code;
use super::error::{AppError, Result};

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
        let mut items = Vec::with_capacity(found.items.len());
        for item in found.items {
            items.push(self.show(&view, item).await?);
        }
        Ok(Page {
            items,
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

    async fn show(
        &self,
        view: &holdfast_consensus::StateView,
        found: query::ResourceView,
    ) -> Result<ResourceView> {
        let kind = found.document.kind();
        let name = found.document.metadata.name.clone();
        let cluster = match kind {
            Kind::Cluster => Some(self.cluster_status(view, &name, found.retired_at).await?),
            Kind::Repository
            | Kind::Fleet
            | Kind::Policy
            | Kind::DrillPlan
            | Kind::RoleBinding
            | Kind::NotificationChannel => None,
        };
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

    async fn cluster_status(
        &self,
        view: &holdfast_consensus::StateView,
        cluster: &Name,
        retired_at: Option<Timestamp>,
    ) -> Result<ClusterStatus> {
        let connection = view.connection();
        let policy = query::effective_policy(connection, cluster).await?;
        let identifier = self.known_identifier(view, cluster).await?;
        let mut instances = Vec::new();
        for instance in query::instances_of_cluster(connection, cluster).await? {
            let agent = query::agent(connection, instance.agent).await?;
            let live = self.facts.live(instance.agent, cluster);
            instances.push(InstanceStatus {
                agent: agent.map(|agent| agent.name),
                facts: live.unwrap_or(instance.facts),
            });
        }
        Ok(ClusterStatus {
            retired: retired_at.is_some(),
            policy: policy.map(|(name, _): (Name, Policy)| name),
            system_identifier: identifier.map(|identifier| identifier.to_string()),
            instances,
        })
    }
}
