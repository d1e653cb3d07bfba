//! What alarms are raised for, gathered from the state and from what agents say.
//!
//! The verdict on each cluster comes from the same judge that `exposure` shows.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use holdfast_consensus::StateView;
use holdfast_state::ApprovalState;
use holdfast_state::query::{
    self, AgentView, ApprovalFilter, NodeState, PageRequest, ResourceFilter, ResourceView,
};
use holdfast_types::resource::{Kind, Policy, Resource};
use holdfast_types::{Failure, Name};
use jiff::Timestamp;

use super::super::App;
use super::super::error::Result;
use super::super::exposure::{Common, Gathered};
use crate::plan::alarm::{
    AgentFacts, AgentOfCluster, ApprovalFacts, ClusterFacts, Facts, LateCopy, Limits, NodeFacts,
    Verdict,
};
use crate::session::LOST_AFTER;

/// A job that failed longer ago is history.
const FAILED_WITHIN: Duration = Duration::from_secs(30 * 24 * 3600);
/// How often a channel may refuse a notice before that is an alarm.
const ATTEMPTS: u64 = 3;
/// How many clusters are judged before others have their turn on this thread.
const AT_ONCE: usize = 100;

impl App {
    /// How long things may take before they are an alarm.
    pub(crate) fn alarm_limits(&self) -> Limits {
        let alarms = &self.config.alarms;
        let access = &self.config.access;
        let left = |lasts: Duration| alarms.certificate_left.get().min(lasts / 6);
        Limits {
            first_backup: alarms.first_backup.get(),
            approval: alarms.approval_after.get(),
            certificate: left(access.agent_certificate.get()),
            node_certificate: left(access.node_certificate.get()),
            // From then on what it makes outlasts it.
            authority: access
                .agent_certificate
                .get()
                .max(access.node_certificate.get()),
            trouble: LOST_AFTER,
            attempts: ATTEMPTS,
        }
    }

    /// Everything that alarms are raised for, as it is at `now`.
    pub(crate) async fn alarm_facts(&self, view: &StateView, now: Timestamp) -> Result<Facts> {
        let conn = view.connection();
        let agents = agents(view).await?;
        let common = Arc::new(Common::read(view).await?);
        let mut facts = Facts::default();
        let mut page = PageRequest::longest();
        loop {
            let filter = ResourceFilter::default();
            let found = query::resources(conn, Kind::Cluster, &filter, &page).await?;
            let gathered = self.gather_facts(view, &common, &found.items).await?;
            for some in found.items.chunks(AT_ONCE) {
                let known = some
                    .iter()
                    .map(|cluster| self.facts_of(&gathered, cluster, &agents, now));
                facts.clusters.extend(known);
                tokio::task::yield_now().await;
            }
            match found.next_cursor {
                None => break,
                cursor => page.cursor = cursor,
            }
        }
        let live = agents
            .into_values()
            .filter(|agent| agent.revoked_at.is_none());
        let certificates = live.map(|agent| AgentFacts {
            name: agent.name,
            certificate_expires_at: agent.certificate_expires_at,
        });
        facts.agents = certificates.collect();
        facts.nodes = self.nodes_seen(view).await?;
        facts.authority_ends_at = self.authority.ends_at();
        facts.missed = query::missed_runs(conn).await?;
        let overdue = before(now, self.config.alarms.run_overdue.get());
        facts.waiting = query::waiting_runs(conn, overdue).await?;
        facts.failed = query::failed_jobs(conn, before(now, FAILED_WITHIN)).await?;
        facts.approvals = approvals(view, now).await?;
        let mut health = query::channel_health(conn).await?;
        for channel in self.channels_of(view).await?.into_keys() {
            let known = health.remove(&channel).unwrap_or_default();
            facts.channels.insert(channel, known);
        }
        Ok(facts)
    }

    fn facts_of(
        &self,
        gathered: &Gathered,
        cluster: &ResourceView,
        agents: &BTreeMap<Name, AgentView>,
        now: Timestamp,
    ) -> ClusterFacts {
        let judged = self.judge(gathered, cluster, now);
        let name = cluster.name();
        let policy = gathered.common.policy_of(cluster);
        let policy = policy.map(|(_, policy)| policy);
        let own = judged.repositories.iter().filter(|one| one.copy.is_none());
        let gaps = own.filter(|one| !one.gaps.is_empty());
        let late = judged.repositories.iter().filter_map(|one| {
            let copy = one.copy.as_ref().filter(|copy| copy.late == Some(true))?;
            Some(LateCopy {
                repository: one.name.clone(),
                frontier: one.frontier,
                within_seconds: copy.within_seconds,
            })
        });
        let warnings = self.warnings_of(gathered, name).into_iter();
        let slots = warnings.map(|warning| (warning.agent, warning.code, warning.message));
        ClusterFacts {
            name: name.clone(),
            fleet: judged.fleet.clone(),
            created_at: cluster.created_at,
            has_policy: policy.is_some(),
            gaps: gaps
                .map(|one| (one.name.clone(), one.gaps.clone()))
                .collect(),
            late_copies: late.collect(),
            trouble: self.trouble_of(gathered, name, policy),
            slots: slots.collect(),
            agents: self.agents_of(cluster, agents),
            drills: gathered.common.drills_of(cluster),
            proof: gathered.proof_of(cluster, now),
            verdict: Verdict {
                status: judged.status,
                cause: judged.cause,
                exposure_seconds: judged.exposure_seconds,
                rpo_seconds: judged.rpo_seconds,
                frontier: judged.frontier,
            },
        }
    }

