//! Keeps the plan of a restore as it was shown, so that it can be executed and nothing
//! else. Changes nothing but that.

use holdfast_types::RestoreId;
use holdfast_types::resource::Kind;
use holdfast_types::restoring::{RestoreOrder, RestoreState};
use jiff::SignedDuration;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::ReplicatedCommand;
use crate::column::{Bytes, Json, Moment, Text};
use crate::context::{ApplyContext, Stop};
use crate::entity::restores;
use crate::{Digest, Noun, Refusal, canonical, row, schema};

/// For how long a plan that nobody begins is kept.
pub(crate) const PLANS_KEPT: SignedDuration = SignedDuration::from_hours(24);
/// The most bytes of an order: an agent cannot fill the replicated state.
const ORDER_BYTES_MAX: usize = 1 << 20;

/// Since the level at which restores are rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlanRestore {
    /// Its id.
    pub restore: RestoreId,
    /// What would be executed.
    pub order: RestoreOrder,
}

impl ReplicatedCommand for PlanRestore {
    /// The hash of the plan.
    type Outcome = Digest;
    const NAME: &'static str = "plan_restore";

    fn target(&self) -> String {
        format!("restores/{}", self.restore)
    }

    fn level(&self) -> u32 {
        let request = &self.order.request;
        match request.checks.is_empty() && request.hooks.is_empty() {
            true => schema::RESTORES,
            false => schema::RESTORE_CHECKS,
        }
    }

    fn audit_detail(&self) -> Value {
        let request = &self.order.request;
        json!({"cluster": request.cluster, "at": request.at, "agent": request.agent,
               "dir": request.dir, "backup": self.order.plan.backup})
    }

    async fn apply(self, cx: &mut ApplyContext<'_>) -> Result<Digest, Stop> {
        let (id, order) = (self.restore, self.order);
        let value = serde_json::to_value(&order).expect("an order is JSON with text keys");
        let text = canonical::to_string(&value);
        if text.len() > ORDER_BYTES_MAX {
            let message = "the plan is larger than what is kept of a restore";
            return Err(Refusal::invalid("order", message).into());
        }
        if !order.plan.problems.is_empty() {
            let message = "a plan that something speaks against is not kept";
            return Err(Refusal::invalid("order.plan.problems", message).into());
        }
        let Some(repository) = order.repository().cloned() else {
            let message = "a restore reads a repository";
            return Err(Refusal::invalid("order.copies", message).into());
        };
        if row::read::<restores::Entity>(cx.tx(), Text(id))
            .await?
            .is_some()
        {
            return Err(Refusal::already_exists(Noun::Restore, id).into());
        }
        let cluster = cx.resource(Kind::Cluster, &order.request.cluster).await?;
        let Some(cluster) = cluster else {
            let name = &order.request.cluster;
            return Err(Refusal::not_found(Noun::Cluster, name).into());
        };
        // Those that nobody began make place.
        let old = cx.now().checked_sub(PLANS_KEPT).unwrap_or(cx.now());
        let planned = Text(RestoreState::Planned);
        let sql = "DELETE FROM restores WHERE state = ? AND created_at <= ?";
        cx.execute(sql, [planned.into(), Moment(old).into()])
            .await?;
        let hash = Digest::of(text.as_bytes());
        cx.insert(restores::Model {
            id: Text(id),
            state: planned,
            cluster: Text(order.request.cluster.clone()),
            fleet: cluster.fleet,
            agent: Text(order.request.agent.clone()),
            dir: order.request.dir.clone(),
            repository: Text(repository),
            plan_hash: Bytes(hash),
            history: crate::restores::begun(RestoreState::Planned, cx),
            tried: Json(order.tried.clone()),
            checks: Json(Vec::new()),
            handed_over: Json(Vec::new()),
            approval: None,
            requested_by: cx.principal().cloned().map(Text),
            created_at: Moment(cx.now()),
            begun_at: None,
            restored_at: None,
            finished_at: None,
            loss_ms: None,
            rto_ms: None,
            result: None,
            failure: None,
            restore_order: Json(order),
            revision: cx.revision().into(),
        })
        .await?;
        cx.changed("restores", id);
        Ok(hash)
    }
}
