//! What expires, and why; holds, and deleting by hand.

use std::collections::{BTreeMap, BTreeSet};

use holdfast_consensus::StateView;
use holdfast_state::command::{Condemn, CondemnBackups, CondemnedBy, HoldBackup, ReleaseBackup};
use holdfast_state::query::{
    self, BackupFilter, BackupView, CondemnedView, HoldView, JobFilter, PageRequest,
};
use holdfast_types::access::Permission;
use holdfast_types::resource::Policy;
use holdfast_types::{
    BackupId, BackupKind, BackupState, JobKind, Lineage, Lsn, LsnRange, Name, Revision, Timeline,
};
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::App;
use super::backup::no_policy;
use super::caller::Caller;
use super::error::Result;
use super::job::{JobSpec, WorkSpec};
use crate::plan::expiry::repository::{Facts, Verdicts, WalReason, plan};
use crate::plan::expiry::retention::{Available, Place, Reason, Rules};

/// What expires of a cluster, and why: what the leader would condemn now.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Expiry)]
pub struct ExpiryView {
    /// The cluster.
    #[schema(value_type = String)]
    pub cluster: Name,
    /// The policy that decides; null when none selects the cluster, or nobody
    /// declares it any more.
    #[schema(value_type = Option<String>)]
    pub policy: Option<Name>,
    /// Why nothing expires; null when something may.
    pub nothing_because: Option<String>,
    /// When this was planned.
    pub at: Timestamp,
    /// By repository.
    pub repositories: Vec<ExpiryOfRepository>,
}

/// What expires in one repository.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExpiryOfRepository {
    /// The repository.
    #[schema(value_type = String)]
    pub repository: Name,
    /// Available backups, oldest first.
    pub backups: Vec<ExpiryOfBackup>,
    /// WAL, by lineage, timeline and position.
    pub wal: Vec<ExpiryOfWal>,
}

/// What becomes of a backup.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExpiryOfBackup {
    /// The backup.
    #[schema(value_type = String)]
    pub id: BackupId,
    /// What it holds.
    pub kind: BackupKind,
    /// When it was complete.
    pub finished_at: Option<Timestamp>,
    /// Whether it is kept.
    pub keep: bool,
    /// Why.
    pub reasons: Vec<ExpiryReason>,
}

/// What becomes of a stretch of WAL.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExpiryOfWal {
    /// Its lineage.
    #[schema(value_type = String)]
    pub lineage: Lineage,
    /// Its timeline.
    #[schema(value_type = u32)]
    pub timeline: Timeline,
    /// From there
    #[schema(value_type = String)]
    pub from_lsn: Lsn,
    /// to there.
    #[schema(value_type = String)]
    pub to_lsn: Lsn,
    /// Whether it is kept.
    pub keep: bool,
    /// Why.
    pub reason: ExpiryReason,
}

/// Why something is kept, or not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExpiryReason {
    /// `last, newest, window, held, pinned, restored`, and of WAL
    /// `since, backup, running, no_backup_yet`; `expired` when it is not kept.
    pub code: &'static str,
    /// For people.
    pub text: String,
}

/// That a backup is to be deleted, or was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Condemnation {
    /// `retention` or `hand`.
    pub cause: String,
    /// Why.
    pub reason: String,
    /// When it was decided.
    pub at: Timestamp,
    /// Before then nothing of it is deleted.
    pub delete_after: Timestamp,
    /// When nothing of it was left in any repository.
    pub deleted_at: Option<Timestamp>,
}

/// A hold of a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Hold {
    /// Why.
    pub reason: String,
    /// Until when; null until it is released.
    pub until: Option<Timestamp>,
    /// Who placed it.
    pub by: String,
    /// When.
    pub placed_at: Timestamp,
}

/// What is known of a backup beside its row.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Kept {
    /// Its hold, if it is in force.
    pub hold: Option<Hold>,
    /// That it is to be deleted, or was.
    pub condemned: Option<Condemnation>,
}

/// What is planned of a cluster in a repository, and on what.
pub(crate) struct Planned {
    pub(crate) repository: Name,
    pub(crate) verdicts: Verdicts,
    kinds: BTreeMap<BackupId, (BackupKind, Option<Timestamp>)>,
}

/// What is planned of a cluster.
pub(crate) struct PlannedCluster {
    pub(crate) policy: Option<Name>,
    pub(crate) nothing_because: Option<String>,
    pub(crate) of: Vec<Planned>,
}

