//! Who may do what: asked here, of the bindings in the state, before anything is
//! read for a caller or proposed. What nobody granted is denied.

use holdfast_consensus::StateView;
use holdfast_state::query;
use holdfast_types::access::{BuiltInRole, Permission, Place, Rights, Scope, Visible};
use holdfast_types::resource::{Document, Kind, Labels, Resource};
use holdfast_types::{BackupId, Name};
use serde::Serialize;
use utoipa::ToSchema;

use super::App;
use super::caller::Caller;
use super::code::Code;
use super::error::{AppError, Result};

/// How far a permission must reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    /// To everything.
    Everything,
    /// To something: to what is decided where the thing is known, and lists show
    /// no more than what it reaches to.
    Something,
}

/// A role, and what it may do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Role)]
pub struct RoleView {
    /// Its name.
    #[schema(example = "operator")]
    pub name: &'static str,
    /// What it is for.
    pub description: &'static str,
    /// What it may do.
    #[schema(example = json!(["backups:read"]))]
    pub permissions: Vec<&'static str>,
    /// Whether it cannot be changed; true of all there are.
    pub built_in: bool,
}

impl From<BuiltInRole> for RoleView {
    fn from(role: BuiltInRole) -> Self {
        let words = role.permissions().iter().map(|one| one.as_str());
        Self {
            name: role.as_str(),
            description: role.description(),
            permissions: words.collect(),
            built_in: true,
        }
    }
}

/// Who asks, and what it may do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Access)]
pub struct AccessView {
    /// Who asks: `user:ada`, `token:ci`.
    pub principal: String,
    /// The user that this is, or acts for.
    #[schema(value_type = String)]
    pub user: Name,
    /// Whether there are no roles yet, so that everybody may do everything.
    pub unlimited: bool,
    /// Its roles.
    pub roles: Vec<HeldRole>,
}

/// A role that somebody has, and where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct HeldRole {
    /// The role.
    pub role: &'static str,
    /// For the clusters of this fleet; null when it holds by labels.
    #[schema(value_type = Option<String>)]
    pub fleet: Option<Name>,
    /// For the clusters with these labels, `{}` is everything; null when it holds
    /// for a fleet.
    #[schema(value_type = Option<std::collections::BTreeMap<String, String>>)]
    pub selector: Option<Labels>,
}

impl From<&(BuiltInRole, Scope)> for HeldRole {
    fn from((role, scope): &(BuiltInRole, Scope)) -> Self {
        let (fleet, selector) = match scope {
            Scope::Fleet(fleet) => (Some(fleet.clone()), None),
            Scope::Selector(selector) => (None, Some(selector.clone())),
        };
        Self {
            role: role.as_str(),
            fleet,
            selector,
        }
    }
}

/// A caller whose role does not hold this.
pub(crate) fn forbidden(permission: Permission, whereof: &str) -> AppError {
    let message = format!("this needs the permission {permission}{whereof}");
    AppError::new(Code::FORBIDDEN, message)
}

impl App {
    /// The roles there are.
    pub fn roles(&self) -> Vec<RoleView> {
        BuiltInRole::ALL.into_iter().map(RoleView::from).collect()
    }

    /// One of them.
    pub fn role(&self, name: &Name) -> Result<RoleView> {
        let role: Option<BuiltInRole> = name.as_str().parse().ok();
        role.map(RoleView::from)
            .ok_or_else(|| AppError::not_found("role", name))
    }

    /// Who asks, and what it may do.
    pub async fn access(&self, by: &Caller) -> Result<AccessView> {
        let view = self.read(by).await?;
        let rights = self.rights(&view, by).await?;
        Ok(AccessView {
            principal: by.principal().to_string(),
            user: by.user().1.clone(),
            unlimited: rights.is_unlimited(),
            roles: rights.grants().iter().map(HeldRole::from).collect(),
        })
    }

    /// What a caller may do. A token may do what its user may.
    pub(crate) async fn rights(&self, view: &StateView, by: &Caller) -> Result<Rights> {
        Ok(query::rights_of(view.connection(), by.user().1).await?)
    }

