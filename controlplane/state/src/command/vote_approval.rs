//! Consents to what somebody asked for, or refuses it. The last consent that is
//! needed and the act itself are one entry: nothing comes between.
//!
//! Nobody consents to his own request, nobody counts twice, and a token is not a
//! person. A refusal by one ends the request. Who asked and who consented must be
//! allowed to when it is done: a role that was taken away meanwhile counts no more.

use holdfast_types::ApprovalId;
use holdfast_types::access::Permission;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::approval_rights::{may_vote, requester_may};
use super::request_approval::{need_of, person, user_of};
use super::{Command, ReplicatedCommand};
use crate::column::{Count, Json, Moment, Text};
use crate::context::{ApplyContext, Stop};
use crate::entity::word::{ApprovalState, Vote};
use crate::entity::{approval_votes, approvals, users};
use crate::{Noun, Principal, PrincipalKind, Refusal, StateError, expiry, row, schema};

/// A note is read by people, not a file.
const NOTE_MAX: usize = 500;

/// Since the level at which there are roles.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VoteApproval {
    /// The request.
    pub approval: ApprovalId,
    /// Whether the voter consents.
    pub approve: bool,
    /// What the voter has to say to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// What became of the request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Voted {
    /// Where it is now.
    pub state: ApprovalState,
    /// How many have consented.
    pub approved: u32,
    /// How many must.
    pub needed: u32,
}

impl ReplicatedCommand for VoteApproval {
    type Outcome = Voted;
    const NAME: &'static str = "vote_approval";

    fn target(&self) -> String {
        format!("approvals/{}", self.approval)
    }

    fn level(&self) -> u32 {
        schema::ACCESS
    }

    fn audit_detail(&self) -> Value {
        json!({"approve": self.approve, "note": self.note})
    }

    async fn apply(self, cx: &mut ApplyContext<'_>) -> Result<Voted, Stop> {
        let request = open(cx, self.approval).await?;
        let voter = self.voter(cx, &request).await?;
        let mut votes = votes_of(cx, self.approval).await?;
        if votes.iter().any(|vote| vote.user == voter.id) {
            return Err(Refusal::VotedAlready {
                approval: self.approval,
            }
            .into());
        }
        let principal = cx.principal().cloned();
        let principal = principal.ok_or_else(|| StateError::corrupt("a voter has no name"))?;
        let vote = approval_votes::Model {
            approval: request.id,
            user: voter.id,
            principal: Text(principal),
            vote: Text(if self.approve {
                Vote::Approve
            } else {
                Vote::Reject
            }),
            note: self.note,
            at: Moment(cx.now()),
        };
        votes.push(vote.clone());
        if !self.approve {
            cx.insert(vote).await?;
            return finish(cx, request, &votes, (ApprovalState::Rejected, None)).await;
        }
        let (command, needed) = now_needed(cx, &request).await?;
        if !requester_may(cx, &request, &command).await? {
            return Err(Refusal::RequesterGone {
                approval: self.approval,
            }
            .into());
        }
        let request = approvals::Model {
            needed: Count(u64::from(needed)),
            ..request
        };
        if consents(cx, &request, &votes).await? < needed {
            cx.insert(vote).await?;
            return finish(cx, request, &votes, (ApprovalState::Pending, None)).await;
        }
        let done = execute(cx, &request, &votes, command).await?;
        cx.insert(vote).await?;
        finish(cx, request, &votes, done).await
    }
}

impl VoteApproval {
    /// Who votes, if he may to this request.
    async fn voter(
        &self,
        cx: &ApplyContext<'_>,
        request: &approvals::Model,
    ) -> Result<users::Model, Stop> {
        let length = self.note.as_ref().map_or(0, |note| note.chars().count());
        if length > NOTE_MAX {
            let message = format!("a note has {NOTE_MAX} characters at most");
            return Err(Refusal::invalid("note", message).into());
        }
        let is_person = cx
            .principal()
            .is_some_and(|by| by.kind == PrincipalKind::User);
        let voter = person(cx)
            .await?
            .filter(|_| is_person)
            .ok_or(Refusal::NotAPerson)?;
        if voter.id == request.user {
            return Err(Refusal::SelfApproval {
                approval: self.approval,
            }
            .into());
        }
        // Nobody makes people, or takes over their names, to outvote a rule.
        let since = voter.created_at.max(voter.updated_at);
        if since >= request.created_at {
            let user = voter.name.0;
            return Err(Refusal::VoterTooNew { user }.into());
        }
        // Asked before it was proposed too; here nothing comes between (I-04).
        if !may_vote(cx, &voter.name.0, request).await? {
            let permission = Permission::ApprovalsVote;
            return Err(Refusal::Forbidden { permission }.into());
        }
        Ok(voter)
    }
}

/// A request that waits.
pub(super) async fn open(
    cx: &ApplyContext<'_>,
    approval: ApprovalId,
) -> Result<approvals::Model, Stop> {
    let found = row::read::<approvals::Entity>(cx.tx(), Text(approval)).await?;
    let found = found.ok_or_else(|| Refusal::not_found(Noun::Approval, approval))?;
    let state = found.state.0;
    if state != ApprovalState::Pending {
        return Err(Refusal::ApprovalState { approval, state }.into());
    }
    if found.expires_at.0 <= cx.now() {
        let state = ApprovalState::Expired;
        return Err(Refusal::ApprovalState { approval, state }.into());
    }
    Ok(found)
}

