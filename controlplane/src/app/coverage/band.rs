//! The coverage band: per repository what one could restore to over time.

use holdfast_state::query;
use holdfast_types::access::{Permission, Place, Rights};
use holdfast_types::resource::{Kind, Policy};
use holdfast_types::{BackupId, Lineage, Lsn, LsnRange, Name, Timeline};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;

use super::gather::{InRepository, Known};
use super::marks::{BackupMark, DrillMark, Within, drills_of};
use crate::app::App;
use crate::app::caller::Caller;
use crate::app::compliance::AskedPeriod;
use crate::app::error::{AppError, Result};
use crate::plan::compliance::ViolationView;
use crate::plan::coverage::{Coarse, Hole, coarsen, holes, stretches};

/// More stretches of one repository are joined where they lie closest.
const STRETCHES_MOST: usize = 500;
/// More holes are not told; the longest stay.
const HOLES_MOST: usize = 500;
/// More drills, and more violations, are not told; the newest stay.
const MARKS_MOST: usize = 500;

/// What one could restore a cluster to over time, by repository.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ClusterCoverage)]
pub struct CoverageView {
    /// The cluster.
    #[schema(value_type = String)]
    pub cluster: Name,
    /// When this was so.
    pub as_of: Timestamp,
    /// The first moment that was asked about; null when all of it was.
    pub from: Option<Timestamp>,
    /// The last one.
    pub to: Timestamp,
    /// The policy's repository first, then its copies, then those that still hold
    /// something.
    pub repositories: Vec<CoverageOfRepository>,
    /// Backups that began, ran or ended in that time, by when they began; deleted ones
    /// are none.
    pub backups: Vec<BackupMark>,
    /// Drills that ended in that time, the newest first; null for who may not see them.
    pub drills: Option<Vec<DrillMark>>,
    /// When exposure was above the RPO in that time; null for who may not see that, and
    /// while no facts are kept.
    pub violations: Option<Vec<ViolationView>>,
    /// How many of each are not shown, for there are too many.
    pub left_out: LeftOut,
}

/// What is not shown, for there is too much.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = CoverageLeftOut)]
pub struct LeftOut {
    /// Backups: those that are held stay, then full ones, then the newest.
    pub backups: u64,
    /// Drills.
    pub drills: u64,
    /// Violations.
    pub violations: u64,
}

/// What a repository is to a cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CoverageRole {
    /// The policy names it as the original.
    Original,
    /// The policy wants a copy in it.
    Copy,
    /// The policy names it no more, or never did, and something is in it.
    Left,
}

/// What one could restore from one repository over time.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CoverageOfRepository {
    /// The repository.
    #[schema(value_type = String)]
    pub repository: Name,
    /// What it is to the cluster.
    pub role: CoverageRole,
    /// The latest time that is proved to be complete in it.
    pub frontier: Option<Timestamp>,
    /// The position of that.
    #[schema(value_type = Option<String>)]
    pub frontier_lsn: Option<Lsn>,
    /// Its timeline.
    #[schema(value_type = Option<u32>)]
    pub frontier_timeline: Option<Timeline>,
    /// The earliest time that can be restored from it by a backup and WAL.
    pub window_start: Option<Timestamp>,
    /// The latest one.
    pub window_end: Option<Timestamp>,
    /// The times that can be restored, by time. Dumps are marks and no stretches.
    pub stretches: Vec<CoverageStretch>,
    /// The times between them that cannot, and the one that is still open.
    pub holes: Vec<CoverageHole>,
    /// The timelines of which WAL is there.
    pub timelines: Vec<CoverageTimeline>,
    /// Holes shorter than this are inside of a stretch that says so, for there were too
    /// many; null when every hole is told by itself.
    pub resolution_seconds: Option<f64>,
}

/// Times that can be restored, on one timeline.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CoverageStretch {
    /// The lineage.
    #[schema(value_type = String)]
    pub lineage: Lineage,
    /// The timeline.
    #[schema(value_type = u32)]
    pub timeline: Timeline,
    /// From when: a backup was consistent; or where a timeline begins, the last moment
    /// that is proved before the switch.
    pub from: Timestamp,
    /// The latest time of which it is proved that no commit before it is missing.
    pub to: Timestamp,
    /// The position of `from`.
    #[schema(value_type = String)]
    pub from_lsn: Lsn,
    /// The position up to which WAL is there: `lsn:` reaches as far.
    #[schema(value_type = String)]
    pub to_lsn: Lsn,
    /// The backup that it begins with.
    #[schema(value_type = String)]
    pub backup: BackupId,
    /// How many stretches were joined to this one; 1 when it is whole.
    pub stretches: u64,
    /// How much of it cannot be restored, in holes that are too short to be told.
    pub missing_seconds: f64,
}

