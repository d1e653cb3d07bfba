//! Acts that other people must consent to: asking them, and their answers.

use holdfast_consensus::{ProposeContext, StateView};
use holdfast_state::command::{Asked, CancelApproval, RequestApproval, VoteApproval};
use holdfast_state::query::{self, ApprovalFilter, Page, PageRequest};
use holdfast_state::{ApprovalState, Command, Refusal, ReplicatedCommand, Vote};
use holdfast_types::access::Permission;
use holdfast_types::{ApprovalId, Name};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use super::App;
use super::access::forbidden;
use super::caller::Caller;
use super::code::Code;
use super::error::{AppError, Result};

/// A request for the consent of others.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Approval)]
pub struct ApprovalView {
    /// Its id.
    #[schema(value_type = String)]
    pub id: ApprovalId,
    /// `pending, rejected, expired, cancelled, executed, failed`
    pub state: String,
    /// What is asked for: the command, such as `condemn_backups`.
    pub action: String,
    /// To what, such as `backups/bkp_…`.
    pub subject: String,
    /// The clusters that it is about; null when it is about more than clusters.
    #[schema(value_type = Option<Vec<String>>)]
    pub clusters: Option<Vec<Name>>,
    /// Why it needs consent.
    pub because: Vec<String>,
    /// The command exactly as it is executed. Sealed values are left out.
    #[schema(value_type = Object)]
    pub command: Value,
    /// How many others must consent.
    pub needed: u64,
    /// How many have.
    pub approved: u64,
    /// Who asked: `user:ada`, `token:ci`.
    pub requested_by: String,
    /// Why, in the words of who asked.
    pub reason: Option<String>,
    /// When.
    pub created_at: Timestamp,
    /// Nobody can consent from then on.
    pub expires_at: Timestamp,
    /// When it was decided.
    pub decided_at: Option<Timestamp>,
    /// What executing it gave, or why it could not be done.
    #[schema(value_type = Option<Object>)]
    pub outcome: Option<Value>,
    /// What was said to it.
    pub votes: Vec<VoteView>,
}

/// What one person said.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ApprovalVote)]
pub struct VoteView {
    /// Who: `user:bob`.
    pub by: String,
    /// `approve` or `reject`.
    pub vote: String,
    /// What there was to say to it.
    pub note: Option<String>,
    /// When.
    pub at: Timestamp,
}

impl From<query::ApprovalView> for ApprovalView {
    fn from(found: query::ApprovalView) -> Self {
        let yes = found.votes.iter().filter(|vote| vote.vote == Vote::Approve);
        let approved = yes.count() as u64;
        let vote = |vote: query::VoteView| VoteView {
            by: vote.by.to_string(),
            vote: vote.vote.to_string(),
            note: vote.note,
            at: vote.at,
        };
        Self {
            id: found.id,
            state: found.state.to_string(),
            action: found.action,
            subject: found.subject,
            clusters: found.clusters,
            because: found.because,
            command: shown(found.command),
            needed: found.needed,
            approved,
            requested_by: found.requested_by.to_string(),
            reason: found.reason,
            created_at: found.created_at,
            expires_at: found.expires_at,
            decided_at: found.decided_at,
            outcome: found.outcome,
            votes: found.votes.into_iter().map(vote).collect(),
        }
    }
}

/// A command without what is sealed in it (I-10).
fn shown(mut command: Value) -> Value {
    if let Some(fields) = command
        .get_mut("apply_documents")
        .and_then(Value::as_object_mut)
    {
        fields.remove("repository_keys");
    }
    command
}

/// What who asked is told while others must consent.
pub(super) fn pending(asked: &Asked, because: &str) -> AppError {
    let Asked {
        approval,
        needed,
        expires_at,
    } = asked;
    let others = if *needed == 1 { "other" } else { "others" };
    let message = format!(
        "nothing is done before {needed} {others} consent to {approval}, until \
         {expires_at:.0}: {because}"
    );
    AppError::new(Code::APPROVAL_PENDING, message).with_approval(*approval)
}

impl App {
    /// Proposes what may need the consent of others. When it does, they are asked,
    /// and nothing is done: the error names the request.
    pub(super) async fn propose_or_ask<C>(&self, by: &Caller, command: C) -> Result<C::Outcome>
    where
        C: ReplicatedCommand + Clone,
    {
        let context = ProposeContext {
            idempotency: by.idempotency_key(),
            traceparent: by.traceparent.clone(),
            ..ProposeContext::caused_by(by.cause())
        };
        match self.node.propose(context, command.clone()).await? {
            Err(Refusal::ApprovalNeeded { because, .. }) => {
                Err(self.ask_others(by, command.into(), &because).await?)
            }
            answer => Ok(answer?),
        }
    }

