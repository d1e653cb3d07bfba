//! What verdicts rest on, read for many clusters at once: a constant number of
//! statements for a page of them, and no statement while they are judged.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use holdfast_compliance::Deciding;
use holdfast_consensus::StateView;
use holdfast_state::query::{
    self, AssignmentView, FrontierView, PointView, ResourceView, TimelineView,
};
use holdfast_types::drill::{Proof, ProvenBy, prove};
use holdfast_types::policy::effective;
use holdfast_types::resource::{Drill, Policy};
use holdfast_types::{AgentId, InstanceFacts, Name, Span};
use jiff::Timestamp;

use crate::app::App;
use crate::app::error::Result;

/// What is the same for every cluster.
pub(crate) struct Common {
    policies: Vec<(Name, Policy)>,
    plans: BTreeMap<Name, Drill>,
}

impl Common {
    pub(crate) async fn read(view: &StateView) -> Result<Self> {
        let conn = view.connection();
        Ok(Self {
            policies: query::policies(conn).await?,
            plans: query::drill_plans(conn).await?,
        })
    }

    /// The policy in force for a cluster; `None` for one that is retired.
    pub(crate) fn policy_of(&self, cluster: &ResourceView) -> Option<(&Name, &Policy)> {
        let pairs = self.policies.iter().map(|(name, policy)| (name, policy));
        let found = effective(pairs, cluster.labels());
        found.filter(|_| cluster.retired_at.is_none())
    }

    /// For how long a drill of a cluster counts; `None` when none is ordered.
    pub(crate) fn drills_of(&self, cluster: &ResourceView) -> Option<Span> {
        let policy = self.policy_of(cluster);
        let ordered = policy.and_then(|(_, policy)| policy.drills_fresh_for());
        let planned = query::plans_for(&self.plans, cluster.labels());
        let planned = planned.filter_map(|(_, drill)| drill.fresh_for());
        ordered.into_iter().chain(planned).min()
    }
}

/// Who is there, and what decides about each cluster now.
#[derive(Default)]
pub(crate) struct Standing {
    /// The duties in force.
    duties: BTreeMap<Name, Vec<AssignmentView>>,
    /// The agents that see an instance.
    seen: BTreeMap<Name, Vec<AgentId>>,
    /// None below level 23.
    pub(super) deciding: BTreeMap<Name, Arc<Deciding>>,
}

impl Standing {
    pub(super) fn duties_of(&self, cluster: &Name) -> &[AssignmentView] {
        self.duties.get(cluster).map_or(&[], Vec::as_slice)
    }

    pub(super) fn seen_of(&self, cluster: &Name) -> &[AgentId] {
        self.seen.get(cluster).map_or(&[], Vec::as_slice)
    }
}

/// What repositories hold of each cluster.
#[derive(Default)]
pub(crate) struct Holdings {
    points: BTreeMap<Name, Vec<PointView>>,
    wal: BTreeMap<Name, Vec<TimelineView>>,
    pub(super) frontiers: BTreeMap<(Name, Name), FrontierView>,
    pub(super) sources: BTreeMap<(Name, Name), Name>,
}

impl Holdings {
    pub(super) fn points_of(&self, cluster: &Name) -> &[PointView] {
        self.points.get(cluster).map_or(&[], Vec::as_slice)
    }

    pub(super) fn wal_of(&self, cluster: &Name) -> &[TimelineView] {
        self.wal.get(cluster).map_or(&[], Vec::as_slice)
    }

    pub(super) async fn read(view: &StateView, clusters: &[Name]) -> Result<Self> {
        let conn = view.connection();
        let frontiers = query::frontiers_of_clusters(conn, clusters).await?;
        let place = |known: &FrontierView| (known.cluster.clone(), known.repository.clone());
        Ok(Self {
            points: query::points_of(conn, clusters).await?,
            wal: query::wal_of_clusters(conn, clusters).await?,
            frontiers: frontiers
                .into_iter()
                .map(|one| (place(&one), one))
                .collect(),
            sources: query::wal_sources_of(conn, clusters).await?,
        })
    }
}