impl App {
    /// What the leader would condemn of a cluster now: the same plan.
    pub async fn expiry(&self, by: &Caller, cluster: &Name) -> Result<ExpiryView> {
        let view = self.read(by).await?;
        self.demand_at(&view, by, Permission::BackupsRead, cluster)
            .await?;
        self.cluster(&view, cluster).await?;
        let at = Timestamp::now();
        let planned = plan_expiry(&view, cluster, at).await?;
        Ok(ExpiryView {
            cluster: cluster.clone(),
            policy: planned.policy,
            nothing_because: planned.nothing_because,
            at,
            repositories: planned.of.iter().map(Planned::view).collect(),
        })
    }

    /// Holds a backup.
    pub async fn hold_backup(
        &self,
        by: &Caller,
        backup: BackupId,
        (reason, until): (String, Option<Timestamp>),
    ) -> Result<Revision> {
        let view = self.node.read().await?;
        self.demand_backup(&view, by, Permission::BackupsWrite, backup)
            .await?;
        let command = HoldBackup {
            backup,
            reason,
            until,
        };
        self.propose_or_ask(by, command).await
    }

    /// Ends the hold of a backup.
    pub async fn release_backup(&self, by: &Caller, backup: BackupId) -> Result<bool> {
        let view = self.node.read().await?;
        self.demand_backup(&view, by, Permission::BackupsDelete, backup)
            .await?;
        self.propose_or_ask(by, ReleaseBackup { backup }).await
    }

    /// Condemns a backup by hand.
    pub async fn delete_backup(&self, by: &Caller, backup: BackupId) -> Result<()> {
        let view = self.node.read().await?;
        self.demand_backup(&view, by, Permission::BackupsDelete, backup)
            .await?;
        let reason = format!("deleted by {}", by.principal());
        let command = CondemnBackups {
            backups: vec![Condemn { backup, reason }],
            by: CondemnedBy::Hand,
            grace_millis: self.config.expiry.grace.millis(),
        };
        self.propose_or_ask(by, command).await.map(drop)
    }

    /// What is known of these backups beside their rows.
    pub(super) async fn kept_of(
        &self,
        view: &StateView,
        backups: &[BackupView],
    ) -> Result<BTreeMap<BackupId, Kept>> {
        let ids: Vec<BackupId> = backups.iter().map(|backup| backup.id).collect();
        let now = Timestamp::now();
        let mut found: BTreeMap<BackupId, Kept> = BTreeMap::new();
        for (id, hold) in query::holds_of(view.connection(), &ids).await? {
            if hold.holds(now) {
                found.entry(id).or_default().hold = Some(hold.into());
            }
        }
        for (id, rows) in query::condemned_of(view.connection(), &ids).await? {
            found.entry(id).or_default().condemned = condemnation(&rows);
        }
        Ok(found)
    }
}

impl From<HoldView> for Hold {
    fn from(hold: HoldView) -> Self {
        Self {
            reason: hold.reason,
            until: hold.until,
            by: hold.by,
            placed_at: hold.placed_at,
        }
    }
}

/// One answer for all the repositories that a backup was in.
fn condemnation(rows: &[CondemnedView]) -> Option<Condemnation> {
    let first = rows.first()?;
    let deleted: Option<Vec<Timestamp>> = rows.iter().map(|row| row.deleted_at).collect();
    Some(Condemnation {
        cause: first.cause.to_string(),
        reason: first.reason.clone(),
        at: first.condemned_at,
        delete_after: first.delete_after,
        deleted_at: deleted.and_then(|all| all.into_iter().max()),
    })
}

/// Plans what expires of a cluster. The dry run and the real one are this.
pub(crate) async fn plan_expiry(
    view: &StateView,
    cluster: &Name,
    now: Timestamp,
) -> Result<PlannedCluster> {
    let effective = query::effective_policy(view.connection(), cluster).await?;
    plan_expiry_under(view, cluster, effective, now).await
}

/// The same under a policy that is not in force, to see what would expire.
pub(crate) async fn plan_expiry_under(
    view: &StateView,
    cluster: &Name,
    effective: Option<(Name, Policy)>,
    now: Timestamp,
) -> Result<PlannedCluster> {
    let (rules, nothing_because) = match &effective {
        None => (None, Some(no_policy(cluster).to_string())),
        Some((name, policy)) => match rules(policy) {
            Ok(Some(rules)) => (Some(rules), None),
            Ok(None) => {
                let because = format!("the policy \"{name}\" says no `retention`");
                (None, Some(because))
            }
            Err(because) => (None, Some(because)),
        },
    };
    let suspended = query::expiry_suspended_until(view.connection()).await?;
    let suspended = suspended.filter(|until| *until > now).map(|until| {
        format!(
            "the state was restored: until {until:.0} pins may be in force that it does not know"
        )
    });
    let mut of = Vec::new();
    for (repository, facts) in facts_of(view, cluster, now).await? {
        let verdicts = plan(rules.as_ref(), &facts.facts, now);
        of.push(Planned {
            repository,
            verdicts,
            kinds: facts.kinds,
        });
    }
    Ok(PlannedCluster {
        policy: effective.map(|(name, _)| name),
        nothing_because: nothing_because.or(suspended),
        of,
    })
}

