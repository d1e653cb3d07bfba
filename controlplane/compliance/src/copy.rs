//! What is in one repository of one cluster, and how far that reaches.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use holdfast_types::{BackupId, BackupKind, Coverage, Lineage, Lsn, LsnRange};
use jiff::Timestamp;

use crate::claim::{Claim, Stretch};
use crate::fact::Backup;
use crate::reach::Reach;
use crate::span::between;

/// Live claims that follow each other so closely are remembered as one: only a
/// hole asks for an earlier one.
const LIVE_CLAIMS_APART: Duration = Duration::from_secs(60);

/// The state of one repository.
#[derive(Debug, Clone, Default)]
pub(crate) struct Copy {
    /// Available backups that WAL leads on from.
    backups: Vec<Backup>,
    /// Available dumps.
    dumps: Vec<Backup>,
    /// WAL that is missing.
    holes: BTreeMap<Lineage, Coverage>,
    /// Claims, in the order in which they were made.
    marks: Vec<Mark>,
    /// Whether some of them were said live.
    heard_live: bool,
    /// Stretches that go on.
    moving: Vec<Arc<Stretch>>,
    trouble: Option<Arc<str>>,
    /// Computed of backups and holes, which change seldom.
    chains: Option<Chains>,
    reach: Option<(bool, Reach)>,
}

/// What backups and holes amount to.
#[derive(Debug, Clone)]
struct Chains {
    /// The latest moment at which a backup is consistent.
    consistent: Timestamp,
    /// Where claims are of use.
    runs: Vec<Run>,
    /// Whether a hole cuts the newest backup from the WAL behind it.
    cut: bool,
}

/// A claim that counts from when it was made.
#[derive(Debug, Clone)]
struct Mark {
    claim: Claim,
    /// The highest time among this one and those before.
    highest: Timestamp,
    /// Said live, and not kept as one of a stretch's ends.
    live: bool,
}

/// The positions of a lineage from which a backup leads on without a hole.
#[derive(Debug, Clone, Copy)]
struct Run {
    lineage: Lineage,
    /// A claim is of use from here on.
    from: Lsn,
    /// And up to here; `None` while nothing is missing.
    to: Option<Lsn>,
}

impl Run {
    fn holds(&self, lineage: Lineage, lsn: Lsn) -> bool {
        self.lineage == lineage && self.from <= lsn && self.to.is_none_or(|to| lsn <= to)
    }
}

impl Copy {
    /// A claim or a trouble is another than before.
    fn touched(&mut self) {
        self.reach = None;
    }

    /// Backups or holes are others than before.
    fn rebuilt(&mut self) {
        (self.reach, self.chains) = (None, None);
    }

    pub(crate) fn add(&mut self, backup: &Backup) {
        self.remove(backup.id);
        match backup.kind {
            BackupKind::Logical => self.dumps.push(backup.clone()),
            BackupKind::Full | BackupKind::Incremental => self.backups.push(backup.clone()),
        }
        self.rebuilt();
    }

    pub(crate) fn remove(&mut self, backup: BackupId) {
        self.backups.retain(|known| known.id != backup);
        self.dumps.retain(|known| known.id != backup);
        self.rebuilt();
    }

    pub(crate) fn open_hole(&mut self, lineage: Lineage, range: LsnRange) {
        self.holes.entry(lineage).or_default().insert(range);
        self.rebuilt();
    }

    pub(crate) fn close_hole(&mut self, lineage: Lineage, range: LsnRange) {
        if let Some(holes) = self.holes.get_mut(&lineage) {
            let closed: Coverage = std::iter::once(range).collect();
            let left = holes.ranges().iter();
            *holes = left.flat_map(|hole| closed.gaps(*hole)).collect();
        }
        self.rebuilt();
    }

    pub(crate) fn set_trouble(&mut self, trouble: Option<Arc<str>>) {
        self.trouble = trouble;
        self.touched();
    }

    pub(crate) fn begin(&mut self, stretch: &Arc<Stretch>) {
        self.mark(stretch.first, false);
        if stretch.lasts() {
            self.moving.push(stretch.clone());
        }
    }

    pub(crate) fn end(&mut self, stretch: &Arc<Stretch>) {
        self.moving.retain(|moving| !Arc::ptr_eq(moving, stretch));
        self.mark(stretch.last, false);
    }

    pub(crate) fn claim(&mut self, claim: Claim) {
        self.heard_live = true;
        self.mark(claim, true);
    }

