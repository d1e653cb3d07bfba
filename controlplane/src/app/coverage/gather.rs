//! What is known of a cluster, by repository: the catalog, and what agents said since.

use std::collections::{BTreeMap, BTreeSet};

use holdfast_compliance::{Claim, Stretch};
use holdfast_consensus::StateView;
use holdfast_proto::LineageWal;
use holdfast_state::query::{self, BackupView, FrontierView, TimelineView};
use holdfast_types::resource::Policy;
use holdfast_types::{BackupKind, Coverage, Frontier, Lineage, LsnRange, Name, Timeline};

use crate::app::App;
use crate::app::error::{AppError, Result};
use crate::app::exposure::still_there;
use crate::plan::coverage::{Base, Held, HeldWal, KnownGap, Proof};

/// What is known of a cluster.
pub(super) struct Known {
    /// The policy in force.
    pub(super) policy: Option<(Name, Policy)>,
    /// Its available backups, the newest first.
    pub(super) backups: Vec<BackupView>,
    /// By repository: those that the policy names and those that hold something.
    pub(super) of: BTreeMap<Name, InRepository>,
}

/// What is known of it in one repository.
#[derive(Default)]
pub(super) struct InRepository {
    pub(super) held: Held,
    /// The latest frontier that is known, and its timeline.
    pub(super) frontier: Option<(Timeline, Frontier)>,
}

impl Known {
    /// Drops every repository but this one.
    pub(super) fn only(&mut self, repository: &Name) -> Result<()> {
        if !self.of.contains_key(repository) {
            let unknown = AppError::not_found("repository", repository);
            return Err(unknown.with_field("repository"));
        }
        self.of.retain(|name, _| name == repository);
        Ok(())
    }
}

impl App {
    /// Everything that the band of a cluster is computed from.
    pub(super) async fn known_of(&self, view: &StateView, cluster: &Name) -> Result<Known> {
        let conn = view.connection();
        let policy = query::effective_policy(conn, cluster).await?;
        // WAL before backups: what is committed meanwhile is seen to have its own.
        let wal = query::wal_of_cluster(conn, cluster).await?;
        let frontiers = query::frontiers_of(conn, cluster).await?;
        let kept = query::stretches(conn, cluster).await?;
        let backups = query::available_backups(conn, cluster).await?;
        let mut names: BTreeSet<Name> = BTreeSet::new();
        if let Some((_, policy)) = &policy {
            names.insert(policy.repository.clone());
            names.extend(policy.copies.iter().map(|copy| copy.repository.clone()));
        }
        names.extend(backups.iter().flat_map(|one| one.repositories.clone()));
        names.extend(wal.iter().map(|one| one.repository.clone()));
        let mut of = BTreeMap::new();
        for name in names {
            let wal = wal.iter().filter(|one| one.repository == name);
            let recorded = frontiers.iter().find(|one| one.repository == name);
            let told = kept.iter().filter(|one| one.repository == name);
            let told = told.map(|one| &*one.stretch);
            let here = self.in_repository((cluster, &name), (wal, recorded, told), &backups);
            of.insert(name, here);
        }
        Ok(Known {
            policy,
            backups,
            of,
        })
    }

    fn in_repository<'a>(
        &self,
        (cluster, repository): (&Name, &Name),
        (wal, recorded, kept): (
            impl Iterator<Item = &'a TimelineView>,
            Option<&FrontierView>,
            impl Iterator<Item = &'a Stretch>,
        ),
        backups: &[BackupView],
    ) -> InRepository {
        let key = (cluster.clone(), repository.clone());
        let live = self.wal.live(&key);
        let said = live.as_ref().and_then(|live| live.wal.as_ref());
        let mut held = Held::default();
        add_wal(&mut held, wal, said);
        let here = backups
            .iter()
            .filter(|one| one.repositories.contains(repository));
        held.backups = here.filter_map(base).collect();
        let heard = self.wal.stretches(&key);
        let ends = |stretch: &Stretch| [proof(stretch.first), proof(stretch.last)];
        held.claims.extend(kept.flat_map(ends));
        held.claims.extend(heard.iter().flat_map(ends));
        held.claims.extend(recorded.map(|one| Proof {
            time: one.frontier.time,
            lineage: one.lineage,
            lsn: one.frontier.lsn,
        }));
        let told = live.as_ref().and_then(|live| live.frontier);
        held.claims.extend(told.zip(said).map(|(told, said)| Proof {
            time: told.frontier.time,
            lineage: said.lineage,
            lsn: told.frontier.lsn,
        }));
        let recorded = recorded.map(|one| (one.timeline, one.frontier));
        let told = told.map(|told| (told.timeline, told.frontier));
        InRepository {
            held,
            frontier: recorded
                .into_iter()
                .chain(told)
                .max_by_key(|(_, one)| one.time),
        }
    }
}

