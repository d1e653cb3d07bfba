//! Planning a restore: where, from which copy, and how. Touches nothing.
//!
//! Of a region the agents are asked in their order, and each for the copies in theirs,
//! until one of them can. The agents of the region that is gone are asked nothing: what
//! the catalog knows of the copies is enough.

use holdfast_consensus::StateView;
use holdfast_proto::PlanRequest;
use holdfast_state::query::{self, AgentView};
use holdfast_state::schema;
use holdfast_types::access::Permission;
use holdfast_types::restoring::{
    CopyToRead, CopyTried, PlacedOn, RestoreOrder, is_code_of_repository, is_of_repository,
};
use holdfast_types::{Failure, Name, RestorePlan, TargetAction};
use jiff::Timestamp;

use super::WantedRestore;
use crate::app::App;
use crate::app::backup::refuse_below;
use crate::app::caller::Caller;
use crate::app::code::Code;
use crate::app::error::{AppError, Result};
use crate::peer;
use crate::plan::restoring::{Wanted, order_hosts};
use crate::session::{PlanError, access};

/// Agents of a region that are asked before it is given up.
const HOSTS_MOST: usize = 3;
/// Copies that are tried.
const COPIES_MOST: usize = 4;

/// Why there is no plan with a copy.
enum NoPlan {
    /// Another copy may do.
    Copy(Failure),
    /// None will.
    For(AppError),
}

impl App {
    /// Plans, with everything that speaks against it in the plan.
    pub(super) async fn order_restore(
        &self,
        view: &StateView,
        by: &Caller,
        wanted: &WantedRestore,
    ) -> Result<RestoreOrder> {
        self.cluster(view, &wanted.cluster).await?;
        if !wanted.tablespace_map.is_empty() || wanted.action == TargetAction::Standby {
            refuse_below(view, schema::SOURCES).await?;
        }
        if wanted.delta {
            refuse_below(view, schema::DELTAS).await?;
        }
        let Some(region) = &wanted.region else {
            let name = wanted.agent.as_ref().ok_or_else(|| {
                AppError::invalid("agent", "name the agent on whose host it is made")
            })?;
            let agent = query::agent_named(view.connection(), name).await?;
            let agent =
                agent.ok_or_else(|| AppError::not_found("agent", name).with_field("agent"))?;
            return self.order_on(view, by, wanted, &agent).await;
        };
        let mut placement = self.hosts_for(view, by, wanted, region).await?;
        let able = placement.iter().filter(|(able, _)| *able).count();
        let mut last = None;
        for (_, told) in placement.iter_mut().take(able.min(HOSTS_MOST)) {
            let Some(agent) = query::agent_named(view.connection(), &told.agent).await? else {
                continue;
            };
            let ordered = self.order_on(view, by, wanted, &agent).await;
            let reason = match &ordered {
                Ok(order) => order
                    .plan
                    .problems
                    .first()
                    .map(|problem| problem.message.clone()),
                Err(error) if error.retryable() || is_code_of_repository(error.code()) => {
                    Some(error.message().to_owned())
                }
                // What is wrong with the target is wrong with it everywhere.
                Err(_) => return ordered,
            };
            match reason {
                None => told.chosen = true,
                Some(reason) => told.reason = reason,
            }
            let done = told.chosen;
            last = Some(ordered);
            if done {
                break;
            }
        }
        let placement: Vec<PlacedOn> = placement.into_iter().map(|(_, placed)| placed).collect();
        match last {
            Some(Ok(order)) => Ok(RestoreOrder { placement, ..order }),
            Some(Err(error)) => Err(error),
            None => Err(nobody(region, &placement)),
        }
    }

    /// The agents of a region that the caller may restore on, in their order.
    async fn hosts_for(
        &self,
        view: &StateView,
        by: &Caller,
        wanted: &WantedRestore,
        region: &str,
    ) -> Result<Vec<(bool, PlacedOn)>> {
        let backups = query::available_backups(view.connection(), &wanted.cluster).await?;
        let newest = backups.iter().max_by_key(|backup| backup.finished_at);
        let version = newest.and_then(|one| one.server_version);
        let need = Wanted {
            region: region.to_owned(),
            major: version.map(|version| version / 10_000),
            bytes: newest.and_then(|one| one.database_bytes).unwrap_or(0),
        };
        let visible = self.visible(view, by, Permission::RestoresWrite).await?;
        let mut candidates = Vec::new();
        for candidate in self.drill_candidates(view).await? {
            if self.sees_agent(view, &visible, &candidate.name).await? {
                candidates.push(candidate);
            }
        }
        Ok(order_hosts(&candidates, &need))
    }

