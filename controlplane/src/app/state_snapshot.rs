//! Snapshots of the control plane's own state.

use holdfast_state::command::{RequestStateSnapshot, SetStateSnapshots};
use holdfast_state::query::{self, Page, StateSnapshotSettings};
use holdfast_types::{Failure, Name, Span, StateSnapshotId};
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::App;
use super::caller::Caller;
use super::code::Code;
use super::error::{AppError, Result};
use crate::plan::state_snapshots as plan;

/// A snapshot of the control plane's state.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = StateSnapshot)]
pub struct StateSnapshotView {
    /// Its id.
    #[schema(value_type = String)]
    pub id: StateSnapshotId,
    /// The repository it is in.
    #[schema(value_type = String)]
    pub repository: Name,
    /// `requested, available, failed, condemned`
    pub state: String,
    /// When it was asked for.
    pub requested_at: Timestamp,
    /// When it was taken.
    pub taken_at: Option<Timestamp>,
    /// The last log entry that is in it.
    pub index: Option<u64>,
    /// What it takes in the repository.
    pub stored_bytes: Option<u64>,
    /// The node that took it.
    pub node: Option<String>,
    /// Why it could not be taken, or is not there any more.
    #[schema(value_type = Option<Object>)]
    pub error: Option<Failure>,
}

impl From<query::StateSnapshotView> for StateSnapshotView {
    fn from(row: query::StateSnapshotView) -> Self {
        Self {
            id: row.id,
            repository: row.repository,
            state: row.state.to_string(),
            requested_at: row.requested_at,
            taken_at: row.taken_at,
            index: row.index,
            stored_bytes: row.stored_bytes,
            node: row.node,
            error: row.failure,
        }
    }
}

/// How safe the state is.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct StateSafety {
    /// Where snapshots go.
    #[schema(value_type = String)]
    pub repository: Name,
    /// How often.
    #[schema(value_type = String, example = "15m")]
    pub every: Span,
    /// How many are kept.
    pub keep: u32,
    /// When the newest that can be restored from was taken.
    pub last_taken_at: Option<Timestamp>,
    /// How long ago that is.
    pub age_seconds: Option<f64>,
    /// Whether that is longer than two periods, or there is none yet.
    pub late: bool,
    /// Why the last one could not be taken.
    #[schema(value_type = Option<Object>)]
    pub error: Option<Failure>,
}

impl App {
    /// Every snapshot, the newest first.
    pub async fn state_snapshots(&self, by: &Caller) -> Result<Page<StateSnapshotView>> {
        let view = self.read(by).await?;
        let found = query::state_snapshots(view.connection()).await?;
        Ok(Page {
            items: found.into_iter().map(StateSnapshotView::from).collect(),
            next_cursor: None,
        })
    }

    /// One snapshot.
    pub async fn state_snapshot(
        &self,
        by: &Caller,
        id: StateSnapshotId,
    ) -> Result<StateSnapshotView> {
        let view = self.read(by).await?;
        let found = query::state_snapshot(view.connection(), id).await?;
        let found = found.ok_or_else(|| AppError::not_found("state snapshot", id))?;
        Ok(found.into())
    }

    /// Asks for a snapshot now: into the repository of the settings, when none
    /// is named.
    pub async fn request_state_snapshot(
        &self,
        by: &Caller,
        repository: Option<Name>,
    ) -> Result<StateSnapshotView> {
        let view = self.node.read().await?;
        let settings = query::state_snapshot_settings(view.connection()).await?;
        let repository = repository.or(settings.map(|settings| settings.repository));
        let repository = repository.ok_or_else(|| {
            let message = "it is not said into which repository";
            AppError::new(Code::STATE_SNAPSHOTS_OFF, message).with_field("repository")
        })?;
        let command = RequestStateSnapshot {
            snapshot: StateSnapshotId::from_uuid(Uuid::now_v7()),
            repository,
        };
        let id = self.propose(by, command).await?;
        self.state_snapshot(by, id).await
    }

    /// Where and how often snapshots are taken; `None` turns them off.
    pub async fn set_state_snapshots(
        &self,
        by: &Caller,
        settings: Option<StateSnapshotSettings>,
    ) -> Result<()> {
        self.propose(by, SetStateSnapshots { settings }).await?;
        Ok(())
    }

    /// How safe the state is; `None` when no snapshots are taken.
    pub async fn state_safety(&self, by: &Caller) -> Result<Option<StateSafety>> {
        let view = self.read(by).await?;
        let settings = query::state_snapshot_settings(view.connection()).await?;
        let Some(settings) = settings else {
            return Ok(None);
        };
        let rows = query::state_snapshots(view.connection()).await?;
        let last_taken_at = plan::last_taken(&rows, &settings.repository);
        let age = last_taken_at.map(|at| Timestamp::now().duration_since(at).as_secs_f64());
        let late = age.is_none_or(|age| age > 2.0 * settings.every.as_secs_f64());
        let newest = rows
            .into_iter()
            .find(|row| row.repository == settings.repository);
        Ok(Some(StateSafety {
            repository: settings.repository,
            every: settings.every,
            keep: settings.keep,
            last_taken_at,
            age_seconds: age.map(|age| age.max(0.0)),
            late,
            error: newest.and_then(|row| row.failure),
        }))
    }
}
