//! Backups and drills as marks on the band.

use std::collections::BTreeMap;

use holdfast_consensus::StateView;
use holdfast_state::query::{self, BackupFilter, BackupView, DrillFilter, PageRequest};
use holdfast_types::drill::{DrillKind, DrillVerdict};
use holdfast_types::{
    BackupId, BackupKind, BackupState, DrillId, Failure, Lineage, Lsn, Name, RestoreTarget, Span,
    Timeline,
};
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::app::error::Result;
use crate::app::expiry::{Condemnation, Hold};

/// More backups are not shown at once: those that are held stay, then full ones, then the
/// newest.
const BACKUPS_MOST: usize = 1000;
/// More drills are not looked at.
const DRILLS_MOST: usize = 1000;

/// A time that is asked about; without a beginning, all of it up to its end.
#[derive(Debug, Clone, Copy)]
pub(super) struct Within {
    pub(super) from: Option<Timestamp>,
    pub(super) to: Timestamp,
}

impl Within {
    pub(super) fn meets(self, from: Timestamp, to: Timestamp) -> bool {
        from <= self.to && self.from.is_none_or(|begin| to >= begin)
    }
}

/// A backup on the band. It is consistent, and can be restored, at `finishedAt`, which is
/// `stopLsn`.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct BackupMark {
    /// Its id.
    #[schema(value_type = String)]
    pub id: BackupId,
    /// What it holds.
    pub kind: BackupKind,
    /// How far it is from being restorable.
    pub state: BackupState,
    /// The backup it builds on.
    #[schema(value_type = Option<String>)]
    pub parent: Option<BackupId>,
    /// Where it is.
    #[schema(value_type = Vec<String>)]
    pub repositories: Vec<Name>,
    /// The lineage it belongs to.
    #[schema(value_type = Option<String>)]
    pub lineage: Option<Lineage>,
    /// The timeline on which it was taken.
    #[schema(value_type = Option<u32>)]
    pub timeline: Option<Timeline>,
    /// When it began.
    pub started_at: Timestamp,
    /// When its data was consistent, or it failed.
    pub finished_at: Option<Timestamp>,
    /// Where its recovery begins.
    #[schema(value_type = Option<String>)]
    pub start_lsn: Option<Lsn>,
    /// Where it is consistent.
    #[schema(value_type = Option<String>)]
    pub stop_lsn: Option<Lsn>,
    /// Bytes of the files it describes.
    pub database_bytes: Option<u64>,
    /// Bytes it added to the repository.
    pub added_bytes: Option<u64>,
    /// Who keeps it from expiry, and why.
    pub hold: Option<Hold>,
    /// That it is to be deleted.
    pub condemned: Option<Condemnation>,
    /// The newest drill that restored it and passed.
    #[schema(value_type = Option<String>)]
    pub verified_by: Option<DrillId>,
    /// When that ended.
    pub verified_at: Option<Timestamp>,
    /// Why it failed.
    pub error: Option<Failure>,
}

/// A drill on the band.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DrillMark {
    /// Its id.
    #[schema(value_type = String)]
    pub id: DrillId,
    /// When it ended.
    pub finished_at: Timestamp,
    /// How: only one that passed proves anything.
    pub verdict: DrillVerdict,
    /// What it restored.
    pub kind: Option<DrillKind>,
    /// From which repository.
    #[schema(value_type = String)]
    pub repository: Name,
    /// From which backup.
    #[schema(value_type = Option<String>)]
    pub backup: Option<BackupId>,
    /// To which point.
    #[schema(value_type = Option<String>)]
    pub target: Option<RestoreTarget>,
    /// The time that this meant.
    pub target_at: Option<Timestamp>,
    /// Every commit up to then was in what was restored.
    pub reached_at: Option<Timestamp>,
    /// The position it reached.
    #[schema(value_type = Option<String>)]
    pub reached_lsn: Option<Lsn>,
    /// How long it took until PostgreSQL answered with what it was to have.
    pub rto_seconds: Option<f64>,
    /// What would have been lost.
    pub rpo_seconds: Option<f64>,
}

