//! The history of policies: what each said, since when, and who changed it.
//!
//! Written by whatever writes or deletes a policy, in the same transaction, so
//! that no change is without its revision.

use holdfast_types::Name;
use holdfast_types::resource::{Document, Kind};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder};

use crate::column::{Json, Moment, Text};
use crate::context::ApplyContext;
use crate::entity::{policy_revisions, resources};
use crate::{StateError, schema};

/// How many revisions of a policy are kept, the newest. The audit log keeps every
/// change for as long as it keeps anything.
pub const KEPT: u64 = 1_000;

/// Records what a policy says from this entry on; `None` when it is deleted.
pub(crate) async fn record(
    cx: &ApplyContext<'_>,
    policy: &Name,
    document: Option<Document>,
) -> Result<(), StateError> {
    if !cx.has_level(schema::POLICY_REVISIONS).await? {
        return Ok(());
    }
    cx.put(policy_revisions::Model {
        policy: Text(policy.clone()),
        revision: cx.revision().into(),
        document: document.map(Json),
        changed_by: cx.principal().cloned().map(Text),
        changed_at: Moment(cx.now()),
    })
    .await?;
    let sql = "DELETE FROM policy_revisions WHERE policy = ?1 AND revision <= (\
               SELECT revision FROM policy_revisions WHERE policy = ?1 \
               ORDER BY revision DESC LIMIT 1 OFFSET ?2)";
    let values = [
        Text(policy.clone()).into(),
        i64::try_from(KEPT).unwrap_or(i64::MAX).into(),
    ];
    cx.execute(sql, values).await?;
    Ok(())
}

/// The first revision of each policy that was there before there were any. Who
/// wrote it is in the audit log.
pub(crate) async fn record_those_there(cx: &ApplyContext<'_>) -> Result<(), StateError> {
    let found = resources::Entity::find()
        .filter(resources::Column::Kind.eq(Text(Kind::Policy)))
        .order_by_asc(resources::Column::Name)
        .all(cx.tx())
        .await?;
    for row in found {
        cx.put(policy_revisions::Model {
            policy: row.name,
            revision: row.revision,
            document: Some(row.document),
            changed_by: None,
            changed_at: row.updated_at,
        })
        .await?;
    }
    Ok(())
}
