//! Backups.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use holdfast_state::query::{self, BackupFilter};
use holdfast_types::resource::{Checkpoint, Source};
use holdfast_types::{BackupId, BackupKind, BackupState, DumpFormat, DumpOptions, Failure, Name};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::jobs::{Accepted, JobStarted};
use crate::api::body::{Body, Params, Segment};
use crate::api::error::{ApiError, Problems};
use crate::api::page::{List, PageParams};
use crate::app::caller::Caller;
use crate::app::error::AppError;
use crate::app::{App, BackupDependentsView, Condemnation, Hold, Kept, WantedBackup};

pub(super) fn router() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(backup_start))
        .routes(routes!(backup_list))
        .routes(routes!(backup_show, backup_delete))
        .routes(routes!(backup_hold, backup_release))
        .routes(routes!(backup_copy))
        .routes(routes!(backup_dependents))
}

/// The backup that is wanted.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct BackupParams {
    /// What it holds.
    kind: BackupKind,
    /// Of a dump: names of databases, or `*` alone, which is all of them; `*`
    /// when it is not said.
    databases: Option<Vec<String>>,
    /// Of a dump: how a database is written down; `custom` when it is not
    /// said.
    format: Option<DumpFormat>,
    /// Of a dump: how many processes write one database; 1 when it is not
    /// said.
    #[schema(minimum = 1, maximum = 64)]
    jobs: Option<u32>,
    /// Of a dump: whether roles and tablespaces are in it; `true` when it is
    /// not said.
    globals: Option<bool>,
    /// Of a dump: whether it holds definitions only; `false` when it is not
    /// said.
    schema_only: Option<bool>,
    /// From which server; the primary when it is not said.
    from: Option<Source>,
    /// How PostgreSQL begins the backup; `fast` when it is not said.
    checkpoint: Option<Checkpoint>,
}

impl BackupParams {
    /// What a dump shall hold; nothing of other kinds, of which nothing of it
    /// may be said.
    fn dump(self) -> Result<Option<DumpOptions>, AppError> {
        if self.kind == BackupKind::Logical {
            let usual = DumpOptions::default();
            return Ok(Some(DumpOptions {
                databases: self.databases.unwrap_or(usual.databases),
                format: self.format.unwrap_or(usual.format),
                jobs: self.jobs.unwrap_or(usual.jobs),
                globals: self.globals.unwrap_or(usual.globals),
                schema_only: self.schema_only.unwrap_or(usual.schema_only),
            }));
        }
        let for_dumps = [
            ("databases", self.databases.is_some()),
            ("format", self.format.is_some()),
            ("jobs", self.jobs.is_some()),
            ("globals", self.globals.is_some()),
            ("schemaOnly", self.schema_only.is_some()),
        ];
        match for_dumps.iter().find(|(_, given)| *given) {
            None => Ok(None),
            Some((field, _)) => {
                let message = "it is for backups of kind logical";
                Err(AppError::invalid(*field, message))
            }
        }
    }
}

/// A backup as the catalog knows it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct BackupView {
    /// Its id.
    id: String,
    /// The cluster it is of.
    cluster: String,
    /// What it holds.
    kind: BackupKind,
    /// The backup it builds on.
    parent: Option<String>,
    /// How far it is from being restorable.
    state: BackupState,
    /// The timeline on which it was taken.
    timeline: Option<u32>,
    /// Where its recovery begins.
    start_lsn: Option<String>,
    /// Where it is consistent.
    stop_lsn: Option<String>,
    /// When it began.
    started_at: Timestamp,
    /// When its data was consistent.
    finished_at: Option<Timestamp>,
    /// Bytes of the files it describes.
    database_bytes: Option<u64>,
    /// Bytes it added to the repository.
    added_bytes: Option<u64>,
    /// Where it is.
    repositories: Vec<String>,
    /// The job that took it.
    job: String,
    /// The lineage it belongs to.
    lineage: Option<String>,
    /// PostgreSQL's `server_version_num`.
    server_version: Option<u32>,
    /// Why it failed.
    error: Option<Failure>,
    /// Until when it is kept because incrementals may build on it; only when
    /// one backup is asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pinned_until: Option<Timestamp>,
    /// Who keeps it from expiry, and why; null when nobody does.
    hold: Option<Hold>,
    /// That it is to be deleted, or was; null when it is not.
    condemned: Option<Condemnation>,
}

