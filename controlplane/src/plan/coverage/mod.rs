//! What one could restore a cluster to from one repository, over time: the coverage band,
//! the way to a point in it, and what would be lost without a backup.
//!
//! A *chain* is the available backups of a lineage that end at the same hole, with the
//! WAL behind the first of them. A time is in it when it is proved: by a backup that was
//! consistent then, or by a claim that every commit until then is there, at a position
//! that the chain reaches. Nothing is guessed between two proofs: where the moment at
//! which WAL went missing is not known, the band ends at the last moment before it that
//! is proved (I-13).
//!
//! Everything here is computed from facts, without a clock and without I/O. Positions of
//! one lineage are compared as they are, as verdicts do it.

mod coarse;
mod dependents;
mod reach;
mod stretch;

use std::collections::BTreeMap;

use holdfast_types::{BackupId, BackupKind, Coverage, Lineage, Lsn, LsnRange, Timeline};
use jiff::Timestamp;

pub(crate) use self::coarse::{Coarse, coarsen};
pub(crate) use self::dependents::{dependents_of, lost_without};
pub(crate) use self::reach::{Cannot, Point, Proved, Way, nearest, reach};
pub(crate) use self::stretch::{Hole, Stretch, holes, stretches};

/// What is known of a cluster in one repository.
#[derive(Debug, Clone, Default)]
pub(crate) struct Held {
    /// Its available physical backups.
    pub(crate) backups: Vec<Base>,
    /// Its WAL, by timeline.
    pub(crate) wal: Vec<HeldWal>,
    /// WAL that was noticed to be missing and did not come.
    pub(crate) gaps: Vec<KnownGap>,
    /// What is proved of times.
    pub(crate) claims: Vec<Proof>,
}

/// A backup that a restore can start from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Base {
    pub(crate) id: BackupId,
    pub(crate) kind: BackupKind,
    pub(crate) parent: Option<BackupId>,
    pub(crate) lineage: Lineage,
    pub(crate) timeline: Timeline,
    /// Where its recovery begins.
    pub(crate) start: Lsn,
    /// Where it is consistent.
    pub(crate) stop: Lsn,
    /// When it was.
    pub(crate) consistent_at: Timestamp,
    /// Bytes of the files it describes.
    pub(crate) bytes: Option<u64>,
}

impl Base {
    fn proof(&self) -> Proof {
        Proof {
            time: self.consistent_at,
            lineage: self.lineage,
            lsn: self.stop,
        }
    }
}

/// The WAL of one timeline.
#[derive(Debug, Clone)]
pub(crate) struct HeldWal {
    pub(crate) lineage: Lineage,
    pub(crate) timeline: Timeline,
    pub(crate) coverage: Coverage,
    /// What expired of it, or is about to.
    pub(crate) expired: Coverage,
}

/// WAL that is known to be missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KnownGap {
    pub(crate) lineage: Lineage,
    pub(crate) range: LsnRange,
    /// Why: a stable code.
    pub(crate) reason: String,
    pub(crate) recorded_at: Option<Timestamp>,
}

/// "Every commit until then is there, up to this position."
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Proof {
    pub(crate) time: Timestamp,
    pub(crate) lineage: Lineage,
    pub(crate) lsn: Lsn,
}

/// Backups that lead to the same points, and how far their WAL goes.
#[derive(Debug, Clone)]
pub(crate) struct Chain {
    pub(crate) lineage: Lineage,
    /// Its backups, the one that was consistent first at the front. Never empty.
    pub(crate) bases: Vec<Base>,
    /// Where WAL behind them is missing first.
    pub(crate) hole: Option<LsnRange>,
    /// The position up to which WAL is there without a hole.
    pub(crate) end: Lsn,
    /// What is proved in it, by time; never empty, for each backup proves its own point.
    proofs: Vec<Proof>,
}

impl Chain {
    fn first(&self) -> &Base {
        &self.bases[0]
    }

    /// The latest time that is proved, and where.
    pub(crate) fn last(&self) -> Proof {
        self.proofs[self.proofs.len() - 1]
    }

    /// The latest time that is proved at or before a position.
    fn proved_by(&self, lsn: Lsn) -> Option<Proof> {
        let mut before = self.proofs.iter().rev();
        before.find(|proof| proof.lsn <= lsn).copied()
    }

    /// Whether a position lies in its WAL.
    fn reaches(&self, lsn: Lsn) -> bool {
        self.first().stop <= lsn && lsn <= self.end
    }
}

