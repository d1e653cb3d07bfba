//! Who would lose how much right now, and why.
//!
//! Per cluster and repository: the frontier is the latest time proved
//! complete, from the agent's own report or, when it is newer, the replicated
//! checkpoint. A gap after the newest available backup cuts it: nothing beyond
//! the gap can be restored until a later backup exists. Unknown is not
//! compliant (I-13).

mod copy;
mod warning;

use std::time::Duration;

use holdfast_compliance::Verdict;
use holdfast_types::drill::Proof;
use holdfast_types::resource::{Policy, WalMode};
use holdfast_types::{
    BackupId, Compliance, Coverage, Failure, Frontier, Lineage, Lsn, LsnRange, Name, ReceivedBy,
    RepositoryExposure, RpoScope, Timeline, blind_after, judge, judge_age,
};
use jiff::Timestamp;
use serde::Serialize;

pub use self::copy::show_copy;
pub use self::warning::InstanceWarning;

/// What is known of a cluster.
#[derive(Debug, Clone)]
pub struct Facts<'a> {
    /// The cluster.
    pub cluster: &'a Name,
    /// Its fleet.
    pub fleet: &'a Name,
    /// The policy in force.
    pub policy: Option<&'a Policy>,
    /// What is known of the policy's repository.
    pub repository: Option<RepositoryFacts>,
    /// Whether the agent with the WAL duty has a session; where no WAL is
    /// received, one at an instance.
    pub agent_online: bool,
}

/// What is known of a cluster in one repository.
#[derive(Debug, Clone)]
pub struct RepositoryFacts {
    /// The repository.
    pub name: Name,
    /// Available backups that WAL leads on from.
    pub backups: Vec<BackupFacts>,
    /// Available dumps, each a point and no more.
    pub dumps: Vec<BackupFacts>,
    /// WAL that is there.
    pub wal: Vec<WalFacts>,
    /// Gaps that were noticed.
    pub gaps: Vec<(Timeline, LsnRange)>,
    /// The latest frontier that is known, and its timeline.
    pub frontier: Option<(Timeline, Frontier)>,
    /// Why WAL is not being received.
    pub trouble: Option<Failure>,
    /// Who has the duty to receive it.
    pub receiver: Option<ReceivedBy>,
}

/// An available backup.
#[derive(Debug, Clone)]
pub struct BackupFacts {
    /// Its id.
    pub id: BackupId,
    /// Its lineage.
    pub lineage: Lineage,
    /// Its timeline.
    pub timeline: Timeline,
    /// Where its recovery begins.
    pub start_lsn: Lsn,
    /// Where it is consistent.
    pub stop_lsn: Lsn,
    /// When it was.
    pub finished_at: Timestamp,
}

/// WAL of one timeline.
#[derive(Debug, Clone)]
pub struct WalFacts {
    /// The lineage.
    pub lineage: Lineage,
    /// The timeline.
    pub timeline: Timeline,
    /// What is there.
    pub coverage: Coverage,
}

/// The exposure of a cluster, as the contract shows it.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Exposure)]
pub struct ExposureView {
    /// The cluster.
    #[schema(value_type = String)]
    pub cluster: Name,
    /// Its fleet.
    #[schema(value_type = String)]
    pub fleet: Name,
    /// The verdict; null when there is no RPO to judge by.
    pub status: Option<Compliance>,
    /// The RPO.
    pub rpo_seconds: Option<f64>,
    /// Of which loss the RPO is said.
    pub rpo_scope: RpoScope,
    /// What would be lost now by what the RPO is about; null before the first available
    /// backup.
    pub exposure_seconds: Option<f64>,
    /// The latest time proved complete for what the RPO is about.
    pub frontier: Option<Timestamp>,
    /// What would be lost if the worst region went too; null when nothing would be left.
    /// Only where there are copies.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region_loss_seconds: Option<f64>,
    /// What would be lost if the best repository went too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub k2_seconds: Option<f64>,
    /// The same per repository.
    pub repositories: Vec<RepositoryExposure>,
    /// The earliest time that can be restored.
    pub window_start: Option<Timestamp>,
    /// The latest time that can be restored.
    pub window_end: Option<Timestamp>,
    /// Why it is not compliant: a stable code.
    pub cause: Option<String>,
    /// What is wrong at its instances besides, as their agents say now: a failover
    /// to one of them could lose WAL, or its volume fills up.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<InstanceWarning>,
    /// What its drills prove; without one that is young enough, nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proof: Option<Proof>,
}

