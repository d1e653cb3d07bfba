//! Places WAL receiving: at the agent of each cluster's primary or at a relay,
//! moved when that agent is gone or the primary is, and taken back where no
//! policy wants it any more. `plan/placement.rs` decides.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures_util::future::join_all;
use holdfast_consensus::{ProposeContext, StateView};
use holdfast_state::command::{PlaceDuty, WithdrawDuty};
use holdfast_state::policy::effective;
use holdfast_state::query::{
    self, AgentEntry, AssignmentView, PageRequest, ResourceFilter, ResourceView,
};
use holdfast_types::resource::{Cluster, Kind, Policy, Resource};
use holdfast_types::{AgentId, AssignmentId, Name, Observation};
use jiff::Timestamp;
use uuid::Uuid;

use super::driver::Task;
use crate::app::App;
use crate::app::error::Result;
use crate::plan::placement::{self, Held, Life, Question};
use crate::session::LOST_AFTER;

/// Duties placed at once: they share the writes of the log.
const AT_ONCE: usize = 512;

pub(super) struct Duties;

impl Task for Duties {
    const NAME: &'static str = "duties";
    const PERIOD: Duration = Duration::from_secs(5);

    async fn activate(&self, app: &App) -> Result<u64> {
        let view = app.node.read().await?;
        let known = Known::read(&view).await?;
        let mut wanted = BTreeSet::new();
        let mut missing = Vec::new();
        let mut page = PageRequest::longest();
        loop {
            let filter = ResourceFilter::default();
            let found = query::resources(view.connection(), Kind::Cluster, &filter, &page).await?;
            for resource in &found.items {
                let Resource::Cluster(cluster) = &resource.document.resource else {
                    continue;
                };
                let policy = known.policy(resource);
                let Some(policy) = policy.filter(|policy| policy.receives_wal()) else {
                    continue;
                };
                let duty = (resource.name().clone(), policy.repository.clone());
                missing.extend(placement(app, &view, &known, (&duty, policy), cluster).await?);
                wanted.insert(duty);
            }
            match found.next_cursor {
                None => break,
                cursor => page.cursor = cursor,
            }
        }
        let mut changed = 0;
        for some in missing.chunks(AT_ONCE) {
            let placed = some.iter().map(|duty| place(app, duty.clone()));
            for placed in join_all(placed).await {
                changed += u64::from(placed?);
            }
        }
        for (cluster, repository) in known.duties.into_keys() {
            let duty = (cluster, repository);
            if wanted.contains(&duty) {
                continue;
            }
            let (cluster, repository) = duty;
            tracing::info!(%cluster, %repository, "WAL is not received any more: no policy wants it");
            let command = WithdrawDuty {
                cluster,
                repository,
            };
            app.propose_as(ProposeContext::internal(), command).await?;
            changed += 1;
        }
        Ok(changed)
    }
}

/// A cluster's WAL in a repository.
type Duty = (Name, Name);

/// What is the same for every cluster, read once: there may be thousands.
struct Known {
    policies: Vec<(Name, Policy)>,
    agents: BTreeMap<Name, AgentEntry>,
    names: BTreeMap<AgentId, Name>,
    duties: BTreeMap<Duty, AssignmentView>,
    /// From which instance a relay receives.
    sources: BTreeMap<Duty, Name>,
}

impl Known {
    async fn read(view: &StateView) -> Result<Self> {
        let duties = query::active_duties(view.connection()).await?;
        let keyed = |duty: AssignmentView| ((duty.cluster.clone(), duty.repository.clone()), duty);
        let agents = query::agent_directory(view.connection()).await?;
        let named = agents.iter().map(|(name, agent)| (agent.id, name.clone()));
        Ok(Self {
            policies: query::policies(view.connection()).await?,
            names: named.collect(),
            agents,
            duties: duties.into_iter().map(keyed).collect(),
            sources: query::wal_sources(view.connection()).await?,
        })
    }