/// The WAL that the log knows and that the receiver says is there, and what is missing
/// of it.
fn add_wal<'a>(
    held: &mut Held,
    wal: impl Iterator<Item = &'a TimelineView>,
    said: Option<&LineageWal>,
) {
    let (mut lost, mut gaps) = (Vec::new(), Vec::new());
    for timeline in wal {
        let place = (timeline.lineage, timeline.timeline);
        let gone = timeline.gaps.iter().filter(|gap| gap.is_lost());
        let gone = gone.map(|gap| gap.range);
        // Its receiver remembers what expired, too (I-13).
        let gone = gone.chain(timeline.condemned.ranges().iter().copied());
        lost.extend(gone.map(|range| (place.0, place.1, range)));
        let unfilled = timeline.gaps.iter().filter(|gap| !gap.filled);
        gaps.extend(
            unfilled.map(|gap| (place, gap.range, gap.reason.clone(), Some(gap.recorded_at))),
        );
        held.wal.push(HeldWal {
            lineage: timeline.lineage,
            timeline: timeline.timeline,
            coverage: timeline.coverage.clone(),
            expired: timeline.condemned.clone(),
        });
    }
    if let Some(said) = said {
        let said = still_there(said, &lost);
        for timeline in said.timelines {
            let place = (said.lineage, timeline.timeline);
            let more = timeline.gaps.into_iter();
            gaps.extend(more.map(|gap| (place, gap.range, gap.reason.to_string(), None)));
            add(&mut held.wal, place, &timeline.coverage);
        }
    }
    for (place, range, reason, recorded_at) in gaps {
        let absent = absent(&held.wal, place, range).into_iter();
        held.gaps.extend(absent.map(|range| KnownGap {
            lineage: place.0,
            range,
            reason: reason.clone(),
            recorded_at,
        }));
    }
}

fn add(wal: &mut Vec<HeldWal>, place: (Lineage, Timeline), coverage: &Coverage) {
    let known = wal
        .iter_mut()
        .find(|known| (known.lineage, known.timeline) == place);
    match known {
        Some(known) => coverage
            .ranges()
            .iter()
            .for_each(|range| known.coverage.insert(*range)),
        None => wal.push(HeldWal {
            lineage: place.0,
            timeline: place.1,
            coverage: coverage.clone(),
            expired: Coverage::default(),
        }),
    }
}

/// What of a gap did not come in the meantime.
fn absent(wal: &[HeldWal], place: (Lineage, Timeline), gap: LsnRange) -> Vec<LsnRange> {
    let known = wal
        .iter()
        .find(|known| (known.lineage, known.timeline) == place);
    known.map_or_else(|| vec![gap], |known| known.coverage.gaps(gap))
}

fn proof(claim: Claim) -> Proof {
    Proof {
        time: claim.time,
        lineage: claim.lineage,
        lsn: claim.lsn,
    }
}

/// A backup that WAL leads on from: a dump restores to no position.
pub(super) fn base(backup: &BackupView) -> Option<Base> {
    if backup.kind == BackupKind::Logical {
        return None;
    }
    Some(Base {
        id: backup.id,
        kind: backup.kind,
        parent: backup.parent,
        lineage: backup.lineage?,
        timeline: backup.timeline?,
        start: backup.start_lsn?,
        stop: backup.stop_lsn?,
        consistent_at: backup.finished_at?,
        bytes: backup.database_bytes,
    })
}