impl ExposureView {
    /// Takes over what the facts of compliance say: one verdict, wherever it is asked.
    pub(crate) fn follow(&mut self, verdict: &Verdict) {
        let seconds = |exposure: Option<Duration>| exposure.map(|exposure| exposure.as_secs_f64());
        self.status = verdict.status;
        self.cause = verdict.cause.as_ref().map(ToString::to_string);
        self.rpo_scope = verdict.scope;
        self.exposure_seconds = seconds(verdict.exposure);
        self.frontier = verdict
            .exposure
            .and_then(|exposure| verdict.at.checked_sub(exposure).ok());
        if let Some(latest) = verdict.frontier {
            self.window_end = self.window_start.map(|_| latest);
        }
        if verdict.places > 1 {
            self.region_loss_seconds = seconds(verdict.region_loss);
            self.k2_seconds = seconds(verdict.k2);
        }
    }
}

/// Judges one cluster at `now`.
pub fn judge_cluster(facts: &Facts<'_>, now: Timestamp) -> ExposureView {
    let repository = facts.repository.as_ref();
    let receives = facts.policy.is_none_or(Policy::receives_wal);
    let seen = repository.map(if receives { see } else { see_points });
    let frontier = seen.as_ref().and_then(|seen| seen.restorable);
    let exposure = frontier.map(|frontier| since(frontier.time, now));
    let status = match facts.policy {
        None => Some(Compliance::Unprotected),
        // Between two segments an archive is as old as its last one, and known to
        // be; once its agent is away or its archiver in trouble, nothing is (I-13).
        Some(policy) if archives_well(policy, facts) => judge_age(exposure, policy.rpo()),
        Some(policy) if receives => judge(exposure, policy.rpo(), policy.flush_every()),
        Some(policy) => judge_age(exposure, policy.rpo()),
    };
    let oldest = repository.and_then(|facts| {
        let dumps = facts.dumps.iter().filter(|_| !receives);
        facts
            .backups
            .iter()
            .chain(dumps)
            .min_by_key(|b| b.finished_at)
    });
    let cause = cause(facts, seen.as_ref(), exposure, status);
    // Before the first backup WAL may be complete in a repository already:
    // worth seeing, though nothing can be restored from it yet.
    let complete =
        |facts: &RepositoryFacts| frontier.or(facts.frontier.map(|(_, frontier)| frontier));
    let shown = |facts: &RepositoryFacts| RepositoryExposure {
        name: facts.name.to_string(),
        frontier: complete(facts).map(|frontier| frontier.time),
        frontier_lsn: complete(facts).map(|frontier| frontier.lsn),
        gaps: seen
            .as_ref()
            .map(|seen| seen.gaps.clone())
            .unwrap_or_default(),
        receiver: facts.receiver.clone(),
        copy: None,
    };
    ExposureView {
        cluster: facts.cluster.clone(),
        fleet: facts.fleet.clone(),
        status,
        rpo_seconds: facts
            .policy
            .and_then(Policy::rpo)
            .map(|rpo| rpo.as_secs_f64()),
        rpo_scope: facts.policy.map_or(RpoScope::Any, Policy::rpo_scope),
        region_loss_seconds: None,
        k2_seconds: None,
        exposure_seconds: exposure.map(|exposure| exposure.as_secs_f64()),
        frontier: frontier.map(|frontier| frontier.time),
        repositories: repository.map(shown).into_iter().collect(),
        window_start: oldest.map(|backup| backup.finished_at),
        window_end: oldest.and(frontier).map(|frontier| frontier.time),
        cause,
        warnings: Vec::new(),
        proof: None,
    }
}

/// The last gap that cuts the newest backup from the WAL that follows; only
/// another backup leads past it.
pub fn cut(facts: &RepositoryFacts) -> Option<LsnRange> {
    let newest = facts.backups.iter().max_by_key(|b| (b.finished_at, b.id))?;
    let gaps = gaps_since(facts, Some(newest)).into_iter();
    gaps.max_by_key(|gap| gap.to_lsn)
}

/// Whether WAL comes by the archiver alone, and nothing speaks against it.
fn archives_well(policy: &Policy, facts: &Facts<'_>) -> bool {
    let trouble = |facts: &RepositoryFacts| facts.trouble.is_some();
    policy.wal_mode() == WalMode::Archive
        && facts.agent_online
        && !facts.repository.as_ref().is_some_and(trouble)
}

/// What a repository's facts amount to.
struct Seen {
    /// Gaps since the oldest available backup.
    gaps: Vec<LsnRange>,
    /// Whether one of them cuts the newest backup from the frontier.
    cut: bool,
    /// The latest time that can be restored; none without a backup.
    restorable: Option<Frontier>,
}

