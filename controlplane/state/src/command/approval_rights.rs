//! Who may ask for an act and who may consent to it, as roles are when it is done:
//! one that was taken away meanwhile counts no more (I-04).

use holdfast_types::Name;
use holdfast_types::access::{Permission, Place, Rights};
use holdfast_types::resource::{Kind, Resource};

use super::apply_documents::DEFAULT_FLEET;
use super::request_approval::user_of;
use super::role_bindings::{reaches, rights};
use super::{Command, DocumentChange};
use crate::column::Moment;
use crate::context::ApplyContext;
use crate::entity::approvals;
use crate::{PrincipalKind, StateError};

fn clusters_of(request: &approvals::Model) -> Option<&[Name]> {
    request
        .clusters
        .as_ref()
        .map(|clusters| clusters.0.as_slice())
}

/// Whether a user may consent to all that a request is about, as roles are now.
pub(super) async fn may_vote(
    cx: &ApplyContext<'_>,
    user: &Name,
    request: &approvals::Model,
) -> Result<bool, StateError> {
    let rights = rights(cx, user).await?;
    let clusters = clusters_of(request);
    reaches(cx, &rights, Permission::ApprovalsVote, clusters).await
}

/// Whether whoever asked is there still, the token too if it was one, and may do
/// it: what was asked for is done in that name.
pub(super) async fn requester_may(
    cx: &ApplyContext<'_>,
    request: &approvals::Model,
    command: &Command,
) -> Result<bool, StateError> {
    let Some(user) = user_of(cx, request.user.0).await? else {
        return Ok(false);
    };
    let by = &request.requested_by.0;
    if by.kind == PrincipalKind::Token && !token_counts(cx, request).await? {
        return Ok(false);
    }
    let rights = rights(cx, &user.name.0).await?;
    let clusters = clusters_of(request);
    match command {
        Command::CondemnBackups(_) | Command::ReleaseBackup(_) => {
            reaches(cx, &rights, Permission::BackupsDelete, clusters).await
        }
        Command::GrantExemption(_) => {
            reaches(cx, &rights, Permission::ClustersWrite, clusters).await
        }
        Command::HoldBackup(_) => reaches(cx, &rights, Permission::BackupsWrite, clusters).await,
        Command::DeleteResource(delete) => {
            let name = [delete.name.clone()];
            let clusters = (delete.kind == Kind::Cluster).then_some(name.as_slice());
            reaches(cx, &rights, Permission::to_write(delete.kind), clusters).await
        }
        Command::ApplyDocuments(apply) => may_apply(cx, &rights, &apply.documents).await,
        // Nothing else is ever held.
        _ => Ok(false),
    }
}

/// Whether the token under whose name was asked is that user's and is still good.
async fn token_counts(
    cx: &ApplyContext<'_>,
    request: &approvals::Model,
) -> Result<bool, StateError> {
    let sql = "SELECT 1 FROM api_tokens WHERE name = ? AND user = ? AND created_at <= ? \
               AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > ?)";
    let values = [
        request.requested_by.0.name.as_str().into(),
        request.user.into(),
        request.created_at.into(),
        Moment(cx.now()).into(),
    ];
    cx.exists(sql, values).await
}

/// Whether documents may be applied: clusters where they are and where they would
/// be, and all else by who may for everything.
async fn may_apply(
    cx: &ApplyContext<'_>,
    rights: &Rights,
    documents: &[DocumentChange],
) -> Result<bool, StateError> {
    for DocumentChange { document, .. } in documents {
        let permission = Permission::to_write(document.kind());
        if rights.everywhere(permission) {
            continue;
        }
        let Resource::Cluster(_) = &document.resource else {
            return Ok(false);
        };
        let metadata = &document.metadata;
        let default: Name = DEFAULT_FLEET.parse().expect("it is a name");
        let place = Place {
            fleet: metadata.fleet.as_ref().unwrap_or(&default),
            labels: &metadata.labels,
        };
        let here = [metadata.name.clone()];
        let there = cx.resource(Kind::Cluster, &metadata.name).await?.is_some();
        if !rights.at(permission, place)
            || (there && !reaches(cx, rights, permission, Some(&here)).await?)
        {
            return Ok(false);
        }
    }
    Ok(true)
}
