//! The band: stretches of time that can be restored, and the holes between them.

use holdfast_types::{BackupId, Lineage, Lsn, LsnRange, Timeline};
use jiff::Timestamp;

use super::{Chain, Held, cause_of, chains, missing_of};

/// Times that can be restored, all of them, on one timeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stretch {
    pub(crate) lineage: Lineage,
    pub(crate) timeline: Timeline,
    /// From when: a backup was consistent, or the timeline before it ends here.
    pub(crate) from: Timestamp,
    /// The latest time that is proved.
    pub(crate) to: Timestamp,
    pub(crate) from_lsn: Lsn,
    /// The position up to which WAL is there.
    pub(crate) to_lsn: Lsn,
    /// The backup that its chain begins with.
    pub(crate) backup: BackupId,
    /// The WAL that is missing where it ends.
    pub(crate) cut: Option<LsnRange>,
}

/// Times that cannot be restored, between two stretches or behind the last one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hole {
    /// The last moment before it that can be restored.
    pub(crate) from: Timestamp,
    /// The first one after it; `None` while nothing leads past it.
    pub(crate) to: Option<Timestamp>,
    pub(crate) lineage: Lineage,
    pub(crate) timeline: Timeline,
    /// The WAL that is missing, from the first of it to the last, where some is: none is
    /// where a lineage ended, or where nothing but backups is kept.
    pub(crate) whole: Option<LsnRange>,
    /// Its first pieces.
    pub(crate) missing: Vec<LsnRange>,
    /// Why: a stable code.
    pub(crate) cause: Option<String>,
    /// When it was noticed.
    pub(crate) recorded_at: Option<Timestamp>,
}

/// So many missing ranges of one hole are told.
const MISSING_MOST: usize = 20;

/// The stretches of a repository, by time.
pub(crate) fn stretches(held: &Held) -> Vec<Stretch> {
    let mut found = Vec::new();
    for chain in chains(held) {
        split(held, &chain, &mut found);
    }
    found.sort_by_key(|stretch| (stretch.from, stretch.to, stretch.timeline));
    found
}

/// A chain by its timelines. Where a timeline begins is the first WAL of it that is there:
/// the switch lies in that segment. The moment of the switch is not on record, so that one
/// stretch ends, and the next begins, with the last moment that is proved before it.
fn split(held: &Held, chain: &Chain, found: &mut Vec<Stretch>) {
    let first = chain.first();
    let mut begins: Vec<(Timeline, Lsn)> = held
        .wal
        .iter()
        .filter(|wal| wal.lineage == chain.lineage && wal.timeline > first.timeline)
        .filter_map(|wal| Some((wal.timeline, wal.coverage.ranges().first()?.from_lsn)))
        .filter(|(_, begin)| first.stop < *begin && *begin < chain.end)
        .collect();
    begins.sort_unstable();
    let mut open = Stretch {
        lineage: chain.lineage,
        timeline: first.timeline,
        from: first.consistent_at,
        to: chain.last().time,
        from_lsn: first.stop,
        to_lsn: chain.end,
        backup: first.id,
        cut: chain.hole,
    };
    for (timeline, begin) in begins {
        if begin <= open.from_lsn {
            continue;
        }
        let switched = chain.proved_by(begin).map_or(open.from, |proof| proof.time);
        let switched = switched.max(open.from);
        let next = Stretch {
            timeline,
            from: switched,
            from_lsn: begin,
            ..open.clone()
        };
        found.push(Stretch {
            to: switched,
            to_lsn: begin,
            cut: None,
            ..open
        });
        open = next;
    }
    found.push(open);
}

/// The holes between stretches, which come by time.
pub(crate) fn holes(held: &Held, stretches: &[Stretch]) -> Vec<Hole> {
    let mut found = Vec::new();
    let mut furthest: Option<&Stretch> = None;
    for stretch in stretches {
        if let Some(before) = furthest
            && before.to < stretch.from
        {
            found.push(hole(held, before, Some(stretch)));
        }
        // Of two that end together, the one whose WAL goes further.
        let key = |one: &Stretch| (one.to, one.to_lsn);
        if furthest.is_none_or(|before| key(before) <= key(stretch)) {
            furthest = Some(stretch);
        }
    }
    // What cuts the newest chain is a hole though nothing is behind it yet.
    if let Some(last) = furthest.filter(|last| last.cut.is_some()) {
        found.push(hole(held, last, None));
    }
    found
}

fn hole(held: &Held, before: &Stretch, after: Option<&Stretch>) -> Hole {
    let same = after.is_none_or(|after| after.lineage == before.lineage);
    let missing: Vec<LsnRange> = match before.cut.filter(|_| same) {
        None => Vec::new(),
        Some(cut) => {
            let all = missing_of(held, before.lineage);
            let until = after.map(|after| after.from_lsn);
            let ranges = all.ranges().iter().copied();
            let ranges = ranges.filter(|range| {
                range.from_lsn >= cut.from_lsn && until.is_none_or(|until| range.from_lsn < until)
            });
            ranges.collect()
        }
    };
    let (cause, recorded_at) = match (missing.first(), same) {
        (Some(first), _) => cause_of(held, before.lineage, *first),
        (None, false) => (Some("another_lineage".to_owned()), None),
        (None, true) => (Some("no_wal".to_owned()), None),
    };
    Hole {
        from: before.to,
        to: after.map(|after| after.from),
        lineage: before.lineage,
        timeline: before.timeline,
        whole: missing
            .first()
            .zip(missing.last())
            .map(|(first, last)| LsnRange {
                from_lsn: first.from_lsn,
                to_lsn: last.to_lsn,
            }),
        missing: missing.into_iter().take(MISSING_MOST).collect(),
        cause,
        recorded_at,
    }
}