/// Times that cannot be restored.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CoverageHole {
    /// The lineage that ends here.
    #[schema(value_type = String)]
    pub lineage: Lineage,
    /// The timeline.
    #[schema(value_type = u32)]
    pub timeline: Timeline,
    /// The last moment before it that can be restored.
    pub from: Timestamp,
    /// The first one after it; null while no backup leads past it.
    pub to: Option<Timestamp>,
    /// Where the WAL that is missing begins; null when none is known to be missing.
    #[schema(value_type = Option<String>)]
    pub from_lsn: Option<Lsn>,
    /// Where it ends.
    #[schema(value_type = Option<String>)]
    pub to_lsn: Option<Lsn>,
    /// The WAL that is missing; the first of it when there are many pieces.
    pub missing: Vec<LsnRange>,
    /// Why: the code of the gap on record, `expired`, `another_lineage` (what was there
    /// ended, and another server began), `no_wal` (nothing but backups is kept); null
    /// when it is not known.
    pub cause: Option<String>,
    /// When it was put on record; null when that is not known.
    pub recorded_at: Option<Timestamp>,
}

/// A timeline of which WAL is there.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CoverageTimeline {
    /// The lineage.
    #[schema(value_type = String)]
    pub lineage: Lineage,
    /// The timeline.
    #[schema(value_type = u32)]
    pub timeline: Timeline,
    /// Where its WAL begins: the switch to it lies in that segment.
    #[schema(value_type = String)]
    pub from_lsn: Lsn,
    /// Where its WAL ends.
    #[schema(value_type = String)]
    pub to_lsn: Lsn,
    /// Bytes of WAL that are there.
    pub bytes: u64,
}

impl App {
    /// What one could restore a cluster to over time.
    pub async fn coverage(
        &self,
        by: &Caller,
        cluster: &Name,
        (from, to): (Option<Timestamp>, Option<Timestamp>),
        repository: Option<&Name>,
    ) -> Result<CoverageView> {
        let now = Timestamp::now();
        let within = Within {
            from,
            to: to.unwrap_or(now),
        };
        if from.is_some_and(|from| from >= within.to) {
            let message = "the time ends before it begins";
            return Err(AppError::invalid("from", message));
        }
        let view = self.read(by).await?;
        self.demand_at(&view, by, Permission::BackupsRead, cluster)
            .await?;
        let found = query::resource(view.connection(), Kind::Cluster, cluster).await?;
        let found = found.ok_or_else(|| AppError::not_found("cluster", cluster))?;
        let rights = self.rights(&view, by).await?;
        let may = |permission| is_allowed(&rights, permission, &found);
        let mut known = self.known_of(&view, cluster).await?;
        if let Some(repository) = repository {
            known.only(repository)?;
        }
        let mut left_out = LeftOut::default();
        let drills = drills_of(&view, cluster).await?;
        let names: Vec<Name> = known.of.keys().cloned().collect();
        let of = (within, names.as_slice());
        let (backups, hidden) = self
            .backup_marks(&view, cluster, &known.backups, of, &drills)
            .await?;
        left_out.backups = hidden;
        let drills = drills.into_iter().filter(|one| {
            known.of.contains_key(&one.repository) && within.meets(one.finished_at, one.finished_at)
        });
        let (drills, hidden) = newest(drills.collect());
        left_out.drills = hidden;
        let mut violations = None;
        if may(Permission::ClustersRead) && query::keeps_facts(view.connection()).await? {
            let mut told = self.violations_in(by, cluster, within, now).await?;
            told.reverse();
            let (mut told, hidden) = newest(told);
            left_out.violations = hidden;
            told.reverse();
            violations = Some(told);
        }
        Ok(CoverageView {
            cluster: cluster.clone(),
            as_of: now,
            from,
            to: within.to,
            repositories: of_repositories(&known, within),
            backups,
            drills: may(Permission::DrillsRead).then_some(drills),
            violations,
            left_out,
        })
    }

    async fn violations_in(
        &self,
        by: &Caller,
        cluster: &Name,
        within: Within,
        now: Timestamp,
    ) -> Result<Vec<ViolationView>> {
        let until = within.to.min(now);
        // What began before anything was kept was never judged.
        let from = within.from.unwrap_or(Timestamp::UNIX_EPOCH);
        if from >= until {
            return Ok(Vec::new());
        }
        let period = AskedPeriod {
            from: Some(from),
            to: Some(until),
            as_known_at: None,
        };
        let told = self.cluster_compliance(by, cluster, period).await?;
        Ok(told.violations)
    }
}