impl From<(query::BackupView, Kept)> for BackupView {
    fn from((backup, kept): (query::BackupView, Kept)) -> Self {
        Self {
            id: backup.id.to_string(),
            cluster: backup.cluster.to_string(),
            kind: backup.kind,
            parent: backup.parent.map(|parent| parent.to_string()),
            state: backup.state,
            timeline: backup.timeline.map(|timeline| timeline.get()),
            start_lsn: backup.start_lsn.map(|lsn| lsn.to_string()),
            stop_lsn: backup.stop_lsn.map(|lsn| lsn.to_string()),
            started_at: backup.started_at,
            finished_at: backup.finished_at,
            database_bytes: backup.database_bytes,
            added_bytes: backup.added_bytes,
            repositories: backup.repositories.iter().map(Name::to_string).collect(),
            job: backup.job.to_string(),
            lineage: backup.lineage.map(|lineage| lineage.to_string()),
            server_version: backup.server_version,
            error: backup.failure,
            pinned_until: None,
            hold: kept.hold,
            condemned: kept.condemned,
        }
    }
}

/// Take a backup of a cluster
#[utoipa::path(post, path = "/api/v1/clusters/{name}/backups", operation_id = "backup_start", tag = "backups",
    params(("name" = String, Path)),
    request_body = BackupParams,
    responses((status = 202, description = "The job that takes it", body = JobStarted), Problems))]
async fn backup_start(
    State(app): State<Arc<App>>,
    caller: Caller,
    Segment(name): Segment<Name>,
    Body(params): Body<BackupParams>,
) -> Result<Accepted, ApiError> {
    let (kind, from, checkpoint) = (params.kind, params.from, params.checkpoint);
    let wanted = WantedBackup {
        kind,
        dump: params.dump()?,
        from,
        checkpoint,
    };
    Ok(Accepted(app.start_backup(&caller, name, wanted).await?))
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct BackupListParams {
    /// Only of this cluster.
    #[param(value_type = Option<String>)]
    cluster: Option<Name>,
    /// Only in this state.
    state: Option<BackupState>,
    /// Only of this kind.
    kind: Option<BackupKind>,
    /// Only in this repository.
    #[param(value_type = Option<String>)]
    repository: Option<Name>,
    /// At most this many items, 1 to 1000; 100 when it is not said.
    limit: Option<u64>,
    /// Where the page before ended: its `nextCursor`.
    cursor: Option<String>,
}

/// List backups, newest first
#[utoipa::path(get, path = "/api/v1/backups", operation_id = "backup_list", tag = "backups", params(BackupListParams),
    responses((status = 200, description = "Backups", body = List<BackupView>), Problems))]
async fn backup_list(
    State(app): State<Arc<App>>,
    caller: Caller,
    Params(params): Params<BackupListParams>,
) -> Result<Json<List<BackupView>>, ApiError> {
    let filter = BackupFilter {
        cluster: params.cluster,
        state: params.state,
        kind: params.kind,
        repository: params.repository,
        ..BackupFilter::default()
    };
    let page = PageParams::page(params.limit, params.cursor)?;
    let found = app.backups(&caller, &filter, &page).await?;
    Ok(Json(found.map(BackupView::from).into()))
}

/// Show a backup
#[utoipa::path(get, path = "/api/v1/backups/{id}", operation_id = "backup_show", tag = "backups",
    params(("id" = String, Path)),
    responses((status = 200, description = "The backup", body = BackupView), Problems))]
async fn backup_show(
    State(app): State<Arc<App>>,
    caller: Caller,
    Segment(id): Segment<BackupId>,
) -> Result<Json<BackupView>, ApiError> {
    Ok(Json(view(&app, &caller, id).await?))
}

