//! Exposure: facts are gathered here, judged in `plan::exposure`.

mod gather;
mod overview;
mod picture;
mod verdict;

use std::sync::Arc;

use holdfast_consensus::StateView;
use holdfast_proto::{LineageWal, ReportedFrontier};
use holdfast_state::query::{self, Page, PageRequest, PointView, ResourceFilter, ResourceView};
use holdfast_types::access::Permission;
use holdfast_types::resource::{Kind, Policy, PolicyCopy};
use holdfast_types::{BackupKind, Coverage, Lineage, LsnRange, Name, ReceivedBy, Timeline};
use jiff::Timestamp;

pub(crate) use self::gather::{Common, Gathered};
pub use self::overview::{ClusterOverview, ClusterRow, InstanceRow, LastBackup};
pub(super) use self::picture::Pictures;
pub(crate) use self::picture::{Declared, Picture};
pub(super) use self::verdict::is_seen;

use super::App;
use super::caller::Caller;
use super::error::{AppError, Result};
use crate::plan::exposure::{
    BackupFacts, ExposureView, Facts, InstanceWarning, RepositoryFacts, WalFacts, cut,
    judge_cluster, show_copy,
};

impl App {
    /// The exposure of one cluster, or of a page of clusters.
    pub async fn exposure(
        &self,
        by: &Caller,
        cluster: Option<&Name>,
        fleet: Option<Name>,
        page: &PageRequest,
    ) -> Result<Page<ExposureView>> {
        let view = self.read(by).await?;
        let visible = self.visible(&view, by, Permission::ClustersRead).await?;
        let found = match cluster {
            Some(name) => {
                self.demand_at(&view, by, Permission::ClustersRead, name)
                    .await?;
                let found = query::resource(view.connection(), Kind::Cluster, name).await?;
                let found = found.ok_or_else(|| AppError::not_found("cluster", name))?;
                let fits = fleet
                    .as_ref()
                    .is_none_or(|fleet| found.fleet.as_ref() == Some(fleet));
                Page {
                    items: fits.then_some(found).into_iter().collect(),
                    next_cursor: None,
                }
            }
            None => {
                let filter = ResourceFilter {
                    fleet,
                    visible,
                    ..ResourceFilter::default()
                };
                query::resources(view.connection(), Kind::Cluster, &filter, page).await?
            }
        };
        let common = Arc::new(Common::read(&view).await?);
        let gathered = self.gather_facts(&view, &common, &found.items).await?;
        let now = Timestamp::now();
        let judged = found.items.iter().map(|cluster| {
            let mut judged = self.judge(&gathered, cluster, now);
            judged.proof = Some(gathered.proof_of(cluster, now));
            judged.warnings = self.warnings_of(&gathered, cluster.name());
            judged
        });
        Ok(Page {
            items: judged.collect(),
            next_cursor: found.next_cursor,
        })
    }

    /// What agents that are connected say of the slots that they keep.
    pub(super) fn warnings_of(&self, gathered: &Gathered, cluster: &Name) -> Vec<InstanceWarning> {
        let troubles = gathered.online(self, cluster).filter_map(|(agent, facts)| {
            let trouble = facts.slot_trouble?;
            Some(InstanceWarning {
                agent: agent.clone(),
                code: trouble.code,
                message: trouble.message,
                hint: trouble.hint,
            })
        });
        troubles.collect()
    }

    pub(super) fn judge(
        &self,
        gathered: &Gathered,
        cluster: &ResourceView,
        now: Timestamp,
    ) -> ExposureView {
        let name = cluster.name();
        let policy = gathered.common.policy_of(cluster);
        let policy = policy.map(|(_, policy)| policy);
        let receives = policy.is_none_or(Policy::receives_wal);
        let agent_online = self.is_served(&gathered.standing, name, policy);
        let repository = policy.map(|policy| &policy.repository);
        let facts = Facts {
            cluster: name,
            fleet: &verdict::fleet_of(cluster),
            policy,
            repository: repository.map(|place| self.repository_facts(gathered, name, place)),
            agent_online,
        };
        let mut judged = judge_cluster(&facts, now);
        if let Some(verdict) = self.verdict_of(&gathered.standing, name, agent_online, now) {
            judged.follow(&verdict);
        }
        let copies = self.copies_of(gathered, name, policy);
        judged.repositories.extend(
            copies
                .iter()
                .map(|(facts, rule, missing)| show_copy(facts, rule, *missing, receives, now)),
        );
        judged
    }

