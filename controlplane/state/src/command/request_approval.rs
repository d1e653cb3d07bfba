//! Asks other people for their consent to an act. The request holds the command
//! itself, so that what is done is what was consented to.

use holdfast_types::resource::Kind;
use holdfast_types::{ApprovalId, BackupId, Name, Revision, UserId};
use jiff::{SignedDuration, Timestamp};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::consent::{self, Need};
use super::{Command, CondemnedBy, Expected, ReplicatedCommand, apply_documents};
use crate::column::{Bytes, Count, Json, Moment, Text};
use crate::context::{ApplyContext, Stop};
use crate::entity::word::ApprovalState;
use crate::entity::{api_tokens, approvals, users};
use crate::lookup::Lookup;
use crate::query::user_row_named;
use crate::{Digest, Noun, PrincipalKind, Refusal, StateError, canonical, row, schema};

/// A reason is read by people, not a file.
const REASON_MAX: usize = 500;
/// Nobody remembers longer what was asked.
const WAIT_MOST: SignedDuration = SignedDuration::from_hours(24 * 30);

/// Since the level at which there are roles.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequestApproval {
    /// Its id.
    pub approval: ApprovalId,
    /// What is to be done, exactly.
    pub command: Box<Command>,
    /// Why, in the words of who asks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Nobody can consent from then on.
    pub expires_at: Timestamp,
}

/// What is waited for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asked {
    /// The request: the one that was made before when the same was asked for.
    pub approval: ApprovalId,
    /// How many others must consent.
    pub needed: u32,
    /// Until when they can.
    pub expires_at: Timestamp,
}

impl ReplicatedCommand for RequestApproval {
    type Outcome = Asked;
    const NAME: &'static str = "request_approval";

    fn target(&self) -> String {
        format!("approvals/{}", self.approval)
    }

    fn level(&self) -> u32 {
        schema::ACCESS.max(self.command.level())
    }

    fn audit_detail(&self) -> Value {
        json!({
            "action": self.command.name(),
            "subject": self.command.target(),
            "detail": self.command.audit_detail(),
            "reason": self.reason,
            "expiresAt": self.expires_at,
        })
    }

    async fn apply(self, cx: &mut ApplyContext<'_>) -> Result<Asked, Stop> {
        let user = person(cx).await?;
        let user = user.ok_or_else(|| {
            Refusal::invalid("command", "only a user or its token asks for consent")
        })?;
        self.check(cx)?;
        // Before it is frozen: a repeat of the same request finds its own.
        let digest = digest_of(&self.command);
        if let Some(before) = pending(cx, &digest, &user).await? {
            return Ok(Asked {
                approval: before.id.0,
                needed: before.needed.0.try_into().unwrap_or(u32::MAX),
                expires_at: before.expires_at.0,
            });
        }
        if row::read::<approvals::Entity>(cx.tx(), Text(self.approval))
            .await?
            .is_some()
        {
            return Err(Refusal::already_exists(Noun::Approval, self.approval).into());
        }
        let mut command = *self.command;
        let need = need_of(cx, &command).await?;
        if need.needed == 0 {
            return Err(Refusal::ApprovalNotNeeded.into());
        }
        freeze(cx, &mut command).await?;
        let by = cx.principal().cloned();
        let by = by.ok_or_else(|| StateError::corrupt("a person has no name"))?;
        let held = serde_json::to_value(&command);
        let held = held.map_err(|error| StateError::corrupt(error.to_string()))?;
        cx.insert(approvals::Model {
            id: Text(self.approval),
            state: Text(ApprovalState::Pending),
            action: command.name().to_owned(),
            subject: command.target(),
            clusters: need
                .clusters
                .map(|names| Json(names.into_iter().collect::<Vec<Name>>())),
            because: Json(need.because),
            command: Json(held),
            digest: Bytes(digest),
            needed: Count(u64::from(need.needed)),
            requested_by: Text(by),
            user: user.id,
            reason: self.reason,
            created_at: Moment(cx.now()),
            expires_at: Moment(self.expires_at),
            decided_at: None,
            outcome: None,
            asked_revision: cx.revision().into(),
            revision: cx.revision().into(),
        })
        .await?;
        cx.changed("approvals", self.approval);
        Ok(Asked {
            approval: self.approval,
            needed: need.needed,
            expires_at: self.expires_at,
        })
    }
}

impl RequestApproval {
    fn check(&self, cx: &ApplyContext<'_>) -> Result<(), Stop> {
        let length = self
            .reason
            .as_ref()
            .map_or(0, |reason| reason.chars().count());
        if length > REASON_MAX {
            let message = format!("a reason has {REASON_MAX} characters at most");
            return Err(Refusal::invalid("reason", message).into());
        }
        let wait = self.expires_at.duration_since(cx.now());
        if !wait.is_positive() || wait > WAIT_MOST {
            let message = "a request waits for 30 days at most";
            return Err(Refusal::invalid("expires_at", message).into());
        }
        Ok(())
    }
}

