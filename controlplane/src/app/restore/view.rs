//! Restores as they are shown.

use holdfast_state::query;
use holdfast_types::restoring::{
    CopyToRead, CopyTried, HandedOver, PlacedOn, RestoreCheck, RestoreOrder, RestoreState,
    RestoreStep,
};
use holdfast_types::{
    ApprovalId, BackupId, Failure, JobId, Name, RestoreId, RestorePlan, RestoreTarget,
};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

/// A plan, with where it would be executed and from what.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = RestorePlanned)]
pub struct RestorePlanView {
    /// The plan itself.
    #[serde(flatten)]
    pub plan: RestorePlan,
    /// Names this plan for `planHash` of a restore, for a day; null when something
    /// speaks against it.
    pub plan_hash: Option<String>,
    /// The agent that would restore.
    #[schema(value_type = String)]
    pub agent: Name,
    /// The repository that would be read.
    #[schema(value_type = Option<String>)]
    pub repository: Option<Name>,
    /// What would be missing of what was asked for; null of a target that is exact.
    pub predicted_data_loss_seconds: Option<f64>,
    /// How long it would take; null when nothing was measured yet.
    pub predicted_rto_seconds: Option<f64>,
    /// The repositories in the order in which they would be read.
    pub copies: Vec<CopyToRead>,
    /// Those that could not be planned with.
    pub copies_tried: Vec<CopyTried>,
    /// The agents of the region, and why each was taken or was not.
    pub placement: Vec<PlacedOn>,
}

impl RestorePlanView {
    pub(super) fn of(order: RestoreOrder, plan_hash: Option<String>) -> Self {
        Self {
            plan_hash,
            agent: order.request.agent.clone(),
            repository: order.repository().cloned(),
            predicted_data_loss_seconds: seconds(order.predicted_loss_millis()),
            predicted_rto_seconds: seconds(order.predicted_rto_millis()),
            copies: order.copies,
            copies_tried: order.tried,
            placement: order.placement,
            plan: order.plan,
        }
    }
}

fn seconds(millis: Option<u64>) -> Option<f64> {
    #[expect(clippy::cast_precision_loss, reason = "milliseconds of a restore")]
    millis.map(|millis| millis as f64 / 1_000.0)
}

/// A restore: what was asked for, what was predicted, and what came of it.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Restore)]
pub struct RestoreView {
    /// Its id.
    #[schema(value_type = String)]
    pub id: RestoreId,
    /// Where it is.
    pub state: RestoreState,
    /// The job that does it; null before it was begun.
    #[schema(value_type = Option<String>)]
    pub job: Option<JobId>,
    /// Of which cluster.
    #[schema(value_type = String)]
    pub cluster: Name,
    /// In which fleet that was.
    #[schema(value_type = Option<String>)]
    pub fleet: Option<Name>,
    /// To which point.
    #[schema(value_type = String)]
    pub at: RestoreTarget,
    /// On whose host.
    #[schema(value_type = String)]
    pub agent: Name,
    /// Into which directory.
    pub dir: String,
    /// The repository it is read from, or was last.
    #[schema(value_type = String)]
    pub repository: Name,
    /// From which backup.
    #[schema(value_type = String)]
    pub backup: BackupId,
    /// The hash of the plan that is executed.
    pub plan_hash: String,
    /// Who asked for it: `user:ada`, `token:ci`.
    pub requested_by: Option<String>,
    /// The consent of others that it needed.
    #[schema(value_type = Option<String>)]
    pub approval: Option<ApprovalId>,
    /// When it was planned.
    pub planned_at: Timestamp,
    /// When it was begun.
    pub begun_at: Option<Timestamp>,
    /// When its agent was done.
    pub restored_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// What was to be missing of what was asked for.
    pub predicted_data_loss_seconds: Option<f64>,
    /// What is missing of it: what was predicted, once the server was seen to have reached
    /// the end of the plan; null before, and of a target that is exact.
    pub achieved_data_loss_seconds: Option<f64>,
    /// How long it was to take; null when nothing was measured before.
    pub predicted_rto_seconds: Option<f64>,
    /// How long it took, from when it was begun until it was there.
    pub achieved_rto_seconds: Option<f64>,
    /// The states it came to, and when.
    pub history: Vec<RestoreStep>,
    /// Copies that could not be read.
    pub copies_tried: Vec<CopyTried>,
    /// What was looked at when its agent was done.
    pub checks: Vec<RestoreCheck>,
    /// How it was handed over.
    pub handed_over: Vec<HandedOver>,
    /// What its agent reports: where it is, and where the time went.
    #[schema(value_type = Option<Object>)]
    pub result: Option<Value>,
    /// Why it came to nothing, or was not handed over.
    pub error: Option<Failure>,
    /// The plan; only when one restore is asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plan: Option<RestorePlan>,
    /// The copies that may be read, in their order; only when one restore is asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub copies: Option<Vec<CopyToRead>>,
    /// The agents that could have been taken; only when one restore is asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub placement: Option<Vec<PlacedOn>>,
}

impl RestoreView {
    pub(super) fn of(found: query::RestoreView, whole: bool) -> Self {
        let job = found.begun_at.map(|_| found.job());
        let order = found.order;
        Self {
            id: found.id,
            state: found.state,
            job,
            cluster: found.cluster,
            fleet: found.fleet,
            predicted_data_loss_seconds: seconds(order.predicted_loss_millis()),
            predicted_rto_seconds: seconds(order.predicted_rto_millis()),
            at: order.request.at,
            agent: order.request.agent,
            dir: order.request.dir,
            repository: found.repository,
            backup: order.plan.backup,
            plan_hash: found.plan_hash.to_string(),
            requested_by: found.requested_by.map(|by| by.to_string()),
            approval: found.approval,
            planned_at: found.created_at,
            begun_at: found.begun_at,
            restored_at: found.restored_at,
            finished_at: found.finished_at,
            achieved_data_loss_seconds: seconds(found.loss_millis),
            achieved_rto_seconds: seconds(found.rto_millis),
            history: found.history,
            copies_tried: found.tried,
            checks: found.checks,
            handed_over: found.handed_over,
            result: found.result,
            error: found.failure,
            plan: whole.then_some(order.plan),
            copies: whole.then_some(order.copies),
            placement: whole.then_some(order.placement),
        }
    }
}
