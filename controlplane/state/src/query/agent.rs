//! Agents and what they see.

use std::collections::BTreeMap;

use holdfast_types::{AgentId, InstanceFacts, Name, Revision};
use jiff::Timestamp;
use sea_orm::{ColumnTrait, DatabaseConnection, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use serde::Serialize;

use super::many::{among, list, rows};
use super::page::{Page, PageRequest, ascending};
use crate::column::{Bytes, Json, Moment, Text};
use crate::entity::{agent_certificates, agents as agent_rows, instances};
use crate::lookup::Lookup;
use crate::{Digest, StateError, schema};

/// An agent.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AgentView {
    /// Its id.
    pub id: AgentId,
    /// Its name.
    pub name: Name,
    /// Its region.
    pub region: Option<String>,
    /// The serial number of its certificate.
    pub certificate_serial: String,
    /// The SHA-256 of its certificate.
    pub certificate_fingerprint: Digest,
    /// When that ends.
    pub certificate_expires_at: Timestamp,
    /// When it enrolled.
    pub enrolled_at: Timestamp,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
    /// Its revision.
    pub revision: Revision,
    /// What it last reported of its servers.
    pub instances: Vec<InstanceFacts>,
}

/// An instance as its agent last reported it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct InstanceView {
    /// The agent on its host.
    pub agent: AgentId,
    /// What it saw.
    pub facts: InstanceFacts,
    /// When that was recorded.
    pub recorded_at: Timestamp,
}

fn view(row: agent_rows::Model, instances: Vec<InstanceFacts>) -> AgentView {
    AgentView {
        id: row.id.0,
        name: row.name.0,
        region: row.region,
        certificate_serial: row.serial,
        certificate_fingerprint: row.fingerprint.0,
        certificate_expires_at: row.certificate_expires_at.0,
        enrolled_at: row.enrolled_at.0,
        revoked_at: row.revoked_at.map(|at| at.0),
        revision: row.revision.into(),
        instances,
    }
}

async fn with_instances(
    conn: &DatabaseConnection,
    row: Option<agent_rows::Model>,
) -> Result<Option<AgentView>, StateError> {
    let Some(row) = row else { return Ok(None) };
    let mut seen = instances_of(conn, [row.id]).await?;
    let instances = seen.remove(&row.id.0).unwrap_or_default();
    Ok(Some(view(row, instances)))
}

async fn instances_of(
    conn: &DatabaseConnection,
    agents: impl IntoIterator<Item = Text<AgentId>>,
) -> Result<BTreeMap<AgentId, Vec<InstanceFacts>>, StateError> {
    let rows = instances::Entity::find()
        .filter(instances::Column::Agent.is_in(agents))
        .order_by_asc(instances::Column::Agent)
        .order_by_asc(instances::Column::Cluster)
        .all(conn)
        .await?;
    let mut seen: BTreeMap<AgentId, Vec<InstanceFacts>> = BTreeMap::new();
    for row in rows {
        seen.entry(row.agent.0).or_default().push(row.facts.0);
    }
    Ok(seen)
}

/// Agents by name, revoked ones too.
pub async fn agents(
    conn: &DatabaseConnection,
    request: &PageRequest,
) -> Result<Page<AgentView>, StateError> {
    use agent_rows::{Column, Entity};
    let after = request.key::<Name>()?.map(Text);
    let rows = ascending(Entity::find(), Column::Name, after, request)
        .all(conn)
        .await?;
    let page = Page::cut(rows, request, |row| row.name.0.clone());
    let mut seen = instances_of(conn, page.items.iter().map(|row| row.id)).await?;
    Ok(page.map(|row| {
        let instances = seen.remove(&row.id.0).unwrap_or_default();
        view(row, instances)
    }))
}

/// An agent as a list of all of them needs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AgentEntry {
    /// Its id.
    pub id: AgentId,
    /// Whether it may do nothing any more.
    pub revoked: bool,
}

/// Every agent by name, without what it sees: for looking many up.
pub async fn agent_directory(
    conn: &DatabaseConnection,
) -> Result<BTreeMap<Name, AgentEntry>, StateError> {
    use agent_rows::{Column, Entity};
    let rows: Vec<(Text<Name>, Text<AgentId>, Option<Moment>)> = Entity::find()
        .select_only()
        .columns([Column::Name, Column::Id, Column::RevokedAt])
        .into_tuple()
        .all(conn)
        .await?;
    let entry = |(name, id, revoked_at): (Text<Name>, Text<AgentId>, Option<Moment>)| {
        let revoked = revoked_at.is_some();
        (name.0, AgentEntry { id: id.0, revoked })
    };
    Ok(rows.into_iter().map(entry).collect())
}

