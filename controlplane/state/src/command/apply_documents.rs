//! Creates or replaces declared resources, all or none.
//!
//! References are checked against what exists after the whole command, so
//! documents may come in any order. What is equal to what is there already is
//! `unchanged` and keeps its revision.
//!
//! Everything is decided before anything is written, and rehearsing the
//! command is that same decision: it cannot answer otherwise than applying.

use std::collections::{BTreeMap, BTreeSet};

use holdfast_types::access::ApprovalRule;
use holdfast_types::resource::{Document, InstanceSpec, Kind, Resource, Schedule, WalPolicy};
use holdfast_types::{BackupKind, Name, Revision, RpoScope};
use sea_orm::{DatabaseConnection, EntityTrait, TransactionTrait};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::ReplicatedCommand;
use super::consent::{Consent, Need, demand, for_documents};
use super::document_check::{
    Plan, references, refuse_clashes, refuse_dangling, refuse_immutable, refuse_scopes,
};
use super::document_effects::{about, touch_schedules, wake};
use super::role_bindings::refuse_lockout;
use crate::apply::Head;
use crate::column::{Bytes, Json, Moment, Text};
use crate::context::{ApplyContext, AuditItem, Stop};
use crate::entity::{repository_keys, resource_references, resources};
use crate::lookup::Lookup;
use crate::{Noun, Refusal, Sealed, StateError, alarms, facts, revisions, schedules, schema};

/// The fleet of clusters that name none. It always exists.
pub(crate) const DEFAULT_FLEET: &str = "default";

/// Since v0.1.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApplyDocuments {
    /// What should be.
    pub documents: Vec<DocumentChange>,
    /// Keys made for repositories that bring none, by repository. One for a
    /// repository that turns out to exist is not used.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub repository_keys: BTreeMap<Name, Sealed>,
}

/// One document to apply.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DocumentChange {
    /// The document.
    pub document: Document,
    /// What the caller believes is there.
    pub expected: Expected,
}

/// What the caller believes is there: a stale caller is refused, never merged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Expected {
    /// Whatever it is.
    Any,
    /// This revision (`If-Match`).
    Revision(Revision),
    /// Nothing (`If-None-Match: *`).
    Absent,
}

/// What became of a document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AppliedDocument {
    /// Its kind.
    pub kind: Kind,
    /// Its name.
    pub name: Name,
    /// What was done.
    pub change: Change,
    /// Its revision now.
    pub revision: Revision,
}

/// What applying documents would do, were it proposed now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rehearsal {
    /// Each document, in their order.
    pub documents: Vec<RehearsedDocument>,
    /// The consent that it would wait for; `None` when it would be done at once.
    pub consent: Option<Consent>,
}

/// What would become of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RehearsedDocument {
    /// Its kind.
    pub kind: Kind,
    /// Its name.
    pub name: Name,
    /// What would be done.
    pub change: Change,
    /// Its revision as it is; `None` for what does not exist yet.
    pub revision: Option<Revision>,
}

/// What applying did to a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// It is new.
    Created,
    /// It is another than before.
    Configured,
    /// It was so already.
    Unchanged,
}

impl ReplicatedCommand for ApplyDocuments {
    type Outcome = Vec<AppliedDocument>;
    const NAME: &'static str = "apply_documents";

    fn target(&self) -> String {
        match self.documents.as_slice() {
            [only] => target(&only.document),
            _ => "documents".to_owned(),
        }
    }

    fn audit_detail(&self) -> Value {
        let targets = self.documents.iter().map(|change| target(&change.document));
        json!({"documents": targets.collect::<Vec<_>>()})
    }

    fn level(&self) -> u32 {
        let newest = |change: &DocumentChange| level_of(&change.document);
        let levels = self.documents.iter().map(newest);
        levels.max().unwrap_or(schema::VERSION)
    }

    async fn apply(self, cx: &mut ApplyContext<'_>) -> Result<Vec<AppliedDocument>, Stop> {
        let Decision { plans, keys, need } = self.decide(cx).await?;
        // Last: whoever is asked to consent is asked for what could be done.
        demand(cx, &need)?;
        let mut outcome = Vec::new();
        let mut audit = Vec::new();
        let mut agents = BTreeSet::new();
        for plan in plans {
            let (kind, name) = (plan.kind(), plan.name().clone());
            let mut revision = cx.revision();
            match (&plan.old, plan.change) {
                (Some(old), Change::Unchanged) => revision = old.revision.into(),
                _ => {
                    agents.extend(plan.agents());
                    audit.push(audit_item(&plan));
                    write(cx, plan.document, plan.old).await?;
                }
            }
            outcome.push(AppliedDocument {
                kind,
                name,
                change: plan.change,
                revision,
            });
        }
        for (repository, sealed) in keys {
            cx.put(repository_keys::Model {
                repository: Text(repository),
                sealed: Bytes(sealed),
                created_at: Moment(cx.now()),
            })
            .await?;
        }
        facts::promises(cx, &about(&outcome)).await?;
        if !audit.is_empty() {
            touch_schedules(cx, &outcome).await?;
            alarms::touch_channels(cx, &outcome).await?;
            wake(cx, agents).await?;
        }
        // What is unchanged is no change: a controller that applies the same
        // documents every minute does not flood the audit log.
        cx.audit_instead(audit);
        Ok(outcome)
    }
}

