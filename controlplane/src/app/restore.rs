//! Restores: planned by the agent that will do them, then queued as planned.

use holdfast_consensus::StateView;
use holdfast_proto::{PlanRequest, ReportedFrontier};
use holdfast_state::{query, schema};
use holdfast_types::access::Permission;
use holdfast_types::{JobId, Name, RestorePlan, RestoreRequest, TargetAction};

use super::App;
use super::backup::refuse_below;
use super::caller::Caller;
use super::code::Code;
use super::error::{AppError, Result};
use super::job::WorkSpec;
use crate::peer;
use crate::session::{PlanError, access};

/// A restore that was planned.
#[derive(Debug)]
pub struct PlannedRestore {
    /// The repository that will be read.
    pub repository: Name,
    /// The plan.
    pub plan: RestorePlan,
}

impl App {
    /// Asks the agent for a plan. Touches nothing.
    pub async fn plan_restore(
        &self,
        by: &Caller,
        request: &RestoreRequest,
    ) -> Result<PlannedRestore> {
        if !request.dir.starts_with('/') {
            return Err(AppError::invalid(
                "dir",
                "the directory is an absolute path",
            ));
        }
        let view = self.node.read().await?;
        self.may_restore(&view, by, request).await?;
        self.cluster(&view, &request.cluster).await?;
        if !request.tablespace_map.is_empty() || request.action == TargetAction::Standby {
            refuse_below(&view, schema::SOURCES).await?;
        }
        if request.force && !request.delta {
            return Err(AppError::invalid(
                "force",
                "only a delta writes over anything; leave force out",
            ));
        }
        if request.delta {
            refuse_below(&view, schema::DELTAS).await?;
        }
        let agent = query::agent_named(view.connection(), &request.agent).await?;
        let agent = agent
            .ok_or_else(|| AppError::not_found("agent", &request.agent).with_field("agent"))?;
        let repository = self.restore_repository(&view, request).await?;
        let offline = || {
            let message = format!("the agent \"{}\" is not connected", request.agent);
            AppError::new(Code::AGENT_OFFLINE, message)
        };
        let ask = PlanRequest {
            request_id: 0,
            repository: access::repository(self, &view, &repository).await?,
            request: request.clone(),
            frontier: self
                .frontier_of(&view, &request.cluster, &repository)
                .await?,
            traceparent: by.traceparent.clone(),
        };
        let within = self.config.jobs.plan_timeout.get();
        let answer = peer::ask_plan(self, agent.id, ask, within);
        let plan = answer.await.map_err(|error| match error {
            PlanError::Gone => offline(),
            PlanError::Timeout(_) => AppError::new(Code::AGENT_TIMEOUT, error.to_string()),
            PlanError::Failed(failure) => AppError::from_agent(failure),
        })?;
        Ok(PlannedRestore { repository, plan })
    }

    /// Plans a restore and queues it, unless something speaks against it.
    pub async fn start_restore(&self, by: &Caller, request: RestoreRequest) -> Result<JobId> {
        let view = self.node.read().await?;
        self.may_restore(&view, by, &request).await?;
        if let Some(job) = self.replayed_job(by).await? {
            return Ok(job);
        }
        let PlannedRestore { repository, plan } = self.plan_restore(by, &request).await?;
        if let Some(problem) = plan.problems.first() {
            return Err(AppError::from_agent(problem.clone()));
        }
        let (cluster, agent) = (request.cluster.clone(), request.agent.clone());
        let work = WorkSpec::Restore {
            request: Box::new(request),
            plan: Box::new(plan),
        };
        // A restore that ended in the middle leaves a directory behind, and
        // nobody but a person decides what becomes of it: it is tried once.
        self.create_job(by, (cluster, repository), Some(agent), work, 1)
            .await
    }

    /// Refuses to restore what the caller may not, or on a host of others.
    async fn may_restore(
        &self,
        view: &StateView,
        by: &Caller,
        request: &RestoreRequest,
    ) -> Result<()> {
        let needed = Permission::RestoresWrite;
        self.demand_at(view, by, needed, &request.cluster).await?;
        self.demand_agent(view, by, needed, &request.agent).await?;
        match &request.repository {
            None => Ok(()),
            Some(repository) => {
                let place = (&request.cluster, repository);
                self.demand_repository(view, by, needed, place).await
            }
        }
    }

    async fn restore_repository(&self, view: &StateView, request: &RestoreRequest) -> Result<Name> {
        if let Some(repository) = &request.repository {
            return Ok(repository.clone());
        }
        if let Some((_, policy)) =
            query::effective_policy(view.connection(), &request.cluster).await?
        {
            return Ok(policy.repository);
        }
        // A retired cluster has no policy; its backups know where they are.
        let backups = query::available_backups(view.connection(), &request.cluster).await?;
        let newest = backups.into_iter().max_by_key(|backup| backup.finished_at);
        let repository = newest.and_then(|backup| backup.repositories.into_iter().next());
        repository.ok_or_else(|| {
            let message = format!("\"{}\" has no backup and no policy", request.cluster);
            AppError::new(Code::NO_BACKUP, message)
        })
    }

    /// The latest frontier that is known of a cluster in a repository.
    pub(crate) async fn frontier_of(
        &self,
        view: &StateView,
        cluster: &Name,
        repository: &Name,
    ) -> Result<Option<ReportedFrontier>> {
        let live = self.wal.live(&(cluster.clone(), repository.clone()));
        let live = live.and_then(|live| live.frontier);
        let recorded = query::frontiers_of(view.connection(), cluster).await?;
        let recorded = recorded
            .into_iter()
            .filter(|known| known.repository == *repository)
            .map(|known| ReportedFrontier {
                timeline: known.timeline,
                frontier: known.frontier,
            });
        let all = live.into_iter().chain(recorded);
        Ok(all.max_by_key(|known| known.frontier.time))
    }
}