    /// Why WAL does not arrive although its agent is there, and for how long.
    fn trouble_of(
        &self,
        gathered: &Gathered,
        cluster: &Name,
        policy: Option<&Policy>,
    ) -> Option<(Duration, Failure)> {
        let policy = policy.filter(|policy| policy.receives_wal())?;
        let mut duties = gathered.duties_of(cluster).iter();
        let duty = duties.find(|duty| duty.repository == policy.repository)?;
        if !self.sessions.is_online(duty.agent) {
            return None;
        }
        let key = (cluster.clone(), duty.repository.clone());
        self.wal.troubled_for(&key, duty.generation)
    }

    fn agents_of(
        &self,
        cluster: &ResourceView,
        agents: &BTreeMap<Name, AgentView>,
    ) -> Vec<AgentOfCluster> {
        let Resource::Cluster(declared) = &cluster.document.resource else {
            return Vec::new();
        };
        let instances = declared.instances.iter().map(|instance| &instance.agent);
        let relays = declared.relays.iter().map(|relay| &relay.agent);
        let mut named: Vec<&Name> = instances.chain(relays).collect();
        named.sort_unstable();
        named.dedup();
        let of = |name: &Name| {
            let agent = agents.get(name).filter(|agent| agent.revoked_at.is_none());
            // One that has only just gone may be back in a moment.
            let away = agent.is_none_or(|agent| {
                !self.sessions.is_online(agent.id)
                    && self.sessions.silent_for(agent.id) >= LOST_AFTER
            });
            let status = agent.and_then(|agent| self.sessions.status(agent.id));
            AgentOfCluster {
                name: name.clone(),
                online: !away,
                last_seen_at: status.map(|status| status.last_seen_at),
            }
        };
        named.into_iter().map(of).collect()
    }

    async fn nodes_seen(&self, view: &StateView) -> Result<Vec<NodeFacts>> {
        let own = self.node.id().0;
        let nodes = query::nodes(view.connection()).await?.into_iter();
        let members = nodes.filter(|node| node.state == NodeState::Member);
        let known = members.map(|node| {
            if node.id == own {
                return NodeFacts {
                    name: node.name,
                    reachable: true,
                    certificate_ends_at: self.identity.ends_at(),
                };
            }
            let said = self.hellos.of(node.id);
            NodeFacts {
                name: node.name,
                reachable: said.is_some(),
                certificate_ends_at: said.and_then(|said| said.certificate_ends_at),
            }
        });
        Ok(known.collect())
    }
}

async fn agents(view: &StateView) -> Result<BTreeMap<Name, AgentView>> {
    let mut all: BTreeMap<Name, AgentView> = BTreeMap::new();
    let mut page = PageRequest::longest();
    loop {
        let found = query::agents(view.connection(), &page).await?;
        let named = found.items.into_iter();
        all.extend(named.map(|agent| (agent.name.clone(), agent)));
        match found.next_cursor {
            None => return Ok(all),
            cursor => page.cursor = cursor,
        }
    }
}

async fn approvals(view: &StateView, now: Timestamp) -> Result<Vec<ApprovalFacts>> {
    let filter = ApprovalFilter {
        state: Some(ApprovalState::Pending),
    };
    let page = PageRequest::longest();
    let found = query::approvals(view.connection(), &filter, &page, now).await?;
    let facts = found.items.into_iter().map(|request| ApprovalFacts {
        id: request.id,
        action: request.action,
        subject: request.subject,
        cluster: match request.clusters.as_deref() {
            Some([only]) => Some(only.clone()),
            _ => None,
        },
        requested_by: request.requested_by.to_string(),
        created_at: request.created_at,
        expires_at: request.expires_at,
    });
    Ok(facts.collect())
}

fn before(now: Timestamp, by: Duration) -> Timestamp {
    let by = jiff::SignedDuration::try_from(by).unwrap_or(jiff::SignedDuration::MAX);
    now.saturating_sub(by).unwrap_or(Timestamp::MIN)
}
