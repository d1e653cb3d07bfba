//! What a catalog and a repository say of the same WAL: facts in, the
//! differences out.

use std::collections::{BTreeMap, BTreeSet};

use holdfast_state::command::Finding;
use holdfast_state::query::{FindingKind, TimelineView};
use holdfast_types::{ByteSize, Coverage, LsnRange, Timeline};

use super::inventory::{Inventory, LineageKey};

/// How many ranges a finding names: it has a row, not a listing.
const NAMED_MAX: usize = 5;

/// What the catalog knows of WAL in one repository.
pub(super) type KnownWal = BTreeMap<LineageKey, BTreeMap<Timeline, TimelineView>>;

/// In what the two differ, of one lineage.
pub(super) type Differences = BTreeMap<Timeline, Difference>;

/// In what the two differ, of one timeline.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Difference {
    /// The repository holds it, and the catalog does not count it.
    pub(super) unknown: Vec<LsnRange>,
    /// The catalog counts it, and the repository does not hold it.
    pub(super) missing: Vec<LsnRange>,
    /// It was found missing before, and is still not there.
    pub(super) still_missing: Vec<LsnRange>,
}

/// Compares all WAL that was listed.
pub(super) fn compare(known: &KnownWal, there: &Inventory) -> BTreeMap<LineageKey, Differences> {
    let postponed: BTreeSet<&LineageKey> = there.postponed.iter().collect();
    let keys: BTreeSet<&LineageKey> = known.keys().chain(there.wal.keys()).collect();
    let mut compared = BTreeMap::new();
    for key in keys.into_iter().filter(|key| !postponed.contains(key)) {
        let (ours, theirs) = (known.get(key), there.wal.get(key));
        let of_ours = ours.into_iter().flat_map(BTreeMap::keys);
        let timelines: BTreeSet<Timeline> = of_ours
            .chain(theirs.into_iter().flat_map(BTreeMap::keys))
            .copied()
            .collect();
        let nothing = Coverage::default();
        let mut differences = Differences::new();
        for timeline in timelines {
            let ours = ours.and_then(|wal| wal.get(&timeline));
            let theirs = theirs.and_then(|wal| wal.get(&timeline));
            let difference = difference(ours, theirs.unwrap_or(&nothing));
            if difference != Difference::default() {
                differences.insert(timeline, difference);
            }
        }
        if !differences.is_empty() {
            compared.insert(key.clone(), differences);
        }
    }
    compared
}

fn difference(ours: Option<&TimelineView>, theirs: &Coverage) -> Difference {
    let nothing = Coverage::default();
    let counted = ours.map_or(&nothing, |ours| &ours.coverage);
    let condemned = ours.map_or(&nothing, |ours| &ours.condemned);
    let gaps = ours.into_iter().flat_map(|ours| &ours.gaps);
    let lost = gaps.filter(|gap| gap.is_lost()).map(|gap| gap.range);
    Difference {
        // What is condemned may be there still, and never comes back (I-06).
        unknown: beyond(theirs.ranges(), counted)
            .into_iter()
            .flat_map(|range| condemned.gaps(range))
            .collect(),
        missing: beyond(counted.ranges(), theirs),
        still_missing: beyond(&lost.collect::<Vec<_>>(), theirs),
    }
}

/// What of `ranges` is not in `held`.
pub(super) fn beyond(ranges: &[LsnRange], held: &Coverage) -> Vec<LsnRange> {
    let gaps = ranges.iter().flat_map(|range| held.gaps(*range));
    gaps.collect()
}

/// WAL that is gone, of one timeline.
pub(super) fn missing(key: &LineageKey, timeline: Timeline, ranges: &[LsnRange]) -> Finding {
    let said = "the catalog counted it, and the repository does not hold it";
    finding(FindingKind::Missing, key, timeline, said, ranges)
}

/// WAL that cannot be taken in, of one timeline.
pub(super) fn unknown(
    key: &LineageKey,
    timeline: Timeline,
    ranges: &[LsnRange],
    why: &str,
) -> Finding {
    finding(FindingKind::Unknown, key, timeline, why, ranges)
}

fn finding(
    kind: FindingKind,
    key: &LineageKey,
    timeline: Timeline,
    said: &str,
    ranges: &[LsnRange],
) -> Finding {
    let bytes: u64 = ranges.iter().map(|range| range.bytes()).sum();
    let named = ranges.iter().take(NAMED_MAX);
    let mut named: Vec<String> = named
        .map(|range| format!("{} to {}", range.from_lsn, range.to_lsn))
        .collect();
    if ranges.len() > NAMED_MAX {
        named.push(format!("and {} more", ranges.len() - NAMED_MAX));
    }
    let named = named.join(", ");
    Finding {
        kind,
        subject: format!("{}{:08X}", prefix(key), timeline.get()),
        cluster: Some(key.0.clone()),
        detail: format!("{} of WAL: {said}: {named}", ByteSize::new(bytes)),
    }
}