/// The chains of a repository, in the order in which they begin.
pub(crate) fn chains(held: &Held) -> Vec<Chain> {
    /// A lineage and where a hole begins; a backup behind that stands alone.
    type Key = (Lineage, Option<Lsn>, Option<BackupId>);
    let mut groups: BTreeMap<Key, (Option<LsnRange>, Vec<Base>)> = BTreeMap::new();
    let mut missing: BTreeMap<Lineage, Coverage> = BTreeMap::new();
    for base in &held.backups {
        let holes = missing
            .entry(base.lineage)
            .or_insert_with(|| missing_of(held, base.lineage));
        let mut holes = holes.ranges().iter();
        let hole = holes.find(|hole| hole.to_lsn > base.start).copied();
        let alone = hole.is_some_and(|hole| hole.from_lsn < base.stop);
        let key = (
            base.lineage,
            hole.map(|hole| hole.from_lsn),
            alone.then_some(base.id),
        );
        groups
            .entry(key)
            .or_insert((hole, Vec::new()))
            .1
            .push(*base);
    }
    let mut found = Vec::new();
    for ((lineage, ..), (hole, mut bases)) in groups {
        bases.sort_by_key(|base| (base.consistent_at, base.id));
        while !bases.is_empty() {
            let chain = chain(held, (lineage, hole), &bases);
            bases.drain(..chain.bases.len());
            found.push(chain);
        }
    }
    found.sort_by_key(|chain| (chain.first().consistent_at, chain.first().id));
    found
}

/// The chain that begins with the first of these backups, which come by time and end at
/// the same hole. Those that it is not proved to lead to begin another.
fn chain(held: &Held, (lineage, hole): (Lineage, Option<LsnRange>), bases: &[Base]) -> Chain {
    let first = bases[0];
    let of_it = held.wal.iter().filter(|wal| wal.lineage == lineage);
    let ranges = of_it.flat_map(|wal| wal.coverage.ranges());
    let stored: Coverage = ranges.copied().collect();
    // A backup proves its own point, and that of others where the WAL between is there.
    let linked = bases.iter().filter(|base| {
        let between = LsnRange::new(first.start, base.stop);
        base.id == first.id || between.is_some_and(|between| stored.covers(between))
    });
    let mut proofs: Vec<Proof> = linked.map(|base| base.proof()).collect();
    // What was claimed before the backup was consistent leads nowhere.
    proofs.extend(held.claims.iter().filter(|claim| {
        let inside = hole.is_none_or(|hole| claim.lsn <= hole.from_lsn);
        let behind = claim.time >= first.consistent_at && claim.lsn >= first.stop;
        claim.lineage == lineage && behind && inside
    }));
    proofs.sort_by_key(|proof| (proof.time, proof.lsn));
    let last = proofs.last().map_or(first.consistent_at, |last| last.time);
    let joined = bases
        .partition_point(|base| base.consistent_at <= last)
        .max(1);
    let claimed = proofs.iter().map(|proof| proof.lsn).max();
    let claimed = claimed.unwrap_or(first.stop).max(first.stop);
    let end = match hole {
        Some(hole) if joined == bases.len() => hole.from_lsn.max(claimed),
        None if joined == bases.len() => stored.contiguous_end(first.start).max(claimed),
        // Nobody knows that WAL leads on to the next.
        Some(_) | None => claimed,
    };
    Chain {
        lineage,
        bases: bases[..joined].to_vec(),
        hole: hole.filter(|_| joined == bases.len()),
        end,
        proofs,
    }
}

/// All WAL of a lineage that is missing: what was noticed, and what lies between two runs
/// of a timeline or between a backup of it and its first run.
fn missing_of(held: &Held, lineage: Lineage) -> Coverage {
    let noticed = held.gaps.iter().filter(|gap| gap.lineage == lineage);
    let mut missing: Coverage = noticed.map(|gap| gap.range).collect();
    for wal in held.wal.iter().filter(|wal| wal.lineage == lineage) {
        let ranges = wal.coverage.ranges();
        let (Some(first), Some(last)) = (ranges.first(), ranges.last()) else {
            continue;
        };
        let on_it = held
            .backups
            .iter()
            .filter(|base| base.lineage == lineage && base.timeline == wal.timeline);
        let from = on_it.map(|base| base.start).min();
        let from = from.map_or(first.from_lsn, |start| start.min(first.from_lsn));
        if let Some(whole) = LsnRange::new(from, last.to_lsn) {
            let inside = wal.coverage.gaps(whole);
            inside.into_iter().for_each(|hole| missing.insert(hole));
        }
    }
    missing
}

/// Why WAL is missing, and when that was put on record, where it is known.
fn cause_of(held: &Held, lineage: Lineage, hole: LsnRange) -> (Option<String>, Option<Timestamp>) {
    let mut noticed = held.gaps.iter().filter(|gap| {
        gap.lineage == lineage
            && gap.range.from_lsn < hole.to_lsn
            && hole.from_lsn < gap.range.to_lsn
    });
    if let Some(gap) = noticed.next() {
        return (Some(gap.reason.clone()), gap.recorded_at);
    }
    let mut wal = held.wal.iter().filter(|wal| wal.lineage == lineage);
    let expired = wal.any(|wal| {
        let mut ranges = wal.expired.ranges().iter();
        ranges.any(|gone| gone.from_lsn < hole.to_lsn && hole.from_lsn < gone.to_lsn)
    });
    (expired.then(|| "expired".to_owned()), None)
}

#[cfg(test)]
mod tests;
