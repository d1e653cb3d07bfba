//! In what catalog and repositories differ.

use holdfast_types::{Failure, Name};
use jiff::Timestamp;
use sea_orm::{ColumnTrait, DatabaseConnection, EntityTrait, QueryFilter, QueryOrder};

use crate::column::Text;
pub use crate::entity::word::FindingKind;
use crate::entity::{findings as rows, repository_scans};
use crate::lookup::Lookup;
use crate::state_snapshots::LEVEL;
use crate::{StateError, schema};

/// When a repository was last compared with the catalog.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScanView {
    /// The repository.
    pub repository: Name,
    /// When somebody asked for it, until it is done.
    pub requested_at: Option<Timestamp>,
    /// When all of it was last looked at.
    pub scanned_at: Option<Timestamp>,
    /// How many backups were in it then.
    pub backups: u64,
    /// How many of them the catalog did not know.
    pub adopted: u64,
    /// When it was last tried.
    pub tried_at: Option<Timestamp>,
    /// Why it could not be looked at.
    pub failure: Option<Failure>,
}

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FindingView {
    /// In what way.
    pub kind: FindingKind,
    /// What differs.
    pub subject: String,
    /// Of which cluster.
    pub cluster: Option<Name>,
    /// What each says.
    pub detail: String,
    /// When it was found first.
    pub first_seen: Timestamp,
    /// When it was found last.
    pub last_seen: Timestamp,
}

impl From<repository_scans::Model> for ScanView {
    fn from(row: repository_scans::Model) -> Self {
        Self {
            repository: row.repository.0,
            requested_at: row.requested_at.map(|at| at.0),
            scanned_at: row.scanned_at.map(|at| at.0),
            backups: row.backups.0,
            adopted: row.adopted.0,
            tried_at: row.tried_at.map(|at| at.0),
            failure: row.failure.map(|failure| failure.0),
        }
    }
}

/// Every repository that was asked for or looked at.
pub async fn scans(conn: &DatabaseConnection) -> Result<Vec<ScanView>, StateError> {
    if schema::version(conn).await? < LEVEL {
        return Ok(Vec::new());
    }
    let found = repository_scans::Entity::find()
        .order_by_asc(repository_scans::Column::Repository)
        .all(conn)
        .await?;
    Ok(found.into_iter().map(ScanView::from).collect())
}

/// One of them.
pub async fn scan(
    conn: &DatabaseConnection,
    repository: &Name,
) -> Result<Option<ScanView>, StateError> {
    if schema::version(conn).await? < LEVEL {
        return Ok(None);
    }
    let found = repository_scans::Entity::find_by_id(Text(repository.clone()));
    Ok(found.only(conn).await?.map(ScanView::from))
}

/// In what a repository and the catalog differ.
pub async fn findings(
    conn: &DatabaseConnection,
    repository: &Name,
) -> Result<Vec<FindingView>, StateError> {
    if schema::version(conn).await? < LEVEL {
        return Ok(Vec::new());
    }
    let found = rows::Entity::find()
        .filter(rows::Column::Repository.eq(repository.as_str()))
        .order_by_asc(rows::Column::Kind)
        .order_by_asc(rows::Column::Subject)
        .all(conn)
        .await?;
    let view = |row: rows::Model| FindingView {
        kind: row.kind.0,
        subject: row.subject,
        cluster: row.cluster.map(|cluster| cluster.0),
        detail: row.detail,
        first_seen: row.first_seen.0,
        last_seen: row.last_seen.0,
    };
    Ok(found.into_iter().map(view).collect())
}