/// The agent of this id.
pub async fn agent(
    conn: &DatabaseConnection,
    agent: AgentId,
) -> Result<Option<AgentView>, StateError> {
    let row = agent_rows::Entity::find_by_id(Text(agent))
        .only(conn)
        .await?;
    with_instances(conn, row).await
}

/// The agent of this name.
pub async fn agent_named(
    conn: &DatabaseConnection,
    name: &Name,
) -> Result<Option<AgentView>, StateError> {
    let row = agent_rows::Entity::find()
        .filter(agent_rows::Column::Name.eq(name.as_str()))
        .only(conn)
        .await?;
    with_instances(conn, row).await
}

/// The agent that this certificate was given to. It may be revoked.
pub async fn agent_by_fingerprint(
    conn: &DatabaseConnection,
    fingerprint: Digest,
) -> Result<Option<AgentView>, StateError> {
    let row = agent_rows::Entity::find()
        .filter(agent_rows::Column::Fingerprint.eq(Bytes(fingerprint)))
        .only(conn)
        .await?;
    if row.is_some() || schema::version(conn).await? < 2 {
        return with_instances(conn, row).await;
    }
    // One that was renewed and shows its new certificate for the first time.
    let next = agent_certificates::Entity::find()
        .filter(agent_certificates::Column::Fingerprint.eq(Bytes(fingerprint)))
        .only(conn)
        .await?;
    match next {
        Some(next) => agent(conn, next.agent.0).await,
        None => Ok(None),
    }
}

/// The names of these agents, whether or not they may still do anything.
pub async fn agent_names(
    conn: &DatabaseConnection,
    agents: &[AgentId],
) -> Result<BTreeMap<AgentId, Name>, StateError> {
    use agent_rows::{Column, Entity};
    let named: Vec<(Text<AgentId>, Text<Name>)> = Entity::find()
        .select_only()
        .columns([Column::Id, Column::Name])
        .filter(among("id", agents)?)
        .into_tuple()
        .all(conn)
        .await?;
    Ok(named.into_iter().map(|(id, name)| (id.0, name.0)).collect())
}

/// Which agents see an instance of which of these clusters, by cluster and agent.
pub async fn agents_that_see(
    conn: &DatabaseConnection,
    clusters: &[Name],
) -> Result<BTreeMap<Name, Vec<AgentId>>, StateError> {
    use instances::{Column, Entity};
    let pairs: Vec<(Text<Name>, Text<AgentId>)> = Entity::find()
        .select_only()
        .columns([Column::Cluster, Column::Agent])
        .filter(among("cluster", clusters)?)
        .order_by_asc(Column::Cluster)
        .order_by_asc(Column::Agent)
        .into_tuple()
        .all(conn)
        .await?;
    let mut agents: BTreeMap<Name, Vec<AgentId>> = BTreeMap::new();
    for (cluster, agent) in pairs {
        agents.entry(cluster.0).or_default().push(agent.0);
    }
    Ok(agents)
}

/// What these agents see of these clusters, as the log has it.
pub async fn facts_seen(
    conn: &DatabaseConnection,
    wanted: &[(AgentId, Name)],
) -> Result<BTreeMap<(AgentId, Name), InstanceFacts>, StateError> {
    let sql = "SELECT i.agent, i.cluster, i.facts FROM json_each(?) r \
               JOIN instances i ON i.agent = r.value ->> 0 AND i.cluster = r.value ->> 1";
    let mut found = BTreeMap::new();
    for row in rows(conn, sql, vec![list(wanted)?]).await? {
        let agent: Text<AgentId> = row.try_get_by_index(0)?;
        let cluster: Text<Name> = row.try_get_by_index(1)?;
        let facts: Json<InstanceFacts> = row.try_get_by_index(2)?;
        found.insert((agent.0, cluster.0), facts.0);
    }
    Ok(found)
}

/// The instances of a cluster that agents see.
pub async fn instances_of_cluster(
    conn: &DatabaseConnection,
    cluster: &Name,
) -> Result<Vec<InstanceView>, StateError> {
    let rows = instances::Entity::find()
        .filter(instances::Column::Cluster.eq(cluster.as_str()))
        .order_by_asc(instances::Column::Agent)
        .all(conn)
        .await?;
    let view = |row: instances::Model| InstanceView {
        agent: row.agent.0,
        facts: row.facts.0,
        recorded_at: row.recorded_at.0,
    };
    Ok(rows.into_iter().map(view).collect())
}