/// Whether a caller with these rights may see something of a cluster.
fn is_allowed(rights: &Rights, permission: Permission, cluster: &query::ResourceView) -> bool {
    let labels = cluster.labels();
    match &cluster.fleet {
        Some(fleet) => rights.at(permission, Place { fleet, labels }),
        None => rights.everywhere(permission),
    }
}

/// The first so many, and how many more there are.
fn newest<T>(mut all: Vec<T>) -> (Vec<T>, u64) {
    let more = all.len().saturating_sub(MARKS_MOST);
    all.truncate(MARKS_MOST);
    (all, more as u64)
}

fn of_repositories(known: &Known, within: Within) -> Vec<CoverageOfRepository> {
    let policy = known.policy.as_ref().map(|(_, policy)| policy);
    let mut all: Vec<CoverageOfRepository> = known
        .of
        .iter()
        .map(|(name, here)| of_repository((name, role(policy, name)), here, within))
        .collect();
    let place = |role| match role {
        CoverageRole::Original => 0,
        CoverageRole::Copy => 1,
        CoverageRole::Left => 2,
    };
    all.sort_by_key(|one| place(one.role));
    all
}

fn role(policy: Option<&Policy>, name: &Name) -> CoverageRole {
    let Some(policy) = policy else {
        return CoverageRole::Left;
    };
    let copy = policy.copies.iter().any(|copy| copy.repository == *name);
    match (policy.repository == *name, copy) {
        (true, _) => CoverageRole::Original,
        (false, true) => CoverageRole::Copy,
        (false, false) => CoverageRole::Left,
    }
}

fn of_repository(
    (repository, role): (&Name, CoverageRole),
    here: &InRepository,
    within: Within,
) -> CoverageOfRepository {
    let all = stretches(&here.held);
    let between = holes(&here.held, &all);
    let window_start = all.iter().map(|one| one.from).min();
    let window_end = all.iter().map(|one| one.to).max();
    let all = all.into_iter().filter(|one| within.meets(one.from, one.to));
    let between = between
        .into_iter()
        .filter(|hole| within.meets(hole.from, hole.to.unwrap_or(within.to)));
    let (shown, between, apart) = coarsen(all.collect(), between.collect(), STRETCHES_MOST);
    let mut between = between;
    // What is open, and what lasts longest, is told first of all.
    between.sort_by_key(|hole| {
        let lasts = hole.to.map(|to| to.duration_since(hole.from));
        std::cmp::Reverse(lasts.unwrap_or(SignedDuration::MAX))
    });
    between.truncate(HOLES_MOST);
    between.sort_by_key(|hole| hole.from);
    let timelines = here.held.wal.iter().filter_map(|wal| {
        let ranges = wal.coverage.ranges();
        Some(CoverageTimeline {
            lineage: wal.lineage,
            timeline: wal.timeline,
            from_lsn: ranges.first()?.from_lsn,
            to_lsn: ranges.last()?.to_lsn,
            bytes: ranges.iter().map(|range| range.bytes()).sum(),
        })
    });
    CoverageOfRepository {
        repository: repository.clone(),
        role,
        frontier: here.frontier.map(|(_, frontier)| frontier.time),
        frontier_lsn: here.frontier.map(|(_, frontier)| frontier.lsn),
        frontier_timeline: here.frontier.map(|(timeline, _)| timeline),
        window_start,
        window_end,
        stretches: shown.into_iter().map(CoverageStretch::from).collect(),
        holes: between.into_iter().map(CoverageHole::from).collect(),
        timelines: timelines.collect(),
        resolution_seconds: apart.map(|apart| apart.as_secs_f64()),
    }
}

impl From<Coarse> for CoverageStretch {
    fn from(one: Coarse) -> Self {
        let whole = one.whole;
        Self {
            lineage: whole.lineage,
            timeline: whole.timeline,
            from: whole.from,
            to: whole.to,
            from_lsn: whole.from_lsn,
            to_lsn: whole.to_lsn,
            backup: whole.backup,
            stretches: one.stretches,
            missing_seconds: one.missing.as_secs_f64(),
        }
    }
}

impl From<Hole> for CoverageHole {
    fn from(hole: Hole) -> Self {
        Self {
            lineage: hole.lineage,
            timeline: hole.timeline,
            from: hole.from,
            to: hole.to,
            from_lsn: hole.whole.map(|range| range.from_lsn),
            to_lsn: hole.whole.map(|range| range.to_lsn),
            missing: hole.missing,
            cause: hole.cause,
            recorded_at: hole.recorded_at,
        }
    }
}
