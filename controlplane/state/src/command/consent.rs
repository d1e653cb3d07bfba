//! Which acts need the consent of other people: what the policies say that are in
//! force when the act is applied. Asked where the act is applied, so that nothing
//! comes between asking and doing (I-04).

use std::collections::{BTreeMap, BTreeSet};

use holdfast_types::access::{ApprovalRule, Permission, Place, holders, weakens};
use holdfast_types::resource::{Kind, Labels, Policy, Resource};
use holdfast_types::{BackupId, Name, Observation, RestoreRequest};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use super::apply_documents::{Change, DEFAULT_FLEET};
use super::document_check::{Plan, stored_policies};
use super::role_bindings::bindings;
use crate::column::{Json, Text};
use crate::context::{ApplyContext, Stop};
use crate::entity::{agents, backups, instances, resources};
use crate::lookup::Lookup;
use crate::{Refusal, StateError, policy, row, schema};

/// More reasons than anybody reads.
const REASONS_MOST: usize = 20;

/// How many others must consent to an act.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Need {
    /// None need nobody.
    pub(super) needed: u32,
    /// Why.
    pub(super) because: Vec<String>,
    /// The clusters that the act is about; `None` when it is about more.
    pub(super) clusters: Option<BTreeSet<Name>>,
}

/// The consent of others that an act would wait for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Consent {
    /// How many others must consent; never none.
    pub needed: u32,
    /// Why.
    pub because: Vec<String>,
}

impl Consent {
    pub(super) fn of(need: Need) -> Option<Self> {
        let Need {
            needed, because, ..
        } = need;
        (needed > 0).then_some(Self { needed, because })
    }
}

impl Need {
    pub(super) fn none() -> Self {
        Self {
            needed: 0,
            because: Vec::new(),
            clusters: Some(BTreeSet::new()),
        }
    }

    fn add(&mut self, needed: u32, because: impl FnOnce() -> String) {
        if needed == 0 {
            return;
        }
        self.needed = self.needed.max(needed);
        if self.because.len() < REASONS_MOST {
            let because = because();
            if !self.because.contains(&because) {
                self.because.push(because);
            }
        }
    }

    fn about(&mut self, cluster: &Name) {
        if let Some(clusters) = &mut self.clusters {
            clusters.insert(cluster.clone());
        }
    }
}

/// Refuses what needs consent that was not given.
pub(super) fn demand(cx: &ApplyContext<'_>, need: &Need) -> Result<(), Stop> {
    if need.needed == 0 || cx.is_approved() {
        return Ok(());
    }
    Err(Refusal::ApprovalNeeded {
        needed: need.needed,
        because: need.because.join("; "),
    }
    .into())
}

/// The need of deleting backups, or of ending what keeps them.
pub(super) async fn for_backups(
    cx: &ApplyContext<'_>,
    ids: &[BackupId],
) -> Result<Need, StateError> {
    let mut need = Need::none();
    let policies = asking(cx).await?;
    if policies.is_empty() {
        return Ok(need);
    }
    let mut clusters = BTreeSet::new();
    for id in ids {
        if let Some(backup) = row::read::<backups::Entity>(cx.tx(), Text(*id)).await? {
            clusters.insert(backup.cluster.0);
        }
    }
    for cluster in clusters {
        deleting(cx, &mut need, &policies, &cluster).await?;
    }
    Ok(need)
}

/// The need of restoring over what is there: a delta, or the data directory of an
/// instance that is declared, which is asked of the policy of that cluster too.
pub(super) async fn for_restore(
    cx: &ApplyContext<'_>,
    request: &RestoreRequest,
) -> Result<Need, StateError> {
    let mut need = Need::none();
    need.about(&request.cluster);
    let policies = asking(cx).await?;
    if policies.is_empty() {
        return Ok(need);
    }
    let mut guarded = instances_in(cx, request).await?;
    if request.delta {
        guarded.insert(request.cluster.clone());
    }
    for cluster in guarded {
        need.about(&cluster);
        let Some(row) = cx.resource(Kind::Cluster, &cluster).await? else {
            continue;
        };
        if let Some((name, policy)) = policy::effective(&policies, &row.labels.0) {
            let needed = policy.approvals(ApprovalRule::RestoreOver);
            need.add(needed, || {
                format!(
                    "{} may be written over, and the policy \"{name}\" of \"{cluster}\" says \
                     approvals.restoreOver: {needed}",
                    request.dir
                )
            });
        }
    }
    Ok(need)
}

