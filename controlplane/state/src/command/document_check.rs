//! What must hold before documents are written or deleted.

use std::collections::{BTreeMap, BTreeSet};

use holdfast_types::resource::{
    Document, Drill, Kind, Labels, NotificationChannel, Policy, Resource,
};
use holdfast_types::{Name, RpoScope};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use super::apply_documents::{Change, DEFAULT_FLEET};
use crate::column::{Json, Text};
use crate::context::{ApplyContext, Stop};
use crate::entity::word::ReferenceKind;
use crate::entity::{resource_references, resources, secrets};
use crate::lookup::Lookup;
use crate::query::user_row_named;
use crate::{Noun, Refusal, StateError, policy};

/// The field of a repository that names its key.
pub(super) const KEY_FIELD: &str = "spec.key.secret";

/// How many dependants a refusal names.
const NAMED_MAX: u64 = 5;

/// One document with what it replaces.
pub(super) struct Plan {
    pub(super) document: Document,
    pub(super) old: Option<resources::Model>,
    pub(super) change: Change,
}

impl Plan {
    pub(super) fn kind(&self) -> Kind {
        self.document.kind()
    }

    pub(super) fn name(&self) -> &Name {
        &self.document.metadata.name
    }

    /// The agents that the document names, before or after.
    pub(super) fn agents(&self) -> BTreeSet<Name> {
        let old = self.old.as_ref().map(|old| &old.document.0.resource);
        let clusters = [Some(&self.document.resource), old].into_iter().flatten();
        let clusters = clusters.filter_map(|resource| match resource {
            Resource::Cluster(cluster) => Some(cluster),
            Resource::Repository(_)
            | Resource::Fleet(_)
            | Resource::Policy(_)
            | Resource::DrillPlan(_)
            | Resource::RoleBinding(_)
            | Resource::NotificationChannel(_) => None,
        });
        let agents = clusters.flat_map(|cluster| {
            let instances = cluster.instances.iter().map(|instance| &instance.agent);
            instances.chain(cluster.relays.iter().map(|relay| &relay.agent))
        });
        agents.cloned().collect()
    }

    fn id(&self) -> String {
        format!("{}/{}", self.kind(), self.name())
    }
}

/// A field of a document that names something.
pub(super) struct Reference {
    pub(super) field: String,
    pub(super) kind: ReferenceKind,
    pub(super) target: Name,
}

/// Everything a document names.
pub(super) fn references(document: &Document) -> Vec<Reference> {
    let mut references = Vec::new();
    let mut add = |field: &str, kind, target: &Name| {
        let (field, target) = (field.to_owned(), target.clone());
        references.push(Reference {
            field,
            kind,
            target,
        });
    };
    match &document.resource {
        Resource::Repository(repository) => {
            if let Some(credentials) = &repository.credentials {
                let secret = &credentials.secret;
                add("spec.credentials.secret", ReferenceKind::Secret, secret);
            }
            if let Some(key) = &repository.key {
                add(KEY_FIELD, ReferenceKind::Secret, &key.secret);
            }
        }
        Resource::Fleet(_) => {}
        Resource::Cluster(cluster) => {
            if let Some(fleet) = &document.metadata.fleet {
                add("metadata.fleet", ReferenceKind::Fleet, fleet);
            }
            for (index, instance) in cluster.instances.iter().enumerate() {
                let field = |name: &str| format!("spec.instances[{index}].{name}");
                add(&field("agent"), ReferenceKind::Agent, &instance.agent);
                if let Some(secret) = &instance.password_secret {
                    add(&field("passwordSecret"), ReferenceKind::Secret, secret);
                }
            }
            for (index, relay) in cluster.relays.iter().enumerate() {
                let field = |name: &str| format!("spec.relays[{index}].{name}");
                add(&field("agent"), ReferenceKind::Agent, &relay.agent);
                if let Some(secret) = &relay.password_secret {
                    add(&field("passwordSecret"), ReferenceKind::Secret, secret);
                }
            }
        }
        Resource::Policy(policy) => {
            add(
                "spec.repository",
                ReferenceKind::Repository,
                &policy.repository,
            );
            for (index, copy) in policy.copies.iter().enumerate() {
                let field = format!("spec.copies[{index}].repository");
                add(&field, ReferenceKind::Repository, &copy.repository);
            }
            for (index, drill) in policy.drills.iter().enumerate() {
                add_drill(&mut add, &format!("spec.drills[{index}]"), drill);
            }
        }
        Resource::DrillPlan(drill) => add_drill(&mut add, "spec", drill),
        Resource::RoleBinding(binding) => {
            for (index, subject) in binding.subjects.iter().enumerate() {
                if let Some(user) = &subject.user {
                    let field = format!("spec.subjects[{index}].user");
                    add(&field, ReferenceKind::User, user);
                }
            }
            if let Some(fleet) = &binding.scope.fleet {
                add("spec.scope.fleet", ReferenceKind::Fleet, fleet);
            }
        }
        Resource::NotificationChannel(channel) => add_channel(&mut add, channel),
    }
    references
}

