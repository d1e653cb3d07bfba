//! In what the catalog and the repositories differ.

use holdfast_state::command::RequestScans;
use holdfast_state::query;
use holdfast_types::access::Permission;
use holdfast_types::resource::Kind;
use holdfast_types::{Failure, Name};
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::App;
use super::caller::Caller;
use super::error::{AppError, Result};

/// One difference between the catalog and a repository.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Finding)]
pub struct FindingView {
    /// `missing, unknown, different, damaged`
    pub kind: String,
    /// What differs.
    #[schema(example = "backups/bkp_…")]
    pub subject: String,
    /// Of which cluster.
    #[schema(value_type = Option<String>)]
    pub cluster: Option<Name>,
    /// What each says.
    pub detail: String,
    /// When it was found first.
    pub first_seen: Timestamp,
    /// When it was found last.
    pub last_seen: Timestamp,
}

/// What comparing a repository with the catalog found.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Findings)]
pub struct FindingsView {
    /// The repository.
    #[schema(value_type = String)]
    pub repository: Name,
    /// When somebody asked for it; null once it is done.
    pub requested_at: Option<Timestamp>,
    /// When all of the repository was last looked at.
    pub scanned_at: Option<Timestamp>,
    /// How many backups were in it then.
    pub backups: u64,
    /// How many of them the catalog had not known.
    pub adopted: u64,
    /// Why it could not be looked at the last time; the items are older then.
    #[schema(value_type = Option<Object>)]
    pub error: Option<Failure>,
    /// The differences.
    pub items: Vec<FindingView>,
    /// Always null: they come all at once.
    pub next_cursor: Option<String>,
}

impl App {
    /// In what a repository and the catalog differ.
    pub async fn findings(&self, by: &Caller, repository: Name) -> Result<FindingsView> {
        let view = self.read(by).await?;
        let conn = view.connection();
        let declared = query::resource(conn, Kind::Repository, &repository).await?;
        if declared.is_none() {
            return Err(AppError::not_found("repository", repository));
        }
        let scan = query::scan(conn, &repository).await?;
        let found = query::findings(conn, &repository).await?;
        let visible = self
            .visible(&view, by, Permission::RepositoriesRead)
            .await?;
        let mut seen = Vec::with_capacity(found.len());
        for finding in found {
            let shows = match &finding.cluster {
                Some(cluster) => query::sees_cluster(conn, &visible, cluster).await?,
                None => visible.is_everything(),
            };
            if shows {
                seen.push(finding);
            }
        }
        let items = seen.into_iter().map(|finding| FindingView {
            kind: finding.kind.to_string(),
            subject: finding.subject,
            cluster: finding.cluster,
            detail: finding.detail,
            first_seen: finding.first_seen,
            last_seen: finding.last_seen,
        });
        let scan = scan.as_ref();
        Ok(FindingsView {
            repository,
            requested_at: scan.and_then(|scan| scan.requested_at),
            scanned_at: scan.and_then(|scan| scan.scanned_at),
            backups: scan.map_or(0, |scan| scan.backups),
            adopted: scan.map_or(0, |scan| scan.adopted),
            error: scan.and_then(|scan| scan.failure.clone()),
            items: items.collect(),
            next_cursor: None,
        })
    }

    /// Asks for one repository, or all of them, to be compared with the
    /// catalog.
    pub async fn request_scans(&self, by: &Caller, repository: Option<Name>) -> Result<Vec<Name>> {
        self.propose(by, RequestScans { repository }).await
    }
}