/// The clusters of which an instance lives in the directory of a restore, as they are
/// declared or as their agent saw them.
async fn instances_in(
    cx: &ApplyContext<'_>,
    request: &RestoreRequest,
) -> Result<BTreeSet<Name>, StateError> {
    let is_here = |dir: &str| dir.trim_end_matches('/') == request.dir.trim_end_matches('/');
    let mut here = BTreeSet::new();
    let declared = resources::Entity::find()
        .filter(resources::Column::Kind.eq(Text(Kind::Cluster)))
        .order_by_asc(resources::Column::Name)
        .all(cx.tx())
        .await?;
    for row in declared {
        if let Resource::Cluster(cluster) = &row.document.0.resource {
            let mut instances = cluster.instances.iter();
            if instances.any(|one| {
                one.agent == request.agent && one.given_data_directory().is_some_and(is_here)
            }) {
                here.insert(row.name.0);
            }
        }
    }
    let agent = agents::Entity::find()
        .filter(agents::Column::Name.eq(request.agent.as_str()))
        .only(cx.tx())
        .await?;
    let Some(agent) = agent else { return Ok(here) };
    let seen = instances::Entity::find()
        .filter(instances::Column::Agent.eq(agent.id))
        .order_by_asc(instances::Column::Cluster)
        .all(cx.tx())
        .await?;
    for row in seen {
        if let Observation::Reachable(server) = &row.facts.0.observation
            && is_here(&server.data_directory)
        {
            here.insert(row.cluster.0);
        }
    }
    Ok(here)
}

/// The need of deleting a cluster: none when there are no backups of it.
pub(super) async fn for_cluster(cx: &ApplyContext<'_>, cluster: &Name) -> Result<Need, StateError> {
    let mut need = Need::none();
    let policies = asking(cx).await?;
    let backups = "SELECT 1 FROM backups WHERE cluster = ? \
                   AND state IN ('running', 'available', 'condemned')";
    if policies.is_empty() || !cx.exists(backups, [Text(cluster.clone()).into()]).await? {
        return Ok(need);
    }
    deleting(cx, &mut need, &policies, cluster).await?;
    Ok(need)
}

async fn deleting(
    cx: &ApplyContext<'_>,
    need: &mut Need,
    policies: &BTreeMap<Name, Policy>,
    cluster: &Name,
) -> Result<(), StateError> {
    need.about(cluster);
    // A retired cluster has its labels still, and with them its policy: what was
    // kept of it is deleted by nobody alone.
    let Some(row) = cx.resource(Kind::Cluster, cluster).await? else {
        return Ok(());
    };
    if let Some((name, policy)) = policy::effective(policies, &row.labels.0) {
        let needed = policy.approvals(ApprovalRule::Delete);
        need.add(needed, || {
            format!("the policy \"{name}\" of \"{cluster}\" says approvals.delete: {needed}")
        });
    }
    Ok(())
}

/// The need of applying documents: of policies that protect less than before, and
/// of clusters that come under another one that does.
pub(super) async fn for_documents(
    cx: &ApplyContext<'_>,
    plans: &[Plan],
) -> Result<Need, StateError> {
    let mut need = Need::none();
    let before = asking(cx).await?;
    if before.is_empty() {
        return Ok(need);
    }
    let mut after = before.clone();
    let mut moved: BTreeMap<Name, Labels> = BTreeMap::new();
    for plan in plans.iter().filter(|plan| plan.change != Change::Unchanged) {
        let name = plan.name().clone();
        match &plan.document.resource {
            Resource::Cluster(_) => {
                need.about(&name);
                moved.insert(name, plan.document.metadata.labels.clone());
            }
            Resource::Policy(policy) => {
                need.clusters = None;
                after.insert(name, (**policy).clone());
            }
            Resource::Repository(_)
            | Resource::Fleet(_)
            | Resource::DrillPlan(_)
            | Resource::RoleBinding(_)
            | Resource::NotificationChannel(_) => {
                need.clusters = None;
            }
        }
    }
    compare(cx, &mut need, (&before, &after), &moved).await?;
    others_could_consent(cx, &mut need, &before, plans).await?;
    Ok(need)
}