    async fn ask_others(&self, by: &Caller, command: Command, because: &str) -> Result<AppError> {
        let expires_at = Timestamp::now() + self.config.access.approval.get();
        let request = RequestApproval {
            approval: ApprovalId::from_uuid(Uuid::now_v7()),
            command: Box::new(command),
            reason: by.reason.clone(),
            expires_at,
        };
        // Without the caller's Idempotency-Key, under which the refusal is kept: the
        // same request finds the one that waits by what it asks for.
        let context = ProposeContext {
            traceparent: by.traceparent.clone(),
            ..ProposeContext::caused_by(by.cause())
        };
        let asked = self.propose_as(context, request).await?;
        Ok(pending(&asked, because))
    }

    /// One page of requests that the caller made or sees, newest first.
    pub async fn approvals(
        &self,
        by: &Caller,
        state: Option<ApprovalState>,
        page: &PageRequest,
    ) -> Result<Page<ApprovalView>> {
        let view = self.read(by).await?;
        let filter = ApprovalFilter { state };
        let mut found =
            query::approvals(view.connection(), &filter, page, Timestamp::now()).await?;
        let mut items = Vec::with_capacity(found.items.len());
        for one in found.items.drain(..) {
            if self.may_see(&view, by, &one).await? {
                items.push(one.into());
            }
        }
        Ok(Page {
            items,
            next_cursor: found.next_cursor,
        })
    }

    /// One request.
    pub async fn approval(&self, by: &Caller, id: ApprovalId) -> Result<ApprovalView> {
        let view = self.read(by).await?;
        Ok(self.request(&view, by, id).await?.into())
    }

    /// Consents, or refuses to; the last consent needed is also the act.
    pub async fn vote_approval(
        &self,
        by: &Caller,
        id: ApprovalId,
        (approve, note): (bool, Option<String>),
    ) -> Result<ApprovalView> {
        let view = self.node.read().await?;
        let found = self.request(&view, by, id).await?;
        let vote = Permission::ApprovalsVote;
        if !self.reaches(&view, by, vote, &found).await? {
            return Err(forbidden(vote, " for all that this is about"));
        }
        let command = VoteApproval {
            approval: id,
            approve,
            note,
        };
        self.propose(by, command).await?;
        self.approval(by, id).await
    }

    /// Takes a request back: its own, or anybody's for who gives roles.
    pub async fn cancel_approval(&self, by: &Caller, id: ApprovalId) -> Result<ApprovalView> {
        let view = self.node.read().await?;
        let found = self.request(&view, by, id).await?;
        if found.user != by.user().0 {
            self.demand(&view, by, Permission::AccessWrite).await?;
        }
        self.propose(by, CancelApproval { approval: id }).await?;
        self.approval(by, id).await
    }

    async fn request(
        &self,
        view: &StateView,
        by: &Caller,
        id: ApprovalId,
    ) -> Result<query::ApprovalView> {
        let found = query::approval(view.connection(), id, Timestamp::now()).await?;
        if let Some(found) = found
            && self.may_see(view, by, &found).await?
        {
            return Ok(found);
        }
        Err(AppError::not_found("request for approval", id))
    }

    pub(super) async fn may_see(
        &self,
        view: &StateView,
        by: &Caller,
        found: &query::ApprovalView,
    ) -> Result<bool> {
        if found.user == by.user().0 {
            return Ok(true);
        }
        self.reaches(view, by, Permission::ApprovalsRead, found)
            .await
    }

    /// Whether a permission reaches to all that a request is about.
    async fn reaches(
        &self,
        view: &StateView,
        by: &Caller,
        permission: Permission,
        found: &query::ApprovalView,
    ) -> Result<bool> {
        let visible = self.visible(view, by, permission).await?;
        let Some(clusters) = &found.clusters else {
            return Ok(visible.is_everything());
        };
        for cluster in clusters {
            if !query::sees_cluster(view.connection(), &visible, cluster).await? {
                return Ok(false);
            }
        }
        Ok(visible.is_everything() || !clusters.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// I-10
    #[test]
    fn what_is_sealed_is_not_shown() {
        let command =
            json!({"apply_documents": {"documents": [1], "repository_keys": {"eu": "x"}}});
        assert_eq!(
            shown(command),
            json!({"apply_documents": {"documents": [1]}})
        );
        let other = json!({"condemn_backups": {"backups": []}});
        assert_eq!(shown(other.clone()), other);
    }
}
