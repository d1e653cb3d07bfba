//! Silences.

use holdfast_types::alarm::AlarmRule;
use holdfast_types::{Name, SilenceId};
use jiff::Timestamp;
use sea_orm::{ColumnTrait, DatabaseConnection, EntityTrait, QueryFilter, QueryOrder};

use crate::column::{Moment, Text};
use crate::entity::silences as rows;
use crate::{Principal, StateError, row, schema};

/// A time in which alarms are not told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SilenceView {
    /// Its id.
    pub id: SilenceId,
    /// Only alarms of this rule.
    pub rule: Option<AlarmRule>,
    /// Only alarms of this fleet.
    pub fleet: Option<Name>,
    /// Only alarms of this cluster.
    pub cluster: Option<Name>,
    /// Why.
    pub reason: String,
    /// When it ends.
    pub until: Timestamp,
    /// Who said so.
    pub created_by: Principal,
    /// When.
    pub created_at: Timestamp,
}

impl From<rows::Model> for SilenceView {
    fn from(row: rows::Model) -> Self {
        Self {
            id: row.id.0,
            rule: row.rule.map(|rule| rule.0),
            fleet: row.fleet.map(|fleet| fleet.0),
            cluster: row.cluster.map(|cluster| cluster.0),
            reason: row.reason,
            until: row.until.0,
            created_by: row.created_by.0,
            created_at: row.created_at.0,
        }
    }
}

/// The silences that are not over at `now`, the one that ends first before the others.
pub async fn silences(
    conn: &DatabaseConnection,
    now: Timestamp,
) -> Result<Vec<SilenceView>, StateError> {
    use rows::{Column, Entity};
    if schema::version(conn).await? < schema::NOTICES {
        return Ok(Vec::new());
    }
    let found = Entity::find()
        .filter(Column::Until.gt(Moment(now)))
        .order_by_asc(Column::Until)
        .order_by_asc(Column::Id);
    let found = found.all(conn).await?;
    Ok(found.into_iter().map(SilenceView::from).collect())
}

/// The silence of this id.
pub async fn silence(
    conn: &DatabaseConnection,
    silence: SilenceId,
) -> Result<Option<SilenceView>, StateError> {
    if schema::version(conn).await? < schema::NOTICES {
        return Ok(None);
    }
    let found = row::read::<rows::Entity>(conn, Text(silence)).await?;
    Ok(found.map(SilenceView::from))
}