/// What is to be written, once nothing speaks against it.
struct Decision {
    plans: Vec<Plan>,
    keys: Vec<(Name, Sealed)>,
    need: Need,
}

impl ApplyDocuments {
    /// What applying this to the state as it is would answer. It only reads,
    /// so a connection that may not write will do, and it waits for nobody.
    pub async fn rehearse(
        self,
        conn: &DatabaseConnection,
    ) -> Result<Result<Rehearsal, Refusal>, StateError> {
        // One transaction, so that all of it is decided on one state.
        let tx = conn.begin().await?;
        let head = Head::read(&tx).await?;
        let cx = ApplyContext::new(&tx, head.index + 1, head.time, None);
        // As whoever proposes it does first.
        let decided = match cx.needs_level(self.level()).await {
            Ok(()) => self.decide(&cx).await,
            Err(stop) => Err(stop),
        };
        tx.rollback().await?;
        match decided {
            Ok(Decision { plans, need, .. }) => Ok(Ok(Rehearsal {
                documents: plans.iter().map(rehearsed).collect(),
                consent: Consent::of(need),
            })),
            Err(Stop::Refused(refusal)) => Ok(Err(refusal)),
            Err(Stop::Failed(error)) => Err(error),
        }
    }

    /// Every check there is, and no write: whatever can be refused is refused
    /// here.
    async fn decide(self, cx: &ApplyContext<'_>) -> Result<Decision, Stop> {
        let plans = plan(cx, self.documents).await?;
        refuse_immutable(cx, &plans).await?;
        refuse_dangling(cx, &plans).await?;
        refuse_clashes(cx, &plans).await?;
        refuse_scopes(cx, &plans).await?;
        refuse_lockout(cx, &plans).await?;
        let keys = keys_to_store(cx, &plans, self.repository_keys).await?;
        let need = for_documents(cx, &plans).await?;
        Ok(Decision { plans, keys, need })
    }
}

/// The feature level that a document needs: an older node refuses fields that
/// it does not know.
fn level_of(document: &Document) -> u32 {
    let receivers = match &document.resource {
        Resource::Cluster(cluster) => {
            let patroni = |instance: &InstanceSpec| instance.patroni.is_some();
            !cluster.relays.is_empty() || cluster.instances.iter().any(patroni)
        }
        Resource::Policy(policy) => {
            let receiver = |wal: &WalPolicy| wal.receiver.is_some();
            policy.wal.as_ref().is_some_and(receiver)
        }
        Resource::Repository(_)
        | Resource::Fleet(_)
        | Resource::DrillPlan(_)
        | Resource::RoleBinding(_)
        | Resource::NotificationChannel(_) => false,
    };
    let schedules = match &document.resource {
        Resource::Policy(policy) => !policy.schedules.is_empty() || policy.limits.is_some(),
        Resource::Repository(_)
        | Resource::Fleet(_)
        | Resource::Cluster(_)
        | Resource::DrillPlan(_)
        | Resource::RoleBinding(_)
        | Resource::NotificationChannel(_) => false,
    };
    // A node of an earlier level would refuse what the others take (I-02).
    if let Resource::Repository(repository) = &document.resource
        && repository.is_in_other_cloud()
    {
        return schema::CLOUDS;
    }
    match (receivers, schedules) {
        (true, _) => schema::RECEIVERS,
        (false, true) => schedules::LEVEL,
        (false, false) => schema::VERSION,
    }
    .max(level_of_kinds(document))
    .max(level_of_retention(document))
    .max(level_of_copies(document))
    .max(level_of_bounds(document))
    .max(level_of_objectives(document))
    .max(level_of_drills(document))
    .max(level_of_access(document))
    .max(level_of_channels(document))
}

