//! Asking an agent that is connected to another node.

use std::time::Duration;

use holdfast_proto::{PlanRequest, ReportedFrontier, RepositoryAccess};
use holdfast_types::{AgentId, AssignmentId, Failure, Generation, RestorePlan, RestoreRequest};
use serde::{Deserialize, Serialize};

use super::{LINES, PLAN, PeerError, ask};
use crate::app::App;
use crate::session::PlanError;

const PATIENCE: Duration = Duration::from_secs(5);

/// A plan that is wanted of an agent of this node.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct WantedPlan {
    agent: AgentId,
    repository: RepositoryAccess,
    request: RestoreRequest,
    frontier: Option<ReportedFrontier>,
    traceparent: Option<String>,
    within_ms: u64,
}

/// What came of it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Planned {
    Plan(Box<RestorePlan>),
    Failed(Failure),
    Gone,
    Timeout,
}

/// Has an agent of this node plan.
pub(super) async fn plan(app: &App, wanted: WantedPlan) -> Planned {
    let within = Duration::from_millis(wanted.within_ms);
    let request = PlanRequest {
        request_id: 0,
        repository: wanted.repository,
        request: wanted.request,
        frontier: wanted.frontier,
        traceparent: wanted.traceparent,
    };
    let sender = app.sessions.sender(wanted.agent);
    match app.plans.ask(sender, request, within).await {
        Ok(plan) => Planned::Plan(Box::new(plan)),
        Err(PlanError::Failed(failure)) => Planned::Failed(failure),
        Err(PlanError::Gone) => Planned::Gone,
        Err(PlanError::Timeout(_)) => Planned::Timeout,
    }
}

/// Has an agent plan, wherever it is connected.
pub(crate) async fn ask_plan(
    app: &App,
    agent: AgentId,
    request: PlanRequest,
    within: Duration,
) -> Result<RestorePlan, PlanError> {
    let Some(node) = app.sessions.node_of(agent) else {
        return app
            .plans
            .ask(app.sessions.sender(agent), request, within)
            .await;
    };
    let wanted = WantedPlan {
        agent,
        repository: request.repository,
        request: request.request,
        frontier: request.frontier,
        traceparent: request.traceparent,
        within_ms: u64::try_from(within.as_millis()).unwrap_or(u64::MAX),
    };
    match ask(app, node, PLAN, &wanted, within + PATIENCE).await {
        Ok(Planned::Plan(plan)) => Ok(*plan),
        Ok(Planned::Failed(failure)) => Err(PlanError::Failed(failure)),
        Ok(Planned::Timeout) => Err(PlanError::Timeout(within)),
        Ok(Planned::Gone) => Err(PlanError::Gone),
        Err(error) => {
            tracing::info!(%node, "an agent's node gave no plan: {error}");
            Err(PlanError::Gone)
        }
    }
}

/// Which log is wanted.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct WantedLines {
    assignment: AssignmentId,
    generation: Generation,
}

/// The lines that this node has.
pub(super) fn lines(app: &App, wanted: &WantedLines) -> Vec<String> {
    app.progress.lines(wanted.assignment, wanted.generation)
}

/// The log of a running job, wherever its agent is connected.
pub(crate) async fn ask_lines(
    app: &App,
    agent: AgentId,
    (assignment, generation): (AssignmentId, Generation),
) -> Vec<String> {
    let Some(node) = app.sessions.node_of(agent) else {
        return app.progress.lines(assignment, generation);
    };
    let wanted = WantedLines {
        assignment,
        generation,
    };
    let asked: Result<Vec<String>, PeerError> = ask(app, node, LINES, &wanted, PATIENCE).await;
    asked.unwrap_or_else(|error| {
        tracing::info!(%node, "an agent's node does not show a log: {error}");
        Vec::new()
    })
}