    /// The plan of an agent, with the first copy that it can read.
    async fn order_on(
        &self,
        view: &StateView,
        by: &Caller,
        wanted: &WantedRestore,
        agent: &AgentView,
    ) -> Result<RestoreOrder> {
        let mut copies = self
            .copies_for(
                view,
                (&wanted.cluster, wanted.repository.as_ref()),
                &wanted.at,
                agent.region.as_deref(),
            )
            .await?;
        copies.truncate(COPIES_MOST);
        let mut tried = Vec::new();
        let mut first = None;
        for place in 0..copies.len() {
            let repository = copies[place].repository.clone();
            match self
                .plan_with(view, by, wanted, (agent, &repository))
                .await?
            {
                Ok(plan) => {
                    // Those that could not be read stay behind: they may be back by then.
                    let failed: Vec<CopyToRead> = copies.drain(..place).collect();
                    copies.extend(failed);
                    return Ok(RestoreOrder {
                        request: wanted.on(agent.name.clone()),
                        plan,
                        planned_at: Timestamp::now(),
                        copies,
                        tried,
                        placement: Vec::new(),
                        hand_over: wanted.hand_over(),
                    });
                }
                Err(NoPlan::For(error)) => return Err(error),
                Err(NoPlan::Copy(failure)) => {
                    first.get_or_insert_with(|| AppError::from_agent(failure.clone()));
                    tried.push(CopyTried {
                        repository,
                        at: Timestamp::now(),
                        failure,
                    });
                }
            }
        }
        let none = || AppError::new(Code::NO_BACKUP, "there is no repository to restore from");
        Err(first.unwrap_or_else(none))
    }

    async fn plan_with(
        &self,
        view: &StateView,
        by: &Caller,
        wanted: &WantedRestore,
        (agent, repository): (&AgentView, &Name),
    ) -> Result<std::result::Result<RestorePlan, NoPlan>> {
        let ask = PlanRequest {
            request_id: 0,
            repository: access::repository(self, view, repository).await?,
            request: wanted.on(agent.name.clone()),
            frontier: self.frontier_of(view, &wanted.cluster, repository).await?,
            traceparent: by.traceparent.clone(),
        };
        let within = self.config.jobs.plan_timeout.get();
        let answer = peer::ask_plan(self, agent.id, ask, within).await;
        Ok(answer.map_err(|error| match error {
            PlanError::Gone => {
                let message = format!("the agent \"{}\" is not connected", agent.name);
                NoPlan::For(AppError::new(Code::AGENT_OFFLINE, message))
            }
            PlanError::Timeout(_) => {
                NoPlan::For(AppError::new(Code::AGENT_TIMEOUT, error.to_string()))
            }
            PlanError::Failed(failure) if another_may_do(&failure) => NoPlan::Copy(failure),
            PlanError::Failed(failure) => NoPlan::For(AppError::from_agent(failure)),
        }))
    }
}

/// Whether it is the copy that is at fault, or does not reach as far.
fn another_may_do(failure: &Failure) -> bool {
    let short = ["target_after_frontier", "target_before_first_backup"];
    is_of_repository(failure) || short.contains(&failure.code.as_str())
}

fn nobody(region: &str, placement: &[PlacedOn]) -> AppError {
    let told = placement
        .iter()
        .map(|one| format!("\"{}\": {}", one.agent, one.reason));
    let told: Vec<String> = told.collect();
    let why = match told.is_empty() {
        true => "no agent is enrolled there that you may restore on".to_owned(),
        false => told.join("; "),
    };
    let message = format!("nobody in the region {region} can restore: {why}");
    AppError::new(Code::NO_RESTORE_AGENT, message).with_field("region")
}