/// The level of what it orders. A node of an earlier one would hand incrementals
/// to agents without a parent that is kept for them (I-06), and dumps without
/// what they shall hold.
fn level_of_kinds(document: &Document) -> u32 {
    let level = |schedule: &Schedule| match schedule.kind {
        BackupKind::Full => schema::VERSION,
        BackupKind::Incremental => schema::PINS,
        BackupKind::Logical => schema::DUMPS,
    };
    // One of an earlier level refuses them (I-02), or would take the backup
    // from the primary whatever is said.
    let sources = match &document.resource {
        Resource::Policy(policy) => {
            policy.carries_wal() || policy.schedules.iter().any(Schedule::chooses_source)
        }
        Resource::Cluster(cluster) => cluster.instances.iter().any(InstanceSpec::is_remote),
        Resource::Repository(_)
        | Resource::Fleet(_)
        | Resource::DrillPlan(_)
        | Resource::RoleBinding(_)
        | Resource::NotificationChannel(_) => false,
    };
    if sources {
        return schema::SOURCES;
    }
    match &document.resource {
        // One of an earlier level would have WAL received all the same.
        Resource::Policy(policy) if !policy.receives_wal() => schema::DUMPS,
        // And would have it streamed alone.
        Resource::Policy(policy) if policy.wal_mode().archives() => schema::ARCHIVING,
        Resource::Policy(policy) => {
            let highest = policy.schedules.iter().map(level).max();
            highest.unwrap_or(schema::VERSION)
        }
        Resource::Repository(_)
        | Resource::Fleet(_)
        | Resource::Cluster(_)
        | Resource::DrillPlan(_)
        | Resource::RoleBinding(_)
        | Resource::NotificationChannel(_) => schema::VERSION,
    }
}

/// The level of what PostgreSQL may keep for it. One of an earlier level refuses
/// it (I-02).
fn level_of_bounds(document: &Document) -> u32 {
    match &document.resource {
        Resource::Policy(policy) if policy.bounds_retained() => schema::RETAINED,
        _ => schema::VERSION,
    }
}

/// A node of an earlier level knows neither the kind nor the field.
fn level_of_access(document: &Document) -> u32 {
    match &document.resource {
        Resource::RoleBinding(_) => schema::ACCESS,
        Resource::Policy(policy) if policy.approvals(ApprovalRule::RestoreOver) > 0 => {
            schema::RESTORES
        }
        Resource::Policy(policy) if policy.approvals.is_some() => schema::ACCESS,
        _ => schema::VERSION,
    }
}

/// A node of an earlier level does not know the kind.
fn level_of_channels(document: &Document) -> u32 {
    match &document.resource {
        Resource::NotificationChannel(_) => schema::NOTICES,
        _ => schema::VERSION,
    }
}

/// The level of what it keeps, and for how long.
fn level_of_retention(document: &Document) -> u32 {
    match &document.resource {
        Resource::Policy(policy) if policy.retention.is_some() || policy.window().is_some() => {
            schema::EXPIRY
        }
        _ => schema::VERSION,
    }
}

/// A node of an earlier level would refuse the field.
fn level_of_objectives(document: &Document) -> u32 {
    match &document.resource {
        Resource::Policy(policy) if policy.rpo_scope() != RpoScope::Any => schema::COMPLIANCE,
        Resource::Policy(policy) if policy.rto().is_some() => schema::POLICY_REVISIONS,
        _ => schema::VERSION,
    }
}

/// A node of an earlier level would refuse the field.
fn level_of_copies(document: &Document) -> u32 {
    match &document.resource {
        Resource::Policy(policy) if !policy.copies.is_empty() => schema::COPIES,
        _ => schema::VERSION,
    }
}

/// The level of what is rehearsed. A node of an earlier one knows neither the kind nor
/// the field.
fn level_of_drills(document: &Document) -> u32 {
    match &document.resource {
        Resource::DrillPlan(_) => schema::DRILLS,
        Resource::Policy(policy) if !policy.drills.is_empty() => schema::DRILLS,
        // One of an earlier level cannot read it.
        Resource::Policy(policy) if policy.bandwidth().is_some() => schema::DRILLS,
        _ => schema::VERSION,
    }
}

fn rehearsed(plan: &Plan) -> RehearsedDocument {
    RehearsedDocument {
        kind: plan.kind(),
        name: plan.name().clone(),
        change: plan.change,
        revision: plan.old.as_ref().map(|old| old.revision.into()),
    }
}

fn target(document: &Document) -> String {
    format!("{}/{}", document.kind().plural(), document.metadata.name)
}

fn audit_item(plan: &Plan) -> AuditItem {
    let detail = json!({"change": plan.change, "document": plan.document.to_value()});
    let target = target(&plan.document);
    AuditItem { target, detail }
}