impl From<query::DrillView> for DrillMark {
    fn from(drill: query::DrillView) -> Self {
        let seconds = |span: Option<Span>| span.map(|span| span.as_secs_f64());
        Self {
            id: drill.id,
            finished_at: drill.finished_at,
            verdict: drill.verdict,
            kind: drill.kind,
            repository: drill.repository,
            backup: drill.backup,
            target: drill.target,
            target_at: drill.target_at,
            reached_at: drill.reached_at,
            reached_lsn: drill.reached_lsn,
            rto_seconds: seconds(drill.rto),
            rpo_seconds: seconds(drill.rpo),
        }
    }
}

/// The newest drills of a cluster.
pub(super) async fn drills_of(view: &StateView, cluster: &Name) -> Result<Vec<DrillMark>> {
    let filter = DrillFilter {
        cluster: Some(cluster.clone()),
        ..DrillFilter::default()
    };
    let conn = view.connection();
    let found = query::drills(conn, &filter, &PageRequest::longest()).await?;
    let newest = found.items.into_iter().take(DRILLS_MOST);
    Ok(newest.map(DrillMark::from).collect())
}

impl App {
    /// The backups of a time in any of these repositories, by when they began, and how
    /// many more there are. Those that were deleted are no marks.
    pub(super) async fn backup_marks(
        &self,
        view: &StateView,
        cluster: &Name,
        available: &[BackupView],
        (within, repositories): (Within, &[Name]),
        drills: &[DrillMark],
    ) -> Result<(Vec<BackupMark>, u64)> {
        let mut all: Vec<BackupView> = available.to_vec();
        for state in [
            BackupState::Running,
            BackupState::Failed,
            BackupState::Condemned,
        ] {
            let filter = BackupFilter {
                cluster: Some(cluster.clone()),
                state: Some(state),
                ..BackupFilter::default()
            };
            let conn = view.connection();
            let found = query::backups(conn, &filter, &PageRequest::longest()).await?;
            all.extend(found.items);
        }
        all.retain(|one| {
            let here = one
                .repositories
                .iter()
                .any(|name| repositories.contains(name));
            // One that did not get so far is in no repository yet.
            let here = here || one.repositories.is_empty();
            here && within.meets(one.started_at, one.finished_at.unwrap_or(within.to))
        });
        let mut kept = self.kept_of(view, &all).await?;
        let mut marks: Vec<BackupMark> = all
            .into_iter()
            .map(|one| {
                let kept = kept.remove(&one.id).unwrap_or_default();
                mark(one, (kept.hold, kept.condemned))
            })
            .collect();
        let whole = marks.len();
        marks.sort_by_key(|one| {
            let rank = (one.hold.is_none(), one.kind != BackupKind::Full);
            (rank, std::cmp::Reverse(one.started_at))
        });
        marks.truncate(BACKUPS_MOST);
        marks.sort_by_key(|one| (one.started_at, one.id));
        verify(&mut marks, drills);
        let left_out = whole.saturating_sub(marks.len());
        Ok((marks, left_out as u64))
    }
}

fn mark(one: BackupView, (hold, condemned): (Option<Hold>, Option<Condemnation>)) -> BackupMark {
    BackupMark {
        id: one.id,
        kind: one.kind,
        state: one.state,
        parent: one.parent,
        repositories: one.repositories,
        lineage: one.lineage,
        timeline: one.timeline,
        started_at: one.started_at,
        finished_at: one.finished_at,
        start_lsn: one.start_lsn,
        stop_lsn: one.stop_lsn,
        database_bytes: one.database_bytes,
        added_bytes: one.added_bytes,
        hold,
        condemned,
        verified_by: None,
        verified_at: None,
        error: one.failure,
    }
}

fn verify(marks: &mut [BackupMark], drills: &[DrillMark]) {
    let mut passed: BTreeMap<BackupId, &DrillMark> = BTreeMap::new();
    for drill in drills
        .iter()
        .filter(|one| one.verdict == DrillVerdict::Passed)
    {
        let Some(backup) = drill.backup else { continue };
        let known = passed.entry(backup).or_insert(drill);
        if known.finished_at < drill.finished_at {
            *known = drill;
        }
    }
    for mark in marks {
        let drill = passed.get(&mark.id);
        mark.verified_by = drill.map(|drill| drill.id);
        mark.verified_at = drill.map(|drill| drill.finished_at);
    }
}
