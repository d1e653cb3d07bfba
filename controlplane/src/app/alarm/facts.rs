//! What alarms are raised for, gathered from the state and from what agents say.
//!
//! The verdict on each cluster comes from the same judge that `exposure` shows.

use std::collections::BTreeMap;
use std::time::Duration;

use holdfast_consensus::StateView;
use holdfast_state::ApprovalState;
use holdfast_state::query::{
    self, AgentView, ApprovalFilter, NodeState, PageRequest, ResourceFilter, ResourceView,
};
use holdfast_types::resource::{Kind, Policy, Resource};
use holdfast_types::{Failure, Name, Span};
use jiff::Timestamp;

use super::super::App;
use super::super::error::Result;
use crate::plan::alarm::{
    AgentFacts, AgentOfCluster, ApprovalFacts, ClusterFacts, Facts, LateCopy, Limits, NodeFacts,
    Verdict,
};
use crate::session::LOST_AFTER;

/// A job that failed longer ago is history.
const FAILED_WITHIN: Duration = Duration::from_secs(30 * 24 * 3600);
/// How often a channel may refuse a notice before that is an alarm.
const ATTEMPTS: u64 = 3;

impl App {
    /// How long things may take before they are an alarm.
    pub(crate) fn alarm_limits(&self) -> Limits {
        let alarms = &self.config.alarms;
        let sixth = self.config.access.agent_certificate.get() / 6;
        Limits {
            first_backup: alarms.first_backup.get(),
            approval: alarms.approval_after.get(),
            certificate: alarms.certificate_left.get().min(sixth),
            trouble: LOST_AFTER,
            attempts: ATTEMPTS,
        }
    }

    /// Everything that alarms are raised for, as it is at `now`.
    pub(crate) async fn alarm_facts(&self, view: &StateView, now: Timestamp) -> Result<Facts> {
        let conn = view.connection();
        let agents = agents(view).await?;
        let policies = query::policies(conn).await?;
        let plans = query::drill_plans(conn).await?;
        let mut facts = Facts::default();
        let mut page = PageRequest::longest();
        loop {
            let filter = ResourceFilter::default();
            let found = query::resources(conn, Kind::Cluster, &filter, &page).await?;
            for cluster in &found.items {
                let pairs = policies.iter().map(|(name, policy)| (name, policy));
                let policy = holdfast_types::policy::effective(pairs, cluster.labels());
                let policy = policy.map(|(_, policy)| policy);
                let planned = query::plans_for(&plans, cluster.labels());
                let planned = planned.filter_map(|(_, drill)| drill.fresh_for());
                let ordered = policy.and_then(Policy::drills_fresh_for);
                let drills = ordered.into_iter().chain(planned).min();
                let known = self.facts_of(view, cluster, (policy, drills), &agents, now);
                facts.clusters.push(known.await?);
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
        facts.nodes = self.other_nodes(view).await?;
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

    async fn facts_of(
        &self,
        view: &StateView,
        cluster: &ResourceView,
        (policy, drills): (Option<&Policy>, Option<Span>),
        agents: &BTreeMap<Name, AgentView>,
        now: Timestamp,
    ) -> Result<ClusterFacts> {
        let judged = self.judge(view, cluster, now).await?;
        let name = cluster.name();
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
        let warnings = self.warnings_of(view, name).await?.into_iter();
        let slots = warnings.map(|warning| (warning.agent, warning.code, warning.message));
        Ok(ClusterFacts {
            name: name.clone(),
            fleet: judged.fleet.clone(),
            created_at: cluster.created_at,
            has_policy: policy.is_some(),
            gaps: gaps
                .map(|one| (one.name.clone(), one.gaps.clone()))
                .collect(),
            late_copies: late.collect(),
            trouble: self.trouble_of(view, name, policy).await?,
            slots: slots.collect(),
            agents: self.agents_of(cluster, agents),
            drills,
            proof: self.proof_of(view, cluster, policy, now).await?,
            verdict: Verdict {
                status: judged.status,
                cause: judged.cause,
                exposure_seconds: judged.exposure_seconds,
                rpo_seconds: judged.rpo_seconds,
                frontier: judged.frontier,
            },
        })
    }

    /// Why WAL does not arrive although its agent is there, and for how long.
    async fn trouble_of(
        &self,
        view: &StateView,
        cluster: &Name,
        policy: Option<&Policy>,
    ) -> Result<Option<(Duration, Failure)>> {
        let Some(policy) = policy.filter(|policy| policy.receives_wal()) else {
            return Ok(None);
        };
        let duties = query::duties_of_cluster(view.connection(), cluster).await?;
        let mut duties = duties.into_iter().filter(|duty| duty.active);
        let duty = duties.find(|duty| duty.repository == policy.repository);
        let Some(duty) = duty.filter(|duty| self.sessions.is_online(duty.agent)) else {
            return Ok(None);
        };
        let key = (cluster.clone(), duty.repository);
        Ok(self.wal.troubled_for(&key, duty.generation))
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

    async fn other_nodes(&self, view: &StateView) -> Result<Vec<NodeFacts>> {
        let own = self.node.id().0;
        let nodes = query::nodes(view.connection()).await?.into_iter();
        let others = nodes.filter(|node| node.state == NodeState::Member && node.id != own);
        let known = others.map(|node| NodeFacts {
            reachable: self.hellos.of(node.id).is_some(),
            name: node.name,
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
