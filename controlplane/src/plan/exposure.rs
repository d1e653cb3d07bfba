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

use holdfast_compliance::Judgement;
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
    pub(crate) fn follow(&mut self, verdict: &Judgement) {
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
        if verdict.copies.len() > 1 {
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
mod tests {
    use super::*;

    const START: i64 = 1_000_000;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(START + second).unwrap()
    }

    fn lsn(position: u64) -> Lsn {
        Lsn::new(position)
    }

    fn range(from: u64, to: u64) -> LsnRange {
        LsnRange::new(lsn(from), lsn(to)).unwrap()
    }

    fn lineage() -> Lineage {
        Lineage {
            system_identifier: 7,
            incarnation: 1,
        }
    }

    fn backup(number: u128, from: u64, to: u64, finished: i64) -> BackupFacts {
        BackupFacts {
            id: BackupId::from_uuid(uuid::Uuid::from_u128(number)),
            lineage: lineage(),
            timeline: Timeline::FIRST,
            start_lsn: lsn(from),
            stop_lsn: lsn(to),
            finished_at: at(finished),
        }
    }

    fn repository(
        backups: Vec<BackupFacts>,
        held: &[(u64, u64)],
        frontier: i64,
    ) -> RepositoryFacts {
        let coverage: Coverage = held.iter().map(|(from, to)| range(*from, *to)).collect();
        let end = coverage
            .ranges()
            .last()
            .map_or(Lsn::INVALID, |last| last.to_lsn);
        RepositoryFacts {
            name: "eu".parse().unwrap(),
            backups,
            dumps: Vec::new(),
            wal: vec![WalFacts {
                lineage: lineage(),
                timeline: Timeline::FIRST,
                coverage,
            }],
            gaps: Vec::new(),
            frontier: Some((
                Timeline::FIRST,
                Frontier {
                    time: at(frontier),
                    lsn: end,
                },
            )),
            trouble: None,
            receiver: None,
        }
    }

    fn policy(rpo: Option<&str>) -> Policy {
        let objectives = rpo.map(|rpo| serde_json::json!({"rpo": rpo}));
        let mut value = serde_json::json!({"selector": {}, "repository": "eu"});
        if let Some(objectives) = objectives {
            value["objectives"] = objectives;
        }
        serde_json::from_value(value).unwrap()
    }

    fn view(
        policy: Option<&Policy>,
        repository: Option<RepositoryFacts>,
        online: bool,
        now: i64,
    ) -> ExposureView {
        let (cluster, fleet) = ("orders".parse().unwrap(), "default".parse().unwrap());
        let facts = Facts {
            cluster: &cluster,
            fleet: &fleet,
            policy,
            repository,
            agent_online: online,
        };
        judge_cluster(&facts, at(now))
    }

    #[test]
    fn without_a_policy_or_a_backup_it_is_unprotected() {
        let none = view(None, None, true, 100);
        assert_eq!(none.status, Some(Compliance::Unprotected));
        assert_eq!(none.cause.as_deref(), Some("no_policy"));
        let policy = policy(Some("30s"));
        let empty = view(
            Some(&policy),
            Some(repository(vec![], &[(10, 90)], 100)),
            true,
            100,
        );
        assert_eq!(empty.status, Some(Compliance::Unprotected));
        assert_eq!(empty.exposure_seconds, None);
        assert_eq!(empty.window_end, None);
        assert_eq!(empty.cause.as_deref(), Some("no_backup"));
    }

    #[test]
    fn exposure_is_now_minus_the_frontier() {
        let policy = policy(Some("30s"));
        let facts = repository(vec![backup(1, 10, 20, 50)], &[(10, 90)], 100);
        let fresh = view(Some(&policy), Some(facts.clone()), true, 103);
        assert_eq!(fresh.status, Some(Compliance::Compliant));
        assert_eq!(fresh.exposure_seconds, Some(3.0));
        assert_eq!(
            (fresh.window_start, fresh.window_end),
            (Some(at(50)), Some(at(100)))
        );
        assert_eq!(fresh.cause, None);
        let silent = view(Some(&policy), Some(facts.clone()), false, 120);
        assert_eq!(silent.status, Some(Compliance::Unknown));
        assert_eq!(silent.cause.as_deref(), Some("agent_offline"));
        let late = view(Some(&policy), Some(facts.clone()), true, 140);
        assert_eq!(late.status, Some(Compliance::Violated));
        assert_eq!(late.cause.as_deref(), Some("wal_behind"));
        let mut troubled = facts;
        troubled.trouble = Some(Failure::transient("repository_unreachable", "m", "h"));
        let troubled = view(Some(&policy), Some(troubled), true, 140);
        assert_eq!(troubled.cause.as_deref(), Some("repository_unreachable"));
    }

    #[test]
    fn an_archiver_is_judged_by_its_age_while_nothing_speaks_against_it() {
        let mut archived = policy(Some("100s"));
        archived.wal = serde_json::from_value(serde_json::json!({"mode": "archive"})).unwrap();
        let facts = repository(vec![backup(1, 10, 20, 50)], &[(10, 90)], 100);
        let seen = |facts: &RepositoryFacts, online, now| {
            let seen = view(Some(&archived), Some(facts.clone()), online, now);
            (seen.status, seen.cause)
        };
        // Between two segments, and longer than a stream may be silent.
        assert_eq!(seen(&facts, true, 160), (Some(Compliance::Compliant), None));
        let late = seen(&facts, true, 201);
        assert_eq!(
            late,
            (Some(Compliance::Violated), Some("wal_behind".to_owned()))
        );
        // I-13: nobody looks, or the archiver is in trouble.
        let away = seen(&facts, false, 160);
        assert_eq!(
            away,
            (Some(Compliance::Unknown), Some("agent_offline".to_owned()))
        );
        let mut failing = facts.clone();
        failing.trouble = Some(Failure::transient("wal_archiving_failing", "m", "h"));
        let failing = seen(&failing, true, 160);
        let cause = "wal_archiving_failing".to_owned();
        assert_eq!(failing, (Some(Compliance::Unknown), Some(cause)));
        // Without an RPO there is nothing to judge, and nothing wrong.
        archived.objectives = None;
        let known = view(Some(&archived), Some(facts), true, 160);
        assert_eq!((known.status, known.cause), (None, None));
    }

    #[test]
    fn dumps_count_by_their_age_where_no_wal_is_received_and_nowhere_else() {
        let mut facts = repository(vec![], &[(10, 90)], 100);
        facts.dumps = vec![backup(1, 20, 20, 50), backup(2, 30, 30, 90)];
        let streaming = view(Some(&policy(Some("30s"))), Some(facts.clone()), true, 100);
        assert_eq!(streaming.status, Some(Compliance::Unprotected));
        assert_eq!(streaming.window_start, None);

        let mut alone = policy(Some("100s"));
        alone.wal = serde_json::from_value(serde_json::json!({"mode": "none"})).unwrap();
        let seen = |online, now| view(Some(&alone), Some(facts.clone()), online, now);
        let fresh = seen(false, 110);
        // Nobody has to be asked: the age of a dump is known.
        assert_eq!(
            (fresh.status, fresh.cause),
            (Some(Compliance::Compliant), None)
        );
        assert_eq!(fresh.exposure_seconds, Some(20.0));
        assert_eq!(
            (fresh.window_start, fresh.window_end),
            (Some(at(50)), Some(at(90)))
        );
        let risky = seen(true, 175);
        assert_eq!(risky.status, Some(Compliance::AtRisk));
        assert_eq!(risky.cause.as_deref(), Some("backup_overdue"));
        let late = seen(false, 200);
        assert_eq!(late.status, Some(Compliance::Violated));
        assert_eq!(late.cause.as_deref(), Some("agent_offline"));
        let none = repository(vec![], &[], 100);
        let none = view(Some(&alone), Some(none), true, 100);
        assert_eq!(none.status, Some(Compliance::Unprotected));
        assert_eq!(none.cause.as_deref(), Some("no_backup"));
    }

    #[test]
    fn without_an_rpo_there_is_no_verdict_while_it_is_known() {
        let policy = policy(None);
        let facts = repository(vec![backup(1, 10, 20, 50)], &[(10, 90)], 100);
        let known = view(Some(&policy), Some(facts.clone()), true, 103);
        assert_eq!((known.status, known.cause), (None, None));
        let blind = view(Some(&policy), Some(facts), true, 130);
        assert_eq!(blind.status, Some(Compliance::Unknown));
    }

    #[test]
    fn a_gap_after_the_newest_backup_cuts_the_frontier() {
        let policy = policy(Some("30s"));
        let facts = repository(vec![backup(1, 10, 20, 50)], &[(10, 40), (60, 90)], 100);
        let cut = view(Some(&policy), Some(facts), true, 103);
        assert_eq!(cut.repositories[0].gaps, [range(40, 60)]);
        assert_eq!(cut.frontier, Some(at(50)));
        assert_eq!(cut.status, Some(Compliance::Violated));
        assert_eq!(cut.cause.as_deref(), Some("wal_gap"));
    }

    #[test]
    fn only_a_gap_behind_the_newest_backup_cuts_it_off() {
        let held = [(10, 40), (60, 90)];
        let gapped = |backups| cut(&repository(backups, &held, 100));
        assert_eq!(gapped(vec![]), None);
        assert_eq!(gapped(vec![backup(1, 10, 20, 50)]), Some(range(40, 60)));
        let healed = vec![backup(1, 10, 20, 50), backup(2, 70, 80, 95)];
        assert_eq!(gapped(healed), None);
    }

    #[test]
    fn a_later_backup_beyond_the_gap_heals_the_frontier_but_shows_the_gap() {
        let policy = policy(Some("30s"));
        let backups = vec![backup(1, 10, 20, 50), backup(2, 70, 80, 95)];
        let mut facts = repository(backups, &[(10, 40), (60, 90)], 100);
        facts.gaps = vec![
            (Timeline::FIRST, range(40, 60)),
            (Timeline::FIRST, range(1, 5)),
        ];
        let healed = view(Some(&policy), Some(facts), true, 103);
        assert_eq!(healed.status, Some(Compliance::Compliant));
        assert_eq!(healed.repositories[0].gaps, [range(40, 60)]);
        assert_eq!(
            (healed.window_start, healed.frontier),
            (Some(at(50)), Some(at(100)))
        );
    }

    #[test]
    fn a_backup_is_a_point_of_recovery_even_when_the_frontier_is_older() {
        let policy = policy(Some("30s"));
        let facts = repository(vec![backup(1, 10, 20, 150)], &[(10, 20)], 100);
        let seen = view(Some(&policy), Some(facts), true, 155);
        assert_eq!(seen.frontier, Some(at(150)));
    }
}