pub(super) async fn plan(
    cx: &ApplyContext<'_>,
    documents: Vec<DocumentChange>,
) -> Result<Vec<Plan>, Stop> {
    let mut seen = BTreeSet::new();
    let mut plans = Vec::new();
    for DocumentChange { document, expected } in documents {
        let (kind, name) = (document.kind(), document.metadata.name.clone());
        if !seen.insert((kind, name.clone())) {
            let message = format!("{kind}/{name} is in the same apply twice");
            return Err(Refusal::invalid("metadata.name", message).into());
        }
        let old = cx.resource(kind, &name).await?;
        let current = old.as_ref().map(|old| Revision::from(old.revision));
        let stale = match expected {
            Expected::Any => false,
            Expected::Revision(revision) => current != Some(revision),
            Expected::Absent => current.is_some(),
        };
        if stale {
            return Err(Refusal::StaleRevision {
                what: noun(kind),
                name: name.to_string(),
                current,
            }
            .into());
        }
        let change = match &old {
            None => Change::Created,
            Some(old) if old.retired_at.is_none() && old.document.0 == document => {
                Change::Unchanged
            }
            Some(_) => Change::Configured,
        };
        plans.push(Plan {
            document,
            old,
            change,
        });
    }
    Ok(plans)
}

pub(super) const fn noun(kind: Kind) -> Noun {
    match kind {
        Kind::Repository => Noun::Repository,
        Kind::Fleet => Noun::Fleet,
        Kind::Cluster => Noun::Cluster,
        Kind::Policy => Noun::Policy,
        Kind::DrillPlan => Noun::DrillPlan,
        Kind::RoleBinding => Noun::RoleBinding,
        Kind::NotificationChannel => Noun::NotificationChannel,
    }
}

/// The keys of repositories that need one and have none.
async fn keys_to_store(
    cx: &ApplyContext<'_>,
    plans: &[Plan],
    mut made: BTreeMap<Name, Sealed>,
) -> Result<Vec<(Name, Sealed)>, Stop> {
    let mut keys = Vec::new();
    for plan in plans {
        let Resource::Repository(repository) = &plan.document.resource else {
            continue;
        };
        let name = plan.name();
        if repository.key.is_some() || plan.change == Change::Unchanged {
            continue;
        }
        let known = repository_keys::Entity::find_by_id(Text(name.clone()));
        if known.only(cx.tx()).await?.is_some() {
            continue;
        }
        let Some(sealed) = made.remove(name) else {
            let message = "no key was made for it, for it existed a moment ago: apply it again";
            return Err(Refusal::invalid("spec.key", message).into());
        };
        keys.push((name.clone(), sealed));
    }
    Ok(keys)
}

/// A row for a document as it is now; `old` is what it replaces.
pub(super) fn resource_row(
    cx: &ApplyContext<'_>,
    document: Document,
    old: Option<resources::Model>,
) -> resources::Model {
    let kind = document.kind();
    let default_fleet = || DEFAULT_FLEET.parse().expect("it is a name");
    let fleet = (kind == Kind::Cluster).then(|| {
        document
            .metadata
            .fleet
            .clone()
            .unwrap_or_else(default_fleet)
    });
    let created = old.map(|old| (old.created_revision, old.created_at));
    let (created_revision, created_at) =
        created.unwrap_or((cx.revision().into(), Moment(cx.now())));
    resources::Model {
        kind: Text(kind),
        name: Text(document.metadata.name.clone()),
        fleet: fleet.map(Text),
        labels: Json(document.metadata.labels.clone()),
        document: Json(document),
        revision: cx.revision().into(),
        created_revision,
        created_at,
        updated_at: Moment(cx.now()),
        retired_at: None,
    }
}

pub(super) async fn write(
    cx: &mut ApplyContext<'_>,
    document: Document,
    old: Option<resources::Model>,
) -> Result<(), StateError> {
    let (kind, name) = (document.kind(), document.metadata.name.clone());
    forget_references(cx, kind, &name).await?;
    for reference in references(&document) {
        cx.insert(resource_references::Model {
            kind: Text(kind),
            name: Text(name.clone()),
            field: reference.field,
            target_kind: Text(reference.kind),
            target: Text(reference.target),
        })
        .await?;
    }
    if kind == Kind::Policy {
        revisions::record(cx, &name, Some(document.clone())).await?;
    }
    let row = resource_row(cx, document, old);
    cx.put(row).await?;
    cx.changed(kind.plural(), name);
    Ok(())
}

pub(super) async fn forget_references(
    cx: &ApplyContext<'_>,
    kind: Kind,
    name: &Name,
) -> Result<(), StateError> {
    let sql = "DELETE FROM resource_references WHERE kind = ? AND name = ?";
    let values = [Text(kind).into(), Text(name.clone()).into()];
    cx.execute(sql, values).await?;
    Ok(())
}
