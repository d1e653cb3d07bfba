//! Gives queued jobs to agents that can do them now.

use std::time::Duration;

use holdfast_consensus::{ProposeContext, StateView};
use holdfast_state::command::LeaseJob;
use holdfast_state::query::{self, JobView, Work};
use holdfast_types::{AgentId, AssignmentId, JobKind, JobState, Name};
use jiff::Timestamp;
use uuid::Uuid;

use super::driver::Task;
use crate::app::App;
use crate::app::error::Result;

/// Jobs looked at in one activation.
const MOST: u64 = 1000;

pub(super) struct Dispatch;

impl Task for Dispatch {
    const NAME: &'static str = "dispatch";
    const PERIOD: Duration = Duration::from_secs(2);

    async fn activate(&self, app: &App) -> Result<u64> {
        let view = app.node.read().await?;
        let queued = query::queued_jobs(view.connection(), Timestamp::now(), MOST).await?;
        let mut leased = 0;
        for job in queued {
            // Each looks at the state as the lease before left it.
            let view = app.local();
            let Ok(agent) = choose(app, &view, &job).await? else {
                continue;
            };
            let command = LeaseJob {
                job: job.id,
                agent,
                assignment: AssignmentId::from_uuid(Uuid::now_v7()),
            };
            match app
                .node
                .propose(ProposeContext::internal(), command)
                .await?
            {
                Ok(_) => leased += 1,
                Err(refusal) => tracing::info!(job = %job.id, "a job was not given out: {refusal}"),
            }
        }
        Ok(leased)
    }
}

/// The agent for a queued job, or what it waits for.
async fn choose(
    app: &App,
    view: &StateView,
    job: &JobView,
) -> Result<std::result::Result<AgentId, String>> {
    let connection = view.connection();
    let wanted: Option<Name> = match &job.wanted_agent {
        Some(name) => Some(name.clone()),
        None => {
            let found = query::resource(
                connection,
                holdfast_types::resource::Kind::Cluster,
                &job.cluster,
            );
            match found.await?.map(|found| found.document.resource) {
                Some(holdfast_types::resource::Resource::Cluster(cluster)) => {
                    app.primary_agent(view, &job.cluster, &cluster).await?
                }
                _ => None,
            }
        }
    };
    let Some(name) = wanted else {
        return Ok(Err(format!(
            "the cluster \"{}\" has no instance",
            job.cluster
        )));
    };
    let Some(agent) = query::agent_named(connection, &name).await? else {
        return Ok(Err(format!("the agent \"{name}\" is not enrolled")));
    };
    if agent.revoked_at.is_some() {
        return Ok(Err(format!("the agent \"{name}\" is revoked")));
    }
    if !app.sessions.is_online(agent.id) {
        return Ok(Err(format!("the agent \"{name}\" is offline")));
    }
    if job.kind == JobKind::Backup {
        // PostgreSQL allows more, but the second reads all the same bytes.
        let held = query::active_job_assignments(connection).await?;
        let other = held.iter().find_map(|assignment| match &assignment.work {
            Work::Job(other) if other.kind == JobKind::Backup && other.cluster == job.cluster => {
                Some(other.id)
            }
            _ => None,
        });
        if let Some(other) = other {
            return Ok(Err(format!("{other} backs up the same cluster")));
        }
    }
    Ok(Ok(agent.id))
}

impl App {
    /// What a job waits for, while it does.
    pub(crate) async fn waiting_for(
        &self,
        view: &StateView,
        job: &JobView,
    ) -> Result<Option<String>> {
        if job.state != JobState::Queued {
            return Ok(None);
        }
        if let Some(time) = job.not_before
            && time > Timestamp::now()
        {
            return Ok(Some(format!("its next attempt, at {time:.0}")));
        }
        Ok(choose(self, view, job).await?.err())
    }
}