/// The user that acts, or for whom a token does; `None` for agents and nodes.
pub(super) async fn person(cx: &ApplyContext<'_>) -> Result<Option<users::Model>, StateError> {
    let Some(principal) = cx.principal() else {
        return Ok(None);
    };
    let Ok(name) = principal.name.parse::<Name>() else {
        return Ok(None);
    };
    match principal.kind {
        PrincipalKind::User => user_row_named(cx.tx(), &name).await,
        PrincipalKind::Token => {
            let token = api_tokens::Entity::find()
                .filter(api_tokens::Column::Name.eq(name.as_str()))
                .filter(api_tokens::Column::RevokedAt.is_null())
                .only(cx.tx())
                .await?;
            match token {
                None => Ok(None),
                Some(token) => Ok(row::read::<users::Entity>(cx.tx(), token.user).await?),
            }
        }
        PrincipalKind::Agent | PrincipalKind::Node => Ok(None),
    }
}

/// The request that the same user made for the same, if it waits still.
async fn pending(
    cx: &ApplyContext<'_>,
    digest: &Digest,
    user: &users::Model,
) -> Result<Option<approvals::Model>, StateError> {
    use approvals::Column;
    let found = approvals::Entity::find()
        .filter(Column::Digest.eq(Bytes(*digest)))
        .filter(Column::User.eq(user.id))
        .filter(Column::State.eq(Text(ApprovalState::Pending)))
        .filter(Column::ExpiresAt.gt(Moment(cx.now())))
        .order_by_asc(Column::Id)
        .all(cx.tx())
        .await?;
    Ok(found.into_iter().next())
}

/// The same for the same request, although each try makes new keys for
/// repositories that turn out to need none, and a new id for an exemption.
fn digest_of(command: &Command) -> Digest {
    let mut value = serde_json::to_value(command).unwrap_or_default();
    if let Some(documents) = value.get_mut("apply_documents")
        && let Some(fields) = documents.as_object_mut()
    {
        fields.remove("repository_keys");
    }
    if let Some(grant) = value.get_mut("grant_exemption")
        && let Some(fields) = grant.as_object_mut()
    {
        fields.remove("exemption");
    }
    Digest::of(canonical::to_string(&value).as_bytes())
}

/// How many must consent to a command as things are now. Of commands that never
/// need anybody it is refused.
pub(super) async fn need_of(cx: &ApplyContext<'_>, command: &Command) -> Result<Need, Stop> {
    match command {
        Command::CondemnBackups(condemn) if condemn.by == CondemnedBy::Hand => {
            let ids: Vec<BackupId> = condemn.backups.iter().map(|one| one.backup).collect();
            Ok(consent::for_backups(cx, &ids).await?)
        }
        Command::ReleaseBackup(release) => Ok(consent::for_backups(cx, &[release.backup]).await?),
        Command::HoldBackup(hold) => Ok(consent::for_backups(cx, &[hold.backup]).await?),
        Command::DeleteResource(delete) => match delete.kind {
            Kind::Cluster => Ok(consent::for_cluster(cx, &delete.name).await?),
            Kind::Policy => Ok(consent::for_policy(cx, &delete.name).await?),
            Kind::Repository | Kind::Fleet | Kind::DrillPlan | Kind::RoleBinding => {
                Ok(Need::none())
            }
        },
        Command::GrantExemption(grant) => {
            grant.check(cx).await?;
            Ok(grant.need())
        }
        Command::ApplyDocuments(apply) => {
            let plans = apply_documents::plan(cx, apply.documents.clone()).await?;
            Ok(consent::for_documents(cx, &plans).await?)
        }
        other => {
            let message = format!("nobody has to consent to {}", other.name());
            Err(Refusal::invalid("command", message).into())
        }
    }
}

/// Binds a command to what is there now: what others changed meanwhile is never
/// overwritten by what was consented to before.
async fn freeze(cx: &ApplyContext<'_>, command: &mut Command) -> Result<(), StateError> {
    match command {
        Command::ApplyDocuments(apply) => {
            for change in &mut apply.documents {
                if change.expected == Expected::Any {
                    let (kind, name) = (change.document.kind(), &change.document.metadata.name);
                    let found = cx.resource(kind, name).await?;
                    change.expected = match found {
                        Some(row) => Expected::Revision(row.revision.into()),
                        None => Expected::Absent,
                    };
                }
            }
        }
        Command::DeleteResource(delete) if delete.expected.is_none() => {
            let found = cx.resource(delete.kind, &delete.name).await?;
            delete.expected = found.map(|row| Revision::from(row.revision));
        }
        _ => {}
    }
    Ok(())
}

/// The user of this id, if it is there still.
pub(super) async fn user_of(
    cx: &ApplyContext<'_>,
    user: UserId,
) -> Result<Option<users::Model>, StateError> {
    Ok(row::read::<users::Entity>(cx.tx(), Text(user)).await?)
}
