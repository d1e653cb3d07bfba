//! Declared resources and the policy in force.

use std::collections::{BTreeMap, BTreeSet};

use holdfast_types::access::{Place, Scope, Visible};
use holdfast_types::resource::{Document, Kind, Labels, Policy, Resource, selects};
use holdfast_types::{Name, Revision};
use jiff::Timestamp;
use sea_orm::{ColumnTrait, DatabaseConnection, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use serde::Serialize;

use super::page::{Page, PageRequest, ascending};
use crate::column::{Json, Text};
use crate::entity::word::ReferenceKind;
use crate::entity::{resource_references, resources as rows};
use crate::lookup::Lookup;
use crate::{StateError, policy};

/// A declared resource.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ResourceView {
    /// What was declared.
    pub document: Document,
    /// The fleet a cluster is in.
    pub fleet: Option<Name>,
    /// Its revision.
    pub revision: Revision,
    /// The revision that created it: tells it from one that had its name.
    pub created_revision: Revision,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it was changed last.
    pub updated_at: Timestamp,
    /// When a cluster was retired.
    pub retired_at: Option<Timestamp>,
}

impl ResourceView {
    /// Its name.
    pub fn name(&self) -> &Name {
        &self.document.metadata.name
    }

    /// Its labels.
    pub fn labels(&self) -> &Labels {
        &self.document.metadata.labels
    }
}

impl From<rows::Model> for ResourceView {
    fn from(row: rows::Model) -> Self {
        Self {
            document: row.document.0,
            fleet: row.fleet.map(|fleet| fleet.0),
            revision: row.revision.into(),
            created_revision: row.created_revision.into(),
            created_at: row.created_at.0,
            updated_at: row.updated_at.0,
            retired_at: row.retired_at.map(|at| at.0),
        }
    }
}

/// Which resources of a kind are wanted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ResourceFilter {
    /// Those with all of these labels.
    pub labels: Labels,
    /// Clusters of this fleet.
    pub fleet: Option<Name>,
    /// Retired clusters too.
    pub retired: bool,
    /// Of clusters and fleets, those that are seen.
    pub visible: Visible,
}

/// The resource of this kind and name.
pub async fn resource(
    conn: &DatabaseConnection,
    kind: Kind,
    name: &Name,
) -> Result<Option<ResourceView>, StateError> {
    let key = (Text(kind), Text(name.clone()));
    let row = rows::Entity::find_by_id(key).only(conn).await?;
    Ok(row.map(ResourceView::from))
}

/// Resources of a kind by name.
pub async fn resources(
    conn: &DatabaseConnection,
    kind: Kind,
    filter: &ResourceFilter,
    request: &PageRequest,
) -> Result<Page<ResourceView>, StateError> {
    let mut after = request.key::<Name>()?;
    let mut found = Vec::new();
    let fleets = match (kind, &filter.visible) {
        (Kind::Fleet, Visible::Only(_)) => Some(fleets_seen(conn, &filter.visible).await?),
        _ => None,
    };
    // Labels are not indexed: rows are read in pages until one page is full.
    loop {
        let mut select = rows::Entity::find().filter(rows::Column::Kind.eq(Text(kind)));
        if let Some(fleet) = &filter.fleet {
            select = select.filter(rows::Column::Fleet.eq(fleet.as_str()));
        }
        if !filter.retired {
            select = select.filter(rows::Column::RetiredAt.is_null());
        }
        let select = ascending(select, rows::Column::Name, after.clone().map(Text), request);
        let page = select.all(conn).await?;
        let last = page.last().map(|row| row.name.0.clone());
        let exhausted = page.len() <= request.limit();
        let wanted = |row: &rows::Model| {
            selects(&filter.labels, &row.labels.0) && is_seen(row, &filter.visible, fleets.as_ref())
        };
        found.extend(page.into_iter().filter(wanted));
        if exhausted || found.len() > request.limit() {
            break;
        }
        after = last;
    }
    let page = Page::cut(found, request, |row| row.name.0.clone());
    Ok(page.map(ResourceView::from))
}

/// Whether somebody sees a resource: a cluster by its place, a fleet when a cluster
/// of it is seen. Other kinds belong to no cluster.
fn is_seen(row: &rows::Model, visible: &Visible, fleets: Option<&BTreeSet<Name>>) -> bool {
    if let Some(fleets) = fleets {
        return fleets.contains(&row.name.0);
    }
    match &row.fleet {
        Some(fleet) => visible.sees(Place {
            fleet: &fleet.0,
            labels: &row.labels.0,
        }),
        None => true,
    }
}