/// All that is shown of the exposure of clusters, and that alarms are raised for.
pub(crate) struct Gathered {
    pub(crate) common: Arc<Common>,
    pub(super) standing: Standing,
    pub(super) holdings: Holdings,
    /// The agents that have a duty or see something.
    agents: BTreeMap<AgentId, Name>,
    /// What agents that are here see, where they have not said it to this process.
    facts: BTreeMap<(AgentId, Name), InstanceFacts>,
    drills: BTreeMap<Name, (Option<ProvenBy>, Option<ProvenBy>)>,
}

impl Gathered {
    /// What the drills of a cluster prove.
    pub(crate) fn proof_of(&self, cluster: &ResourceView, now: Timestamp) -> Proof {
        let (newest, passed) = self.drills.get(cluster.name()).cloned().unwrap_or_default();
        prove(newest, passed, self.common.drills_of(cluster), now)
    }

    pub(super) fn agent_named(&self, agent: AgentId) -> Option<&Name> {
        self.agents.get(&agent)
    }

    /// The duties in force of a cluster.
    pub(crate) fn duties_of(&self, cluster: &Name) -> &[AssignmentView] {
        self.standing.duties_of(cluster)
    }

    /// The agents that are there and see an instance of a cluster, with what they see.
    pub(super) fn online<'a>(
        &'a self,
        app: &'a App,
        cluster: &'a Name,
    ) -> impl Iterator<Item = (&'a Name, InstanceFacts)> + 'a {
        let there = self.standing.seen_of(cluster).iter();
        let there = there.filter(move |agent| app.sessions.is_online(**agent));
        there.filter_map(move |agent| {
            let name = self.agent_named(*agent)?;
            let live = app.facts.live(*agent, cluster);
            let key = (*agent, cluster.clone());
            Some((name, live.or_else(|| self.facts.get(&key).cloned())?))
        })
    }
}

impl App {
    /// Who is there, and what decides about these clusters.
    pub(super) async fn standing(&self, view: &StateView, clusters: &[Name]) -> Result<Standing> {
        let conn = view.connection();
        Ok(Standing {
            duties: query::active_duties_of(conn, clusters).await?,
            seen: query::agents_that_see(conn, clusters).await?,
            deciding: self.in_force.lock().await.of(conn, clusters).await?,
        })
    }

    /// Everything that is known of these clusters, which are a page at most.
    pub(crate) async fn gather_facts(
        &self,
        view: &StateView,
        common: &Arc<Common>,
        clusters: &[ResourceView],
    ) -> Result<Gathered> {
        let conn = view.connection();
        let names: Vec<Name> = clusters.iter().map(|one| one.name().clone()).collect();
        let standing = self.standing(view, &names).await?;
        let duties = standing.duties.values().flatten();
        let agents = duties.map(|duty| duty.agent);
        let agents: BTreeSet<AgentId> = agents
            .chain(standing.seen.values().flatten().copied())
            .collect();
        let agents: Vec<AgentId> = agents.into_iter().collect();
        let pairs = standing.seen.iter();
        let pairs = pairs.flat_map(|(name, agents)| agents.iter().map(move |one| (*one, name)));
        let unheard = pairs.filter(|(agent, name)| {
            self.sessions.is_online(*agent) && self.facts.live(*agent, name).is_none()
        });
        let unheard: Vec<(AgentId, Name)> =
            unheard.map(|(agent, name)| (agent, name.clone())).collect();
        Ok(Gathered {
            common: common.clone(),
            agents: query::agent_names(conn, &agents).await?,
            holdings: Holdings::read(view, &names).await?,
            facts: query::facts_seen(conn, &unheard).await?,
            drills: query::newest_drills_of(conn, &names).await?,
            standing,
        })
    }
}
