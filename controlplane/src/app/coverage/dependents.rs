//! What becomes of everything else if a backup is deleted.

use std::collections::{BTreeMap, BTreeSet};

use holdfast_consensus::StateView;
use holdfast_state::Refusal;
use holdfast_state::query::{self, BackupView};
use holdfast_types::access::Permission;
use holdfast_types::{BackupId, BackupKind, BackupState, Failure, Lsn, Name, Timeline};
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::app::caller::Caller;
use crate::app::error::{AppError, Result};
use crate::plan::coverage::{dependents_of, lost_without};

/// What becomes of everything else if a backup is deleted: nothing is deleted by asking.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = BackupDependents)]
pub struct BackupDependentsView {
    /// The backup.
    #[schema(value_type = String)]
    pub id: BackupId,
    /// Of which cluster.
    #[schema(value_type = String)]
    pub cluster: Name,
    /// How far it is from being restorable.
    pub state: BackupState,
    /// When this was so.
    pub as_of: Timestamp,
    /// Why deleting it would be refused now; null when it would not. Whether others must
    /// consent is said when it is asked for.
    pub refused: Option<Failure>,
    /// The available backups that build on it, directly or by others. They stay
    /// restorable: what they share with it is deleted with the last of them.
    pub dependents: Vec<DependentBackup>,
    /// The times that could not be restored any more, by repository and time. What is
    /// not in it can be restored by others. WAL that only this backup needs expires
    /// later, and is not counted.
    pub lost: Vec<LostStretch>,
    /// The newest available backup that would be left of what it is one of, physical
    /// ones and dumps apart; null when it is the last.
    #[schema(value_type = Option<String>)]
    pub newest_left: Option<BackupId>,
}

/// A backup that builds on another.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DependentBackup {
    /// Its id.
    #[schema(value_type = String)]
    pub id: BackupId,
    /// What it holds.
    pub kind: BackupKind,
    /// The backup it builds on.
    #[schema(value_type = Option<String>)]
    pub parent: Option<BackupId>,
    /// When it was consistent.
    pub finished_at: Option<Timestamp>,
    /// Where it is.
    #[schema(value_type = Vec<String>)]
    pub repositories: Vec<Name>,
}

/// Times that could not be restored any more.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LostStretch {
    /// From which repository.
    #[schema(value_type = String)]
    pub repository: Name,
    /// On which timeline.
    #[schema(value_type = Option<u32>)]
    pub timeline: Option<Timeline>,
    /// The first moment.
    pub from: Timestamp,
    /// Up to when; the same moment for a point that stands alone, such as a dump.
    pub to: Timestamp,
    /// The position of the first; null where none is known.
    #[schema(value_type = Option<String>)]
    pub from_lsn: Option<Lsn>,
    /// And of the end.
    #[schema(value_type = Option<String>)]
    pub to_lsn: Option<Lsn>,
}

impl App {
    /// What becomes of everything else if a backup is deleted.
    pub async fn backup_dependents(
        &self,
        by: &Caller,
        id: BackupId,
    ) -> Result<BackupDependentsView> {
        let now = Timestamp::now();
        let view = self.read(by).await?;
        self.demand_backup(&view, by, Permission::BackupsRead, id)
            .await?;
        let found = query::backup(view.connection(), id).await?;
        let found = found.ok_or_else(|| AppError::not_found("backup", id))?;
        let known = self.known_of(&view, &found.cluster).await?;
        let refused = self
            .refuses_deletion(&view, &found, &known.backups, now)
            .await?;
        let parents: BTreeMap<BackupId, Option<BackupId>> = known
            .backups
            .iter()
            .map(|one| (one.id, one.parent))
            .collect();
        let dependents: BTreeSet<BackupId> = dependents_of(id, &parents).into_iter().collect();
        let builds_on = known.backups.iter().rev();
        let builds_on = builds_on.filter(|one| dependents.contains(&one.id));
        let gone = BTreeSet::from([id]);
        let mut lost = Vec::new();
        if found.state == BackupState::Available {
            for (name, here) in &known.of {
                let stretches = lost_without(&here.held, &gone).into_iter();
                lost.extend(stretches.map(|one| LostStretch {
                    repository: name.clone(),
                    timeline: Some(one.timeline),
                    from: one.from,
                    to: one.to,
                    from_lsn: one.from_lsn,
                    to_lsn: one.to_lsn,
                }));
            }
            lost.extend(dump_points(&found));
        }
        let others = known
            .backups
            .iter()
            .filter(|one| one.id != id && is_dump(one) == is_dump(&found));
        Ok(BackupDependentsView {
            id,
            cluster: found.cluster.clone(),
            state: found.state,
            as_of: now,
            refused: refused.map(failure),
            dependents: builds_on.map(dependent).collect(),
            lost,
            newest_left: others.max_by_key(|one| one.finished_at).map(|one| one.id),
        })
    }

