//! Places WAL receiving: at the agent of each cluster's primary or at a relay,
//! moved when that agent is gone or the primary is, and taken back where no
//! policy wants it any more. `plan/placement.rs` decides.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use holdfast_consensus::{ProposeContext, StateView};
use holdfast_state::command::{PlaceDuty, WithdrawDuty};
use holdfast_state::query::{self, AgentView, PageRequest, ResourceFilter};
use holdfast_types::resource::{Cluster, Kind, Policy, Resource};
use holdfast_types::{AssignmentId, Name, Observation};
use jiff::Timestamp;
use uuid::Uuid;

use super::driver::Task;
use crate::app::App;
use crate::app::error::Result;
use crate::plan::placement::{self, Held, Life, Question};
use crate::session::LOST_AFTER;

pub(super) struct Duties;

impl Task for Duties {
    const NAME: &'static str = "duties";
    const PERIOD: Duration = Duration::from_secs(5);

    async fn activate(&self, app: &App) -> Result<u64> {
        let view = app.node.read().await?;
        let mut wanted = BTreeSet::new();
        let mut changed = 0;
        let mut page = PageRequest::longest();
        loop {
            let filter = ResourceFilter::default();
            let found = query::resources(view.connection(), Kind::Cluster, &filter, &page).await?;
            for resource in found.items {
                let name = resource.document.metadata.name;
                let Resource::Cluster(cluster) = resource.document.resource else {
                    continue;
                };
                if resource.retired_at.is_some() {
                    continue;
                }
                let policy = query::effective_policy(view.connection(), &name).await?;
                let Some((_, policy)) = policy else {
                    continue;
                };
                wanted.insert((name.clone(), policy.repository.clone()));
                if place(app, &view, &name, &cluster, &policy).await? {
                    changed += 1;
                }
            }
            match found.next_cursor {
                None => break,
                cursor => page.cursor = cursor,
            }
        }
        for duty in query::active_duties(view.connection()).await? {
            let key = (duty.cluster, duty.repository);
            if wanted.contains(&key) {
                continue;
            }
            let (cluster, repository) = key;
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

async fn place(
    app: &App,
    view: &StateView,
    name: &Name,
    cluster: &Cluster,
    policy: &Policy,
) -> Result<bool> {
    let repository = &policy.repository;
    let agents = agents_of(view, cluster).await?;
    let held = held(app, view, (name, repository), &agents).await?;
    let seen = app.instances(view, name).await?;
    let seen = || seen.iter().map(|(_, name, facts)| (name, facts));
    let primary = placement::primary(cluster, seen());
    let down = |instance: &Name| {
        let mut seen = seen();
        seen.any(|(agent, facts)| {
            agent == instance && matches!(facts.observation, Observation::Unreachable(_))
        })
    };
    let question = Question {
        cluster,
        prefers: policy.wal_receiver(),
        primary,
        server_down: held.as_ref().is_some_and(|held| down(&held.instance)),
        held: held.as_ref(),
    };
    let life = |name: &Name| life(app, agents.get(name));
    let Some(receiver) = placement::receiver(question, life) else {
        return Ok(false);
    };
    let Some(agent) = agents.get(&receiver.agent) else {
        return Ok(false);
    };
    let (by, instance) = (&receiver.agent, &receiver.instance);
    if held.is_some_and(|held| held.agent == *by && held.instance == *instance) {
        return Ok(false);
    }
    tracing::info!(
        cluster = %name, agent = %by, %instance, %repository, why = receiver.why,
        "WAL is received here"
    );
    let command = PlaceDuty {
        assignment: AssignmentId::from_uuid(Uuid::now_v7()),
        cluster: name.clone(),
        repository: repository.clone(),
        agent: agent.id,
        instance: (by != instance).then(|| instance.clone()),
    };
    if let Err(refusal) = app
        .node
        .propose(ProposeContext::internal(), command)
        .await?
    {
        tracing::info!(cluster = %name, "a WAL duty was not placed: {refusal}");
        return Ok(false);
    }
    Ok(true)
}

/// The enrolled agents that a cluster names.
async fn agents_of(view: &StateView, cluster: &Cluster) -> Result<BTreeMap<Name, AgentView>> {
    let instances = cluster.instances.iter().map(|instance| &instance.agent);
    let relays = cluster.relays.iter().map(|relay| &relay.agent);
    let mut agents = BTreeMap::new();
    for name in instances.chain(relays) {
        if agents.contains_key(name) {
            continue;
        }
        let found = query::agent_named(view.connection(), name).await?;
        if let Some(agent) = found.filter(|agent| agent.revoked_at.is_none()) {
            agents.insert(name.clone(), agent);
        }
    }
    Ok(agents)
}

fn life(app: &App, agent: Option<&AgentView>) -> Life {
    match agent {
        None => Life::Gone,
        Some(agent) if app.sessions.is_online(agent.id) => Life::Online,
        Some(agent) if app.sessions.silent_for(agent.id) < LOST_AFTER => Life::Away,
        Some(_) => Life::Gone,
    }
}

/// Who has the duty; one whose agent is enrolled no more is nobody's.
async fn held(
    app: &App,
    view: &StateView,
    (cluster, repository): (&Name, &Name),
    agents: &BTreeMap<Name, AgentView>,
) -> Result<Option<Held>> {
    let duties = query::duties_of_cluster(view.connection(), cluster).await?;
    let mut duties = duties.into_iter();
    let Some(duty) = duties.find(|duty| duty.active && duty.repository == *repository) else {
        return Ok(None);
    };
    let agent = match agents.values().find(|agent| agent.id == duty.agent) {
        Some(agent) => agent.name.clone(),
        None => match query::agent(view.connection(), duty.agent).await? {
            Some(agent) if agent.revoked_at.is_none() => agent.name,
            _ => return Ok(None),
        },
    };
    let source = query::wal_source(view.connection(), cluster, repository).await?;
    let key = (cluster.clone(), repository.clone());
    let trouble = app.wal.troubled_for(&key, duty.generation);
    Ok(Some(Held {
        instance: source.unwrap_or_else(|| agent.clone()),
        agent,
        age: age(duty.since),
        trouble: trouble.map(|(since, failure)| (since, failure.code)),
    }))
}

fn age(since: Timestamp) -> Duration {
    // Another leader's clock may be ahead of ours.
    Duration::try_from(since.duration_until(Timestamp::now())).unwrap_or_default()
}