    /// Refuses a caller who has the permission nowhere, or not for everything where
    /// it must reach so far. Every operation passes here once; those about one
    /// cluster ask for that one where they know it.
    pub(crate) async fn admit(
        &self,
        by: &Caller,
        permission: Permission,
        reach: Reach,
    ) -> Result<()> {
        let view = self.read(by).await?;
        self.still_counts(&view, by).await?;
        let rights = self.rights(&view, by).await?;
        let (allowed, whereof) = match reach {
            Reach::Everything => (rights.everywhere(permission), " for everything"),
            Reach::Something => (rights.somewhere(permission), ""),
        };
        match allowed {
            true => Ok(()),
            false => Err(forbidden(permission, whereof)),
        }
    }

    /// Refuses a caller that is nobody any more, for what needs no permission.
    pub(crate) async fn admit_known(&self, by: &Caller) -> Result<()> {
        let view = self.read(by).await?;
        self.still_counts(&view, by).await
    }

    /// Asks for a permission by what this node has applied, for what needs no quorum.
    pub(crate) async fn admit_here(&self, by: &Caller, permission: Permission) -> Result<()> {
        let rights = self.rights(&self.local(), by).await?;
        match rights.somewhere(permission) {
            true => Ok(()),
            false => Err(forbidden(permission, "")),
        }
    }

    /// Refuses a caller who has not the permission for everything.
    pub(crate) async fn demand(
        &self,
        view: &StateView,
        by: &Caller,
        permission: Permission,
    ) -> Result<()> {
        match self.rights(view, by).await?.everywhere(permission) {
            true => Ok(()),
            false => Err(forbidden(permission, " for everything")),
        }
    }

    /// What a caller sees with this permission.
    pub(crate) async fn visible(
        &self,
        view: &StateView,
        by: &Caller,
        permission: Permission,
    ) -> Result<Visible> {
        Ok(self.rights(view, by).await?.visible(permission))
    }

    /// Refuses a caller who has not the permission for this cluster. One that the
    /// caller cannot see is to him as one that is not there.
    pub(crate) async fn demand_at(
        &self,
        view: &StateView,
        by: &Caller,
        permission: Permission,
        cluster: &Name,
    ) -> Result<()> {
        let needs = (permission, Permission::ClustersRead);
        let unseen = || AppError::not_found("cluster", cluster);
        self.demand_of(view, by, needs, cluster, unseen).await
    }

    /// The same for what belongs to a cluster, such as a job. Who may not even read
    /// it is told that there is no such thing.
    pub(crate) async fn demand_of(
        &self,
        view: &StateView,
        by: &Caller,
        (permission, read): (Permission, Permission),
        cluster: &Name,
        unseen: impl Fn() -> AppError,
    ) -> Result<()> {
        let rights = self.rights(view, by).await?;
        if rights.everywhere(permission) {
            return Ok(());
        }
        let found = query::resource(view.connection(), Kind::Cluster, cluster).await?;
        let found = found.ok_or_else(&unseen)?;
        let fleet = found.fleet.as_ref().ok_or_else(&unseen)?;
        let labels = found.labels();
        let place = Place { fleet, labels };
        if rights.at(permission, place) {
            return Ok(());
        }
        match rights.at(read, place) {
            true => Err(forbidden(
                permission,
                &format!(" for the cluster \"{cluster}\""),
            )),
            false => Err(unseen()),
        }
    }

    /// Refuses a caller who has not the permission for the cluster of a backup.
    pub(crate) async fn demand_backup(
        &self,
        view: &StateView,
        by: &Caller,
        permission: Permission,
        backup: BackupId,
    ) -> Result<()> {
        let unseen = || AppError::not_found("backup", backup);
        let found = query::backup(view.connection(), backup).await?;
        let cluster = found.ok_or_else(unseen)?.cluster;
        let needs = (permission, Permission::BackupsRead);
        self.demand_of(view, by, needs, &cluster, unseen).await
    }

    /// Refuses to act on an agent that serves clusters of others alone. One that
    /// serves nobody is anybody's.
    pub(crate) async fn demand_agent(
        &self,
        view: &StateView,
        by: &Caller,
        permission: Permission,
        agent: &Name,
    ) -> Result<()> {
        let visible = self.visible(view, by, permission).await?;
        match self.sees_agent(view, &visible, agent).await? {
            true => Ok(()),
            false => Err(AppError::not_found("agent", agent).with_field("agent")),
        }
    }