/// What a policy keeps; nothing of one that does not say.
fn rules(policy: &Policy) -> std::result::Result<Option<Rules>, String> {
    let Some(retention) = &policy.retention else {
        return Ok(None);
    };
    let keep = retention.keep();
    let timezone = retention.zone().ok_or_else(|| {
        // Of a newer release, whose zones are others.
        let zone = retention.timezone();
        format!("this release does not know the time zone \"{zone}\"")
    })?;
    Ok(Some(Rules {
        last: keep.last(),
        daily: keep.daily.unwrap_or(0),
        weekly: keep.weekly.unwrap_or(0),
        monthly: keep.monthly.unwrap_or(0),
        yearly: keep.yearly.unwrap_or(0),
        pitr: policy.pitr().map(holdfast_types::Span::get),
        timezone,
    }))
}

#[derive(Default)]
struct Gathered {
    facts: Facts,
    kinds: BTreeMap<BackupId, (BackupKind, Option<Timestamp>)>,
}

/// What there is of a cluster, by repository.
async fn facts_of(
    view: &StateView,
    cluster: &Name,
    now: Timestamp,
) -> Result<BTreeMap<Name, Gathered>> {
    let conn = view.connection();
    // WAL before backups: what is committed meanwhile is seen to need its own.
    let wal = query::wal_of_cluster(conn, cluster).await?;
    let restored = restored(view, cluster).await?;
    let backups = all_backups(view, cluster).await?;
    let ids: Vec<BackupId> = backups.iter().map(|backup| backup.id).collect();
    let holds = query::holds_of(conn, &ids).await?;
    let pins = query::pins_of(conn, &ids, now).await?;
    let mut found: BTreeMap<Name, Gathered> = BTreeMap::new();
    for backup in backups {
        let place = place_of(&backup);
        for repository in &backup.repositories {
            let gathered = found.entry(repository.clone()).or_default();
            let facts = &mut gathered.facts;
            let was = matches!(
                backup.state,
                BackupState::Available | BackupState::Condemned | BackupState::Deleted
            );
            if let (true, Some(place), Some(finished)) = (was, place, backup.finished_at) {
                let last = facts.last.entry(place.lineage).or_insert(finished);
                *last = finished.max(*last);
            }
            match (backup.state, backup.finished_at) {
                (BackupState::Available, Some(finished)) => {
                    let held = holds.get(&backup.id).is_some_and(|hold| hold.holds(now));
                    let pins = pins.get(&backup.id);
                    facts.available.push(Available {
                        id: backup.id,
                        finished,
                        physical: place,
                        held,
                        pinned: pins.and_then(|pins| pins.last()).map(|pin| pin.until),
                        restored: restored.may_be(&backup),
                    });
                    gathered
                        .kinds
                        .insert(backup.id, (backup.kind, backup.finished_at));
                }
                (BackupState::Running, _) if backup.kind != BackupKind::Logical => {
                    if let (Some(lineage), Some(start)) = (backup.lineage, backup.start_lsn) {
                        facts.running.push((backup.id, lineage, start));
                    }
                }
                _ => {}
            }
        }
    }
    for timeline in wal {
        let gathered = found.entry(timeline.repository).or_default();
        let key = (timeline.lineage, timeline.timeline);
        gathered.facts.wal.insert(key, timeline.coverage);
    }
    Ok(found)
}

fn place_of(backup: &BackupView) -> Option<Place> {
    if backup.kind == BackupKind::Logical {
        return None;
    }
    Some(Place {
        lineage: backup.lineage?,
        timeline: backup.timeline?,
        start: backup.start_lsn?,
        stop: backup.stop_lsn?,
    })
}

async fn all_backups(view: &StateView, cluster: &Name) -> Result<Vec<BackupView>> {
    let filter = BackupFilter {
        cluster: Some(cluster.clone()),
        ..BackupFilter::default()
    };
    let mut page = PageRequest::longest();
    let mut all = Vec::new();
    loop {
        let found = query::backups(view.connection(), &filter, &page).await?;
        all.extend(found.items);
        match found.next_cursor {
            None => return Ok(all),
            cursor => page.cursor = cursor,
        }
    }
}

/// What of a cluster is being restored, for good or to rehearse it.
#[derive(Default)]
struct Restored {
    backups: BTreeSet<BackupId>,
    /// A drill is under way that chooses its base backup when it begins, so any may be it.
    any_base: bool,
}

