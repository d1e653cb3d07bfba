//! Notices agents that are gone, and takes their jobs back when they stay so.

use std::sync::Arc;
use std::time::Duration;

use holdfast_consensus::ProposeContext;
use holdfast_state::command::RequeueJob;
use holdfast_state::query::{self, Work};
use holdfast_types::Failure;

use super::driver::Task;
use crate::app::App;
use crate::app::error::Result;

/// Ends the sessions of agents that fell silent. Runs on every node, for
/// sessions are local.
pub(super) async fn drop_silent(app: Arc<App>) {
    loop {
        tokio::select! {
            () = app.stop.cancelled() => return,
            () = tokio::time::sleep(Duration::from_secs(1)) => {},
        }
        for agent in app.sessions.drop_silent() {
            tracing::warn!(%agent, "an agent has fallen silent");
        }
    }
}

/// Takes jobs back from agents that have been gone for long. A short absence
/// costs nothing: the agent works on and reports when it is back (I-08).
pub(super) struct LostJobs;

impl Task for LostJobs {
    const NAME: &'static str = "lost-jobs";
    const PERIOD: Duration = Duration::from_secs(10);
    const JUDGES_LIVENESS: bool = true;

    async fn activate(&self, app: &App) -> Result<u64> {
        let view = app.node.read().await?;
        let patience = app.config.jobs.agent_gone_after.get();
        let mut taken = 0;
        for assignment in query::active_job_assignments(view.connection()).await? {
            let Work::Job(job) = &assignment.work else {
                continue;
            };
            let agent = query::agent(view.connection(), assignment.agent).await?;
            let revoked = agent
                .as_ref()
                .is_none_or(|agent| agent.revoked_at.is_some());
            let silent = app.sessions.silent_for(assignment.agent);
            let gone = !app.sessions.is_online(assignment.agent) && silent > patience;
            if !revoked && !gone {
                continue;
            }
            let name = agent.map_or_else(
                || assignment.agent.to_string(),
                |agent| agent.name.to_string(),
            );
            let reason = Failure::transient(
                "agent_lost",
                format!(
                    "the agent \"{name}\" has been gone for {} s",
                    silent.as_secs()
                ),
                "bring the agent back: the job is tried again as often as it may be",
            );
            let command = RequeueJob {
                job: job.id,
                generation: assignment.generation,
                reason,
                not_before: None,
                log: app.progress.lines(assignment.id, assignment.generation),
            };
            match app
                .node
                .propose(ProposeContext::internal(), command)
                .await?
            {
                Ok(_) => taken += 1,
                Err(refusal) => {
                    tracing::debug!(job = %job.id, "a job was not taken back: {refusal}")
                }
            }
        }
        Ok(taken)
    }
}