/// The fleets that a scope names, and those of clusters that are seen.
pub async fn fleets_seen(
    conn: &DatabaseConnection,
    visible: &Visible,
) -> Result<BTreeSet<Name>, StateError> {
    let mut fleets = BTreeSet::new();
    if let Visible::Only(scopes) = visible {
        fleets.extend(scopes.iter().filter_map(|scope| match scope {
            Scope::Fleet(fleet) => Some(fleet.clone()),
            Scope::Selector(_) => None,
        }));
    }
    let places: Vec<(Option<Text<Name>>, Json<Labels>)> = rows::Entity::find()
        .select_only()
        .column(rows::Column::Fleet)
        .column(rows::Column::Labels)
        .filter(rows::Column::Kind.eq(Text(Kind::Cluster)))
        .into_tuple()
        .all(conn)
        .await?;
    for (fleet, labels) in places {
        if let Some(Text(fleet)) = fleet
            && visible.sees(Place {
                fleet: &fleet,
                labels: &labels.0,
            })
        {
            fleets.insert(fleet);
        }
    }
    Ok(fleets)
}

/// The clusters that name an agent, by name: found by what names what, for
/// there may be thousands of others. A retired one names nobody.
pub async fn cluster_names_at_agent(
    conn: &DatabaseConnection,
    agent: &Name,
) -> Result<Vec<Name>, StateError> {
    use resource_references::{Column, Entity};
    let naming: Vec<Text<Name>> = Entity::find()
        .select_only()
        .column(Column::Name)
        .distinct()
        .filter(Column::TargetKind.eq(Text(ReferenceKind::Agent)))
        .filter(Column::Target.eq(agent.as_str()))
        .filter(Column::Kind.eq(Text(Kind::Cluster)))
        .order_by_asc(Column::Name)
        .into_tuple()
        .all(conn)
        .await?;
    Ok(naming.into_iter().map(|name| name.0).collect())
}

/// The clusters that name each agent, by agent and cluster.
pub async fn clusters_at_agents(
    conn: &DatabaseConnection,
) -> Result<BTreeMap<Name, BTreeSet<Name>>, StateError> {
    use resource_references::{Column, Entity};
    let naming: Vec<(Text<Name>, Text<Name>)> = Entity::find()
        .select_only()
        .columns([Column::Target, Column::Name])
        .filter(Column::TargetKind.eq(Text(ReferenceKind::Agent)))
        .filter(Column::Kind.eq(Text(Kind::Cluster)))
        .into_tuple()
        .all(conn)
        .await?;
    let mut clusters: BTreeMap<Name, BTreeSet<Name>> = BTreeMap::new();
    for (agent, cluster) in naming {
        clusters.entry(agent.0).or_default().insert(cluster.0);
    }
    Ok(clusters)
}

/// Every policy, by name.
pub async fn policies(conn: &DatabaseConnection) -> Result<Vec<(Name, Policy)>, StateError> {
    let found = rows::Entity::find()
        .filter(rows::Column::Kind.eq(Text(Kind::Policy)))
        .order_by_asc(rows::Column::Name)
        .all(conn)
        .await?;
    let policy = |row: rows::Model| match row.document.0.resource {
        Resource::Policy(policy) => Some((row.name.0, *policy)),
        Resource::Repository(_)
        | Resource::Fleet(_)
        | Resource::Cluster(_)
        | Resource::DrillPlan(_)
        | Resource::RoleBinding(_)
        | Resource::NotificationChannel(_) => None,
    };
    Ok(found.into_iter().filter_map(policy).collect())
}

/// The policy in force for a cluster; `None` when there is no such cluster, it
/// is retired, or no policy selects it.
pub async fn effective_policy(
    conn: &DatabaseConnection,
    cluster: &Name,
) -> Result<Option<(Name, Policy)>, StateError> {
    let Some(cluster) = resource(conn, Kind::Cluster, cluster).await? else {
        return Ok(None);
    };
    if cluster.retired_at.is_some() {
        return Ok(None);
    }
    let policies = policies(conn).await?;
    let pairs = policies.iter().map(|(name, policy)| (name, policy));
    let found = policy::effective(pairs, cluster.labels());
    Ok(found.map(|(name, policy)| (name.clone(), policy.clone())))
}
