//! Facts that verdicts are computed from, and exemptions.

use std::collections::BTreeMap;
use std::sync::Arc;

use holdfast_compliance::{Fact, History, KeptStretch, Promise, Recorded};
use holdfast_types::access::Visible;
use holdfast_types::{ExemptionId, Name};
use jiff::Timestamp;
use sea_orm::{ColumnTrait, DatabaseConnection, EntityTrait, QueryFilter, QueryOrder};
use serde::Serialize;

use super::many::among;
use super::page::{Page, PageRequest, newest_first};
use super::past::pasts;
use super::scope::seen;
use crate::column::{Moment, Text};
use crate::entity::{compliance_facts, compliance_in_force, compliance_stretches, exemptions};
use crate::{Principal, StateError, row, schema};

/// Whether facts are kept.
pub async fn keeps_facts(conn: &DatabaseConnection) -> Result<bool, StateError> {
    Ok(schema::version(conn).await? >= schema::COMPLIANCE)
}

/// All facts of a cluster; none below level 23.
pub async fn history(conn: &DatabaseConnection, cluster: &Name) -> Result<History, StateError> {
    let found = pasts(conn, std::slice::from_ref(cluster)).await?;
    match found.first() {
        Some(past) => Ok(past.read()?.history()),
        None => Ok(History::default()),
    }
}

/// The facts of a cluster in the order in which they became known.
pub async fn facts(conn: &DatabaseConnection, cluster: &Name) -> Result<Vec<Recorded>, StateError> {
    use compliance_facts::{Column, Entity};
    if !keeps_facts(conn).await? {
        return Ok(Vec::new());
    }
    let rows = Entity::find()
        .filter(Column::Cluster.eq(cluster.as_str()))
        .order_by_asc(Column::LogIndex)
        .order_by_asc(Column::Number)
        .all(conn)
        .await?;
    let recorded = |row: compliance_facts::Model| Recorded {
        at: row.at.0,
        known: row.known.0,
        fact: row.fact.0,
    };
    Ok(rows.into_iter().map(recorded).collect())
}

/// The stretches of a cluster, by repository and time.
pub async fn stretches(
    conn: &DatabaseConnection,
    cluster: &Name,
) -> Result<Vec<KeptStretch>, StateError> {
    use compliance_stretches::{Column, Entity};
    if !keeps_facts(conn).await? {
        return Ok(Vec::new());
    }
    let rows = Entity::find()
        .filter(Column::Cluster.eq(cluster.as_str()))
        .order_by_asc(Column::Repository)
        .order_by_asc(Column::FirstAt)
        .all(conn)
        .await?;
    Ok(rows.into_iter().map(kept).collect())
}

fn kept(row: compliance_stretches::Model) -> KeptStretch {
    KeptStretch {
        repository: row.repository.0,
        known_from: row.known_from.0,
        known_to: row.known_to.0,
        stretch: Arc::new(row.stretch.0),
    }
}

/// What a cluster is promised, and since when.
pub async fn promise(
    conn: &DatabaseConnection,
    cluster: &Name,
) -> Result<Option<(Timestamp, Promise)>, StateError> {
    if !keeps_facts(conn).await? {
        return Ok(None);
    }
    let key = (Text(cluster.clone()), "promise".to_owned());
    let row = row::read::<compliance_in_force::Entity>(conn, key).await?;
    Ok(row.and_then(|row| match row.fact.0 {
        Fact::Promised(promise) => Some((row.at.0, *promise)),
        _ => None,
    }))
}

/// The silences and troubles that are on record, by cluster.
pub async fn signs_in_force(
    conn: &DatabaseConnection,
) -> Result<BTreeMap<Name, Vec<Fact>>, StateError> {
    use compliance_in_force::{Column, Entity};
    let mut found: BTreeMap<Name, Vec<Fact>> = BTreeMap::new();
    if !keeps_facts(conn).await? {
        return Ok(found);
    }
    for (from, to) in [("agent", "agenu"), ("trouble/", "trouble0")] {
        let rows = Entity::find()
            .filter(Column::Subject.gte(from))
            .filter(Column::Subject.lt(to))
            .order_by_asc(Column::Subject)
            .order_by_asc(Column::Cluster)
            .all(conn)
            .await?;
        for row in rows {
            found.entry(row.cluster.0).or_default().push(row.fact.0);
        }
    }
    Ok(found)
}

