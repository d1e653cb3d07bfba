//! The list of clusters for people: all are judged, those of a page are shown with what is
//! known of them. A constant number of statements for thousands of clusters.

use std::collections::BTreeMap;

use holdfast_state::query::{Page, PageRequest, PointView, ResourceView};
use holdfast_types::access::Permission;
use holdfast_types::drill::Proof;
use holdfast_types::resource::{Labels, Policy, Resource};
use holdfast_types::{
    BackupId, BackupKind, Compliance, InstanceFacts, InstanceRole, Name, Observation, RpoScope,
    ServerFacts,
};
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::gather::Gathered;
use super::verdict::{fleet_of, is_seen};
use crate::app::App;
use crate::app::caller::Caller;
use crate::app::error::Result;
use crate::plan::overview::{Choice, Key, Line, choose};

/// A page of clusters, and how many there are.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClusterOverview {
    /// Those of this page.
    pub items: Vec<ClusterRow>,
    /// Where the next page begins; null when this is the last. By exposure, a cluster whose
    /// exposure has risen or fallen meanwhile may come again.
    pub next_cursor: Option<String>,
    /// How many fit, on all pages.
    pub total: u64,
    /// How many fit but for `status`, by state; `NONE` without a verdict.
    pub counts: BTreeMap<&'static str, u64>,
    /// How many fit but for `status`, by what their drills prove: `proven`, `no_drill`,
    /// `drill_failed`, `drill_too_old`.
    pub proofs: BTreeMap<&'static str, u64>,
    /// When this was so: of thousands of clusters up to two seconds ago.
    pub as_of: Timestamp,
}

/// A cluster in a list.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClusterRow {
    /// The cluster.
    #[schema(value_type = String)]
    pub cluster: Name,
    /// Its fleet.
    #[schema(value_type = String)]
    pub fleet: Name,
    /// Its labels.
    pub labels: Labels,
    /// The policy in force.
    #[schema(value_type = Option<String>)]
    pub policy: Option<Name>,
    /// The verdict; null when there is no RPO to judge by.
    pub status: Option<Compliance>,
    /// Why it is not compliant: a stable code.
    pub cause: Option<String>,
    /// What would be lost now; null when nothing could be restored.
    pub exposure_seconds: Option<f64>,
    /// The RPO.
    pub rpo_seconds: Option<f64>,
    /// Of which loss the RPO is said.
    pub rpo_scope: RpoScope,
    /// The backup that was consistent last.
    pub last_backup: Option<LastBackup>,
    /// The earliest time that can be restored.
    pub window_start: Option<Timestamp>,
    /// The latest one.
    pub window_end: Option<Timestamp>,
    /// What its drills prove, with the newest.
    pub proof: Proof,
    /// Whether an agent is there that does what its policy needs.
    pub agent_online: bool,
    /// PostgreSQL's major release, of the primary if that is seen.
    pub major: Option<u32>,
    /// Bytes of all its databases, where its primary is seen.
    pub database_bytes: Option<u64>,
    /// Its instances as they are declared.
    pub instances: Vec<InstanceRow>,
    /// How many warnings its agents have.
    pub warnings: u64,
}

/// The newest backup of a cluster.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LastBackup {
    /// Its id.
    #[schema(value_type = String)]
    pub id: BackupId,
    /// What it holds.
    pub kind: BackupKind,
    /// When it was consistent.
    pub finished_at: Timestamp,
}

/// An instance of a cluster in a list.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct InstanceRow {
    /// Its agent.
    #[schema(value_type = String)]
    pub agent: Name,
    /// Whether that is connected.
    pub online: bool,
    /// What the instance is, as its agent sees it; null when that is not connected, or
    /// does not reach it.
    pub role: Option<InstanceRole>,
    /// PostgreSQL's `server_version_num`.
    pub server_version: Option<u32>,
}