    /// The policy in force for a cluster.
    fn policy(&self, cluster: &ResourceView) -> Option<&Policy> {
        if cluster.retired_at.is_some() {
            return None;
        }
        let pairs = self.policies.iter().map(|(name, policy)| (name, policy));
        effective(pairs, cluster.labels()).map(|(_, policy)| policy)
    }

    fn agent(&self, name: &Name) -> Option<&AgentEntry> {
        self.agents.get(name).filter(|agent| !agent.revoked)
    }

    fn life(&self, app: &App, name: &Name) -> Life {
        match self.agent(name) {
            None => Life::Gone,
            Some(agent) if app.sessions.is_online(agent.id) => Life::Online,
            Some(agent) if app.sessions.silent_for(agent.id) < LOST_AFTER => Life::Away,
            Some(_) => Life::Gone,
        }
    }

    /// Who has a duty; one whose agent is enrolled no more is nobody's.
    fn held(&self, app: &App, duty: &Duty) -> Option<Held> {
        let held = self.duties.get(duty)?;
        let agent = self.names.get(&held.agent)?.clone();
        self.agent(&agent)?;
        let source = self.sources.get(duty).cloned();
        let trouble = app.wal.troubled_for(duty, held.generation);
        Some(Held {
            instance: source.unwrap_or_else(|| agent.clone()),
            agent,
            age: age(held.since),
            trouble: trouble.map(|(since, failure)| (since, failure.code)),
        })
    }
}

fn age(since: Timestamp) -> Duration {
    // Another leader's clock may be ahead of ours.
    Duration::try_from(since.duration_until(Timestamp::now())).unwrap_or_default()
}

/// What is to be proposed so that the duty is where it belongs.
async fn placement(
    app: &App,
    view: &StateView,
    known: &Known,
    (duty, policy): (&Duty, &Policy),
    cluster: &Cluster,
) -> Result<Option<PlaceDuty>> {
    let (name, repository) = duty;
    let held = known.held(app, duty);
    // archive_command calls the agent of its own host: no other can have it.
    let at_home;
    let cluster = match policy.wal_mode().archives() {
        true => {
            at_home = Cluster {
                relays: Vec::new(),
                ..cluster.clone()
            };
            &at_home
        }
        false => cluster,
    };
    let alone = match cluster.instances.as_slice() {
        // Whatever was seen: there is nobody else.
        [only] if cluster.relays.is_empty() => Some(&only.agent),
        _ => None,
    };
    let seen = match alone {
        Some(_) => Vec::new(),
        None => app.instances(view, name).await?,
    };
    let seen = || seen.iter().map(|(_, agent, facts)| (agent, facts));
    let down = |instance: &Name| {
        let mut seen = seen();
        seen.any(|(agent, facts)| {
            agent == instance && matches!(facts.observation, Observation::Unreachable(_))
        })
    };
    let question = Question {
        cluster,
        prefers: policy.wal_receiver(),
        primary: alone.or_else(|| placement::primary(cluster, seen())),
        server_down: held.as_ref().is_some_and(|held| down(&held.instance)),
        held: held.as_ref(),
    };
    let Some(receiver) = placement::receiver(question, |name| known.life(app, name)) else {
        return Ok(None);
    };
    let (by, instance) = (&receiver.agent, &receiver.instance);
    let Some(agent) = known.agent(by) else {
        return Ok(None);
    };
    if held.is_some_and(|held| held.agent == *by && held.instance == *instance) {
        return Ok(None);
    }
    tracing::info!(
        cluster = %name, agent = %by, %instance, %repository, why = receiver.why,
        "WAL is received here"
    );
    Ok(Some(PlaceDuty {
        assignment: AssignmentId::from_uuid(Uuid::now_v7()),
        cluster: name.clone(),
        repository: repository.clone(),
        agent: agent.id,
        instance: (by != instance).then(|| instance.clone()),
    }))
}

async fn place(app: &App, duty: PlaceDuty) -> Result<bool> {
    let cluster = duty.cluster.clone();
    let placed = app.node.propose(ProposeContext::internal(), duty).await?;
    if let Err(refusal) = &placed {
        tracing::info!(%cluster, "a WAL duty was not placed: {refusal}");
    }
    Ok(placed.is_ok())
}