/// The need of moving clusters to where other people could consent to what is done
/// to them: nobody gets around a rule by choosing who keeps it.
async fn others_could_consent(
    cx: &ApplyContext<'_>,
    need: &mut Need,
    policies: &BTreeMap<Name, Policy>,
    plans: &[Plan],
) -> Result<(), StateError> {
    let default: Name = DEFAULT_FLEET.parse().expect("it is a name");
    let bindings = bindings(cx).await?;
    for plan in plans.iter().filter(|plan| plan.kind() == Kind::Cluster) {
        let Some(old) = &plan.old else { continue };
        let metadata = &plan.document.metadata;
        let before = Place {
            fleet: old.fleet.as_ref().map_or(&default, |fleet| &fleet.0),
            labels: &old.labels.0,
        };
        let after = Place {
            fleet: metadata.fleet.as_ref().unwrap_or(&default),
            labels: &metadata.labels,
        };
        if before == after {
            continue;
        }
        let Some((policy_name, policy)) = policy::effective(policies, before.labels) else {
            continue;
        };
        let asks = ApprovalRule::ALL.map(|rule| policy.approvals(rule));
        let voters = |place| {
            let roles = bindings.iter().map(|(_, binding)| binding);
            holders(roles, Permission::ApprovalsVote, place)
        };
        let (can, could) = (voters(before), voters(after));
        if could.is_subset(&can) {
            continue;
        }
        let needed = asks.into_iter().max().unwrap_or(0);
        need.add(needed, || {
            format!(
                "others than now could consent to what the policy \"{policy_name}\" guards of \
                 \"{}\"",
                plan.name()
            )
        });
    }
    Ok(())
}

/// The need of deleting a policy.
pub(super) async fn for_policy(cx: &ApplyContext<'_>, name: &Name) -> Result<Need, StateError> {
    let mut need = Need::none();
    need.clusters = None;
    let before = asking(cx).await?;
    if before.is_empty() {
        return Ok(need);
    }
    let mut after = before.clone();
    after.remove(name);
    compare(cx, &mut need, (&before, &after), &BTreeMap::new()).await?;
    Ok(need)
}

/// Compares policies with themselves, whether or not they select anything, and
/// what is in force for each cluster.
async fn compare(
    cx: &ApplyContext<'_>,
    need: &mut Need,
    (before, after): (&BTreeMap<Name, Policy>, &BTreeMap<Name, Policy>),
    moved: &BTreeMap<Name, Labels>,
) -> Result<(), StateError> {
    for (name, old) in before {
        for weaker in weakens(old, after.get(name)) {
            need.add(weaker.needed, || {
                format!("policy \"{name}\": {}", weaker.what)
            });
        }
    }
    let clusters = match before == after {
        true => labels_of(cx, Some(moved)).await?,
        false => labels_of(cx, None).await?,
    };
    for (cluster, labels) in clusters {
        let Some((old_name, old)) = policy::effective(before, &labels) else {
            continue;
        };
        let labels = moved.get(&cluster).unwrap_or(&labels);
        let new = policy::effective(after, labels);
        if new.is_some_and(|(name, _)| name == old_name) {
            continue;
        }
        for weaker in weakens(old, new.map(|(_, policy)| policy)) {
            let to = new.map_or("no policy".to_owned(), |(name, _)| format!("\"{name}\""));
            need.add(weaker.needed, || {
                format!(
                    "\"{cluster}\" comes from \"{old_name}\" to {to}: {}",
                    weaker.what
                )
            });
        }
    }
    Ok(())
}

/// The policies, unless none of them asks for consent to anything.
async fn asking(cx: &ApplyContext<'_>) -> Result<BTreeMap<Name, Policy>, StateError> {
    // Below this level no policy could say so.
    if !cx.has_level(schema::ACCESS).await? {
        return Ok(BTreeMap::new());
    }
    let policies = stored_policies(cx).await?;
    match policies.values().any(|policy| policy.approvals.is_some()) {
        true => Ok(policies),
        false => Ok(BTreeMap::new()),
    }
}

/// The labels of these clusters as they are, or of all; also of retired ones.
async fn labels_of(
    cx: &ApplyContext<'_>,
    only: Option<&BTreeMap<Name, Labels>>,
) -> Result<BTreeMap<Name, Labels>, StateError> {
    if let Some(only) = only {
        let mut found = BTreeMap::new();
        for name in only.keys() {
            if let Some(row) = cx.resource(Kind::Cluster, name).await? {
                found.insert(name.clone(), row.labels.0);
            }
        }
        return Ok(found);
    }
    let rows: Vec<(Text<Name>, Json<Labels>)> = resources::Entity::find()
        .select_only()
        .column(resources::Column::Name)
        .column(resources::Column::Labels)
        .filter(resources::Column::Kind.eq(Text(Kind::Cluster)))
        .order_by_asc(resources::Column::Name)
        .into_tuple()
        .all(cx.tx())
        .await?;
    Ok(rows
        .into_iter()
        .map(|(name, labels)| (name.0, labels.0))
        .collect())
}
