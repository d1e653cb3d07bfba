//! The way to a point: from which backup, through how much WAL, or why there is none and
//! what the nearest points are.
//!
//! The rules are those by which an agent plans a restore, as far as the catalog can tell:
//! the newest backup before the point whose WAL leads there.

use holdfast_types::{Lineage, Lsn, LsnRange, Timeline};
use jiff::Timestamp;

use super::{Base, Chain, Held, Proof, Stretch, chains};

/// Where one would like to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Point {
    /// As late as possible.
    Latest,
    Time(Timestamp),
    Lsn(Lsn),
}

/// How a point is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Way {
    pub(crate) base: Base,
    pub(crate) timeline: Timeline,
    /// Every commit until then would be there.
    pub(crate) recovers_to: Timestamp,
    /// Where replay ends, where that is known.
    pub(crate) lsn: Option<Lsn>,
    /// The WAL that would be replayed, by where proofs around the point are.
    pub(crate) replay: u64,
    /// And at most.
    pub(crate) replay_most: u64,
}

/// Why a point is not reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cannot {
    NoBackup,
    /// Nothing is consistent so early: the first that is.
    BeforeFirst(Proved),
    /// Nothing is proved to be there so late: the last that is.
    AfterFrontier(Proved),
    /// No WAL is known to lead on from what is proved last to the next backup.
    NoWal(Proved),
    /// This WAL is missing on the way, behind what is proved last.
    WalMissing(LsnRange, Proved),
}

/// A point that can be restored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Proved {
    pub(crate) time: Timestamp,
    pub(crate) lsn: Lsn,
}

impl From<Proof> for Proved {
    fn from(proof: Proof) -> Self {
        Self {
            time: proof.time,
            lsn: proof.lsn,
        }
    }
}

/// The points around one that cannot be restored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Nearest {
    pub(crate) before: Option<Proved>,
    pub(crate) after: Option<Proved>,
}

/// The way to a point.
pub(crate) fn reach(held: &Held, point: Point) -> Result<Way, Cannot> {
    let chains = chains(held);
    let mut bases: Vec<(&Base, &Chain)> = chains
        .iter()
        .flat_map(|chain| chain.bases.iter().map(move |base| (base, chain)))
        .collect();
    bases.sort_by_key(|(base, _)| std::cmp::Reverse((base.consistent_at, base.id)));
    let (Some((newest, _)), Some((oldest, _))) = (bases.first(), bases.last()) else {
        return Err(Cannot::NoBackup);
    };
    let lineage = newest.lineage;
    let fits = |base: &Base| match point {
        Point::Latest => true,
        Point::Time(time) => base.consistent_at <= time,
        // A position means nothing in another lineage.
        Point::Lsn(lsn) => base.lineage == lineage && base.stop <= lsn,
    };
    let mut why: Option<Cannot> = None;
    for (base, chain) in bases.iter().filter(|(base, _)| fits(base)) {
        match from(held, base, chain, point) {
            Ok(way) => return Ok(way),
            // Whoever asks for the latest is not given something earlier.
            Err(cannot) if point == Point::Latest => return Err(cannot),
            Err(cannot) => why = why.or(Some(cannot)),
        }
    }
    let first = match point {
        Point::Lsn(_) => {
            let of_it = bases.iter().filter(|(base, _)| base.lineage == lineage);
            of_it
                .min_by_key(|(base, _)| base.stop)
                .map(|(base, _)| *base)
        }
        Point::Latest | Point::Time(_) => None,
    };
    let first = first.unwrap_or(oldest);
    let before = Cannot::BeforeFirst(Proved {
        time: first.consistent_at,
        lsn: first.stop,
    });
    let later = |point: Point| match point {
        Point::Latest => false,
        Point::Time(time) => newest.consistent_at > time,
        Point::Lsn(lsn) => newest.stop > lsn,
    };
    Err(match why {
        None => before,
        Some(Cannot::AfterFrontier(last)) if later(point) => Cannot::NoWal(last),
        Some(why) => why,
    })
}