impl App {
    /// A page of the clusters that are wanted.
    pub(crate) async fn overview(
        &self,
        by: &Caller,
        choice: &Choice,
        page: &PageRequest,
    ) -> Result<ClusterOverview> {
        let after: Option<Key> = page.key()?;
        let view = self.read(by).await?;
        let visible = self.visible(&view, by, Permission::ClustersRead).await?;
        let picture = self.picture(&view).await?;
        let common = &picture.declared.common;
        let seen = picture
            .clusters()
            .filter(|(cluster, _)| is_seen(&visible, cluster));
        let mut known: BTreeMap<&Name, &ResourceView> = BTreeMap::new();
        let mut lines = Vec::new();
        for (cluster, of) in seen {
            known.insert(cluster.name(), cluster);
            lines.push(Line {
                name: cluster.name().clone(),
                fleet: of.exposed.fleet.clone(),
                labels: cluster.labels().clone(),
                policy: common.policy_of(cluster).map(|(name, _)| name.clone()),
                status: of.exposed.status,
                unproven: of.unproven,
                frontier: of.exposed.frontier,
                exposure_seconds: of.exposed.exposure_seconds,
                rpo_seconds: of.exposed.rpo_seconds,
            });
        }
        let chosen = choose(lines, choice, after.as_ref(), page.limit());
        let (total, counts, proofs) = (chosen.total, chosen.counts, chosen.proofs);
        let shown = Page::cut(chosen.lines, page, |line| line.key(choice.order));
        let wanted = shown.items.iter();
        let wanted = wanted.filter_map(|line| known.remove(&line.name).cloned());
        let wanted: Vec<ResourceView> = wanted.collect();
        let gathered = self.gather_facts(&view, common, &wanted).await?;
        let now = Timestamp::now();
        let rows = wanted.iter().map(|one| self.row(&gathered, one, now));
        Ok(ClusterOverview {
            items: rows.collect(),
            next_cursor: shown.next_cursor,
            total,
            counts,
            proofs,
            as_of: picture.as_of,
        })
    }

    fn row(&self, gathered: &Gathered, cluster: &ResourceView, now: Timestamp) -> ClusterRow {
        let name = cluster.name();
        let judged = self.judge(gathered, cluster, now);
        let policy = gathered.common.policy_of(cluster);
        let rules: Option<&Policy> = policy.map(|(_, policy)| policy);
        let seen: BTreeMap<Name, InstanceFacts> = gathered
            .online(self, name)
            .map(|(agent, facts)| (agent.clone(), facts))
            .collect();
        let servers = seen.values().filter_map(server);
        let primary = servers
            .clone()
            .find(|one| one.role == InstanceRole::Primary);
        let version = primary.or_else(|| servers.clone().next());
        ClusterRow {
            cluster: name.clone(),
            fleet: fleet_of(cluster),
            labels: cluster.labels().clone(),
            policy: policy.map(|(name, _)| name.clone()),
            status: judged.status,
            cause: judged.cause,
            exposure_seconds: judged.exposure_seconds,
            rpo_seconds: judged.rpo_seconds,
            rpo_scope: judged.rpo_scope,
            last_backup: last_backup(gathered.holdings.points_of(name)),
            window_start: judged.window_start,
            window_end: judged.window_end,
            proof: gathered.proof_of(cluster, now),
            agent_online: self.is_served(&gathered.standing, name, rules),
            major: version.map(|one| one.server_version / 10_000),
            database_bytes: primary.map(|one| one.database_bytes),
            instances: instances(cluster, &seen),
            warnings: self.warnings_of(gathered, name).len() as u64,
        }
    }
}

fn server(facts: &InstanceFacts) -> Option<&ServerFacts> {
    match &facts.observation {
        Observation::Reachable(server) => Some(server),
        Observation::Unreachable(_) => None,
    }
}

fn last_backup(points: &[PointView]) -> Option<LastBackup> {
    let whole = points.iter().filter_map(|point| {
        Some(LastBackup {
            id: point.id,
            kind: point.kind,
            finished_at: point.finished_at?,
        })
    });
    whole.max_by_key(|one| (one.finished_at, one.id))
}

fn instances(cluster: &ResourceView, seen: &BTreeMap<Name, InstanceFacts>) -> Vec<InstanceRow> {
    let Resource::Cluster(declared) = &cluster.document.resource else {
        return Vec::new();
    };
    let rows = declared.instances.iter().map(|instance| {
        let server = seen.get(&instance.agent).and_then(server);
        InstanceRow {
            agent: instance.agent.clone(),
            online: seen.contains_key(&instance.agent),
            role: server.map(|one| one.role),
            server_version: server.map(|one| one.server_version),
        }
    });
    rows.collect()
}
