//! Whether WAL of a timeline continues what is stored: a decision from the
//! histories alone, without doing anything.
//!
//! It is the same question that a receiver answers before it streams, asked of
//! one file: the server that archives may be one that was left behind by a
//! failover, and its late segments must not come between (pitfall 18).

use std::collections::BTreeMap;

use holdfast_types::{Lsn, LsnRange, Timeline, TimelineHistory};

/// What the repository holds of a timeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct StoredTimeline {
    /// Where its WAL ends.
    pub(super) end: Lsn,
    /// Its ancestry.
    pub(super) history: TimelineHistory,
}

/// The timelines of which there is WAL.
pub(super) type StoredTimelines = BTreeMap<Timeline, StoredTimeline>;

/// The decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It continues what is stored.
    Continues,
    /// It does if what is stored of this timeline in this range, past the place
    /// where it was left, is nothing but the beginning of a record.
    Unless(Timeline, LsnRange),
    /// It does not.
    Diverged(String),
}

/// Decides on WAL of `history`'s timeline that ends at `end`; `None` for the
/// history file itself.
pub(super) fn judge(
    history: &TimelineHistory,
    end: Option<Lsn>,
    stored: &StoredTimelines,
) -> Verdict {
    let timeline = history.timeline;
    let Some((newest, known)) = stored.last_key_value() else {
        return Verdict::Continues;
    };
    if *newest == timeline {
        return Verdict::Continues;
    }
    if *newest < timeline {
        return match history.switchpoint_of(*newest) {
            None => Verdict::Diverged(format!(
                "timeline {timeline} does not descend from timeline {newest}, which is stored"
            )),
            Some(switch) => match LsnRange::new(switch, known.end) {
                None => Verdict::Continues,
                Some(overhang) => Verdict::Unless(*newest, overhang),
            },
        };
    }
    match known.history.switchpoint_of(timeline) {
        None => Verdict::Diverged(format!(
            "timeline {newest}, which is stored, does not descend from timeline {timeline}"
        )),
        Some(switch) if end.is_none_or(|end| end <= switch) => Verdict::Continues,
        Some(switch) => Verdict::Diverged(format!(
            "timeline {timeline} ended at {switch}, where timeline {newest} goes on: this server \
             was left behind by a failover"
        )),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SIZE: u64 = 1 << 20;

    fn timeline(number: u32) -> Timeline {
        Timeline::new(number).unwrap()
    }

    /// A history by its switches.
    fn history(number: u32, switches: &[(u32, u64)]) -> TimelineHistory {
        let line = |(parent, lsn): &(u32, u64)| format!("{parent}\t{}\tx\n", Lsn::new(*lsn));
        let text: String = switches.iter().map(line).collect();
        TimelineHistory::parse(timeline(number), &text).unwrap()
    }

    fn stored(timelines: &[(TimelineHistory, u64)]) -> StoredTimelines {
        let one = |(history, end): &(TimelineHistory, u64)| {
            let stored = StoredTimeline {
                end: Lsn::new(*end),
                history: history.clone(),
            };
            (history.timeline, stored)
        };
        timelines.iter().map(one).collect()
    }

    fn at(lsn: u64) -> Option<Lsn> {
        Some(Lsn::new(lsn))
    }

    #[test]
    fn a_promoted_standby_goes_on_and_the_old_primary_does_not() {
        let one = history(1, &[]);
        let two = history(2, &[(1, 5 * SIZE + 100)]);
        let before = stored(&[(one.clone(), 5 * SIZE)]);
        assert_eq!(judge(&two, None, &before), Verdict::Continues);
        let after = stored(&[(one.clone(), 5 * SIZE), (two.clone(), 7 * SIZE)]);
        assert_eq!(judge(&two, at(8 * SIZE), &after), Verdict::Continues);
        // A segment that the old primary wrote before the switch is still good.
        assert_eq!(judge(&one, at(5 * SIZE), &after), Verdict::Continues);
        // The one with the switch, finished by the old primary, is not.
        let late = judge(&one, at(6 * SIZE), &after);
        assert!(matches!(late, Verdict::Diverged(_)), "{late:?}");
    }

    #[test]
    fn wal_past_the_switch_decides_by_what_it_holds() {
        let one = history(1, &[]);
        let two = history(2, &[(1, 5 * SIZE)]);
        let overhang = LsnRange::new(Lsn::new(5 * SIZE), Lsn::new(6 * SIZE)).unwrap();
        assert_eq!(
            judge(&two, at(6 * SIZE), &stored(&[(one, 6 * SIZE)])),
            Verdict::Unless(timeline(1), overhang)
        );
    }

    #[test]
    fn siblings_are_refused() {
        let (two, three) = (history(2, &[(1, SIZE)]), history(3, &[(1, 2 * SIZE)]));
        let with_two = stored(&[(two.clone(), 3 * SIZE)]);
        assert!(matches!(judge(&three, None, &with_two), Verdict::Diverged(_)));
        let with_three = stored(&[(three, 3 * SIZE)]);
        assert!(matches!(
            judge(&two, at(SIZE), &with_three),
            Verdict::Diverged(_)
        ));
    }

    proptest! {
        /// Along one line of descent everything on the path is taken, and no
        /// segment that ends behind its timeline's switch ever is.
        #[test]
        fn one_line_of_descent(steps in prop::collection::vec(1u64..4 * SIZE, 1..6), pick: prop::sample::Index, end in 1u64..30 * SIZE) {
            let mut switches = Vec::new();
            let mut histories = vec![history(1, &[])];
            let mut lsn = SIZE;
            for (index, step) in steps.iter().enumerate() {
                lsn += step;
                let number = u32::try_from(index).unwrap() + 1;
                switches.push((number, lsn));
                histories.push(history(number + 1, &switches));
            }
            let ends = |index: usize| switches.get(index).map_or(lsn + SIZE, |switch| switch.1);
            let all: Vec<_> = histories.iter().enumerate().map(|(index, one)| (one.clone(), ends(index))).collect();
            let known = stored(&all);
            let index = pick.index(histories.len());
            let verdict = judge(&histories[index], at(end), &known);
            let on_path = switches.get(index).is_none_or(|switch| end <= switch.1);
            prop_assert_eq!(verdict == Verdict::Continues, on_path);
        }
    }
}
