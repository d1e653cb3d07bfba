//! Begins a restore that was planned: exactly that one, or none.
//!
//! Where the policies ask for the consent of others, the same entry asks them, with this
//! command as it is; the last consent and the beginning are one entry too (I-04).

use holdfast_types::restoring::RestoreState;
use holdfast_types::{ApprovalId, BackupState, JobKind, RestoreId};
use jiff::Timestamp;
use sea_orm::EntityTrait;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::create_job::{NewJob, queue};
use super::request_approval::{Asked, RequestApproval, ask, asker, digest_of, refuse_known};
use super::{Command, ReplicatedCommand, consent};
use crate::column::{Moment, Text};
use crate::context::{ApplyContext, Stop};
use crate::entity::{backups, jobs, restores};
use crate::lookup::Lookup;
use crate::restores::{advance, found, job_of};
use crate::{Digest, Noun, Refusal, StateError, TaskName, row, schema};

/// Since the level at which restores are rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BeginRestore {
    /// The restore.
    pub restore: RestoreId,
    /// The plan that is meant.
    pub plan_hash: Digest,
    /// What its job does, in the words of its kind. Holds no secret (I-10).
    pub spec: Value,
    /// The request for the consent of others, if it needs that.
    pub approval: ApprovalId,
    /// Nobody can consent from then on.
    pub approval_until: Timestamp,
    /// Why, in the words of who asks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RestoreBegun {
    /// Where it is now.
    pub state: RestoreState,
    /// What it waits for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked: Option<Asked>,
}

impl ReplicatedCommand for BeginRestore {
    type Outcome = RestoreBegun;
    const NAME: &'static str = "begin_restore";

    fn target(&self) -> String {
        format!("restores/{}", self.restore)
    }

    fn level(&self) -> u32 {
        schema::RESTORES
    }

    fn audit_detail(&self) -> Value {
        json!({"planHash": self.plan_hash, "spec": self.spec, "reason": self.reason})
    }

    async fn apply(self, cx: &mut ApplyContext<'_>) -> Result<RestoreBegun, Stop> {
        let restore = found(cx, self.restore).await?;
        let (id, state) = (self.restore, restore.state.0);
        // One that waits for consent is begun by that alone.
        let from = match cx.is_approved() {
            true => RestoreState::AwaitingApproval,
            false => RestoreState::Planned,
        };
        if state != from {
            return Err(Refusal::RestoreState { restore: id, state }.into());
        }
        if restore.plan_hash.0 != self.plan_hash {
            let what = format!("the plan of {id}");
            return Err(Refusal::PlanStale { what }.into());
        }
        check_world(cx, &restore).await?;
        let need = consent::for_restore(cx, &restore.restore_order.0.request).await?;
        if need.needed > 0 && !cx.is_approved() {
            return self.await_consent(cx, restore, need).await;
        }
        let order = &restore.restore_order.0;
        let new = NewJob {
            job: job_of(id),
            kind: JobKind::Restore,
            cluster: restore.cluster.0.clone(),
            repository: restore.repository.0.clone(),
            agent: Some(order.request.agent.clone()),
            spec: self.spec,
            // What a restore leaves behind is for a person to decide on: another agent,
            // or the same one again, does not try by itself.
            attempts_max: 1,
            not_before: None,
        };
        queue(cx, new).await?;
        cx.activate(TaskName::Dispatch);
        let row = restores::Model {
            begun_at: Some(Moment(cx.now())),
            requested_by: cx.principal().cloned().map(Text),
            ..restore
        };
        advance(cx, row, RestoreState::Placing).await?;
        Ok(RestoreBegun {
            state: RestoreState::Placing,
            asked: None,
        })
    }
}

impl BeginRestore {
    async fn await_consent(
        self,
        cx: &mut ApplyContext<'_>,
        restore: restores::Model,
        need: consent::Need,
    ) -> Result<RestoreBegun, Stop> {
        let user = asker(cx).await?;
        let (approval, expires_at) = (self.approval, self.approval_until);
        let reason = self.reason.clone();
        let command: Command = self.into();
        let digest = digest_of(&command);
        let request = RequestApproval {
            approval,
            command: Box::new(command),
            reason,
            expires_at,
        };
        request.check(cx)?;
        refuse_known(cx, approval).await?;
        let asked = ask(cx, request, (need, digest, user)).await?;
        let row = restores::Model {
            approval: Some(Text(asked.approval)),
            requested_by: cx.principal().cloned().map(Text),
            ..restore
        };
        advance(cx, row, RestoreState::AwaitingApproval).await?;
        Ok(RestoreBegun {
            state: RestoreState::AwaitingApproval,
            asked: Some(asked),
        })
    }
}

/// Refuses a plan that can be executed no more: nothing is planned anew by itself (I-12).
async fn check_world(cx: &ApplyContext<'_>, restore: &restores::Model) -> Result<(), Stop> {
    let order = &restore.restore_order.0;
    let job = job_of(restore.id.0);
    let known = jobs::Entity::find_by_id(Text(job));
    if known.only(cx.tx()).await?.is_some() {
        return Err(Refusal::already_exists(Noun::Job, job).into());
    }
    cx.live_agent_named(&order.request.agent).await?;
    let backup = order.plan.backup;
    // One that is not in the catalog was found by the agent, in the repository.
    let row = row::read::<backups::Entity>(cx.tx(), Text(backup)).await?;
    if row.is_some_and(|row| row.state.0 != BackupState::Available) {
        let what = format!("the backup {backup}");
        return Err(Refusal::PlanStale { what }.into());
    }
    if order.copies.is_empty() {
        return Err(StateError::corrupt("a restore has no repository").into());
    }
    let repository = &restore.repository.0;
    let kind = holdfast_types::resource::Kind::Repository;
    if cx.resource(kind, repository).await?.is_none() {
        return Err(Refusal::not_found(Noun::Repository, repository).into());
    }
    Ok(())
}