fn add_channel(add: &mut impl FnMut(&str, ReferenceKind, &Name), channel: &NotificationChannel) {
    for (field, secret) in channel.secrets() {
        add(&field, ReferenceKind::Secret, secret);
    }
    for (index, fleet) in channel.fleets.iter().enumerate() {
        let field = format!("spec.fleets[{index}]");
        add(&field, ReferenceKind::Fleet, fleet);
    }
}

fn add_drill(add: &mut impl FnMut(&str, ReferenceKind, &Name), path: &str, drill: &Drill) {
    if let Some(agent) = &drill.agent {
        add(&format!("{path}.agent"), ReferenceKind::Agent, agent);
    }
    if let Some(repository) = &drill.repository {
        add(
            &format!("{path}.repository"),
            ReferenceKind::Repository,
            repository,
        );
    }
}

/// Refuses documents that name what does not exist.
pub(super) async fn refuse_dangling(cx: &ApplyContext<'_>, plans: &[Plan]) -> Result<(), Stop> {
    let applied: BTreeSet<(Kind, &Name)> = plans
        .iter()
        .map(|plan| (plan.kind(), plan.name()))
        .collect();
    let mut known: BTreeSet<(ReferenceKind, Name)> = BTreeSet::new();
    for plan in plans.iter().filter(|plan| plan.change != Change::Unchanged) {
        for Reference {
            field,
            kind,
            target,
        } in references(&plan.document)
        {
            let key = (kind, target.clone());
            if known.contains(&key) {
                continue;
            }
            let (what, exists) = match kind {
                ReferenceKind::Agent => (Noun::Agent, agent_exists(cx, &target).await?),
                ReferenceKind::Fleet => {
                    let here = applied.contains(&(Kind::Fleet, &target));
                    let exists = here
                        || target.as_str() == DEFAULT_FLEET
                        || cx.resource(Kind::Fleet, &target).await?.is_some();
                    (Noun::Fleet, exists)
                }
                ReferenceKind::Repository => {
                    let here = applied.contains(&(Kind::Repository, &target));
                    let exists = here || cx.resource(Kind::Repository, &target).await?.is_some();
                    (Noun::Repository, exists)
                }
                ReferenceKind::Secret => {
                    let secret = secrets::Entity::find_by_id(Text(target.clone()));
                    (Noun::Secret, secret.only(cx.tx()).await?.is_some())
                }
                ReferenceKind::User => {
                    let user = user_row_named(cx.tx(), &target).await?;
                    (Noun::User, user.is_some())
                }
            };
            if !exists {
                return Err(Refusal::DanglingReference {
                    document: plan.id(),
                    field,
                    what,
                    name: target.to_string(),
                }
                .into());
            }
            known.insert(key);
        }
    }
    Ok(())
}

async fn agent_exists(cx: &ApplyContext<'_>, name: &Name) -> Result<bool, Stop> {
    match cx.live_agent_named(name).await {
        Ok(_) => Ok(true),
        Err(Stop::Refused(_)) => Ok(false),
        Err(failed) => Err(failed),
    }
}