    fn mark(&mut self, claim: Claim, live: bool) {
        if let [.., before, last] = &self.marks[..]
            && last.live
            && live
            && last.claim.lineage == claim.lineage
            && between(before.claim.time, claim.time) < LIVE_CLAIMS_APART
        {
            self.marks.pop();
        }
        let highest = self.marks.last().map(|last| last.highest);
        let highest = highest.map_or(claim.time, |highest| highest.max(claim.time));
        self.marks.push(Mark {
            claim,
            highest,
            live,
        });
        self.touched();
    }

    /// Forgets live claims that no backup which is there now can need again. The
    /// ends of stretches stay: an older backup may be copied here later.
    pub(crate) fn forget_old(&mut self) {
        let oldest = self.backups.iter().map(|backup| backup.consistent_at);
        if let Some(oldest) = oldest.min().filter(|_| self.heard_live) {
            self.marks
                .retain(|mark| !mark.live || mark.highest >= oldest);
        }
    }

    /// How far it reaches while nothing changes.
    pub(crate) fn reach(&mut self, receives_wal: bool) -> Reach {
        if let Some((of, reach)) = &self.reach
            && *of == receives_wal
        {
            return reach.clone();
        }
        if receives_wal && self.chains.is_none() {
            self.chains = self.chains();
        }
        let reach = self.compute(receives_wal);
        self.reach = Some((receives_wal, reach.clone()));
        reach
    }

    fn compute(&self, receives_wal: bool) -> Reach {
        let trouble = self.trouble.clone();
        if !receives_wal {
            let points = self.backups.iter().chain(&self.dumps);
            return Reach {
                frontier: points.map(|backup| backup.consistent_at).max(),
                trouble,
                ..Reach::default()
            };
        }
        let Some(Chains {
            consistent,
            runs,
            cut,
        }) = &self.chains
        else {
            return Reach {
                trouble,
                ..Reach::default()
            };
        };
        let proved = self.proved(runs);
        let goes_on = self.moving.iter().filter(|stretch| {
            let last = stretch.last;
            runs.iter().any(|run| run.holds(last.lineage, last.lsn))
        });
        Reach {
            frontier: proved.max(Some(*consistent)),
            level: goes_on.min_by_key(|stretch| stretch.peak).cloned(),
            cut: *cut,
            trouble,
        }
    }

    fn run(&self, backup: &Backup) -> Run {
        let holes = self.holes.get(&backup.lineage);
        let mut holes = holes.into_iter().flat_map(Coverage::ranges);
        let hole = holes.find(|hole| hole.to_lsn > backup.start_lsn);
        Run {
            lineage: backup.lineage,
            from: backup.stop_lsn,
            to: hole.map(|hole| hole.from_lsn),
        }
    }

    fn chains(&self) -> Option<Chains> {
        let newest = self.backups.iter();
        let newest = newest.max_by_key(|backup| (backup.consistent_at, backup.id))?;
        Some(Chains {
            consistent: newest.consistent_at,
            runs: self.runs(),
            cut: self.run(newest).to.is_some(),
        })
    }

    /// The runs of all backups, as few as say the same.
    fn runs(&self) -> Vec<Run> {
        let mut runs: Vec<Run> = self.backups.iter().map(|one| self.run(one)).collect();
        runs.sort_by_key(|run| (run.lineage, run.to.unwrap_or(Lsn::new(u64::MAX)), run.from));
        // Those that end at the same hole differ in where they begin alone.
        runs.dedup_by_key(|run| (run.lineage, run.to));
        runs
    }

    /// The latest time that a claim in one of the runs proves.
    fn proved(&self, runs: &[Run]) -> Option<Timestamp> {
        let mut best: Option<Timestamp> = None;
        for mark in self.marks.iter().rev() {
            if best.is_some_and(|best| best >= mark.highest) {
                break;
            }
            let claim = mark.claim;
            if runs.iter().any(|run| run.holds(claim.lineage, claim.lsn)) {
                best = best.max(Some(claim.time));
            }
        }
        best
    }

    /// What can be restored of each backup: from when to when.
    pub(crate) fn restorable(&self, receives_wal: bool) -> Vec<(Timestamp, Timestamp)> {
        let points = self.dumps.iter().filter(|_| !receives_wal);
        let points = points.map(|dump| (dump.consistent_at, dump.consistent_at));
        let chains = self.backups.iter().map(|backup| {
            let from = backup.consistent_at;
            let proved = receives_wal.then(|| self.proved(&[self.run(backup)]));
            let to = proved.flatten().map_or(from, |proved| proved.max(from));
            (from, to)
        });
        chains.chain(points).collect()
    }
}
