//! What a policy said before, and how it is brought back.

use holdfast_state::command::{ApplyDocuments, DocumentChange, Expected};
use holdfast_state::query::{self, Page, PageRequest, PolicyRevision};
use holdfast_types::policy::{FieldChange, changes, contract};
use holdfast_types::resource::{Document, Kind, Policy, Resource};
use holdfast_types::{Name, Revision};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::app::App;
use crate::app::apply::{ApplyResult, Condition};
use crate::app::caller::Caller;
use crate::app::error::{AppError, Result};

/// What a revision did to a policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = PolicyRevisionAction)]
pub enum RevisionAction {
    /// It is new, or was deleted before.
    Created,
    /// It says something else.
    Configured,
    /// It is gone.
    Deleted,
}

/// A revision of a policy.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = PolicyRevision)]
pub struct RevisionView {
    /// The policy.
    #[schema(value_type = String)]
    pub policy: Name,
    /// The revision, as `If-Match` and rollbacks name it.
    pub revision: Revision,
    /// What it did.
    pub action: RevisionAction,
    /// Who changed it; null for what was there before there was a history.
    pub changed_by: Option<String>,
    /// When.
    pub changed_at: Timestamp,
    /// What it promised from then on, in one sentence.
    pub contract: Option<String>,
    /// What was in force differently than before.
    pub changes: Vec<FieldChange>,
    /// What it said, as it can be applied; null when it was deleted, and in lists.
    #[schema(value_type = Option<Object>)]
    pub document: Option<Value>,
}

impl App {
    /// One page of the revisions of a policy, the newest first.
    pub async fn policy_history(
        &self,
        by: &Caller,
        name: &Name,
        page: &PageRequest,
    ) -> Result<Page<RevisionView>> {
        let view = self.read(by).await?;
        let found = query::policy_revisions(view.connection(), name, page).await?;
        if found.items.is_empty() && page.cursor.is_none() {
            let there = query::resource(view.connection(), Kind::Policy, name).await?;
            there.ok_or_else(|| AppError::not_found("policy", name))?;
        }
        Ok(found.map(|(one, before)| shown(&one, before.as_ref())))
    }

    /// One revision of a policy, with what it said.
    pub async fn policy_revision(
        &self,
        by: &Caller,
        name: &Name,
        revision: Revision,
    ) -> Result<RevisionView> {
        let view = self.read(by).await?;
        let found = query::policy_revision(view.connection(), name, revision).await?;
        let found = found.ok_or_else(|| no_revision(name, revision))?;
        let before = query::policy_revision_before(view.connection(), name, revision).await?;
        Ok(RevisionView {
            document: found.document.as_ref().map(Document::to_value),
            ..shown(&found, before.as_ref())
        })
    }

    /// Applies again what a policy said at one of its revisions. It is an apply
    /// like any other, with every check that there is today, of a policy as it was
    /// when this was decided.
    pub async fn roll_back_policy(
        &self,
        by: &Caller,
        name: &Name,
        revision: Revision,
        condition: Condition,
    ) -> Result<ApplyResult> {
        let view = self.read(by).await?;
        let found = query::policy_revision(view.connection(), name, revision).await?;
        let found = found.ok_or_else(|| no_revision(name, revision))?;
        let Some(document) = found.document else {
            let message = format!("at revision {revision} the policy \"{name}\" was deleted");
            let error = AppError::invalid("revision", message);
            return Err(error.with_hint("name a revision at which it said something"));
        };
        // Rules may have been added since.
        let document = Document::from_value(document.to_value())?;
        let current = query::resource(view.connection(), Kind::Policy, name).await?;
        let expected = match (condition, current) {
            (Condition::Revision(revision), _) => Expected::Revision(revision),
            (Condition::Absent, _) | (Condition::Any, None) => Expected::Absent,
            (Condition::Any, Some(current)) => Expected::Revision(current.revision),
        };
        let command = ApplyDocuments {
            documents: vec![DocumentChange { document, expected }],
            repository_keys: std::collections::BTreeMap::new(),
        };
        // It may protect less than what is in force: then others are asked.
        let applied = self.propose_or_ask(by, command).await?.into_iter().next();
        applied
            .map(Into::into)
            .ok_or_else(|| AppError::failed("rolling a policy back had no outcome"))
    }
}

fn no_revision(name: &Name, revision: Revision) -> AppError {
    AppError::not_found(format!("revision {revision} of the policy"), name)
        .with_hint("see `holdfast policy history` for the revisions there are")
}

/// The policy that a revision's document declares.
fn policy_of(revision: &PolicyRevision) -> Option<&Policy> {
    match &revision.document.as_ref()?.resource {
        Resource::Policy(policy) => Some(policy),
        Resource::Repository(_)
        | Resource::Fleet(_)
        | Resource::Cluster(_)
        | Resource::DrillPlan(_)
        | Resource::RoleBinding(_)
        | Resource::NotificationChannel(_) => None,
    }
}

fn shown(one: &PolicyRevision, before: Option<&PolicyRevision>) -> RevisionView {
    let (was, is) = (before.and_then(policy_of), policy_of(one));
    let action = match (was, is) {
        (_, None) => RevisionAction::Deleted,
        (None, Some(_)) => RevisionAction::Created,
        (Some(_), Some(_)) => RevisionAction::Configured,
    };
    let mut found = match (was, is) {
        (Some(was), Some(is)) => changes(was, is),
        _ => Vec::new(),
    };
    if let (Some(was), Some(is)) = (was, is) {
        found.extend(binding(was, is));
    }
    RevisionView {
        policy: one.policy.clone(),
        revision: one.revision,
        action,
        changed_by: one.changed_by.as_ref().map(ToString::to_string),
        changed_at: one.changed_at,
        contract: is.map(contract),
        changes: found,
        document: None,
    }
}

/// How it is bound to clusters: no promise, but part of what it says.
fn binding(was: &Policy, is: &Policy) -> Vec<FieldChange> {
    let change = |field: &str, before: Value, after: Value| FieldChange {
        field: field.to_owned(),
        before,
        after,
    };
    let mut found = Vec::new();
    if was.selector != is.selector {
        let labels = |policy: &Policy| serde_json::json!(policy.selector);
        found.push(change("selector", labels(was), labels(is)));
    }
    if was.priority() != is.priority() {
        let priority = |policy: &Policy| Value::from(policy.priority());
        found.push(change("priority", priority(was), priority(is)));
    }
    found
}
