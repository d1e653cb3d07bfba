//! Places WAL receiving at the agent of each cluster's primary, and takes it
//! back where no policy wants it any more.

use std::collections::BTreeSet;
use std::time::Duration;

use holdfast_consensus::{ProposeContext, StateView};
use holdfast_state::command::{PlaceDuty, WithdrawDuty};
use holdfast_state::query::{self, PageRequest, ResourceFilter};
use holdfast_types::resource::{Cluster, Kind, Resource};
use holdfast_types::{AssignmentId, Name};
use uuid::Uuid;

use super::driver::Task;
use crate::app::App;
use crate::app::error::Result;

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
                if place(app, &view, &name, &cluster, policy.repository).await? {
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
    repository: Name,
) -> Result<bool> {
    let Some(receiver) = app.primary_agent(view, name, cluster).await? else {
        return Ok(false);
    };
    let Some(agent) = query::agent_named(view.connection(), &receiver).await? else {
        return Ok(false);
    };
    if agent.revoked_at.is_some() {
        return Ok(false);
    }
    let held = query::duties_of_cluster(view.connection(), name).await?;
    let there = held
        .iter()
        .any(|duty| duty.active && duty.repository == repository && duty.agent == agent.id);
    if there {
        return Ok(false);
    }
    tracing::info!(cluster = %name, agent = %receiver, %repository, "WAL is received here");
    let command = PlaceDuty {
        assignment: AssignmentId::from_uuid(Uuid::now_v7()),
        cluster: name.clone(),
        repository,
        agent: agent.id,
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
