//! What clusters are promised: the part of their policies that verdicts rest on.

use std::collections::{BTreeMap, BTreeSet};

use holdfast_compliance::{Fact, Promise};
use holdfast_types::Name;
use holdfast_types::resource::{Kind, Labels, Policy, Resource};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Select};

use super::{Said, are_kept, claims, write};
use crate::column::{Json, Moment, Text};
use crate::context::ApplyContext;
use crate::entity::{compliance_in_force, resources};
use crate::{StateError, policy};

const SUBJECT: &str = "promise";

/// Whose promises may be others now.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum About {
    /// Those of all clusters.
    Everything,
    /// Those of these.
    Clusters(BTreeSet<Name>),
}

impl About {
    fn covers(&self, cluster: &Name) -> bool {
        match self {
            Self::Everything => true,
            Self::Clusters(names) => names.contains(cluster),
        }
    }
}

/// Writes a fact for each cluster that is promised something else than before.
pub(crate) async fn promises(cx: &mut ApplyContext<'_>, about: &About) -> Result<(), StateError> {
    if are_kept(cx).await? {
        settle(cx, about).await?;
    }
    Ok(())
}

pub(super) async fn settle(cx: &mut ApplyContext<'_>, about: &About) -> Result<(), StateError> {
    if *about == About::Clusters(BTreeSet::new()) {
        return Ok(());
    }
    let (policies, places) = (policies(cx).await?, places(cx).await?);
    let mut clusters = clusters(cx, about).await?;
    let before = before(cx, about).await?;
    let gone = before.keys().filter(|name| !clusters.contains_key(*name));
    let gone: Vec<Name> = gone.cloned().collect();
    clusters.extend(gone.into_iter().map(|name| (name, None)));
    for (cluster, labels) in clusters {
        let said = labels.map(|labels| promised(&policies, &places, &labels));
        let known = before.get(&cluster);
        let said = match (said, known) {
            // It was never asked for.
            (None, None) => continue,
            (None, Some(_)) => Said::Ends(Fact::Retired),
            (Some(now), Some(before)) if now == *before => continue,
            (Some(now), _) => Said::Holds(now),
        };
        let now = cx.now();
        write(cx, &cluster, SUBJECT, now, said).await?;
        // What was claimed under another promise is not judged by this one.
        claims::cut(cx, &cluster).await?;
    }
    Ok(())
}

fn promised(policies: &BTreeMap<Name, Policy>, places: &Places, labels: &Labels) -> Fact {
    let Some((name, policy)) = policy::effective(policies, labels) else {
        return Fact::Unpromised;
    };
    let mut promise = Promise::of(name.clone(), policy, &places.regions);
    for place in &mut promise.places {
        place.key_escrowed = places.escrowed.contains(&place.repository);
    }
    Fact::Promised(Box::new(promise))
}

async fn policies(cx: &ApplyContext<'_>) -> Result<BTreeMap<Name, Policy>, StateError> {
    let rows = of_kind(Kind::Policy).all(cx.tx()).await?;
    let policy = |row: resources::Model| match row.document.0.resource {
        Resource::Policy(policy) => Some((row.name.0, *policy)),
        _ => None,
    };
    Ok(rows.into_iter().filter_map(policy).collect())
}

/// What is declared of repositories.
struct Places {
    regions: BTreeMap<Name, String>,
    /// Those whose key somebody brought, who therefore has it.
    escrowed: BTreeSet<Name>,
}

async fn places(cx: &ApplyContext<'_>) -> Result<Places, StateError> {
    let (mut regions, mut escrowed) = (BTreeMap::new(), BTreeSet::new());
    for row in of_kind(Kind::Repository).all(cx.tx()).await? {
        let Resource::Repository(repository) = row.document.0.resource else {
            continue;
        };
        if repository.key.is_some() {
            escrowed.insert(row.name.0.clone());
        }
        if let Some(region) = repository.region {
            regions.insert(row.name.0, region);
        }
    }
    Ok(Places { regions, escrowed })
}

fn of_kind(kind: Kind) -> Select<resources::Entity> {
    use resources::{Column, Entity};
    Entity::find()
        .filter(Column::Kind.eq(Text(kind)))
        .order_by_asc(Column::Name)
}

/// The labels of clusters; of those that are gone or retired, nothing.
async fn clusters(
    cx: &ApplyContext<'_>,
    about: &About,
) -> Result<BTreeMap<Name, Option<Labels>>, StateError> {
    use resources::Column;
    if let About::Clusters(names) = about {
        let mut found = BTreeMap::new();
        for name in names {
            let row = cx.resource(Kind::Cluster, name).await?;
            let row = row.filter(|row| row.retired_at.is_none());
            found.insert(name.clone(), row.map(|row| row.labels.0));
        }
        return Ok(found);
    }
    let rows: Vec<(Text<Name>, Json<Labels>, Option<Moment>)> = of_kind(Kind::Cluster)
        .select_only()
        .column(Column::Name)
        .column(Column::Labels)
        .column(Column::RetiredAt)
        .into_tuple()
        .all(cx.tx())
        .await?;
    let labels = |(name, labels, retired): (Text<Name>, Json<Labels>, Option<Moment>)| {
        (name.0, retired.is_none().then_some(labels.0))
    };
    Ok(rows.into_iter().map(labels).collect())
}

/// What was promised so far.
async fn before(cx: &ApplyContext<'_>, about: &About) -> Result<BTreeMap<Name, Fact>, StateError> {
    use compliance_in_force::{Column, Entity};
    if let About::Clusters(names) = about {
        let mut found = BTreeMap::new();
        for name in names {
            if let Some(row) = super::held(cx, name, SUBJECT).await? {
                found.insert(name.clone(), row.fact.0);
            }
        }
        return Ok(found);
    }
    let rows = Entity::find()
        .filter(Column::Subject.eq(SUBJECT))
        .order_by_asc(Column::Cluster)
        .all(cx.tx())
        .await?;
    let rows = rows.into_iter().filter(|row| about.covers(&row.cluster.0));
    Ok(rows.map(|row| (row.cluster.0, row.fact.0)).collect())
}