    /// Why a backup could not be deleted by hand now: by the rules of the state, which
    /// asks them again when it is.
    async fn refuses_deletion(
        &self,
        view: &StateView,
        found: &BackupView,
        available: &[BackupView],
        now: Timestamp,
    ) -> Result<Option<Refusal>> {
        let (conn, backup) = (view.connection(), found.id);
        let until = query::expiry_suspended_until(conn).await?;
        if let Some(until) = until.filter(|until| *until > now) {
            return Ok(Some(Refusal::ExpirySuspended { until }));
        }
        match found.state {
            BackupState::Available => {}
            BackupState::Condemned | BackupState::Deleted => {
                return Ok(Some(Refusal::BackupCondemned { backup }));
            }
            state @ (BackupState::Running | BackupState::Failed) => {
                return Ok(Some(Refusal::BackupState { backup, state }));
            }
        }
        let holds = query::holds_of(conn, &[backup]).await?;
        if let Some(hold) = holds.get(&backup).filter(|hold| hold.holds(now)) {
            return Ok(Some(Refusal::BackupHeld {
                backup,
                reason: hold.reason.clone(),
                until: hold.until,
            }));
        }
        let pins = query::pins_of(conn, &[backup], now).await?;
        if let Some(pin) = pins.get(&backup).and_then(|pins| pins.last()) {
            let until = pin.until;
            return Ok(Some(Refusal::BackupPinned { backup, until }));
        }
        let only = found.repositories.iter().find(|repository| {
            let mut others = available
                .iter()
                .filter(|one| one.id != backup && is_dump(one) == is_dump(found));
            !others.any(|one| one.repositories.contains(repository))
        });
        Ok(only.map(|repository| Refusal::LastBackup {
            backup,
            kind: if is_dump(found) {
                "dump"
            } else {
                "physical backup"
            }
            .to_owned(),
            cluster: found.cluster.clone(),
            repository: repository.clone(),
        }))
    }
}

fn is_dump(backup: &BackupView) -> bool {
    backup.kind == BackupKind::Logical
}

/// A dump is a point in each repository that has it, and nothing else leads there.
fn dump_points(found: &BackupView) -> Vec<LostStretch> {
    let Some(at) = found.finished_at.filter(|_| is_dump(found)) else {
        return Vec::new();
    };
    let point = |repository: &Name| LostStretch {
        repository: repository.clone(),
        timeline: found.timeline,
        from: at,
        to: at,
        from_lsn: None,
        to_lsn: None,
    };
    found.repositories.iter().map(point).collect()
}

fn dependent(backup: &BackupView) -> DependentBackup {
    DependentBackup {
        id: backup.id,
        kind: backup.kind,
        parent: backup.parent,
        finished_at: backup.finished_at,
        repositories: backup.repositories.clone(),
    }
}

fn failure(refusal: Refusal) -> Failure {
    Failure::permanent(refusal.code(), refusal.to_string(), refusal.hint())
}