fn from(held: &Held, base: &Base, chain: &Chain, point: Point) -> Result<Way, Cannot> {
    let last = chain.last();
    let missing = |after: Proof| match chain.hole {
        Some(hole) => Cannot::WalMissing(hole, after.into()),
        None => Cannot::AfterFrontier(after.into()),
    };
    let way = |recovers_to, lsn: Option<Lsn>, likely: Lsn, most: Lsn| Way {
        base: *base,
        timeline: timeline_at(held, base, lsn.unwrap_or(likely)),
        recovers_to,
        lsn,
        replay: likely.bytes_since(base.start),
        replay_most: most.bytes_since(base.start),
    };
    match point {
        Point::Latest if chain.hole.is_some() => Err(missing(last)),
        Point::Latest => Ok(way(last.time, Some(chain.end), chain.end, chain.end)),
        Point::Lsn(lsn) if chain.reaches(lsn) => {
            let proved = chain
                .proved_by(lsn)
                .map_or(base.consistent_at, |one| one.time);
            Ok(way(proved.max(base.consistent_at), Some(lsn), lsn, lsn))
        }
        Point::Lsn(_) => Err(missing(last)),
        Point::Time(time) if time == base.consistent_at => {
            Ok(way(time, Some(base.stop), base.stop, base.stop))
        }
        Point::Time(time) if time <= last.time => {
            let (likely, most) = around(chain, base, time);
            Ok(way(time, None, likely, most))
        }
        Point::Time(_) => Err(missing(last)),
    }
}

/// Where a time is likely to be, and at most: between the proofs around it, in proportion.
fn around(chain: &Chain, base: &Base, time: Timestamp) -> (Lsn, Lsn) {
    let begin = base.proof();
    let later = |proof: &&Proof| proof.time >= time && proof.lsn >= base.stop;
    let earlier = |proof: &&Proof| proof.time <= time && proof.lsn >= base.stop;
    let after = chain.proofs.iter().find(later).copied();
    let after = after.unwrap_or_else(|| chain.last());
    let before = chain.proofs.iter().rev().find(earlier).copied();
    let before = before.map_or(begin, |found| {
        if found.time < begin.time {
            begin
        } else {
            found
        }
    });
    let most = after.lsn.max(before.lsn);
    let whole = after.time.duration_since(before.time).as_secs_f64();
    let part = time.duration_since(before.time).as_secs_f64();
    if whole <= 0.0 {
        return (before.lsn, most);
    }
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "an estimate of a number of bytes"
    )]
    let bytes = (most.bytes_since(before.lsn) as f64 * (part / whole).clamp(0.0, 1.0)) as u64;
    let likely = before.lsn.checked_add(bytes).unwrap_or(most);
    (likely.min(most), most)
}

/// The timeline that holds a position on the way from a backup: the latest that began by
/// then.
fn timeline_at(held: &Held, base: &Base, lsn: Lsn) -> Timeline {
    let later = held.wal.iter().filter(|wal| {
        let begin = wal.coverage.ranges().first().map(|range| range.from_lsn);
        wal.lineage == base.lineage
            && wal.timeline > base.timeline
            && begin.is_some_and(|begin| base.stop < begin && begin < lsn)
    });
    later.map(|wal| wal.timeline).max().unwrap_or(base.timeline)
}

/// The restorable points around one, by the stretches of a repository.
pub(crate) fn nearest(stretches: &[Stretch], point: Point) -> Nearest {
    let ends = |one: &Stretch| Proved {
        time: one.to,
        lsn: one.to_lsn,
    };
    let begins = |one: &Stretch| Proved {
        time: one.from,
        lsn: one.from_lsn,
    };
    let newest: Option<Lineage> = stretches
        .iter()
        .max_by_key(|one| one.to)
        .map(|one| one.lineage);
    match point {
        Point::Latest => Nearest {
            before: stretches.iter().map(ends).max_by_key(|one| one.time),
            after: None,
        },
        Point::Time(time) => Nearest {
            before: stretches
                .iter()
                .map(ends)
                .filter(|end| end.time <= time)
                .max_by_key(|end| end.time),
            after: stretches
                .iter()
                .map(begins)
                .filter(|begin| begin.time >= time)
                .min_by_key(|begin| begin.time),
        },
        Point::Lsn(lsn) => {
            let same = || stretches.iter().filter(|one| Some(one.lineage) == newest);
            Nearest {
                before: same()
                    .map(ends)
                    .filter(|end| end.lsn <= lsn)
                    .max_by_key(|end| end.lsn),
                after: same()
                    .map(begins)
                    .filter(|begin| begin.lsn >= lsn)
                    .min_by_key(|begin| begin.lsn),
            }
        }
    }
}