/// Show what becomes of everything else if a backup is deleted
///
/// The backups that build on it, and the times that could not be restored any more.
/// Nothing is deleted by asking.
#[utoipa::path(get, path = "/api/v1/backups/{id}/dependents", operation_id = "backup_dependents", tag = "backups",
    params(("id" = String, Path)),
    responses((status = 200, description = "What would be lost", body = BackupDependentsView), Problems))]
async fn backup_dependents(
    State(app): State<Arc<App>>,
    caller: Caller,
    Segment(id): Segment<BackupId>,
) -> Result<Json<BackupDependentsView>, ApiError> {
    Ok(Json(app.backup_dependents(&caller, id).await?))
}

async fn view(app: &App, caller: &Caller, id: BackupId) -> Result<BackupView, ApiError> {
    let (backup, kept, pinned_until) = app.backup(caller, id).await?;
    Ok(BackupView {
        pinned_until,
        ..(backup, kept).into()
    })
}

/// Delete a backup
///
/// It is condemned, and deleted from its repositories once the grace is over. One
/// that is held, pinned or the last of its kind is refused.
#[utoipa::path(delete, path = "/api/v1/backups/{id}", operation_id = "backup_delete", tag = "backups",
    params(("id" = String, Path)),
    responses((status = 202, description = "It is condemned", body = BackupView), Problems))]
async fn backup_delete(
    State(app): State<Arc<App>>,
    caller: Caller,
    Segment(id): Segment<BackupId>,
) -> Result<(StatusCode, Json<BackupView>), ApiError> {
    app.delete_backup(&caller, id).await?;
    Ok((StatusCode::ACCEPTED, Json(view(&app, &caller, id).await?)))
}

/// A hold that is wanted.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct HoldParams {
    /// Why.
    reason: String,
    /// Until when; until it is released when it is not said.
    until: Option<Timestamp>,
}

/// Hold a backup: it does not expire
#[utoipa::path(put, path = "/api/v1/backups/{id}/hold", operation_id = "backup_hold", tag = "backups",
    params(("id" = String, Path)),
    request_body = HoldParams,
    responses((status = 200, description = "The backup", body = BackupView), Problems))]
async fn backup_hold(
    State(app): State<Arc<App>>,
    caller: Caller,
    Segment(id): Segment<BackupId>,
    Body(params): Body<HoldParams>,
) -> Result<Json<BackupView>, ApiError> {
    app.hold_backup(&caller, id, (params.reason, params.until))
        .await?;
    Ok(Json(view(&app, &caller, id).await?))
}

/// End the hold of a backup
#[utoipa::path(delete, path = "/api/v1/backups/{id}/hold", operation_id = "backup_release", tag = "backups",
    params(("id" = String, Path)),
    responses((status = 200, description = "The backup", body = BackupView), Problems))]
async fn backup_release(
    State(app): State<Arc<App>>,
    caller: Caller,
    Segment(id): Segment<BackupId>,
) -> Result<Json<BackupView>, ApiError> {
    app.release_backup(&caller, id).await?;
    Ok(Json(view(&app, &caller, id).await?))
}

/// A copy that is wanted.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct CopyParams {
    /// The repository that it is copied to; the one copy that the policy names when
    /// it is not said.
    #[schema(value_type = Option<String>)]
    repository: Option<Name>,
}

/// Copy a backup to another repository
#[utoipa::path(post, path = "/api/v1/backups/{id}/copies", operation_id = "backup_copy", tag = "backups",
    params(("id" = String, Path)),
    request_body = CopyParams,
    responses((status = 202, description = "The job that copies it", body = JobStarted), Problems))]
async fn backup_copy(
    State(app): State<Arc<App>>,
    caller: Caller,
    Segment(id): Segment<BackupId>,
    Body(params): Body<CopyParams>,
) -> Result<Accepted, ApiError> {
    let job = app.copy_backup(&caller, id, params.repository).await?;
    Ok(Accepted(job))
}