/// How the subjects of findings about a lineage's WAL begin.
pub(super) fn prefix((cluster, lineage): &LineageKey) -> String {
    format!("wal/{cluster}/{lineage}/")
}

#[cfg(test)]
mod tests {
    use holdfast_state::query::GapView;
    use holdfast_types::Lsn;
    use jiff::Timestamp;

    use super::*;

    fn range(from: u64, to: u64) -> LsnRange {
        LsnRange::new(Lsn::new(from), Lsn::new(to)).unwrap()
    }

    fn key() -> LineageKey {
        ("orders".parse().unwrap(), "7-1".parse().unwrap())
    }

    fn known(ranges: &[(u64, u64)], lost: &[(u64, u64)]) -> KnownWal {
        let coverage: Coverage = ranges.iter().map(|(from, to)| range(*from, *to)).collect();
        let gap = |(from, to): &(u64, u64)| GapView {
            range: range(*from, *to),
            reason: holdfast_state::WAL_LOST.to_owned(),
            recorded_at: Timestamp::UNIX_EPOCH,
            filled: coverage.covers(range(*from, *to)),
        };
        let view = TimelineView {
            repository: "eu".parse().unwrap(),
            lineage: key().1,
            timeline: Timeline::FIRST,
            gaps: lost.iter().map(gap).collect(),
            coverage: coverage.clone(),
            condemned: Coverage::default(),
        };
        KnownWal::from([(key(), BTreeMap::from([(Timeline::FIRST, view)]))])
    }

    fn there(ranges: &[(u64, u64)]) -> Inventory {
        let coverage = ranges.iter().map(|(from, to)| range(*from, *to)).collect();
        let wal = BTreeMap::from([(Timeline::FIRST, coverage)]);
        Inventory {
            wal: BTreeMap::from([(key(), wal)]),
            ..Inventory::default()
        }
    }

    fn one(known: &KnownWal, there: &Inventory) -> Difference {
        let mut compared = compare(known, there);
        let of_lineage = compared.remove(&key()).unwrap_or_default();
        of_lineage.into_values().next().unwrap_or_default()
    }

    #[test]
    fn both_ways_are_told_and_what_agrees_is_not() {
        assert_eq!(compare(&known(&[(1, 9)], &[]), &there(&[(1, 9)])).len(), 0);
        let both = one(&known(&[(1, 9)], &[]), &there(&[(4, 12)]));
        assert_eq!(both.missing, [range(1, 4)]);
        assert_eq!(both.unknown, [range(9, 12)]);
        assert_eq!(both.still_missing, []);
    }

    /// I-06: what is condemned is deleted at any moment, and is neither unknown while
    /// it is there nor missing when it is not.
    #[test]
    fn what_is_condemned_is_no_difference() {
        let mut known = known(&[(6, 9)], &[]);
        let of_lineage = known.get_mut(&key()).unwrap();
        let timeline = of_lineage.get_mut(&Timeline::FIRST).unwrap();
        timeline.condemned.insert(range(1, 6));
        for held in [&[(1, 9)][..], &[(3, 9)], &[(6, 9)]] {
            assert_eq!(one(&known, &there(held)), Difference::default(), "{held:?}");
        }
    }

    /// A lineage whose document is gone holds nothing that can be read.
    #[test]
    fn a_lineage_that_is_not_there_misses_everything() {
        let gone = one(&known(&[(1, 4), (6, 9)], &[]), &Inventory::default());
        assert_eq!(gone.missing, [range(1, 4), range(6, 9)]);
    }

    #[test]
    fn what_was_lost_is_told_until_it_is_found() {
        let lost = known(&[(6, 9)], &[(1, 6)]);
        let still = one(&lost, &there(&[(6, 9)]));
        assert_eq!(still.still_missing, [range(1, 6)]);
        let part = one(&lost, &there(&[(4, 9)]));
        assert_eq!(part.still_missing, [range(1, 4)]);
        assert_eq!(part.unknown, [range(4, 6)]);
    }

    /// What was not looked at is neither there nor missing.
    #[test]
    fn what_was_postponed_is_not_judged() {
        let later = Inventory {
            postponed: vec![key()],
            ..Inventory::default()
        };
        assert_eq!(compare(&known(&[(1, 9)], &[]), &later).len(), 0);
    }

    #[test]
    fn a_finding_names_a_few_ranges_and_how_many_more() {
        let many: Vec<LsnRange> = (0..9).map(|n| range(n * 20, n * 20 + 10)).collect();
        let finding = missing(&key(), Timeline::FIRST, &many);
        assert_eq!(finding.subject, "wal/orders/7-1/00000001");
        assert!(
            finding.detail.contains("0/50 to 0/5A, and 4 more"),
            "{}",
            finding.detail
        );
    }
}
