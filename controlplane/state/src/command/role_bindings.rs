//! The rules of giving roles: somebody may always give them. And what they give,
//! asked where a command is applied.

use holdfast_types::Name;
use holdfast_types::access::{Permission, Place, Rights};
use holdfast_types::resource::{
    BindingScope, Document, Kind, Metadata, Resource, RoleBinding, Subject,
};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder};

use super::apply_documents::{Change, write};
use super::document_check::Plan;
use crate::column::Text;
use crate::context::{ApplyContext, Stop};
use crate::entity::{resources, users};
use crate::{Refusal, StateError};

/// The binding that makes everybody an administrator who was a user before there
/// were roles.
const FOUNDERS: &str = "administrators";

/// Gives those who could do everything the role that says so.
pub(super) async fn keep_powers(cx: &mut ApplyContext<'_>) -> Result<(), StateError> {
    let found = users::Entity::find()
        .order_by_asc(users::Column::Name)
        .all(cx.tx())
        .await?;
    if found.is_empty() {
        return Ok(());
    }
    let subject = |user: users::Model| Subject {
        user: Some(user.name.0),
        group: Default::default(),
        service_account: Default::default(),
    };
    let binding = RoleBinding {
        role: "administrator".parse().expect("it is a name"),
        subjects: found.into_iter().map(subject).collect(),
        scope: BindingScope::everything(),
    };
    let metadata = Metadata {
        name: FOUNDERS.parse().expect("it is a name"),
        fleet: None,
        labels: Default::default(),
    };
    let resource = Resource::RoleBinding(binding);
    write(cx, Document { metadata, resource }, None).await
}

/// Refuses documents after which nobody could give roles any more.
pub(super) async fn refuse_lockout(cx: &ApplyContext<'_>, plans: &[Plan]) -> Result<(), Stop> {
    let changed = plans.iter().filter(|plan| plan.change != Change::Unchanged);
    let planned = changed.filter_map(|plan| match &plan.document.resource {
        Resource::RoleBinding(binding) => Some((plan.name(), binding)),
        Resource::Repository(_)
        | Resource::Fleet(_)
        | Resource::Cluster(_)
        | Resource::Policy(_)
        | Resource::DrillPlan(_)
        | Resource::NotificationChannel(_) => None,
    });
    let planned: Vec<_> = planned.collect();
    if planned.is_empty()
        || planned
            .iter()
            .any(|(_, binding)| binding.makes_administrators())
    {
        return Ok(());
    }
    let gone: Vec<&Name> = planned.iter().map(|(name, _)| *name).collect();
    refuse_without(cx, &gone).await
}

/// Every binding of a role, by name.
pub(super) async fn bindings(
    cx: &ApplyContext<'_>,
) -> Result<Vec<(Name, RoleBinding)>, StateError> {
    let rows = resources::Entity::find()
        .filter(resources::Column::Kind.eq(Text(Kind::RoleBinding)))
        .order_by_asc(resources::Column::Name)
        .all(cx.tx())
        .await?;
    let binding = |row: resources::Model| match row.document.0.resource {
        Resource::RoleBinding(binding) => Some((row.name.0, binding)),
        Resource::Repository(_)
        | Resource::Fleet(_)
        | Resource::Cluster(_)
        | Resource::Policy(_)
        | Resource::DrillPlan(_)
        | Resource::NotificationChannel(_) => None,
    };
    Ok(rows.into_iter().filter_map(binding).collect())
}

/// What a user may do, as the bindings are now.
pub(super) async fn rights(cx: &ApplyContext<'_>, user: &Name) -> Result<Rights, StateError> {
    let bindings = bindings(cx).await?;
    Ok(Rights::of(
        user,
        bindings.iter().map(|(_, binding)| binding),
    ))
}

/// Whether a permission reaches to all of these clusters where they are now; to
/// everything when there are none to ask for.
pub(super) async fn reaches(
    cx: &ApplyContext<'_>,
    rights: &Rights,
    permission: Permission,
    clusters: Option<&[Name]>,
) -> Result<bool, StateError> {
    if rights.everywhere(permission) {
        return Ok(true);
    }
    let Some(clusters) = clusters else {
        return Ok(false);
    };
    for cluster in clusters {
        let found = cx.resource(Kind::Cluster, cluster).await?;
        let Some((Some(fleet), labels)) = found.map(|row| (row.fleet, row.labels)) else {
            return Ok(false);
        };
        let (fleet, labels) = (&fleet.0, &labels.0);
        if !rights.at(permission, Place { fleet, labels }) {
            return Ok(false);
        }
    }
    Ok(!clusters.is_empty())
}

/// Refuses when no binding but these makes anybody an administrator of everything.
pub(super) async fn refuse_without(cx: &ApplyContext<'_>, gone: &[&Name]) -> Result<(), Stop> {
    let mut before = false;
    for (name, binding) in bindings(cx).await? {
        if !binding.makes_administrators() {
            continue;
        }
        if !gone.contains(&&name) {
            return Ok(());
        }
        before = true;
    }
    // Without any before, there is nothing to lose.
    match before {
        true => Err(Refusal::LastAdministrator.into()),
        false => Ok(()),
    }
}
