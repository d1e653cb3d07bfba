//! How the control plane is doing.

use std::collections::BTreeMap;

use holdfast_consensus::{Role, StateView};
use holdfast_state::query;
use holdfast_state::schema;
use holdfast_types::Compliance;
use holdfast_types::access::{Permission, Visible};
use serde::Serialize;
use utoipa::ToSchema;

use super::App;
use super::StateSafety;
use super::UnprotectedCounts;
use super::caller::Caller;
use super::error::Result;
use super::exposure::{Picture, is_seen};
use super::inventory::Sight;

/// How the control plane is doing.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Status)]
pub struct StatusView {
    /// The version of this node.
    pub version: String,
    /// This node.
    pub node: NodeStatus,
    /// What the nodes of several releases have in common.
    pub feature_level: FeatureLevel,
    /// How much nobody protects.
    pub unprotected: UnprotectedCounts,
    /// How many there are of what.
    pub counts: Counts,
    /// How many clusters have which verdict; `NONE` without an RPO.
    pub exposure: BTreeMap<String, u64>,
    /// How safe the control plane's own state is; null when no snapshots are
    /// taken.
    pub state_safety: Option<StateSafety>,
}

/// Which features every node may be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FeatureLevel {
    /// The level of the group.
    pub current: u32,
    /// The newest level that this node knows and may be raised to.
    pub newest: u32,
}

/// How a node is doing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NodeStatus {
    /// Its id.
    pub id: u64,
    /// Its name.
    pub name: String,
    /// `leader, follower, candidate, learner, stopped`
    pub state: String,
    /// The id of the leader it knows.
    pub leader: Option<u64>,
    /// The current term.
    pub term: u64,
    /// The last log entry it applied.
    pub applied_index: Option<u64>,
    /// The last entry in its log.
    pub last_log_index: Option<u64>,
}

/// How many there are of what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Counts {
    /// Clusters.
    pub clusters: u64,
    /// Agents by state.
    pub agents: BTreeMap<String, u64>,
    /// Jobs by state.
    pub jobs: BTreeMap<String, u64>,
    /// Backups by state.
    pub backups: BTreeMap<String, u64>,
    /// Open alarms by severity.
    pub alarms: BTreeMap<String, u64>,
}

impl App {
    /// How the control plane is doing.
    pub async fn status(&self, by: &Caller) -> Result<StatusView> {
        let view = self.read(by).await?;
        let visible = self.visible(&view, by, Permission::ClustersRead).await?;
        let counts = query::counts_seen(view.connection(), &visible).await?;
        let picture = self.picture(&view).await?;
        let declared = &picture.declared;
        let sight = Sight::of(&view, &visible, &declared.clusters).await?;
        let agents = self.agent_counts(&view, &sight).await?;
        let unprotected = self.unprotected_counts(&view, declared, &sight).await?;
        Ok(StatusView {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            node: self.node_status(),
            feature_level: FeatureLevel {
                current: schema::version(view.connection()).await?,
                newest: self.config.node.newest_level(),
            },
            unprotected,
            counts: Counts {
                clusters: counts
                    .resources
                    .get("clusters")
                    .copied()
                    .unwrap_or_default(),
                agents,
                jobs: counts.jobs,
                backups: counts.backups,
                alarms: self.alarm_counts(&view, by).await?,
            },
            exposure: verdicts(&picture, &visible),
            state_safety: self.state_safety(by).await?,
        })
    }

    /// How many agents are in which state, of those that are seen.
    async fn agent_counts(
        &self,
        view: &StateView,
        sight: &Sight<'_>,
    ) -> Result<BTreeMap<String, u64>> {
        let states = ["online", "offline", "revoked"];
        let mut counts: BTreeMap<String, u64> = states.map(|state| (state.to_owned(), 0)).into();
        for (name, agent) in query::agent_directory(view.connection()).await? {
            if !sight.sees_agent(&name) {
                continue;
            }
            let state = if agent.revoked {
                "revoked"
            } else if self.sessions.is_online(agent.id) {
                "online"
            } else {
                "offline"
            };
            *counts.entry(state.to_owned()).or_default() += 1;
        }
        Ok(counts)
    }

    /// How this node is doing.
    pub fn node_status(&self) -> NodeStatus {
        let status = self.node.status();
        let state = match status.role {
            Role::Leader => "leader",
            Role::Follower => "follower",
            Role::Candidate => "candidate",
            Role::Learner => "learner",
            Role::Stopped => "stopped",
        };
        NodeStatus {
            id: status.id.0,
            name: self.node_name.clone(),
            state: state.to_owned(),
            leader: status.leader.map(|leader| leader.id.0),
            term: status.term,
            applied_index: status.applied,
            last_log_index: status.last_log,
        }
    }

    /// Whether this node can answer for the control plane now.
    pub async fn is_ready(&self) -> bool {
        !self.stop.is_cancelled() && self.has_quorum().await
    }
}

/// How many of the clusters that are seen have which verdict.
fn verdicts(picture: &Picture, visible: &Visible) -> BTreeMap<String, u64> {
    let mut verdicts = BTreeMap::new();
    let seen = picture.clusters().filter(|(one, _)| is_seen(visible, one));
    for (_, of) in seen {
        let verdict = of.exposed.status.map_or("NONE", Compliance::as_str);
        *verdicts.entry(verdict.to_owned()).or_default() += 1;
    }
    verdicts
}
