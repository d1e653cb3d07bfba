//! Exposure: facts are gathered here, judged in `plan::exposure`.

use std::collections::BTreeMap;

use holdfast_consensus::StateView;
use holdfast_proto::LineageWal;
use holdfast_state::query::{self, Page, PageRequest, ResourceFilter};
use holdfast_types::access::{Permission, Visible};
use holdfast_types::resource::{Kind, Policy, PolicyCopy};
use holdfast_types::{
    BackupKind, Compliance, Coverage, Lineage, LsnRange, Name, ReceivedBy, Timeline,
};
use jiff::Timestamp;

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
        let now = Timestamp::now();
        let mut items = Vec::with_capacity(found.items.len());
        for cluster in found.items {
            let mut judged = self.judge(&view, &cluster, now).await?;
            let policy = query::effective_policy(view.connection(), cluster.name()).await?;
            let policy = policy.map(|(_, policy)| policy);
            let proof = self.proof_of(&view, &cluster, policy.as_ref(), now).await?;
            judged.proof = Some(proof);
            judged.warnings = self.warnings_of(&view, &judged.cluster).await?;
            items.push(judged);
        }
        Ok(Page {
            items,
            next_cursor: found.next_cursor,
        })
    }

    /// How many clusters have which verdict.
    pub(super) async fn verdicts(
        &self,
        view: &StateView,
        visible: &Visible,
    ) -> Result<BTreeMap<String, u64>> {
        let mut verdicts = BTreeMap::new();
        let mut page = PageRequest::longest();
        let now = Timestamp::now();
        loop {
            let filter = ResourceFilter {
                visible: visible.clone(),
                ..ResourceFilter::default()
            };
            let found = query::resources(view.connection(), Kind::Cluster, &filter, &page).await?;
            for cluster in found.items {
                let judged = self.judge(view, &cluster, now).await?;
                let verdict = judged.status.map_or("NONE", Compliance::as_str);
                *verdicts.entry(verdict.to_owned()).or_default() += 1;
            }
            match found.next_cursor {
                None => return Ok(verdicts),
                cursor => page.cursor = cursor,
            }
        }
    }

    /// What agents that are connected say of the slots that they keep.
    pub(super) async fn warnings_of(
        &self,
        view: &StateView,
        cluster: &Name,
    ) -> Result<Vec<InstanceWarning>> {
        let instances = self.instances(view, cluster).await?.into_iter();
        let online = instances.filter(|(agent, ..)| self.sessions.is_online(*agent));
        let troubles = online.filter_map(|(_, agent, facts)| {
            let trouble = facts.slot_trouble?;
            Some(InstanceWarning {
                agent,
                code: trouble.code,
                message: trouble.message,
                hint: trouble.hint,
            })
        });
        Ok(troubles.collect())
    }

    pub(super) async fn judge(
        &self,
        view: &StateView,
        cluster: &query::ResourceView,
        now: Timestamp,
    ) -> Result<ExposureView> {
        let name = &cluster.document.metadata.name;
        let policy = query::effective_policy(view.connection(), name).await?;
        let policy = policy.map(|(_, policy): (Name, Policy)| policy);
        let repository = match &policy {
            Some(policy) => Some(
                self.repository_facts(view, name, &policy.repository)
                    .await?,
            ),
            None => None,
        };
        let receives = policy.as_ref().is_none_or(Policy::receives_wal);
        let agent_online = if receives {
            let duties = query::duties_of_cluster(view.connection(), name).await?;
            let mut active = duties.iter().filter(|duty| duty.active);
            active.any(|duty| self.sessions.is_online(duty.agent))
        } else {
            let instances = self.instances(view, name).await?;
            let mut agents = instances.iter().map(|(agent, ..)| *agent);
            agents.any(|agent| self.sessions.is_online(agent))
        };
        let default = "default".parse().expect("\"default\" is a name");
        let copies = self.copies_of(view, name, policy.as_ref()).await?;
        let facts = Facts {
            cluster: name,
            fleet: cluster.fleet.as_ref().unwrap_or(&default),
            policy: policy.as_ref(),
            repository,
            agent_online,
        };
        let mut judged = judge_cluster(&facts, now);
        if let Some(verdict) = self.judge_now(view, name, agent_online, now).await? {
            judged.follow(&verdict);
        }
        judged.repositories.extend(
            copies
                .iter()
                .map(|(facts, rule, missing)| show_copy(facts, rule, *missing, receives, now)),
        );
        Ok(judged)
    }

    /// The times that can be restored from a repository.
    pub(crate) async fn drill_window(
        &self,
        view: &StateView,
        cluster: &query::ResourceView,
        repository: &Name,
    ) -> Result<Option<(Timestamp, Timestamp)>> {
        let name = cluster.name();
        let policy = query::effective_policy(view.connection(), name).await?;
        let policy = policy.map(|(_, policy)| policy);
        let default = "default".parse().expect("\"default\" is a name");
        let facts = Facts {
            cluster: name,
            fleet: cluster.fleet.as_ref().unwrap_or(&default),
            policy: policy.as_ref(),
            repository: Some(self.repository_facts(view, name, repository).await?),
            agent_online: true,
        };
        let judged = judge_cluster(&facts, Timestamp::now());
        Ok(judged.window_start.zip(judged.window_end))
    }

    /// What is known of each copy that the policy wants, and how many backups it
    /// lacks.
    async fn copies_of<'a>(
        &self,
        view: &StateView,
        cluster: &Name,
        policy: Option<&'a Policy>,
    ) -> Result<Vec<(RepositoryFacts, &'a PolicyCopy, u64)>> {
        let Some(policy) = policy.filter(|policy| !policy.copies.is_empty()) else {
            return Ok(Vec::new());
        };
        let backups = query::available_backups(view.connection(), cluster).await?;
        let mut copies = Vec::new();
        for rule in &policy.copies {
            let facts = self.repository_facts(view, cluster, &rule.repository);
            let lacks = |backup: &&query::BackupView| {
                backup.repositories.contains(&policy.repository)
                    && !backup.repositories.contains(&rule.repository)
            };
            let missing = backups.iter().filter(lacks).count() as u64;
            copies.push((facts.await?, rule, missing));
        }
        Ok(copies)
    }

    async fn repository_facts(
        &self,
        view: &StateView,
        cluster: &Name,
        repository: &Name,
    ) -> Result<RepositoryFacts> {
        let backups = query::available_backups(view.connection(), cluster).await?;
        let here = backups
            .iter()
            .filter(|backup| backup.repositories.contains(repository));
        // A dump restores to no position: nothing leads on from it.
        let (dumps, backups): (Vec<_>, Vec<_>) =
            here.partition(|backup| backup.kind == BackupKind::Logical);
        let wal = query::wal_of_cluster(view.connection(), cluster).await?;
        let wal = wal.into_iter().filter(|wal| wal.repository == *repository);
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
                coverage: timeline.coverage,
            });
        }
        let live = self.wal.live(&(cluster.clone(), repository.clone()));
        if let Some(wal) = live.as_ref().and_then(|live| live.wal.as_ref()) {
            merge(&mut held, &mut gaps, &still_there(wal, &lost));
        }
        let frontier = self.frontier_of(view, cluster, repository).await?;
        Ok(RepositoryFacts {
            name: repository.clone(),
            backups: backups.into_iter().filter_map(backup_facts).collect(),
            dumps: dumps.into_iter().filter_map(backup_facts).collect(),
            wal: held,
            gaps,
            frontier: frontier.map(|known| (known.timeline, known.frontier)),
            trouble: live.and_then(|live| live.trouble),
            receiver: self.received_by(view, cluster, repository).await?,
        })
    }

    /// The gap that cuts a cluster's newest backup from the WAL behind it, and
    /// since when it is on record; `None` while WAL is not received, for then
    /// another backup would not help.
    pub(crate) async fn cut_off(
        &self,
        view: &StateView,
        cluster: &Name,
        repository: &Name,
    ) -> Result<Option<(LsnRange, Timestamp)>> {
        let facts = self.repository_facts(view, cluster, repository).await?;
        let receiver = query::duties_of_cluster(view.connection(), cluster).await?;
        let mut active = receiver.iter().filter(|duty| duty.active);
        let received = active.any(|duty| self.sessions.is_online(duty.agent));
        let Some(gap) = cut(&facts).filter(|_| received && facts.trouble.is_none()) else {
            return Ok(None);
        };
        let wal = query::wal_of_cluster(view.connection(), cluster).await?;
        let recorded = wal
            .iter()
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

    async fn received_by(
        &self,
        view: &StateView,
        cluster: &Name,
        repository: &Name,
    ) -> Result<Option<ReceivedBy>> {
        let conn = view.connection();
        let duties = query::duties_of_cluster(conn, cluster).await?;
        let mut duties = duties.into_iter();
        let Some(duty) = duties.find(|duty| duty.active && duty.repository == *repository) else {
            return Ok(None);
        };
        let Some(agent) = query::agent(conn, duty.agent).await? else {
            return Ok(None);
        };
        let source = query::wal_source(conn, cluster, repository).await?;
        Ok(Some(ReceivedBy {
            instance: source.unwrap_or_else(|| agent.name.clone()),
            agent: agent.name,
            since: duty.since,
        }))
    }
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

fn backup_facts(backup: &query::BackupView) -> Option<BackupFacts> {
    Some(BackupFacts {
        id: backup.id,
        lineage: backup.lineage?,
        timeline: backup.timeline?,
        start_lsn: backup.start_lsn?,
        stop_lsn: backup.stop_lsn?,
        finished_at: backup.finished_at?,
    })
}