    /// What is known of one cluster.
    async fn gather_one(&self, view: &StateView, cluster: &ResourceView) -> Result<Gathered> {
        let common = Arc::new(Common::read(view).await?);
        self.gather_facts(view, &common, std::slice::from_ref(cluster))
            .await
    }

    /// The times that can be restored from a repository.
    pub(crate) async fn drill_window(
        &self,
        view: &StateView,
        cluster: &ResourceView,
        repository: &Name,
    ) -> Result<Option<(Timestamp, Timestamp)>> {
        let gathered = self.gather_one(view, cluster).await?;
        let policy = gathered.common.policy_of(cluster);
        let facts = Facts {
            cluster: cluster.name(),
            fleet: &verdict::fleet_of(cluster),
            policy: policy.map(|(_, policy)| policy),
            repository: Some(self.repository_facts(&gathered, cluster.name(), repository)),
            agent_online: true,
        };
        let judged = judge_cluster(&facts, Timestamp::now());
        Ok(judged.window_start.zip(judged.window_end))
    }

    /// What is known of each copy that the policy wants, and how many backups it
    /// lacks.
    fn copies_of<'a>(
        &self,
        gathered: &Gathered,
        cluster: &Name,
        policy: Option<&'a Policy>,
    ) -> Vec<(RepositoryFacts, &'a PolicyCopy, u64)> {
        let Some(policy) = policy else {
            return Vec::new();
        };
        let points = gathered.holdings.points_of(cluster);
        let copies = policy.copies.iter().map(|rule| {
            let lacks = |point: &&PointView| {
                point.repositories.contains(&policy.repository)
                    && !point.repositories.contains(&rule.repository)
            };
            let missing = points.iter().filter(lacks).count() as u64;
            let facts = self.repository_facts(gathered, cluster, &rule.repository);
            (facts, rule, missing)
        });
        copies.collect()
    }

    fn repository_facts(
        &self,
        gathered: &Gathered,
        cluster: &Name,
        repository: &Name,
    ) -> RepositoryFacts {
        let holdings = &gathered.holdings;
        let points = holdings.points_of(cluster).iter();
        let here = points.filter(|point| point.repositories.contains(repository));
        // A dump restores to no position: nothing leads on from it.
        let (dumps, backups): (Vec<_>, Vec<_>) =
            here.partition(|point| point.kind == BackupKind::Logical);
        let wal = holdings.wal_of(cluster).iter();
        let wal = wal.filter(|wal| wal.repository == *repository);
        let (mut held, mut gaps, mut lost) = (Vec::new(), Vec::new(), Vec::new());
        for timeline in wal {
            let gone = timeline.gaps.iter().filter(|gap| gap.is_lost());
            lost.extend(gone.map(|gap| (timeline.lineage, timeline.timeline, gap.range)));
            // Its receiver remembers what expired, too (I-13).
            let expired = timeline.condemned.ranges().iter();
            lost.extend(expired.map(|range| (timeline.lineage, timeline.timeline, *range)));
            let unfilled = timeline.gaps.iter().filter(|gap| !gap.filled);
            gaps.extend(unfilled.map(|gap| (timeline.timeline, gap.range)));
            held.push(WalFacts {
                lineage: timeline.lineage,
                timeline: timeline.timeline,
                coverage: timeline.coverage.clone(),
            });
        }
        let key = (cluster.clone(), repository.clone());
        let live = self.wal.live(&key);
        if let Some(wal) = live.as_ref().and_then(|live| live.wal.as_ref()) {
            merge(&mut held, &mut gaps, &still_there(wal, &lost));
        }
        let told = live.as_ref().and_then(|live| live.frontier);
        let recorded = holdings.frontiers.get(&key).map(|known| ReportedFrontier {
            timeline: known.timeline,
            frontier: known.frontier,
        });
        let frontier = told.into_iter().chain(recorded);
        let frontier = frontier.max_by_key(|known| known.frontier.time);
        RepositoryFacts {
            name: repository.clone(),
            backups: backups.into_iter().filter_map(backup_facts).collect(),
            dumps: dumps.into_iter().filter_map(backup_facts).collect(),
            wal: held,
            gaps,
            frontier: frontier.map(|known| (known.timeline, known.frontier)),
            trouble: live.and_then(|live| live.trouble),
            receiver: received_by(gathered, cluster, repository),
        }
    }

    /// The gap that cuts a cluster's newest backup from the WAL behind it, and
    /// since when it is on record; `None` while WAL is not received, for then
    /// another backup would not help.
    pub(crate) async fn cut_off(
        &self,
        view: &StateView,
        cluster: &ResourceView,
        repository: &Name,
    ) -> Result<Option<(LsnRange, Timestamp)>> {
        let gathered = self.gather_one(view, cluster).await?;
        let name = cluster.name();
        let facts = self.repository_facts(&gathered, name, repository);
        let mut duties = gathered.duties_of(name).iter();
        let received = duties.any(|duty| self.sessions.is_online(duty.agent));
        let Some(gap) = cut(&facts).filter(|_| received && facts.trouble.is_none()) else {
            return Ok(None);
        };
        let wal = gathered.holdings.wal_of(name).iter();
        let recorded = wal
            .filter(|wal| wal.repository == *repository)
            .flat_map(|wal| &wal.gaps)
            .filter(|known| {
                let known = known.range;
                known.from_lsn < gap.to_lsn && gap.from_lsn < known.to_lsn
            })
            .map(|known| known.recorded_at)
            .min();
        Ok(recorded.map(|at| (gap, at)))
    }
}