impl Restored {
    fn may_be(&self, backup: &BackupView) -> bool {
        self.backups.contains(&backup.id) || (self.any_base && backup.kind != BackupKind::Logical)
    }
}

async fn restored(view: &StateView, cluster: &Name) -> Result<Restored> {
    let mut found = Restored::default();
    for kind in [JobKind::Restore, JobKind::Drill] {
        let filter = JobFilter {
            kind: Some(kind),
            cluster: Some(cluster.clone()),
            ..JobFilter::default()
        };
        let mut page = PageRequest::longest();
        loop {
            let jobs = query::jobs(view.connection(), &filter, &page).await?;
            for job in jobs.items.iter().filter(|job| !job.state.is_terminal()) {
                match JobSpec::read(&job.spec)?.work {
                    WorkSpec::Restore { plan, .. } => _ = found.backups.insert(plan.backup),
                    WorkSpec::RestoreDump { backup, .. } => _ = found.backups.insert(backup),
                    WorkSpec::Drill(drill) => match drill.dump {
                        Some(dump) => _ = found.backups.insert(dump.backup),
                        None => found.any_base = true,
                    },
                    WorkSpec::Backup { .. } | WorkSpec::Copy { .. } => {}
                }
            }
            match jobs.next_cursor {
                None => break,
                cursor => page.cursor = cursor,
            }
        }
    }
    Ok(found)
}

impl PlannedCluster {
    /// The backups that would be condemned: kept in none of the repositories that
    /// hold them.
    pub(crate) fn expiring(&self) -> BTreeSet<BackupId> {
        let all = || self.of.iter().flat_map(|one| &one.verdicts.backups);
        let kept: BTreeSet<BackupId> = all()
            .filter(|one| !one.why.is_empty())
            .map(|one| one.backup)
            .collect();
        let expired = all().filter(|one| one.why.is_empty());
        expired
            .map(|one| one.backup)
            .filter(|backup| !kept.contains(backup))
            .collect()
    }
}

impl Planned {
    fn view(&self) -> ExpiryOfRepository {
        let backup = |one: &crate::plan::expiry::repository::BackupVerdict| {
            let (kind, finished_at) = self
                .kinds
                .get(&one.backup)
                .copied()
                .unwrap_or((BackupKind::Full, None));
            ExpiryOfBackup {
                id: one.backup,
                kind,
                finished_at,
                keep: !one.why.is_empty(),
                reasons: match one.why.is_empty() {
                    true => vec![expired()],
                    false => one.why.iter().map(reason).collect(),
                },
            }
        };
        let wal = |one: &crate::plan::expiry::repository::WalVerdict| {
            let LsnRange { from_lsn, to_lsn } = one.range;
            ExpiryOfWal {
                lineage: one.lineage,
                timeline: one.timeline,
                from_lsn,
                to_lsn,
                keep: one.why.is_some(),
                reason: one.why.map_or_else(expired, wal_reason),
            }
        };
        ExpiryOfRepository {
            repository: self.repository.clone(),
            backups: self.verdicts.backups.iter().map(backup).collect(),
            wal: self.verdicts.wal.iter().map(wal).collect(),
        }
    }
}

/// What the audit log says of a backup that is kept no longer.
pub(crate) fn expired_by(policy: &Name) -> String {
    format!("no rule of the policy \"{policy}\" keeps it")
}

fn expired() -> ExpiryReason {
    let text = "nothing keeps it".to_owned();
    ExpiryReason {
        code: "expired",
        text,
    }
}

fn reason(reason: &Reason) -> ExpiryReason {
    let (code, text) = match reason {
        Reason::Last(place) => ("last", format!("number {place} from the newest")),
        Reason::Newest(bucket) => ("newest", format!("the newest of {bucket}")),
        Reason::Window => ("window", "the recovery window begins with it".to_owned()),
        Reason::Held => ("held", "it is held".to_owned()),
        Reason::PinnedUntil(until) => (
            "pinned",
            format!("incrementals may build on it until {until:.0}"),
        ),
        Reason::Restored => ("restored", "it is being restored".to_owned()),
    };
    ExpiryReason { code, text }
}

fn wal_reason(reason: WalReason) -> ExpiryReason {
    let (code, text) = match reason {
        WalReason::Since(backup) => ("since", format!("points since {backup} need it")),
        WalReason::Backup(backup) => ("backup", format!("{backup} is consistent with it")),
        WalReason::Running(backup) => ("running", format!("{backup} is being taken")),
        WalReason::NoBackupYet => (
            "no_backup_yet",
            "there is no backup of its lineage yet".to_owned(),
        ),
    };
    ExpiryReason { code, text }
}