    /// Refuses a repository that the policy of a cluster does not name and that holds
    /// no backup of it: the agent that reads or writes one is given its keys. Who may
    /// for everything names any.
    pub(crate) async fn demand_repository(
        &self,
        view: &StateView,
        by: &Caller,
        permission: Permission,
        (cluster, repository): (&Name, &Name),
    ) -> Result<()> {
        let conn = view.connection();
        if self.rights(view, by).await?.everywhere(permission) {
            return Ok(());
        }
        let named = query::effective_policy(conn, cluster).await?;
        let named = named.is_some_and(|(_, policy)| {
            let mut copies = policy.copies.iter().map(|copy| &copy.repository);
            policy.repository == *repository || copies.any(|copy| copy == repository)
        });
        let backups = query::available_backups(conn, cluster).await?;
        let mut places = backups.iter().flat_map(|backup| &backup.repositories);
        if named || places.any(|place| place == repository) {
            return Ok(());
        }
        let whereof = format!(
            " for everything: \"{repository}\" holds nothing of \"{cluster}\", and its policy \
             does not name it"
        );
        Err(forbidden(permission, &whereof).with_field("repository"))
    }

    /// Whether an agent serves a cluster that is seen, or none.
    pub(crate) async fn sees_agent(
        &self,
        view: &StateView,
        visible: &Visible,
        agent: &Name,
    ) -> Result<bool> {
        if visible.is_everything() {
            return Ok(true);
        }
        let serves = query::cluster_names_at_agent(view.connection(), agent).await?;
        for cluster in &serves {
            if query::sees_cluster(view.connection(), visible, cluster).await? {
                return Ok(true);
            }
        }
        Ok(serves.is_empty())
    }

    /// Refuses documents that the caller may not apply. A cluster is asked for
    /// where it is and where it would be.
    pub(crate) async fn demand_documents(
        &self,
        view: &StateView,
        by: &Caller,
        documents: &[&Document],
    ) -> Result<()> {
        let rights = self.rights(view, by).await?;
        for document in documents {
            let permission = Permission::to_write(document.kind());
            if rights.everywhere(permission) {
                continue;
            }
            let Resource::Cluster(_) = &document.resource else {
                return Err(forbidden(permission, " for everything"));
            };
            let metadata = &document.metadata;
            let default = "default".parse::<Name>().map_err(AppError::internal)?;
            let place = Place {
                fleet: metadata.fleet.as_ref().unwrap_or(&default),
                labels: &metadata.labels,
            };
            let name = &metadata.name;
            let whereof = format!(" for the cluster \"{name}\"");
            if !rights.at(permission, place) {
                return Err(forbidden(permission, &whereof));
            }
            let before = query::resource(view.connection(), Kind::Cluster, name).await?;
            if let Some(before) = &before
                && let Some(fleet) = &before.fleet
                && !rights.at(
                    permission,
                    Place {
                        fleet,
                        labels: before.labels(),
                    },
                )
            {
                return Err(forbidden(permission, &whereof));
            }
            if let Resource::Cluster(cluster) = &document.resource {
                let instances = cluster.instances.iter().map(|one| &one.agent);
                let relays = cluster.relays.iter().map(|one| &one.agent);
                for agent in instances.chain(relays) {
                    let visible = rights.visible(permission);
                    if !self.sees_agent(view, &visible, agent).await? {
                        return Err(AppError::not_found("agent", agent));
                    }
                }
            }
        }
        Ok(())
    }

    /// Refuses to show or delete a resource that the caller may not.
    pub(crate) async fn demand_resource(
        &self,
        view: &StateView,
        by: &Caller,
        (permission, kind): (Permission, Kind),
        name: &Name,
    ) -> Result<()> {
        match kind {
            Kind::Cluster => self.demand_at(view, by, permission, name).await,
            Kind::Fleet if permission == Permission::ClustersRead => {
                let visible = self.visible(view, by, permission).await?;
                let seen = visible.is_everything()
                    || query::fleets_seen(view.connection(), &visible)
                        .await?
                        .contains(name);
                match seen {
                    true => Ok(()),
                    false => Err(AppError::not_found("fleet", name)),
                }
            }
            // What belongs to no cluster is seen by whoever sees any.
            Kind::Policy | Kind::DrillPlan | Kind::Repository
                if permission == Permission::to_read(kind) =>
            {
                Ok(())
            }
            Kind::Policy
            | Kind::DrillPlan
            | Kind::Repository
            | Kind::Fleet
            | Kind::RoleBinding
            | Kind::NotificationChannel => self.demand(view, by, permission).await,
        }
    }
}