async fn votes_of(
    cx: &ApplyContext<'_>,
    approval: ApprovalId,
) -> Result<Vec<approval_votes::Model>, StateError> {
    Ok(approval_votes::Entity::find()
        .filter(approval_votes::Column::Approval.eq(Text(approval)))
        .order_by_asc(approval_votes::Column::User)
        .all(cx.tx())
        .await?)
}

/// The command, and how many must consent to it: what was asked for when it was
/// requested, or more, when the policies ask for more by now.
async fn now_needed(
    cx: &ApplyContext<'_>,
    request: &approvals::Model,
) -> Result<(Command, u32), Stop> {
    let unreadable = |error: serde_json::Error| {
        StateError::corrupt(format!(
            "what {} holds is no command: {error}",
            request.id.0
        ))
    };
    let command: Command = serde_json::from_value(request.command.0.clone()).map_err(unreadable)?;
    let before = u32::try_from(request.needed.0).unwrap_or(u32::MAX);
    let now = match need_of(cx, &command).await {
        Ok(need) => need.needed,
        // It cannot be done any more: executing it says so.
        Err(Stop::Refused(_)) => 0,
        Err(failed) => return Err(failed),
    };
    Ok((command, before.max(now)))
}

/// What keeps from doing what was consented to, because it is something else by
/// now: a hold that was placed since, by somebody else for another reason. What is
/// done to documents names the revision that it changes.
async fn changed_since(
    cx: &ApplyContext<'_>,
    request: &approvals::Model,
    command: &Command,
) -> Result<Option<Refusal>, StateError> {
    let backup = match command {
        Command::HoldBackup(hold) => hold.backup,
        Command::ReleaseBackup(release) => release.backup,
        _ => return Ok(None),
    };
    let hold = expiry::hold(cx, backup).await?;
    let newer = hold.is_some_and(|hold| hold.revision.0 > request.asked_revision.0);
    let what = format!("the hold of {backup}");
    Ok(newer.then_some(Refusal::PlanStale { what }))
}

/// How many have consented who are users still and may still, the requester apart.
async fn consents(
    cx: &ApplyContext<'_>,
    request: &approvals::Model,
    votes: &[approval_votes::Model],
) -> Result<u32, StateError> {
    let mut count = 0;
    for vote in votes {
        if vote.vote.0 != Vote::Approve || vote.user == request.user {
            continue;
        }
        let Some(user) = user_of(cx, vote.user.0).await? else {
            continue;
        };
        if may_vote(cx, &user.name.0, request).await? {
            count += 1;
        }
    }
    Ok(count)
}

/// Does what was asked for, in the name of who asked. What is refused now changes
/// nothing, and the request has failed.
async fn execute(
    cx: &mut ApplyContext<'_>,
    request: &approvals::Model,
    votes: &[approval_votes::Model],
    command: Command,
) -> Result<(ApprovalState, Option<Value>), Stop> {
    let agreed = votes.iter().filter(|vote| vote.vote.0 == Vote::Approve);
    let approved_by: Vec<Principal> = agreed.map(|vote| vote.principal.0.clone()).collect();
    let consent = json!({
        "approval": request.id.0,
        "requestedBy": request.requested_by.0,
        "approvedBy": approved_by,
    });
    if let Some(refusal) = changed_since(cx, request, &command).await? {
        return Ok((ApprovalState::Failed, Some(told(&refusal))));
    }
    let by = request.requested_by.0.clone();
    let reply = cx.run_approved(by, (approved_by, consent), command).await?;
    let unreadable = |error: crate::ReplyError| StateError::corrupt(error.to_string());
    if let Some(refusal) = reply.refusal().map_err(unreadable)? {
        return Ok((ApprovalState::Failed, Some(told(&refusal))));
    }
    let outcome = reply.accepted().map_err(unreadable)?;
    Ok((ApprovalState::Executed, outcome))
}

fn told(refusal: &Refusal) -> Value {
    json!({"code": refusal.code(), "message": refusal.to_string(), "hint": refusal.hint()})
}

async fn finish(
    cx: &mut ApplyContext<'_>,
    request: approvals::Model,
    votes: &[approval_votes::Model],
    (state, outcome): (ApprovalState, Option<Value>),
) -> Result<Voted, Stop> {
    let approved = votes
        .iter()
        .filter(|vote| vote.vote.0 == Vote::Approve)
        .count();
    let decided = state != ApprovalState::Pending;
    let needed = u32::try_from(request.needed.0).unwrap_or(u32::MAX);
    cx.changed("approvals", request.id.0);
    cx.put(approvals::Model {
        state: Text(state),
        decided_at: decided.then(|| Moment(cx.now())),
        outcome: outcome.map(Json),
        revision: cx.revision().into(),
        ..request
    })
    .await?;
    Ok(Voted {
        state,
        approved: u32::try_from(approved).unwrap_or(u32::MAX),
        needed,
    })
}