/// Refuses to move a repository that holds data, or to change its key: what is
/// in it could not be found or read any more.
pub(super) async fn refuse_immutable(cx: &ApplyContext<'_>, plans: &[Plan]) -> Result<(), Stop> {
    for plan in plans {
        let (Resource::Repository(new), Some(old)) = (&plan.document.resource, &plan.old) else {
            continue;
        };
        let Resource::Repository(old) = &old.document.0.resource else {
            continue;
        };
        let field = if old.url != new.url {
            "spec.url"
        } else if old.key != new.key {
            "spec.key"
        } else {
            continue;
        };
        if holds_data(cx, plan.name()).await? {
            return Err(Refusal::Immutable {
                document: plan.id(),
                field: field.to_owned(),
                because: "the repository holds backups or WAL".to_owned(),
            }
            .into());
        }
    }
    Ok(())
}

/// Whether the catalog knows of bytes in a repository, or of a job that may be
/// putting some there.
pub(super) async fn holds_data(
    cx: &ApplyContext<'_>,
    repository: &Name,
) -> Result<bool, StateError> {
    let sql = "SELECT 1 FROM wal_ranges WHERE repository = ?1 UNION ALL \
               SELECT 1 FROM backup_repositories WHERE repository = ?1 \
               AND state IN ('running', 'available', 'condemned')";
    cx.exists(sql, [Text(repository.clone()).into()]).await
}

/// Refuses a state in which two policies of one priority select one cluster.
pub(super) async fn refuse_clashes(cx: &ApplyContext<'_>, plans: &[Plan]) -> Result<(), Stop> {
    let changed = |plan: &&Plan| plan.change != Change::Unchanged;
    let has = |kind: Kind| plans.iter().filter(changed).any(|plan| plan.kind() == kind);
    let (policies_change, clusters_change) = (has(Kind::Policy), has(Kind::Cluster));
    if !policies_change && !clusters_change {
        return Ok(());
    }
    let mut policies: BTreeMap<Name, Policy> = stored_policies(cx).await?;
    let mut clusters: BTreeMap<Name, Labels> = BTreeMap::new();
    if policies_change {
        clusters = stored_clusters(cx).await?;
    }
    for plan in plans {
        let name = plan.name().clone();
        match &plan.document.resource {
            Resource::Policy(policy) => {
                policies.insert(name, (**policy).clone());
            }
            Resource::Cluster(_) => {
                clusters.insert(name, plan.document.metadata.labels.clone());
            }
            Resource::Repository(_)
            | Resource::Fleet(_)
            | Resource::DrillPlan(_)
            | Resource::RoleBinding(_)
            | Resource::NotificationChannel(_) => {}
        }
    }
    for (cluster, labels) in &clusters {
        if let Some(([one, other], priority)) = policy::clash(&policies, labels) {
            return Err(Refusal::PolicyClash {
                policies: [one.clone(), other.clone()],
                cluster: cluster.clone(),
                priority,
            }
            .into());
        }
    }
    Ok(())
}