fn received_by(gathered: &Gathered, cluster: &Name, repository: &Name) -> Option<ReceivedBy> {
    let mut duties = gathered.duties_of(cluster).iter();
    let duty = duties.find(|duty| duty.repository == *repository)?;
    let agent = gathered.agent_named(duty.agent)?.clone();
    let key = (cluster.clone(), repository.clone());
    let source = gathered.holdings.sources.get(&key).cloned();
    Some(ReceivedBy {
        instance: source.unwrap_or_else(|| agent.clone()),
        agent,
        since: duty.since,
    })
}

/// Adds what an agent said since the last checkpoint.
fn merge(held: &mut Vec<WalFacts>, gaps: &mut Vec<(Timeline, LsnRange)>, live: &LineageWal) {
    for timeline in &live.timelines {
        gaps.extend(
            timeline
                .gaps
                .iter()
                .map(|gap| (timeline.timeline, gap.range)),
        );
        let known = held
            .iter_mut()
            .find(|known| known.lineage == live.lineage && known.timeline == timeline.timeline);
        match known {
            Some(known) => {
                for range in timeline.coverage.ranges() {
                    known.coverage.insert(*range);
                }
            }
            None => held.push(WalFacts {
                lineage: live.lineage,
                timeline: timeline.timeline,
                coverage: timeline.coverage.clone(),
            }),
        }
    }
    // What was filled in the meantime is a gap no more.
    gaps.retain(|(timeline, gap)| {
        let filled = held
            .iter()
            .any(|known| known.timeline == *timeline && known.coverage.covers(*gap));
        !filled
    });
}

/// What a receiver says without what was found lost since: it remembers having
/// stored it, and the repository counts (I-13).
pub(super) fn still_there(live: &LineageWal, lost: &[(Lineage, Timeline, LsnRange)]) -> LineageWal {
    let mut live = live.clone();
    for timeline in &mut live.timelines {
        let gone: Coverage = lost
            .iter()
            .filter(|(lineage, on, _)| *lineage == live.lineage && *on == timeline.timeline)
            .map(|(_, _, range)| *range)
            .collect();
        if gone != Coverage::default() {
            let held = timeline.coverage.ranges().iter();
            timeline.coverage = held.flat_map(|range| gone.gaps(*range)).collect();
        }
    }
    live
}

fn backup_facts(backup: &PointView) -> Option<BackupFacts> {
    Some(BackupFacts {
        id: backup.id,
        lineage: backup.lineage?,
        timeline: backup.timeline?,
        start_lsn: backup.start_lsn?,
        stop_lsn: backup.stop_lsn?,
        finished_at: backup.finished_at?,
    })
}