/// What every cluster is promised that is promised something, by name.
pub async fn promises(conn: &DatabaseConnection) -> Result<BTreeMap<Name, Promise>, StateError> {
    use compliance_in_force::{Column, Entity};
    if !keeps_facts(conn).await? {
        return Ok(BTreeMap::new());
    }
    let rows = Entity::find()
        .filter(Column::Subject.eq("promise"))
        .order_by_asc(Column::Cluster)
        .all(conn)
        .await?;
    Ok(rows.into_iter().filter_map(promise_in).collect())
}

/// The same of these clusters.
pub async fn promises_of(
    conn: &DatabaseConnection,
    clusters: &[Name],
) -> Result<BTreeMap<Name, Promise>, StateError> {
    use compliance_in_force::{Column, Entity};
    if !keeps_facts(conn).await? {
        return Ok(BTreeMap::new());
    }
    let rows = Entity::find()
        .filter(Column::Subject.eq("promise"))
        .filter(among("cluster", clusters)?)
        .all(conn)
        .await?;
    Ok(rows.into_iter().filter_map(promise_in).collect())
}

fn promise_in(row: compliance_in_force::Model) -> Option<(Name, Promise)> {
    match row.fact.0 {
        Fact::Promised(promise) => Some((row.cluster.0, *promise)),
        _ => None,
    }
}

/// An exemption.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ExemptionView {
    /// Its id.
    pub id: ExemptionId,
    /// Of which cluster.
    pub cluster: Name,
    /// Why.
    pub reason: String,
    /// Who asked for it.
    pub requested_by: Principal,
    /// Who consented.
    pub approved_by: Vec<Principal>,
    /// Since when.
    pub granted_at: Timestamp,
    /// When it ends by itself.
    pub until: Timestamp,
    /// When it was ended before.
    pub ended_at: Option<Timestamp>,
    /// By whom.
    pub ended_by: Option<Principal>,
}

impl From<exemptions::Model> for ExemptionView {
    fn from(row: exemptions::Model) -> Self {
        Self {
            id: row.id.0,
            cluster: row.cluster.0,
            reason: row.reason,
            requested_by: row.requested_by.0,
            approved_by: row.approved_by.0,
            granted_at: row.granted_at.0,
            until: row.until.0,
            ended_at: row.ended_at.map(|at| at.0),
            ended_by: row.ended_by.map(|by| by.0),
        }
    }
}

/// Which exemptions are wanted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ExemptionFilter {
    /// Of this cluster.
    pub cluster: Option<Name>,
    /// In force at this moment.
    pub in_force_at: Option<Timestamp>,
    /// Of clusters that are seen.
    pub visible: Visible,
}

/// Exemptions, the latest first; none below level 23.
pub async fn exemptions(
    conn: &DatabaseConnection,
    filter: &ExemptionFilter,
    request: &PageRequest,
) -> Result<Page<ExemptionView>, StateError> {
    use exemptions::{Column, Entity};
    let before = request.key::<(Timestamp, ExemptionId)>()?;
    let before = before.map(|(at, id)| (Moment(at).into(), Text(id).into()));
    if !keeps_facts(conn).await? {
        let (items, next_cursor) = (Vec::new(), None);
        return Ok(Page { items, next_cursor });
    }
    let mut select = Entity::find();
    if let Some(cluster) = &filter.cluster {
        select = select.filter(Column::Cluster.eq(cluster.as_str()));
    }
    if let Some(at) = filter.in_force_at {
        select = select
            .filter(Column::EndedAt.is_null())
            .filter(Column::Until.gt(Moment(at)));
    }
    if let Some(seen) = seen("exemptions.cluster", &filter.visible) {
        select = select.filter(seen);
    }
    let limit = request.limit() as u64 + 1;
    let found = newest_first(select, (Column::GrantedAt, Column::Id), before, limit);
    let page = Page::cut(found.all(conn).await?, request, |row| {
        (row.granted_at.0, row.id.0)
    });
    Ok(page.map(ExemptionView::from))
}

/// The exemption of this id.
pub async fn exemption(
    conn: &DatabaseConnection,
    id: ExemptionId,
) -> Result<Option<ExemptionView>, StateError> {
    if !keeps_facts(conn).await? {
        return Ok(None);
    }
    let row = row::read::<exemptions::Entity>(conn, Text(id)).await?;
    Ok(row.map(ExemptionView::from))
}