/// Refuses an RPO about the loss of a region that names no other: its copies are in
/// the region of the original, or nobody says where they are.
pub(super) async fn refuse_scopes(cx: &ApplyContext<'_>, plans: &[Plan]) -> Result<(), Stop> {
    let changed = |plan: &&Plan| plan.change != Change::Unchanged;
    let changed: Vec<&Plan> = plans.iter().filter(changed).collect();
    let has = |kind: Kind| changed.iter().any(|plan| plan.kind() == kind);
    let about_regions = |policy: &Policy| policy.rpo_scope() == RpoScope::RegionLoss;
    let mut policies: BTreeMap<Name, Policy> = BTreeMap::new();
    if has(Kind::Repository) {
        policies = stored_policies(cx).await?;
    }
    let mut applied: BTreeMap<&Name, Option<&str>> = BTreeMap::new();
    for plan in &changed {
        match &plan.document.resource {
            Resource::Policy(policy) => {
                policies.insert(plan.name().clone(), (**policy).clone());
            }
            Resource::Repository(repository) => {
                applied.insert(plan.name(), repository.region.as_deref());
            }
            Resource::Cluster(_)
            | Resource::Fleet(_)
            | Resource::DrillPlan(_)
            | Resource::NotificationChannel(_)
            | Resource::RoleBinding(_) => {}
        }
    }
    for (name, policy) in policies.iter().filter(|(_, one)| about_regions(one)) {
        let copies = policy.copies.iter().map(|copy| &copy.repository);
        let mut regions = BTreeSet::new();
        for repository in std::iter::once(&policy.repository).chain(copies) {
            let region = match applied.get(repository) {
                Some(region) => region.map(str::to_owned),
                None => region_of(cx, repository).await?,
            };
            regions.extend(region);
        }
        if regions.len() < 2 {
            let message = format!(
                "an RPO about a region needs two that are known: the repositories of the policy \
                 \"{name}\" name {} (`spec.region` of each says where it is)",
                match regions.first() {
                    Some(only) => format!("\"{only}\" alone"),
                    None => "none".to_owned(),
                }
            );
            return Err(Refusal::invalid("spec.objectives.rpoScope", message).into());
        }
    }
    Ok(())
}

async fn region_of(cx: &ApplyContext<'_>, repository: &Name) -> Result<Option<String>, StateError> {
    let row = cx.resource(Kind::Repository, repository).await?;
    Ok(row.and_then(|row| match row.document.0.resource {
        Resource::Repository(repository) => repository.region,
        _ => None,
    }))
}

pub(super) async fn stored_policies(
    cx: &ApplyContext<'_>,
) -> Result<BTreeMap<Name, Policy>, StateError> {
    let rows = resources::Entity::find()
        .filter(resources::Column::Kind.eq(Text(Kind::Policy)))
        .order_by_asc(resources::Column::Name)
        .all(cx.tx())
        .await?;
    let policy = |row: resources::Model| match row.document.0.resource {
        Resource::Policy(policy) => Some((row.name.0, *policy)),
        Resource::Repository(_)
        | Resource::Fleet(_)
        | Resource::Cluster(_)
        | Resource::DrillPlan(_)
        | Resource::RoleBinding(_)
        | Resource::NotificationChannel(_) => None,
    };
    Ok(rows.into_iter().filter_map(policy).collect())
}

async fn stored_clusters(cx: &ApplyContext<'_>) -> Result<BTreeMap<Name, Labels>, StateError> {
    let rows: Vec<(Text<Name>, Json<Labels>)> = resources::Entity::find()
        .select_only()
        .column(resources::Column::Name)
        .column(resources::Column::Labels)
        .filter(resources::Column::Kind.eq(Text(Kind::Cluster)))
        .filter(resources::Column::RetiredAt.is_null())
        .order_by_asc(resources::Column::Name)
        .into_tuple()
        .all(cx.tx())
        .await?;
    let pair = |(name, labels): (Text<Name>, Json<Labels>)| (name.0, labels.0);
    Ok(rows.into_iter().map(pair).collect())
}

/// Refuses to delete what documents name.
pub(super) async fn refuse_if_named(
    cx: &ApplyContext<'_>,
    what: Noun,
    kind: ReferenceKind,
    name: &Name,
) -> Result<(), Stop> {
    use resource_references::{Column, Entity};
    let rows = Entity::find()
        .filter(Column::TargetKind.eq(Text(kind)))
        .filter(Column::Target.eq(name.as_str()))
        .order_by_asc(Column::Kind)
        .order_by_asc(Column::Name)
        .order_by_asc(Column::Field)
        .limit(NAMED_MAX)
        .all(cx.tx())
        .await?;
    if rows.is_empty() {
        return Ok(());
    }
    let by = rows
        .iter()
        .map(|row| format!("{}/{}", row.kind.0.plural(), row.name.0));
    Err(Refusal::InUse {
        what,
        name: name.to_string(),
        by: by.collect(),
    }
    .into())
}