fn see(facts: &RepositoryFacts) -> Seen {
    let Some(newest) = facts.backups.iter().max_by_key(|b| (b.finished_at, b.id)) else {
        return Seen {
            gaps: gaps_since(facts, None),
            cut: false,
            restorable: None,
        };
    };
    let oldest = facts.backups.iter().min_by_key(|b| b.finished_at);
    let gaps = gaps_since(facts, oldest);
    // A backup is itself a point of recovery, whatever became of WAL since.
    let consistent = Frontier {
        time: newest.finished_at,
        lsn: newest.stop_lsn,
    };
    let beyond = |gap: &&LsnRange| gap.to_lsn > newest.start_lsn;
    let cut_at = gaps.iter().filter(beyond).map(|gap| gap.from_lsn).min();
    let restorable = match (facts.frontier, cut_at) {
        (Some((_, frontier)), None) if frontier.time > consistent.time => frontier,
        _ => consistent,
    };
    Seen {
        gaps,
        cut: cut_at.is_some(),
        restorable: Some(restorable),
    }
}

/// The same where no WAL is received: the newest backup or dump is the newest
/// point there is.
fn see_points(facts: &RepositoryFacts) -> Seen {
    let points = facts.backups.iter().chain(&facts.dumps);
    let newest = points.max_by_key(|one| (one.finished_at, one.id));
    Seen {
        gaps: Vec::new(),
        cut: false,
        restorable: newest.map(|one| Frontier {
            time: one.finished_at,
            lsn: one.stop_lsn,
        }),
    }
}

/// Recorded gaps, and holes in the coverage between the oldest backup's start
/// and the frontier on the frontier's timeline.
fn gaps_since(facts: &RepositoryFacts, oldest: Option<&BackupFacts>) -> Vec<LsnRange> {
    let Some(oldest) = oldest else {
        return Vec::new();
    };
    let recorded = facts
        .gaps
        .iter()
        .map(|(_, gap)| *gap)
        .filter(|gap| gap.to_lsn > oldest.start_lsn);
    let holes = facts.wal.iter().flat_map(|wal| holes(facts, wal, oldest));
    let all: Coverage = recorded.chain(holes).collect();
    all.ranges().to_vec()
}

/// Holes inside what is there of a timeline. Before its first byte and after
/// its last nothing is known to be missing: a timeline begins somewhere.
fn holes(facts: &RepositoryFacts, wal: &WalFacts, oldest: &BackupFacts) -> Vec<LsnRange> {
    let ranges = wal.coverage.ranges();
    let (Some(first), Some(last)) = (ranges.first(), ranges.last()) else {
        return Vec::new();
    };
    if wal.lineage != oldest.lineage {
        return Vec::new();
    }
    let on_this =
        |backup: &&BackupFacts| backup.timeline == wal.timeline && backup.lineage == wal.lineage;
    let starts = facts
        .backups
        .iter()
        .filter(on_this)
        .map(|backup| backup.start_lsn);
    let from = starts.min().unwrap_or(first.from_lsn).max(oldest.start_lsn);
    LsnRange::new(from, last.to_lsn).map_or_else(Vec::new, |range| wal.coverage.gaps(range))
}

fn cause(
    facts: &Facts<'_>,
    seen: Option<&Seen>,
    exposure: Option<Duration>,
    status: Option<Compliance>,
) -> Option<String> {
    if matches!(status, Some(Compliance::Compliant)) {
        return None;
    }
    let Some(policy) = facts.policy else {
        return Some("no_policy".to_owned());
    };
    if !policy.receives_wal() {
        let code = match (exposure, status) {
            (None, _) => "no_backup",
            (Some(_), None) => return None,
            (Some(_), Some(_)) if facts.agent_online => "backup_overdue",
            (Some(_), Some(_)) => "agent_offline",
        };
        return Some(code.to_owned());
    }
    let receiving = facts
        .repository
        .as_ref()
        .and_then(|facts| facts.trouble.as_ref());
    let code = match (seen, exposure) {
        (None, _) | (_, None) => match receiving {
            // What keeps WAL from arriving would keep a backup from it too.
            Some(trouble) if facts.agent_online => trouble.code.clone(),
            _ => "no_backup".to_owned(),
        },
        (Some(seen), Some(_)) if seen.cut => "wal_gap".to_owned(),
        (Some(_), Some(exposure)) => {
            let fresh = policy.wal_mode() == WalMode::Archive
                || exposure <= blind_after(policy.flush_every());
            match (facts.agent_online, receiving) {
                (false, _) => "agent_offline".to_owned(),
                (true, Some(trouble)) => trouble.code.clone(),
                (true, None) if status.is_none() && fresh => return None,
                (true, None) => "wal_behind".to_owned(),
            }
        }
    };
    Some(code)
}

fn since(time: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(now.duration_since(time)).unwrap_or_default()
}

#[cfg(test)]
mod tests;
