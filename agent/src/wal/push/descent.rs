//! Whether WAL of a timeline continues what is stored: a decision from the
//! histories alone, without doing anything.
//!
//! It is the same question that a receiver answers before it streams, asked of
//! one file: the server that archives may be one that was left behind by a
//! failover, and its late segments must not come between (pitfall 18).

use holdfast_types::{Lsn, Timeline, TimelineHistory};

/// The decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It continues what is stored.
    Continues,
    /// It does if what is stored of this timeline past this place, where it was
    /// left, is nothing but the beginning of a record.
    IfNothingPast(Timeline, Lsn),
    /// It does not.
    Diverged(String),
}

/// Decides on WAL of `history`'s timeline that ends at `end` (`None` for the
/// history file itself), where `newest` is the ancestry of the newest timeline
/// of which WAL is stored.
pub(super) fn judge(
    history: &TimelineHistory,
    end: Option<Lsn>,
    newest: Option<&TimelineHistory>,
) -> Verdict {
    let timeline = history.timeline;
    let Some(known) = newest else {
        return Verdict::Continues;
    };
    let newest = known.timeline;
    if newest == timeline {
        return Verdict::Continues;
    }
    if newest < timeline {
        return match history.switchpoint_of(newest) {
            Some(switch) => Verdict::IfNothingPast(newest, switch),
            None => Verdict::Diverged(format!(
                "timeline {timeline} does not descend from timeline {newest}, which is stored"
            )),
        };
    }
    match known.switchpoint_of(timeline) {
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

    fn at(lsn: u64) -> Option<Lsn> {
        Some(Lsn::new(lsn))
    }

    // Pitfall 18
    #[test]
    fn a_promoted_standby_goes_on_and_the_old_primary_does_not() {
        let one = history(1, &[]);
        let switch = 5 * SIZE + 100;
        let two = history(2, &[(1, switch)]);
        assert_eq!(judge(&two, None, None), Verdict::Continues);
        // What is stored of the first timeline past the switch decides.
        assert_eq!(
            judge(&two, at(6 * SIZE), Some(&one)),
            Verdict::IfNothingPast(timeline(1), Lsn::new(switch))
        );
        assert_eq!(judge(&two, at(8 * SIZE), Some(&two)), Verdict::Continues);
        // A segment that the old primary wrote before the switch is still good.
        assert_eq!(judge(&one, at(5 * SIZE), Some(&two)), Verdict::Continues);
        // The one with the switch, finished by the old primary, is not.
        let late = judge(&one, at(6 * SIZE), Some(&two));
        assert!(matches!(late, Verdict::Diverged(_)), "{late:?}");
    }

    #[test]
    fn siblings_are_refused() {
        let (two, three) = (history(2, &[(1, SIZE)]), history(3, &[(1, 2 * SIZE)]));
        let newer = judge(&three, None, Some(&two));
        assert!(matches!(newer, Verdict::Diverged(_)), "{newer:?}");
        let older = judge(&two, at(SIZE), Some(&three));
        assert!(matches!(older, Verdict::Diverged(_)), "{older:?}");
    }

    proptest! {
        /// Along one line of descent whatever is on the path is taken, and no
        /// segment that ends behind its timeline's switch ever is.
        #[test]
        fn one_line_of_descent(
            steps in prop::collection::vec(1u64..4 * SIZE, 1..6),
            pick: prop::sample::Index,
            end in 1u64..30 * SIZE,
        ) {
            let mut switches = Vec::new();
            let mut histories = vec![history(1, &[])];
            let mut lsn = SIZE;
            for (number, step) in (1u32..).zip(&steps) {
                lsn += step;
                switches.push((number, lsn));
                histories.push(history(number + 1, &switches));
            }
            let index = pick.index(histories.len());
            let verdict = judge(&histories[index], at(end), histories.last());
            let on_path = switches.get(index).is_none_or(|switch| end <= switch.1);
            prop_assert_eq!(verdict == Verdict::Continues, on_path);
            // Whoever is promoted goes on from any of its ancestors.
            let promoted = histories.last().unwrap();
            let verdict = judge(promoted, at(end), Some(&histories[index]));
            prop_assert!(!matches!(verdict, Verdict::Diverged(_)));
        }
    }
}
